"""The soak runs, and its table is about what happened. An hour of it is `python soak.py`."""

from pathlib import Path

import pytest
import soak


def test_a_short_one_with_few_guests_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, count in {"IDLE": 8, "SENDERS": 2, "READERS": 1}.items():
        monkeypatch.setattr(soak, name, count)

    assert soak.soak(tmp_path, 6.0, seed=13)

    trail, headings, _, *rows = capsys.readouterr().out.splitlines()
    columns = headings.strip("| ").split(" | ")
    slices = [dict(zip(columns, row.strip("| ").split(" | "), strict=True)) for row in rows[:12]]
    assert trail == "The trail: ok."
    assert sum(float(one["POST/s"]) for one in slices) > 0
    assert slices[-1]["guests"] == "11"
    assert all(float(one["RSS MiB"]) > 50 for one in slices)
    assert rows[13].startswith("Not 2xx: ")
    assert " 0 lost, 0 unexpected, " in rows[-1]
