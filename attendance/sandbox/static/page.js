// Asks for news about once a second and shows them; what is on the page already stays in place.

import { formatted } from "./text.js";
import { aboutChat, clock, colour, dayText, initials, make, shortTime, statusText } from "./words.js";

const POLL_MS = 900;
const NEAR_END_PX = 60;

const $ = (id) => document.getElementById(id);
const view = {
  epoch: null,
  after: 0,
  chats: new Map(), // key → { key, title, type, status, messages, unread, scroll }
  open: null, // the key of the chat that is shown
  rendered: null, // the key of the chat whose bubbles are on the page
  requests: "",
};

async function poll() {
  try {
    const answer = await fetch(`/sandbox/page?after=${view.after}`);
    if (!answer.ok) throw new Error(answer.statusText);
    take(await answer.json());
    setLive(true);
  } catch {
    setLive(false);
  }
  setTimeout(poll, POLL_MS);
}

function take(news) {
  if (news.epoch !== view.epoch) {
    const restarted = view.after > 0;
    Object.assign(view, { epoch: news.epoch, after: 0, chats: new Map(), rendered: null });
    if (restarted) return; // these news are not from the beginning: the next ones will be
  }
  for (const chat of news.chats) takeChat(chat);
  for (const message of news.messages) takeMessage(message);
  showChats();
  showOpenChat();
  showRequests(news);
  showSetting(news);
}

function takeChat({ key, type, status, ...chat }) {
  const known = view.chats.get(key) ?? { messages: [], unread: 0, scroll: null };
  const title = chat.title ?? chat.first_name;
  view.chats.set(key, Object.assign(known, { key, type, status, title }));
}

function takeMessage(message) {
  view.after = Math.max(view.after, message.sequence);
  const chat = view.chats.get(message.chat_id);
  chat.messages.push(message);
  if (message.chat_id !== view.open || document.hidden) chat.unread += 1;
}

function setLive(live) {
  const text = live ? "live" : "no answer, trying again …";
  if ($("live").textContent === text) return;
  $("live").textContent = text;
  document.body.classList.toggle("offline", !live);
}

// The list of chats -----------------------------------------------------------------------------

function showChats() {
  const lastSequence = (chat) => chat.messages.at(-1)?.sequence ?? 0;
  const chats = [...view.chats.values()].sort((a, b) => lastSequence(b) - lastSequence(a));
  const focused = document.activeElement?.dataset?.chat;
  const rows = chats.map(chatRow);
  if (rows.map((row) => row.outerHTML).join("") === $("chats").innerHTML) return;
  $("chats").replaceChildren(...rows);
  if (focused) rowOf(focused)?.focus({ preventScroll: true });
  $("no-chats").hidden = chats.length > 0;
  const unread = chats.reduce((sum, chat) => sum + chat.unread, 0);
  document.title = unread ? `(${unread}) Sandbox` : "Sandbox";
}

function rowOf(key) {
  return [...$("chats").querySelectorAll("a")].find((link) => link.dataset.chat === key);
}

function chatRow(chat) {
  const last = chat.messages.at(-1);
  const link = make("a", "row");
  link.href = `#${encodeURIComponent(chat.key)}`;
  link.dataset.chat = chat.key;
  if (chat.key === view.open) link.ariaCurrent = "page";
  const avatar = make("span", `avatar ${colour(chat)}`, initials(chat.title));
  avatar.ariaHidden = "true";
  const count = make("span", chat.unread ? "count unread" : "count", chat.messages.length || "");
  count.title = `${chat.messages.length} messages, ${chat.unread} new`;
  count.hidden = chat.messages.length === 0;
  link.append(
    avatar,
    make("strong", "", chat.title),
    make("time", "", last ? shortTime(new Date(last.arrived_at)) : ""),
    chat.status === "ok"
      ? make("span", "last", last ? last.text.replaceAll("\n", " ") : "No messages yet")
      : make("span", "last refuses", statusText(chat.status)),
    count,
  );
  const item = make("li");
  item.append(link);
  return item;
}

// The open chat ---------------------------------------------------------------------------------

function showOpenChat() {
  const chat = view.chats.get(view.open);
  const empty = view.chats.size === 0;
  document.body.classList.toggle("reading", Boolean(chat));
  $("welcome").hidden = Boolean(chat) || !empty;
  $("choose").hidden = Boolean(chat) || empty;
  $("chat-bar").hidden = $("messages").hidden = !chat;
  if (!chat) return hideNewer();
  $("chat-title").textContent = chat.title;
  $("chat-about").textContent = aboutChat(chat);
  $("chat-avatar").className = `avatar ${colour(chat)}`;
  $("chat-avatar").textContent = initials(chat.title);
  if (view.rendered === chat.key) appendBubbles(chat);
  else openBubbles(chat);
}

function openBubbles(chat) {
  view.rendered = chat.key;
  $("bubbles").replaceChildren();
  addBubbles(chat, 0);
  $("messages").scrollTop = chat.scroll ?? $("messages").scrollHeight;
  hideNewer();
}

