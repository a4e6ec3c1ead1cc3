"""What the service costs, against what else one might run: a table, and a JSON file.

    python tests/benchmarks/run.py [--quick] [--only NAME …] [--json FILE]

Wants Debian's `wrk`, `gcc` and `postgresql`, and `pip install -e '.[bench]'`. All of it takes about
half an hour on two cores that nobody else uses.
"""

import argparse
import json
import platform
import sqlite3
import sys
import tempfile
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

# What all tests share lies one folder up.
sys.path.append(str(Path(__file__).parents[1]))

import delivering
import growing
import posting
import queues
import sharing_claims
import sharing_posts
import sharing_queues
from measuring import FULL, QUICK, Figure, Form

Benchmark = Callable[[Form, Path], list[Figure]]

BENCHMARKS: dict[str, Benchmark] = {
    "bare": posting.bare_flask,
    "key-limit": posting.key_limit,
    "handbook": posting.handbook,
    "lifted": delivering.lifted,
    "naive": posting.naive,
    "naive-slow-disk": posting.naive_slow_disk,
    "queues": queues.other_queues,
    "latency": delivering.latency,
    "drain": delivering.drain,
    "million": growing.a_million_rows,
    "memory": growing.memory,
    "postgres": sharing_posts.posts,
    "postgres-claims": sharing_claims.claims,
    "postgres-put": sharing_queues.puts,
    "postgres-take": sharing_queues.takes,
    "postgres-take-any": sharing_queues.takes_without_order,
}


def main(arguments: Sequence[str]) -> int:
    asked = _parser().parse_args(arguments)
    form = QUICK if asked.quick else FULL
    done: dict[str, list[Figure]] = {}
    for name in asked.only or BENCHMARKS:
        with tempfile.TemporaryDirectory(prefix="attendance-bench-", dir=asked.dir) as folder:
            done[name] = BENCHMARKS[name](form, Path(folder))
        _print(name, done[name])
    if asked.json is not None:
        asked.json.write_text(json.dumps(_report(asked, done), indent=2) + "\n", encoding="utf-8")
    return 0


def _parser() -> argparse.ArgumentParser:
    about = (__doc__ or "").partition("\n")[0]
    listed = "; ".join(f"{name}: {_about(one)}" for name, one in BENCHMARKS.items())
    parser = argparse.ArgumentParser(description=about, epilog=listed)
    parser.add_argument("--quick", action="store_true", help="in seconds: proves, measures little")
    parser.add_argument("--only", nargs="+", choices=BENCHMARKS, metavar="NAME")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there, too")
    parser.add_argument("--dir", type=Path, help="where the databases lie: the disk to measure")
    return parser


def _print(name: str, figures: Sequence[Figure]) -> None:
    print(f"{name}: {_about(BENCHMARKS[name])}")
    for one in figures:
        spread = f"{one.lowest:.3g} … {one.highest:.3g}"
        print(
            f"  {one.what:<28} {one.median:>8.3g} {one.unit:<10} {spread:>18}"
            f"  {'' if one.target is None else str(one.target):<8} {one.verdict}",
            flush=True,
        )


def _about(benchmark: Benchmark) -> str:
    return " ".join((benchmark.__doc__ or "").split())


def _report(asked: argparse.Namespace, done: dict[str, list[Figure]]) -> dict[str, Any]:
    return {
        "form": "quick" if asked.quick else "full",
        "machine": {
            "python": platform.python_version(),
            "sqlite": sqlite3.sqlite_version,
            "sqlalchemy": version("sqlalchemy"),
            "gunicorn": version("gunicorn"),
            "kernel": platform.release(),
        },
        "figures": {name: [one.as_dict() for one in figures] for name, figures in done.items()},
    }


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
