"""What would steer a terminal reaches none."""

import io
import json

import pytest

from attendance.config.terminal import HarmlessStream, escaped, harmless

C0 = [chr(code) for code in range(32) if chr(code) not in "\n\t\r"]
C1 = [chr(code) for code in range(0x7F, 0xA0)]
TURNING = list(
    "\u061c\u200e\u200f\u2028\u2029\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
)
STAYS = "Zoë Ωmega 工藤\tx\r\ny\n👩\u200d🎓 ن\u200cم"


@pytest.mark.parametrize("mark", [*C0, *C1, *TURNING, "\r"], ids=lambda mark: f"{ord(mark):04x}")
def test_a_mark_that_steers_is_replaced(mark: str) -> None:
    assert harmless(f"a{mark}b") == "a\ufffdb"


def test_what_people_write_stays() -> None:
    assert harmless(STAYS) == escaped(STAYS) == STAYS


@pytest.mark.parametrize("mark", [*C1, *TURNING], ids=lambda mark: f"{ord(mark):04x}")
def test_in_json_it_is_escaped_and_means_the_same(mark: str) -> None:
    written = json.dumps({"name": f"a{mark}b"}, ensure_ascii=False)

    assert mark not in escaped(written)
    assert json.loads(escaped(written)) == {"name": f"a{mark}b"}


def test_json_escapes_the_others_by_itself() -> None:
    """The control: why C0 need not be looked for."""
    assert not set(json.dumps("".join(C0), ensure_ascii=False)) & set(C0)


def test_a_stream_writes_what_is_harmless_and_is_otherwise_the_same() -> None:
    under = io.StringIO()
    stream = HarmlessStream(under)

    stream.write("a\x1b[2J\n")
    stream.writelines(["b\u009b2J\n"])
    stream.steering.write("\x1b[2J")

    assert under.getvalue() == "a\ufffd[2J\nb\ufffd2J\n\x1b[2J"
    assert stream.seekable()
