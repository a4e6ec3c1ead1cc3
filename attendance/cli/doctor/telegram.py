"""Whether Telegram knows the bot, and the bot may write to the chats."""

from attendance.cli.chats.telegram import LOOK_SECONDS, remedy_of, telegram_client
from attendance.cli.doctor.findings import Finding, Findings
from attendance.config import Settings
from attendance.telegram.client import ChatInfo, Identity, TelegramClient


def bot_and_chats(settings: Settings, destinations: set[str]) -> Findings:
    """Ask Telegram about the token, the destinations and the default chat."""
    if settings.telegram_bot_token is None or settings.telegram_chat_id is None:
        remedy = "set TELEGRAM_BOT_TOKEN and TELEGRAM_CHAT_ID"
        yield Finding("warn", "telegram", "not configured in this shell", remedy)
        return
    with telegram_client(settings) as client:
        answer = client.get_me(LOOK_SECONDS)
        if not isinstance(answer, Identity):
            remedy = "check TELEGRAM_BOT_TOKEN, TELEGRAM_API_BASE and the network"
            yield Finding("fail", "telegram", answer.error, remedy)
            return
        yield Finding("ok", "telegram", f"the token is that of @{answer.username}")
        for chat_id in sorted(destinations | {settings.telegram_chat_id}):
            yield _destination(client, chat_id)


def _destination(client: TelegramClient, chat_id: str) -> Finding:
    """Ask whether the bot sees the chat and may write there: people see "typing", no message."""
    subject = f"chat {chat_id}"
    seen = client.get_chat(chat_id, LOOK_SECONDS)
    if not isinstance(seen, ChatInfo):
        return Finding("fail", subject, f"not seen: {seen.error}", remedy_of(seen))
    refusal = client.can_write(chat_id, LOOK_SECONDS)
    called = f"{seen.type} {seen.title}"
    if refusal is not None:
        return Finding("fail", subject, f"{called}: {refusal.error}", remedy_of(refusal))
    return Finding("ok", subject, f"{called}: the bot may write there")
