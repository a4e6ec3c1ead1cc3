"""`manage.py chats list`."""

from typing import Any

import click

from attendance.cli.context import load_settings, opened_database
from attendance.cli.options import examples, json_option
from attendance.cli.output import print_rows
from attendance.notifications import routing, texts
from attendance.outbox import queries
from attendance.outbox.queries import state_of

_COLUMNS = {
    "chat_id": "CHAT",
    "type": "TYPE",
    "title": "TITLE",
    "told": "TOLD OF",
    "sound": "SOUND",
    "waiting": "WAITING",
    "state": "STATE",
}


@examples("chats list", "chats list --json")
@click.command("list")
@json_option
def list_(as_json: bool) -> None:
    """List the chats: what they are told of, what waits for them, and what holds them up."""
    default = load_settings().telegram_chat_id
    with opened_database() as database, database.snapshot() as connection:
        now = database.clock()
        rows, routes = queries.chats(connection), routing.listed(connection)
    for row in rows:
        row["routes"] = [route for route in routes if route["chat_id"] == row["chat_id"]]
        row["default"] = row["chat_id"] == default
        row["state"] = state_of(row, now)
    if not as_json:
        rows = [{**row, "told": _told(row), "sound": _sound(row)} for row in rows]
    print_rows(rows, _COLUMNS, as_json=as_json, empty="No message has been addressed yet.")


def _told(chat: dict[str, Any]) -> str | None:
    by_default = ["what no condition takes"] if chat["default"] else []
    return "; ".join([*map(texts.route, chat["routes"]), *by_default]) or None


def _sound(chat: dict[str, Any]) -> str:
    if chat["silent"]:
        return "off"
    return f"off {chat['quiet_hours']}" if chat["quiet_hours"] else "on"
