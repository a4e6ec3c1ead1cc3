"""A stage for the lines of a page: something like a fresh clone, with a service on the sandbox.

A page's lines run in one shell, in order, as a reader would type them. Addresses and paths of the
machine are replaced by the stage's own; what would change the machine (`sudo`, `systemctl`, `pip`
and so on) is played by a few lines of shell. All else is the real thing.
"""

import contextlib
import fcntl
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import requests
from click.testing import CliRunner
from pages import ROOT, Block
from ports import free_port

from attendance.cli import main
from attendance.config import Settings

_STARTS_SECONDS = 40.0
_END = "\x1eend"
_NEEDS_NO_SHELL = re.compile(r"manage\.py [^|<>;&$`\n]+")
_SETTINGS = tuple(name.upper() for name in Settings.__dataclass_fields__)
_NOT_IN_A_CLONE = {".venv", ".git", ".ci", "build", "dist"}

# Played: what they are given stays in a file beside them, so that a test can look.
_PLAYED = "#!/bin/sh\necho \"$(basename $0) $*\" >>'{log}'\n"
_VENV = """#!/bin/sh
[ "$1 $2" = "-m venv" ] || exec '{python}' "$@"
echo "venv $3" >>'{log}'; mkdir -p "$3"; cp -a '{venv}' "$3/"
"""
_SYSTEM = {
    "sudo": 'exec "$@"',
    "runuser": '[ "$1 $3" = "-u --" ] || exit 2; shift 3; exec "$@"',
    "useradd": "",
    "systemctl": "",
}
_OF_THE_MACHINE = ("/etc/", "/var/lib/", "/var/backups/", "/mnt/")


@dataclass(frozen=True)
class Answer:
    """What a command said, and its exit code."""

    typed: str
    output: str
    code: int


class Stage:
    """Its folder looks like a clone, without an environment. `with` starts the service."""

    def __init__(self, folder: Path) -> None:
        self.clone, self._played, self._machine = (
            folder / name for name in ("clone", "played", "machine")
        )
        self.log, self._service_log = folder / "played.log", folder / "service.log"
        self.service = f"http://127.0.0.1:{free_port()}"
        self.sandbox = ""
        self.welcome = ""
        self._process: subprocess.Popen[str] | None = None
        self._lay_out()

    def _lay_out(self) -> None:
        for place in (self.clone, self._played, self._played / "venv/bin"):
            place.mkdir(parents=True)
        for path_there in _OF_THE_MACHINE:
            (self._machine / path_there.strip("/")).mkdir(parents=True)
        (self._machine / "var/lib/attendance").mkdir()
        (self._machine / "etc/attendance").mkdir()
        for path in ROOT.iterdir():
            if path.name not in _NOT_IN_A_CLONE and path.suffix not in {".db", ".checkpoint"}:
                (self.clone / path.name).symlink_to(path)
        installed = self._played / "venv/bin"
        manage = f"#!/bin/sh\nexec '{sys.executable}' '{ROOT / 'manage.py'}' \"$@\"\n"
        self._program(installed / "python", f"#!/bin/sh\nexec '{sys.executable}' \"$@\"\n")
        self._program(installed / "attendance", manage)
        for name in ("pip", "pytest"):
            self._program(installed / name, _PLAYED.format(log=self.log))
        venv = _VENV.format(python=sys.executable, log=self.log, venv=installed)
        self._program(self._played / "python3", venv)
        for name, does in _SYSTEM.items():
            self._program(self._played / name, _PLAYED.format(log=self.log) + does + "\n")

    @staticmethod
    def _program(path: Path, text: str) -> None:
        path.write_text(text, encoding="utf-8")
        path.chmod(0o755)

    def install(self) -> None:
        """What the first line of the quick start leaves behind."""
        shutil.copytree(self._played / "venv", self.clone / ".venv")

    @property
    def environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if name not in _SETTINGS}
        path = f"{self._played}:{kept.get('PATH', '')}"
        return {**kept, "PATH": path, "BIND": self.service.removeprefix("http://")}

    def start(self, line: str, **environ: str) -> None:
        """Type the line that starts service and sandbox, and wait until they are ready."""
        # The sandbox looks whether its usual port is free, and takes it a second later.
        with self._service_log.open("w") as log, _one_at_a_time():
            self._process = subprocess.Popen(
                ["bash", "-c", line],
                cwd=self.clone,
                env={**self.environment, **environ},
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                start_new_session=True,
            )
            late = threading.Timer(_STARTS_SECONDS, self._kill)
            late.start()
            try:
                self.welcome = "".join(self._until("  -d "))
            finally:
                late.cancel()
        (self.sandbox,) = re.findall(r"Chats +(\S+)/\n", self.welcome)

    def _until(self, last: str) -> Iterator[str]:
        assert self._process is not None
        assert self._process.stdout is not None
        for line in self._process.stdout:
            yield line
            if line.startswith(last):
                return
        raise AssertionError(self._service_log.read_text())

    def close(self) -> None:
        if self._process is not None:
            self._kill()
            self._process.wait()
            assert self._process.stdout is not None
            self._process.stdout.close()

    def _kill(self) -> None:
        assert self._process is not None
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)

    def played(self) -> list[str]:
        return self.log.read_text().splitlines() if self.log.exists() else []

    def key(self) -> str:
        """The key that the service printed at its start; empty where there is none."""
        return "".join(re.findall(r"Admin key +(\S+)", self.welcome))

    def type(self, lines: Iterable[str], **environ: str) -> list[Answer]:
        """Type lines one after the other, each when what came of the last is sealed. Commands of
        ours that need no shell run in this process, which takes a tenth of the time."""
        given = {**self.environment, "SERVICE": self.service, **environ}
        with Shell(self.clone, given) as shell, contextlib.chdir(self.clone):
            return [self._typed(shell, self._here(line), given) for line in lines]

    def _typed(self, shell: "Shell", line: str, environ: dict[str, str]) -> Answer:
        self._settle()
        if not _NEEDS_NO_SHELL.fullmatch(line):
            return shell.type(line)
        unset: dict[str, str | None] = dict.fromkeys(_SETTINGS)
        result = CliRunner().invoke(
            main, shlex.split(line)[1:], env={**unset, **environ}, prog_name="manage.py"
        )
        return Answer(line, result.output, result.exit_code)

    def _settle(self) -> None:
        """Wait until what was done is sealed, so that each answer is the same every time."""
        if self._process is not None:
            sealed = "audit_unsealed_rows 0.0"
            wait_until(lambda: sealed in requests.get(f"{self.service}/metrics", timeout=9).text)

    def _here(self, line: str) -> str:
        line = line.replace("http://127.0.0.1:8000", self.service)
        line = line.replace("http://127.0.0.1:8081", self.sandbox)
        line = line.replace("/opt/attendance", str(self.clone))
        for place in _OF_THE_MACHINE:
            line = re.sub(rf"(?<![\w.]){place}", f"{self._machine}{place}", line)
        return line

    def machine(self, path: str) -> Path:
        """Where the stage has a path of the machine."""
        return self._machine / path.strip("/")


