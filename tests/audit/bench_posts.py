"""What the sealing costs: POST /attendance with and without it, in interleaved pairs.

    python tests/audit/bench_posts.py [PAIRS] [SECONDS]

Two services stand side by side, each on its own database; one of them does not seal. They are
loaded in turns, the first of a pair in turns, too. Prints each pair's ratio and their median, and
the same for each second of processor time, which other work on the machine disturbs less.
"""

import http.client
import itertools
import json
import os
import secrets
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from attendance import api_keys
from attendance.audit import service_context
from attendance.db import Database, schema, utc_now

ROOT = Path(__file__).parents[2]
CLIENTS = 8
WITHOUT = """
from attendance.audit.sealer import Sealer
Sealer.__call__ = Sealer.finish = lambda self: None
"""


class Service:
    """gunicorn as `manage.py serve` runs it, without Telegram."""

    def __init__(self, folder: Path, *, sealing: bool) -> None:
        folder.mkdir()
        url = f"sqlite:///{folder}/attendance.db"
        schema.upgrade(url)
        token = secrets.token_urlsafe(32)
        database = Database.at(url)
        self.key = database.write(
            lambda c: api_keys.create(
                c,
                utc_now(),
                service_context("bench"),
                name="bench",
                role="frontend",
                random_token=lambda: token,
            )
        )
        database.close()
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        config = folder / "gunicorn.conf.py"
        config.write_text((ROOT / "gunicorn.conf.py").read_text() + ("" if sealing else WITHOUT))
        environ = {"DATABASE_URL": url, "BIND": f"127.0.0.1:{self.port}", "DEDUPE_SECONDS": "0"}
        with (folder / "log").open("w") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "gunicorn", "-c", str(config)],
                env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), **environ},
                cwd=folder,
                stdout=log,
                stderr=log,
            )
        self.numbers = itertools.count()
        self.database = folder / "attendance.db"

    def throughput(self, seconds: float) -> float:
        """Records a second, over all clients."""
        counts = [0] * CLIENTS
        end = time.monotonic() + seconds

        def post(index: int) -> None:
            connection = http.client.HTTPConnection("127.0.0.1", self.port)
            headers = {"Authorization": f"Bearer {self.key}", "Content-Type": "application/json"}
            while time.monotonic() < end:
                body = json.dumps({"person_id": f"p{next(self.numbers)}", "event": "check_in"})
                connection.request("POST", "/attendance", body, headers)
                answer = connection.getresponse()
                answer.read()
                assert answer.status == 201, answer.status
                counts[index] += 1
            connection.close()

        started = time.monotonic()
        threads = [threading.Thread(target=post, args=(index,)) for index in range(CLIENTS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return sum(counts) / (time.monotonic() - started)

    def cpu_seconds(self) -> float:
        """What the workers have used of the processor until now."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        stats = (Path(f"/proc/{pid}/stat").read_text().split() for pid in children.split())
        return sum(int(stat[13]) + int(stat[14]) for stat in stats) / os.sysconf("SC_CLK_TCK")

    def measure(self, seconds: float) -> tuple[float, float]:
        """Records a second, and records for a second of the workers' processor time."""
        before = self.cpu_seconds()
        rate = self.throughput(seconds)
        return rate, rate * seconds / (self.cpu_seconds() - before)

    def await_ready(self) -> None:
        while True:
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
            try:
                connection.request("GET", "/readyz")
                assert connection.getresponse().status == 200
            except OSError:
                time.sleep(0.1)
            else:
                return
            finally:
                connection.close()


def main(pairs: int = 12, seconds: float = 4.0) -> None:
    with tempfile.TemporaryDirectory() as folder:
        sealing = Service(Path(folder, "with"), sealing=True)
        plain = Service(Path(folder, "without"), sealing=False)
        for service in (sealing, plain):
            service.await_ready()
            service.throughput(2.0)
        ratios, costs = [], []
        for pair in range(pairs):
            order = (sealing, plain) if pair % 2 else (plain, sealing)
            found = {service: service.measure(seconds) for service in order}
            (rate, per_cpu), (plain_rate, plain_per_cpu) = found[sealing], found[plain]
            ratios.append(rate / plain_rate)
            costs.append(per_cpu / plain_per_cpu)
            print(f"{rate:5.0f}/s with, {plain_rate:5.0f}/s without: {ratios[-1]:.3f}", flush=True)
        for service in (sealing, plain):
            service.process.terminate()
            service.process.wait()
    print(
        f"throughput: median {statistics.median(ratios):.3f}, mean {statistics.fmean(ratios):.3f}"
    )
    print(f"per processor second of the workers: median {statistics.median(costs):.3f}")


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:]))
