"""`manage.py db move`: all of it is there, as it was."""

import json
import re
from pathlib import Path

from commands import Desk
from moves import FILLED, PASSWORD, MovedDesk, all_here, all_there, psql

from attendance.db import Base


def test_every_table_is_there_with_every_value(moved: MovedDesk) -> None:
    here = all_here(moved.desk)
    assert all(here.values())
    assert all_there(moved.desk, moved.target) == here
    assert Base.metadata.tables.keys() - FILLED == {"dispatcher", "relocation"}


def test_it_says_what_was_compared_and_what_to_do(moved: MovedDesk) -> None:
    answer = moved.result.stdout
    assert moved.result.exit_code == 0
    assert re.search(r"^attendance +2 +[0-9a-f]{64}$", answer, re.MULTILINE)
    assert re.search(r"^\d+ rows moved to test_\d+ on this host\.$", answer, re.MULTILINE)
    assert answer.endswith("Set DATABASE_URL to it, and start the service.\n")


def test_once_more_there_is_nothing_to_do(moved: MovedDesk) -> None:
    again = moved.desk.done("db", "move", "--to", moved.target)
    assert again.startswith("All of it is in test_")


def test_ids_go_on_from_where_they_were(moved: MovedDesk) -> None:
    """Also of rows that are gone: the outbox had an eighth."""
    last = {row["name"]: row["seq"] for row in moved.desk.rows("SELECT * FROM sqlite_sequence")}
    assert last["outbox"] == max(moved.desk.statuses()) + 1 == 8
    last["audit"] += 1  # the note that all is there
    with psql(moved.target) as connection:
        for table, last_id in last.items():
            given = connection.execute("SELECT nextval(pg_get_serial_sequence(%s, 'id'))", (table,))
            assert given.fetchall() == [(last_id + 1,)]


def test_the_trail_is_intact_there_and_both_share_its_head(
    moved: MovedDesk, tmp_path: Path
) -> None:
    desk, anchors = moved.desk, tmp_path / "anchors.txt"
    desk.done("audit", "anchor", str(anchors))

    for url in (desk.environ["DATABASE_URL"], moved.target):
        answer = desk.done("audit", "verify", "--anchor", str(anchors), DATABASE_URL=url)
        assert "Anchors that fit: 1" in answer
        assert answer.endswith("The trail is intact.\n")
    assert "not sealed yet" not in desk.done("audit", "verify")
    assert desk.done("db", "check", DATABASE_URL=moved.target) == "The database is sound.\n"


def test_the_trail_tells_of_the_move_on_both_sides(moved: MovedDesk) -> None:
    (closed,) = moved.desk.audited("db.closed")
    assert closed["actor_type"] == "os_user"
    place = json.loads(closed["after_json"])["place"]
    assert re.fullmatch(r"test_\d+ on this host", place)
    with psql(moved.target) as connection:
        notes = connection.execute("SELECT after_json FROM audit WHERE action = 'db.moved'")
        found = json.loads(notes.fetchall()[0][0])
    assert found["place"].startswith(str(moved.desk.path))
    assert found["tables"]["outbox"]["rows"] == 7
    assert moved.desk.audited("db.moved") == []


def test_a_password_is_in_no_output_and_no_row(moved: MovedDesk) -> None:
    """However short; and the admin is told how to keep it out of the list of processes."""
    assert "--to-file keeps it out" in moved.result.stderr
    assert PASSWORD not in moved.result.output + moved.result.stderr
    (entry,) = moved.desk.audited("db.closed")
    assert "postgres:[secret]@" in entry["user_agent"]
    stored = b"".join(file.read_bytes() for file in moved.desk.directory.iterdir())
    assert PASSWORD.encode() not in stored


def test_the_url_can_come_from_a_file(desk: Desk, target: str, tmp_path: Path) -> None:
    """And a database in which nothing is yet can be moved, too."""
    file = tmp_path / "url"
    file.write_text(target.replace("postgres@", f"postgres:{PASSWORD}@") + "\n")

    result = desk.run("db", "move", "--to-file", str(file))

    assert (result.exit_code, result.stderr) == (0, "")
    (entry,) = desk.audited("db.closed")
    assert entry["user_agent"] == f"manage.py db move --to-file {file}"
