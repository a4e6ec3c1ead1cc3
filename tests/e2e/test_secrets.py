"""The token turns up nowhere: each kind of failure is provoked, everything that the service says
and keeps is collected, and searched."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import requests
from service import Client, Service

from attendance.sandbox import Sandbox

TOKEN = "987654:Zx9-secret_of_the_bot_0123456789abc"
FORMS = (TOKEN, quote(TOKEN, safe=""), TOKEN.partition(":")[2])
COMMANDS = (("outbox", "show", "1"), ("outbox", "list", "--json"), ("doctor",))
PATHS = ("/outbox", "/outbox/1", "/audit", "/attendance", "/readyz?verbose", "/nowhere")

ECHO = f'{{"ok":false,"error_code":400,"description":"Bad Request: /bot{TOKEN}/sendMessage"}}'
FAULTS: dict[str, dict[str, Any]] = {
    "refused": {"TELEGRAM_API_BASE": "http://127.0.0.1:1"},
    "no such host": {"TELEGRAM_API_BASE": "http://telegram.invalid"},
    "not TLS": {"TELEGRAM_API_BASE": "https://{sandbox}"},
    "reset": {"fault": "drop"},
    "HTML 502": {"fault": "answer", "status": 502, "body": "<html>bad gateway</html>"},
    "unauthorized": {"fault": "answer", "status": 401, "body": '{"ok":false,"error_code":401}'},
    "redirect": {"fault": "redirect", "location": "http://127.0.0.1:1/elsewhere"},
    "too slow": {"fault": "delay", "delay_seconds": 5},
    "echo of the address": {"fault": "answer", "status": 400, "body": ECHO},
}


@pytest.mark.parametrize("fault", FAULTS)
def test_no_failure_of_a_delivery_shows_the_token(
    fault: str, tmp_path: Path, make_client: Callable[..., Client]
) -> None:
    with Sandbox(token=TOKEN) as sandbox, started(tmp_path, settings(fault, sandbox)) as service:
        make_client(service).post("ada")
        service.wait_until("SELECT count(*) > 0 FROM outbox_attempt", 1)
        admin = make_client(service, "admin")
        said = [admin.get(path).text for path in PATHS]
        said += all_outputs(service)
        said.append(requests.get(f"{service.url}/readyz?verbose", timeout=5).text)
        said.append(command_lines(service))
        service.stop()
        said += [path.read_bytes().decode("latin-1") for path in tmp_path.iterdir()]
    assert any("outbox_attempt" in text for text in said)  # the database itself was searched
    assert not [text[:2000] for text in said for form in FORMS if form in text]


def test_control_the_search_finds_a_token_that_the_plain_library_shows() -> None:
    with pytest.raises(requests.RequestException) as raised:
        requests.post(f"http://127.0.0.1:1/bot{TOKEN}/sendMessage", timeout=1)
    assert any(form in str(raised.value) for form in FORMS)


def test_a_wrong_token_stops_the_start_without_being_shown(tmp_path: Path) -> None:
    wrong = TOKEN.replace(":", ";")
    service = Service(tmp_path, command=("db", "upgrade"), TELEGRAM_BOT_TOKEN=wrong).start()
    assert service.process.wait(20) == 1
    said = service.log.read_text()
    assert "TELEGRAM_BOT_TOKEN" in said
    assert "BotFather" in said
    assert FORMS[-1] not in said


def test_a_token_from_a_file_with_a_line_end_is_used_and_not_shown(
    tmp_path: Path, make_client: Callable[..., Client]
) -> None:
    (tmp_path / "token").write_text(TOKEN + "\n")
    with Sandbox(token=TOKEN) as sandbox:
        given = settings("reset", sandbox) | {"TELEGRAM_BOT_TOKEN_FILE": str(tmp_path / "token")}
        del given["TELEGRAM_BOT_TOKEN"]
        with started(tmp_path, given) as service:
            make_client(service).post("ada")
            service.wait_until("SELECT count(*) FROM outbox WHERE status = 'sent'", 1)
            assert not [form for form in FORMS if form in service.log.read_text()]


def started(folder: Path, given: dict[str, str]) -> Service:
    return Service(folder, command=("serve",), **given)


def settings(fault: str, sandbox: Sandbox) -> dict[str, str]:
    told = dict(FAULTS[fault])
    kind = told.pop("fault", None)
    if kind:
        sandbox.fault(str(kind), **told)
    base = str(told.get("TELEGRAM_API_BASE", sandbox.url))
    return {
        "TELEGRAM_BOT_TOKEN": TOKEN,
        "TELEGRAM_CHAT_ID": "1000",
        "TELEGRAM_API_BASE": base.format(sandbox=sandbox.url.removeprefix("http://")),
        "TELEGRAM_TIMEOUT": "1,2",
        "OUTBOX_LEASE_SECONDS": "5",
    }


def all_outputs(service: Service) -> list[str]:
    """What the commands say, at the same time."""
    with ThreadPoolExecutor(len(COMMANDS)) as pool:
        done = list(pool.map(lambda command: service.manage(*command), COMMANDS))
    assert not [one.stderr for one in done if "Traceback" in one.stderr]
    return [output for one in done for output in (one.stdout, one.stderr)]


def command_lines(service: Service) -> str:
    """What `ps` shows of the service's processes."""
    pids = [service.process.pid, *service.worker_pids()]
    return " ".join(Path(f"/proc/{pid}/cmdline").read_text() for pid in pids)