function appendBubbles(chat) {
  const shown = Number($("bubbles").dataset.count);
  if (shown === chat.messages.length) return;
  const atEnd = isAtEnd();
  addBubbles(chat, shown);
  if (atEnd) $("messages").scrollTop = $("messages").scrollHeight;
  else showNewer(chat.messages.length - shown);
}

function addBubbles(chat, from) {
  const nodes = chat.messages.slice(from).flatMap((message, at) => {
    const before = chat.messages[from + at - 1];
    const day = dayText(new Date(message.arrived_at));
    const newDay = !before || dayText(new Date(before.arrived_at)) !== day;
    const item = bubble(message, chat, newDay || !before);
    return newDay ? [dayChip(day), item] : [item];
  });
  $("bubbles").append(...nodes);
  $("bubbles").dataset.count = chat.messages.length;
}

function bubble(message, chat, first) {
  const item = make("li", "bubble");
  if (chat.type !== "private" && first) item.append(make("p", "sender", "Sandbox"));
  if (message.thread_id !== null) item.append(make("p", "topic", `Topic ${message.thread_id}`));
  const text = make("div", "text");
  text.dir = "auto";
  text.append(formatted(message.text, message.entities));
  const arrived = new Date(message.arrived_at);
  const meta = make("p", "meta", message.silent ? "silent · " : "");
  const time = make("time", "", clock(arrived));
  time.dateTime = message.arrived_at;
  time.title = `${arrived.toLocaleString()} · message ${message.id}`;
  meta.append(time);
  item.append(text, meta);
  return item;
}

function dayChip(day) {
  return make("li", "day", day);
}

function isAtEnd() {
  const box = $("messages");
  return box.scrollHeight - box.scrollTop - box.clientHeight < NEAR_END_PX;
}

function showNewer(count) {
  const total = count + Number($("newer").dataset.count ?? 0);
  $("newer").dataset.count = total;
  $("newer").textContent = `↓ ${total} new`;
  $("newer").hidden = false;
}

function hideNewer() {
  $("newer").hidden = true;
  $("newer").dataset.count = 0;
}

// Requests --------------------------------------------------------------------------------------

function showRequests({ requests, request_count: count, refused_count: refused, faults }) {
  const seen = JSON.stringify([requests, faults]);
  if (seen === view.requests) return;
  view.requests = seen;
  $("no-requests").hidden = requests.length > 0;
  $("requests-about").textContent = count ? `${count} so far, ${refused} refused` : "";
  $("requests").replaceChildren(...requests.toReversed().map(requestRow));
  $("faults").replaceChildren(...faults.map(faultChip));
}

function requestRow(request) {
  const item = make("li", "request");
  const [status, tone] = statusOf(request);
  item.append(
    make("span", `status ${tone}`, status),
    make("span", "method", request.method || "(no method)"),
    make("span", "to", request.chat_id),
    make("time", "", clock(new Date(request.started_at), "2-digit")),
  );
  const words = [request.fault && `fault: ${request.fault}`, request.error].filter(Boolean);
  if (words.length) item.append(make("p", "error", words.join(" · ")));
  return item;
}

function statusOf({ status }) {
  if (status === null) return ["…", "waits"];
  if (status === 0) return ["reset", "bad"];
  if (status < 300) return [String(status), "good"];
  return [String(status), status === 429 ? "waits" : "bad"];
}

function faultChip(fault) {
  const times = fault.times === null ? "every" : fault.times === 1 ? "next" : `next ${fault.times}`;
  const chat = fault.chat_id === null ? "" : ` to ${fault.chat_id}`;
  return make("li", "", `${fault.kind}: ${times} ${fault.method}${chat}`);
}

function showSetting({ token }) {
  $("setting").textContent = `TELEGRAM_API_BASE=${location.origin}\nTELEGRAM_BOT_TOKEN=${token}`;
  $("curl").textContent =
    `curl ${location.origin}/bot${token}/sendMessage \\\n` +
    `  -d chat_id=1001 -d parse_mode=MarkdownV2 \\\n` +
    `  -d text='*Ada Lovelace* checked in'`;
}

// What a person does ----------------------------------------------------------------------------

function openFromAddress() {
  const key = decodeURIComponent(location.hash.slice(1)) || null;
  const before = view.chats.get(view.open);
  if (before && view.rendered === view.open) {
    before.scroll = isAtEnd() ? null : $("messages").scrollTop;
  }
  view.open = key;
  markRead();
  showChats();
  showOpenChat();
  if (key) $("chat-title").focus({ preventScroll: true });
  else if (before) rowOf(before.key)?.focus();
}

function markRead() {
  const chat = view.chats.get(view.open);
  if (chat && !document.hidden) chat.unread = 0;
}

window.addEventListener("hashchange", openFromAddress);
window.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && view.open) location.hash = "";
});
document.addEventListener("visibilitychange", () => {
  markRead();
  showChats();
});
$("messages").addEventListener("scroll", () => isAtEnd() && hideNewer(), { passive: true });
$("newer").addEventListener("click", () => {
  $("messages").scrollTop = $("messages").scrollHeight;
  $("messages").focus();
});

openFromAddress();
poll();
