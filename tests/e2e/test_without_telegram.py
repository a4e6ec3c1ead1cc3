"""Telegram is not there, in real time: nothing fails meanwhile, and all goes out afterwards.

`ATTENDANCE_OUTAGE_SECONDS=300 pytest tests/e2e/test_without_telegram.py` makes it 300 s long.
"""

import os
import time
from collections.abc import Callable

import pytest
from service import Client, Service

from attendance.sandbox import Sandbox

OUTAGE_SECONDS = float(os.environ.get("ATTENDANCE_OUTAGE_SECONDS", "6"))
GROUP = "-1001234567890"


@pytest.mark.timeout(OUTAGE_SECONDS + 180)
def test_an_outage_fails_nothing_and_the_backlog_goes_out_within_the_limits(
    sandbox: Sandbox,
    make_service: Callable[..., Service],
    make_client: Callable[..., Client],
    capsys: pytest.CaptureFixture[str],
) -> None:
    sandbox.set_limits(overall=(30, 1.0), group=(20, 60.0))
    service = make_service(TELEGRAM_CHAT_ID=GROUP)
    client = make_client(service)
    client.post("before")
    service.wait_until("SELECT count(*) FROM outbox WHERE status = 'sent'", 1)
    sandbox.stop()
    down_at, posted = time.monotonic(), 0
    while time.monotonic() - down_at < OUTAGE_SECONDS:
        assert client.post(f"during-{posted}").status_code == 201
        posted += 1
        time.sleep(OUTAGE_SECONDS / 40)
    assert {row["status"] for row in service.rows("SELECT status FROM outbox")} == {
        "sent",
        "pending",
    }
    sandbox.start()
    back_at = time.monotonic()
    service.wait_until("SELECT count(*) FROM outbox WHERE status = 'sent'", posted + 1, 90)
    drained = time.monotonic() - back_at
    attempts = service.rows("SELECT max(attempts) AS most FROM outbox")[0]["most"]
    with capsys.disabled():
        print(
            f"\n{OUTAGE_SECONDS:.0f} s without Telegram: {posted} messages waited, gone after "
            f"{drained:.1f} s, at most {attempts} attempts each"
        )
    assert attempts <= 10
    assert not [request for request in sandbox.requests if request.status == 429]
