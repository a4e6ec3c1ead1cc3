"""Chats to which no message was ever addressed: there is nothing to pause or to resume."""

import click


def refuse_unknown(chat_id: str, *, known: bool) -> None:
    """Raises ClickException unless the chat is `known`."""
    if not known:
        raise click.ClickException(
            f"No message was ever addressed to {chat_id}: `manage.py chats list` shows the chats."
        )
