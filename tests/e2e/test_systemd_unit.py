"""The operator's unit for systemd, as far as a process without systemd can prove it."""

import re
import shlex
import socket
import subprocess
import sys
from configparser import ConfigParser
from contextlib import closing
from pathlib import Path, PurePosixPath

from service import ROOT, Service
from sqlalchemy import make_url

from attendance.config import Settings

PAGE = (ROOT / "docs" / "operator.md").read_text(encoding="utf-8")
_TOKEN_S_END = "NotARealTokenOfAnyBot-0123456789abc"
"""No letters that other tests write: what was a secret once is struck out from then on."""


def _unit() -> dict[str, str]:
    """The unit's section on the service."""
    text = re.search(r"```ini\n(\[Unit\].*?)```", PAGE, re.DOTALL)
    assert text
    parser = ConfigParser(interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read_string(text[1])
    return dict(parser["Service"])


def _environment_file() -> dict[str, str]:
    text = re.search(r"```env\n# /etc/attendance\.env.*?\n(.*?)```", PAGE, re.DOTALL)
    assert text
    return dict(line.replace("…", _TOKEN_S_END).split("=", 1) for line in text[1].splitlines())


def test_the_command_that_it_starts_is_installed() -> None:
    program, *arguments = shlex.split(_unit()["ExecStart"])
    here = Path(sys.executable).with_name(PurePosixPath(program).name)

    subprocess.run([here, *arguments, "--help"], check=True, capture_output=True, timeout=60)


def test_it_waits_for_longer_than_a_stop_takes() -> None:
    assert int(_unit()["TimeoutStopSec"]) > Settings.from_env({}).stop_seconds


def test_what_the_service_writes_lies_where_it_may_write() -> None:
    unit, settings = _unit(), Settings.from_env(_environment_file())
    state = PurePosixPath("/var/lib", unit["StateDirectory"])

    assert unit["WorkingDirectory"] == str(state)
    assert PurePosixPath(str(make_url(settings.database_url).database)).parent == state
    assert settings.telegram_configured


def test_the_service_tells_systemd_when_it_is_there(tmp_path: Path) -> None:
    """Else the start of one of Type=notify never ends."""
    assert _unit()["Type"] == "notify"
    address = str(tmp_path / "notify")
    with closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as systemd:
        systemd.bind(address)
        systemd.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        with Service(tmp_path, NOTIFY_SOCKET=address) as service:
            systemd.settimeout(30)
            told, ancillary, _, _ = systemd.recvmsg(4096, socket.CMSG_SPACE(12))
            pid = int.from_bytes(ancillary[0][2][:4], sys.byteorder)

    assert "READY=1" in told.decode().splitlines()
    assert pid == service.process.pid  # from no other does systemd take it
