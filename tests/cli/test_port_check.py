"""`manage.py serve` where nobody can listen: one sentence, at once, and nothing done."""

import socket
from collections.abc import Iterator

import click
import pytest
from commands import Desk
from ports import free_port

from attendance.cli.serve.port_check import refuse_unusable


@pytest.fixture(autouse=True)
def by_bind_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GUNICORN_CMD_ARGS", raising=False)
    monkeypatch.delenv("LISTEN_FDS", raising=False)


@pytest.fixture
def taken() -> Iterator[str]:
    """An address where somebody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"127.0.0.1:{listener.getsockname()[1]}"


def _refusal(bind: str) -> str:
    with pytest.raises(click.ClickException) as caught:
        refuse_unusable(bind)
    return caught.value.message


@pytest.mark.slow
def test_an_address_that_is_taken_ends_the_start_in_one_line(empty_desk: Desk, taken: str) -> None:
    result = empty_desk.process("serve", BIND=taken)

    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr == (
        f"Error: BIND is {taken}, where this process cannot listen (Address already in use): "
        "stop what listens there, or give another port.\n"
    )
    assert list(empty_desk.directory.iterdir()) == []


def test_an_address_of_another_machine_is_refused() -> None:
    assert _refusal("192.0.2.1:8000") == (  # of no machine: it is for documents
        "BIND is 192.0.2.1:8000, where this process cannot listen (Cannot assign requested "
        "address): give an address of this machine, such as 127.0.0.1:8000."
    )


def test_an_address_of_the_newer_kind_is_read_as_one() -> None:
    said = _refusal("[2001:db8::1]:8000")

    assert said.startswith("BIND is [2001:db8::1]:8000, where this process cannot listen (")
    assert "hostname" not in said  # as whoever takes it for a name is told


def test_a_name_that_is_no_machine_s_is_refused() -> None:
    assert _refusal("no-such-machine.invalid:8000").endswith("): give another address.")


def test_a_free_address_is_left_free() -> None:
    port = free_port()

    for _ in range(2):
        refuse_unusable(f"127.0.0.1:{port}")


def test_what_an_ended_service_leaves_behind_is_no_hindrance() -> None:
    """The side that closes first keeps the address for a minute."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)) as client:
            listener.accept()[0].close()
            assert client.recv(1) == b""
    with socket.socket() as plain, pytest.raises(OSError, match="in use"):  # the control
        plain.bind(("127.0.0.1", port))

    refuse_unusable(f"127.0.0.1:{port}")


@pytest.mark.parametrize(
    ("variable", "value"),
    [("GUNICORN_CMD_ARGS", "--bind=[::1]:1"), ("GUNICORN_CMD_ARGS", "-b :1"), ("LISTEN_FDS", "1")],
)
def test_where_another_says_where_to_listen_that_is_believed(
    taken: str, variable: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, value)

    refuse_unusable(taken)


@pytest.mark.parametrize("options", ["", "--max-requests 30"])
def test_other_options_of_gunicorn_s_change_nothing(
    taken: str, options: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GUNICORN_CMD_ARGS", options)

    assert taken in _refusal(taken)


def test_a_socket_in_the_file_system_is_gunicorn_s() -> None:
    refuse_unusable("unix:/no/such/place")
