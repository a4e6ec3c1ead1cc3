"""JSON put together by hand, of parts that are JSON already.

A new record is serialised before the writer's turn, which is the one thing that all requests wait
for. There, the id and the messages are all that is new, and they are spliced in: to serialise the
whole anew would make every turn longer.
"""

from collections.abc import Sequence

from attendance.db.fast.row_json import row_json
from attendance.notifications.routing import Notification
from attendance.web.pagination import dumps


def success(message: str, record: str, notifications: Sequence[Notification], **more: str) -> str:
    """Build the body of an answer. `record`, and the values of `more`, are JSON already."""
    told = [
        row_json({"id": one.id, "chat_id": one.chat_id, "status": one.status})
        for one in notifications
    ]
    parts = {
        "status": '"SUCCESS"',
        "message": dumps(message),
        "attendance": record,
        "notifications": f"[{','.join(told)}]",
        **more,
    }
    return "{" + ",".join(f'"{name}":{value}' for name, value in parts.items()) + "}"


def with_id(number: int, record: str) -> str:
    """Put the id in front of the other members of `record`, a JSON object that has some."""
    return f'{{"id":{number},{record[1:]}'
