"""The benchmarks run, and prove that what they measure is real. Their figures are not judged here:
a machine that others use, too, says little in half a second."""

import json
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from postgres_server import HOW_TO_GET_IT, binaries

RUN = Path(__file__).with_name("run.py")

needs_wrk = pytest.mark.skipif(shutil.which("wrk") is None, reason="needs wrk: apt install wrk")
needs_gcc = pytest.mark.skipif(shutil.which("gcc") is None, reason="needs gcc: apt install gcc")
needs_queues = pytest.mark.skipif(
    find_spec("huey") is None, reason="needs other queues: pip install -e '.[bench]'"
)
needs_postgres = pytest.mark.skipif(binaries() is None, reason=HOW_TO_GET_IT)


@needs_queues
@needs_wrk
def test_posts_and_commits_are_measured_beside_others(tmp_path: Path) -> None:
    figures = _run(tmp_path, "bare", "key-limit", "lifted", "queues")

    assert figures["bare"]["throughput"]["median"] > 0
    assert figures["bare"]["CPU a request"]["median"] > 0
    assert figures["key-limit"]["CPU a request"]["median"] > 0
    assert figures["lifted"]["posted and told"]["median"] > 0
    assert {name for name in figures["queues"] if "huey" in name}


@needs_queues
@needs_gcc
@needs_wrk
def test_a_slow_disk_is_slow(tmp_path: Path) -> None:
    figures = _run(tmp_path, "naive-slow-disk")

    assert figures["naive-slow-disk"]["p99"]["median"] > 0


@needs_queues
@needs_wrk
@needs_postgres
def test_postgresql_is_measured_beside_its_bare_driver(tmp_path: Path) -> None:
    figures = _run(tmp_path, "postgres", "postgres-claims")

    assert figures["postgres"]["POST, 1: per core spent"]["median"] > 0
    assert figures["postgres-claims"]["claims, 1: per core spent"]["median"] > 0


@needs_queues
@needs_postgres
def test_the_queue_on_postgresql_is_measured_beside_another(tmp_path: Path) -> None:
    figures = _run(tmp_path, "postgres-put", "postgres-take")

    assert figures["postgres-put"]["put, 1: to procrastinate"]["median"] > 0
    assert figures["postgres-take"]["take, 1: to procrastinate"]["median"] > 0


def _run(folder: Path, *names: str) -> dict[str, dict[str, Any]]:
    """The figures of a quick run, by benchmark and by what was measured."""
    report = folder / "report.json"
    command = [sys.executable, str(RUN), "--quick", "--json", str(report), "--only", *names]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    figures = json.loads(report.read_text())["figures"]
    return {name: {one["what"]: one for one in some} for name, some in figures.items()}
