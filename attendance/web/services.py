"""What a request handler works with, kept on the Flask app."""

import secrets
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import cast

from flask import current_app
from sqlalchemy import Connection, select

from attendance.api_keys import Uses
from attendance.audit.throttle import Throttle
from attendance.config import Settings
from attendance.config.capacity import STREAMS
from attendance.config.secrets import Secret
from attendance.db import Database, insert_or_ignore
from attendance.models import ServiceSecret
from attendance.notifications.texts import Notices
from attendance.records.recording import Rules
from attendance.web.key_limit import KeyLimit

_EXTENSION = "attendance"


@dataclass(slots=True)
class Services:
    """What handlers share. `wake` is set after a commit that wrote a message; `clock` gives UTC."""

    settings: Settings
    database: Database
    clock: Callable[[], datetime]
    wake: threading.Event = field(default_factory=threading.Event)
    throttle: Throttle = field(default_factory=Throttle)
    uses: Uses = field(default_factory=Uses)
    streams: threading.BoundedSemaphore = field(
        default_factory=lambda: threading.BoundedSemaphore(STREAMS)
    )
    rules: Rules = field(init=False)
    key_limit: KeyLimit = field(init=False)
    _signing_key: Secret | None = None

    def __post_init__(self) -> None:
        self.rules = Rules(
            default_chat=self.settings.telegram_chat_id,
            dedupe_seconds=self.settings.dedupe_seconds,
            timezone=self.settings.timezone,
            notices=Notices(self.settings.notice_template),
        )
        self.key_limit = KeyLimit(self.settings.rate_limit_key)

    def signing_key(self) -> str:
        """Return SECRET_KEY, or the key that the database keeps, made by whoever needs it first."""
        if self._signing_key is None:
            self._signing_key = self.settings.secret_key or self._kept_key()
        return self._signing_key.reveal()

    def _kept_key(self) -> Secret:
        now, made = self.clock(), secrets.token_urlsafe(32)

        def work(connection: Connection) -> str:
            row = {"name": "signing", "value": made, "created_at": now}
            insert_or_ignore(connection, ServiceSecret.__table__, row)
            kept = select(ServiceSecret.value).where(ServiceSecret.name == "signing")
            return connection.execute(kept).scalar_one()

        return Secret(self.database.write(work))


def services() -> Services:
    return cast("Services", current_app.extensions[_EXTENSION])


def install(app: "object", made: Services) -> None:
    cast("dict[str, object]", app.extensions)[_EXTENSION] = made  # type: ignore[attr-defined]