@contextlib.contextmanager
def _one_at_a_time() -> Iterator[None]:
    """Whatever other process runs tests."""
    with Path(tempfile.gettempdir(), "attendance-docs-stage.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


class Shell:
    """One bash, to which lines are typed. `with` ends it."""

    def __init__(self, folder: Path, environ: dict[str, str]) -> None:
        self._bash = subprocess.Popen(
            ["bash"],
            cwd=folder,
            env=environ,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.type("shopt -s expand_aliases")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with self._bash:
            assert self._bash.stdin is not None
            self._bash.stdin.close()

    def type(self, line: str) -> Answer:
        assert self._bash.stdin is not None
        assert self._bash.stdout is not None
        self._bash.stdin.write(f"{line}\nprintf '{_END} %d\\n' $?\n")
        self._bash.stdin.flush()
        said = ""
        for read in self._bash.stdout:
            before, ended, code = read.partition(_END)
            said += before
            if ended:
                return Answer(line, said, int(code))
        raise AssertionError(f"{line!r} ended the shell: {said}")


def lines_of(block: Block) -> list[tuple[str, str | None]]:
    """What is to be typed, and what is shown of the answer: None where a block shows none."""
    if block.language == "console":
        parts = re.split(r"^\$ ", block.text, flags=re.MULTILINE)
        assert parts[0] == "", f"{block} does not begin with a command"
        found = [part.partition("\n") for part in parts[1:]]
        return [(line, shown) for line, _, shown in found]
    return [(line, None) for line in block.text.splitlines() if line and not line.startswith("#")]


def post(url: str, body: Mapping[str, Any], key: str = "") -> None:
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    requests.post(url, json=body, headers=headers, timeout=10).raise_for_status()


def wait_until(happened: Any, seconds: float = 20.0) -> None:
    ends = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < ends
        time.sleep(0.05)
