// The words of the page, and the small pieces that it is made of.

export function make(tag, className = "", text = "") {
  const element = document.createElement(tag);
  if (className) element.className = className;
  if (text) element.textContent = text;
  return element;
}

export function initials(title) {
  const words = title.split(/[\s_-]+/).filter(Boolean);
  return words.slice(0, 2).map((word) => [...word][0].toUpperCase()).join("");
}

export function colour({ key }) {
  const sum = [...key].reduce((total, letter) => total + letter.charCodeAt(0), 0);
  return `colour-${sum % 7}`;
}

export function aboutChat({ key, type, status, messages }) {
  const count = messages.length === 1 ? "1 message" : `${messages.length} messages`;
  const state = status === "ok" ? "" : ` · ${statusText(status)}`;
  return `${type} ${key} · ${count}${state}`;
}

export function statusText(status) {
  return `refuses: ${status.replaceAll("_", " ")}`;
}

export function clock(date, second) {
  return date.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second, hour12: false });
}

export function dayText(date) {
  return date.toLocaleDateString([], { day: "numeric", month: "long", year: "numeric" });
}

export function shortTime(date) {
  const today = dayText(date) === dayText(new Date());
  return today ? clock(date) : date.toLocaleDateString([], { day: "numeric", month: "short" });
}
