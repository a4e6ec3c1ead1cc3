"""The client against real sockets: what it sends, and how each fault of the network ends."""

import gzip
import json
import os
import socket
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import requests
import urllib3.util.connection
from raw_server import (
    CERTIFICATE,
    DELIVERED,
    FAULTS,
    Peer,
    RawServer,
    answering,
    dripping_body,
    dripping_head,
    end_after_the_request,
    reply,
    reset_after_the_request,
    silence,
)

from attendance.config.secrets import Secret
from attendance.outbox.transport import (
    Delivered,
    Migrated,
    Misconfigured,
    Outcome,
    Outgoing,
    Parked,
    Postponed,
    Rejected,
    Retry,
    Uncertain,
)
from attendance.telegram import session
from attendance.telegram.client import RESEND_SECONDS, Identity, TelegramClient
from attendance.telegram.markdown.text import bold, escape, plain

TOKEN = "7654321:AAE-only-for-tests_0123456789abcdef"
MESSAGE = Outgoing(17, "-1001", bold("Ada") + escape(" checked in."))
LARGE = Outgoing(17, "5", "😀" * 4000)
SOON = 0.5  # seconds: a total for what is expected to use it up
LATE = 8.0  # seconds: generous for SOON, and far below what the faults would last
CANT_PARSE = reply(
    b'{"ok":false,"error_code":400,"description":"Bad Request: can\'t parse entities: x"}',
    "400 Bad Request",
)


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(CERTIFICATE))


@contextmanager
def client_of(api_base: str, **options: Any) -> Iterator[TelegramClient]:
    options = {"connect_seconds": 2.0} | options
    client = TelegramClient(token=Secret(TOKEN), api_base=api_base, **options)
    try:
        yield client
    finally:
        client.close()


def send_to(api_base: str, seconds: float = 20.0, **options: Any) -> Outcome:
    with client_of(api_base, **options) as client:
        return client.send(MESSAGE, seconds)


def body_of(request: bytes) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(request.partition(b"\r\n\r\n")[2])
    return body


@contextmanager
def within(seconds: float) -> Iterator[None]:
    began = time.monotonic()
    yield
    assert time.monotonic() - began < seconds


class TestWhatIsSent:
    def test_a_message_goes_out_with_its_reference(self) -> None:
        with RawServer(answering(DELIVERED)) as server:
            assert send_to(server.url) == Delivered(42)
        (request,) = server.requests
        assert request.startswith(f"POST /bot{TOKEN}/sendMessage HTTP/1.1\r\n".encode())
        assert body_of(request) == {
            "chat_id": "-1001",
            "text": "*Ada* checked in\\.\n\\#17",
            "parse_mode": "MarkdownV2",
            "link_preview_options": {"is_disabled": True},
        }

    def test_a_repetition_says_so(self) -> None:
        with RawServer(answering(DELIVERED)) as server, client_of(server.url) as client:
            client.send(Outgoing(17, "5", "x", repeats=True), 20)
        assert body_of(server.requests[0])["text"] == "x\n\\#17 · may be a repeat"

    def test_a_base_with_a_path_and_a_slash_works(self) -> None:
        with RawServer(answering(DELIVERED)) as server:
            send_to(server.url + "/telegram/")
        assert server.requests[0].startswith(f"POST /telegram/bot{TOKEN}/sendMessage ".encode())

    @pytest.mark.parametrize(
        "text",
        [
            escape("." * 4096),
            escape("😀" * 5000),
            bold("a" * 4200),
            f"[x](http://e.x/{'a' * 33000})",
        ],
    )
    def test_what_is_too_long_is_cut_as_text_and_keeps_its_reference(self, text: str) -> None:
        with RawServer(answering(DELIVERED)) as server, client_of(server.url) as client:
            client.send(Outgoing(17, "5", text), 20)
        sent = body_of(server.requests[0])["text"]
        assert len(plain(sent)) <= 4096
        assert len(sent.encode()) <= 32_768
        assert sent.endswith("\n\\#17")
        assert plain(sent).startswith(plain(text)[:4000])

    def test_a_cut_text_shows_no_marks_of_a_template(self) -> None:
        text = f"||{'a' * 5000}|| __{escape('b')}__"
        with RawServer(answering(DELIVERED)) as server, client_of(server.url) as client:
            client.send(Outgoing(17, "5", text), 20)
        assert plain(body_of(server.requests[0])["text"]).startswith("aaaa")

    def test_marks_that_nobody_sees_do_not_make_a_text_too_long(self) -> None:
        text = "||a||" * 1000
        with RawServer(answering(DELIVERED)) as server, client_of(server.url) as client:
            client.send(Outgoing(17, "5", text), 20)
        assert body_of(server.requests[0])["text"] == text + "\n\\#17"

    def test_what_fits_exactly_is_not_cut(self) -> None:
        text = "x" * (4096 - len("\n#17"))
        with RawServer(answering(DELIVERED)) as server, client_of(server.url) as client:
            client.send(Outgoing(17, "5", text), 20)
        assert body_of(server.requests[0])["text"] == text + "\n\\#17"

    def test_a_lone_surrogate_does_not_travel(self) -> None:
        with RawServer(answering(DELIVERED)) as server, client_of(server.url) as client:
            client.send(Outgoing(17, "5", "a\ud800b"), 20)
        assert body_of(server.requests[0])["text"] == "ab\n\\#17"

    def test_a_password_from_netrc_does_not_travel(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        netrc = tmp_path / "netrc"
        netrc.write_text("default login somebody password theirs\n")
        monkeypatch.setenv("NETRC", str(netrc))
        with RawServer(answering(DELIVERED)) as server:
            send_to(server.url)
            requests.post(server.url, timeout=5)  # the control
        assert [b"Authorization: Basic" in request for request in server.requests] == [False, True]


class TestRefusedMarkup:
    def test_refused_markup_goes_out_once_more_as_plain_text(self) -> None:
        with RawServer(answering(CANT_PARSE, DELIVERED)) as server:
            assert send_to(server.url) == Delivered(42)
        first, second = map(body_of, server.requests)
        assert first["parse_mode"] == "MarkdownV2"
        assert "parse_mode" not in second
        assert second["text"] == "Ada checked in.\n#17"

    def test_a_second_refusal_is_final(self) -> None:
        with RawServer(answering(CANT_PARSE)) as server:
            assert isinstance(send_to(server.url), Rejected)
        assert len(server.requests) == 2

    def test_without_time_for_a_second_request_the_next_call_sends_plain_text(self) -> None:
        with RawServer(answering(CANT_PARSE, DELIVERED)) as server, client_of(server.url) as client:
            assert isinstance(client.send(MESSAGE, RESEND_SECONDS - 1), Retry)
            assert len(server.requests) == 1
            assert client.send(MESSAGE, RESEND_SECONDS - 1) == Delivered(42)
        assert "parse_mode" not in body_of(server.requests[1])

    def test_messages_that_others_deliver_are_not_remembered_for_ever(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("attendance.telegram.client._MOST_REMEMBERED", 3)
        with RawServer(answering(CANT_PARSE)) as server, client_of(server.url) as client:
            for number in range(20):
                client.send(replace(MESSAGE, id=number), RESEND_SECONDS - 1)
            assert 0 < len(client._plain_only) <= 3

    def test_without_leave_for_a_second_request_the_next_call_sends_plain_text(self) -> None:
        asked: list[Outgoing] = []

        def refuse(message: Outgoing) -> bool:
            asked.append(message)
            return False

        with (
            RawServer(answering(CANT_PARSE, DELIVERED)) as server,
            client_of(server.url, may_resend=refuse) as client,
        ):
            assert isinstance(client.send(MESSAGE, 30), Retry)
            assert client.send(MESSAGE, 30) == Delivered(42)
        assert asked == [MESSAGE]

    def test_the_refusal_of_one_message_does_not_touch_another(self) -> None:
        answers = (CANT_PARSE, DELIVERED)
        with RawServer(answering(*answers)) as server, client_of(server.url) as client:
            client.send(MESSAGE, 5)
            client.send(Outgoing(18, "5", "x"), 5)
        assert body_of(server.requests[1])["parse_mode"] == "MarkdownV2"


class TestAnswers:
    @pytest.mark.parametrize(
        ("status", "answer", "kind"),
        [
            (403, {"description": "Forbidden: bot was blocked by the user"}, Parked),
            (429, {"description": "x", "parameters": {"retry_after": 5}}, Postponed),
            (400, {"description": "x", "parameters": {"migrate_to_chat_id": -1002}}, Migrated),
            (401, {"description": "Unauthorized"}, Misconfigured),
        ],
    )
    def test_a_refusal_becomes_its_outcome(
        self, status: int, answer: dict[str, Any], kind: type[Outcome]
    ) -> None:
        body = json.dumps({"ok": False, "error_code": status, **answer}).encode()
        with RawServer(answering(reply(body, f"{status} No"))) as server:
            assert isinstance(send_to(server.url), kind)

    def test_the_header_of_a_429_is_read(self) -> None:
        answer = reply(b"", "429 Too Many Requests", b"retry-after: 7")
        with RawServer(answering(answer)) as server:
            assert send_to(server.url) == Postponed(7, "429 with an empty body")

    @pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
    def test_a_redirect_is_never_followed(self, status: int) -> None:
        with RawServer(answering(DELIVERED)) as elsewhere:
            answer = reply(b"", f"{status} Moved", f"Location: {elsewhere.url}/".encode())
            with RawServer(answering(answer)) as server:
                assert isinstance(send_to(server.url), Misconfigured)
            assert elsewhere.connections == 0

    @pytest.mark.parametrize("compressed", [False, True])
    def test_a_huge_body_is_not_read_into_memory(self, *, compressed: bool) -> None:
        body = b'{"ok":true,' + b" " * 10_000_000
        headers = (b"Content-Encoding: gzip",) if compressed else ()
        answer = reply(gzip.compress(body) if compressed else body, "200 OK", *headers)
        with RawServer(answering(answer)) as server, client_of(server.url) as client:
            tracemalloc.start()
            try:
                outcome = client.send(MESSAGE, 20)
                peak = tracemalloc.get_traced_memory()[1]
            finally:
                tracemalloc.stop()
        assert isinstance(outcome, Uncertain)
        assert peak < 2_000_000

    def test_the_connection_behind_a_huge_body_is_not_used_again(self) -> None:
        huge = reply(b" " * 200_000)
        with RawServer(answering(huge, DELIVERED)) as server, client_of(server.url) as client:
            client.send(MESSAGE, 20)
            assert client.send(MESSAGE, 20) == Delivered(42)
        assert server.connections == 2


class TestSurelyNotSent:
    def test_a_closed_port(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
        outcome = send_to(f"http://127.0.0.1:{port}")
        assert outcome == Retry("not sent: no connection: Connection refused")

    @pytest.mark.parametrize("scheme", ["http", "https"])
    def test_a_name_that_is_not_resolved(
        self, scheme: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(*_: object, **__: object) -> None:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

        monkeypatch.setattr(socket, "getaddrinfo", fail)
        outcome = send_to(f"{scheme}://api.example")
        assert outcome == Retry(
            "not sent: the host's name was not resolved: Name or service not known"
        )

    def test_a_resolver_that_hangs_is_left_behind_and_sends_nothing_later(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        resolve, answered = socket.getaddrinfo, threading.Event()

        def hang(*args: Any, **kwargs: Any) -> Any:
            answered.wait(20)
            return resolve(*args, **kwargs)

        monkeypatch.setattr(socket, "getaddrinfo", hang)
        with RawServer(answering(DELIVERED)) as server:
            before = set(threading.enumerate())
            with within(LATE):
                outcome = send_to(server.url, connect_seconds=SOON)
            answered.set()
            for thread in set(threading.enumerate()) - before:
                thread.join(10)
        assert outcome == Retry("not sent: connecting timed out")
        assert server.requests == []

    @pytest.mark.parametrize("scheme", ["http", "https"])
    def test_a_host_that_does_not_answer(self, scheme: str) -> None:
        with black_hole() as address, within(LATE):
            outcome = send_to(f"{scheme}://{address}", connect_seconds=SOON)
        assert outcome == Retry("not sent: connecting timed out")

    @pytest.mark.parametrize("hello", [b"", b"\x16\x03\x03\x40\x00\x02\x00\x3f" + bytes(90)])
    def test_a_handshake_that_does_not_end(self, hello: bytes) -> None:
        def talk(peer: Peer) -> None:
            peer.drip(hello, seconds=0.1)
            peer.wait()

        with RawServer(talk) as server, within(LATE):
            outcome = send_to(server.url.replace("http:", "https:"), connect_seconds=SOON)
        assert outcome == Retry("not sent: connecting timed out")

    def test_a_server_that_speaks_no_tls(self) -> None:
        with RawServer(lambda peer: peer.say(b"HTTP/1.1 400 Bad Request\r\n\r\n")) as server:
            outcome = send_to(server.url.replace("http:", "https:"))
        assert isinstance(outcome, Retry)
        assert outcome.error.startswith("not sent: TLS was not established")

    def test_a_certificate_that_nobody_vouches_for(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("REQUESTS_CA_BUNDLE")
        with RawServer(answering(DELIVERED), tls=True) as server:
            outcome = send_to(server.url)
        assert isinstance(outcome, Retry)
        assert "self-signed certificate" in outcome.error
        assert server.requests == []

    def test_no_time_left(self) -> None:
        with RawServer(answering(DELIVERED)) as server:
            assert isinstance(send_to(server.url, seconds=0), Retry)
        assert server.connections == 0


class TestUsableByNobody:
    @pytest.mark.parametrize("api_base", ["", "api.telegram.org", "htp://api.example", "http://"])
    def test_an_address_that_is_none(self, api_base: str) -> None:
        assert isinstance(send_to(api_base), Misconfigured)

    def test_a_ca_bundle_that_is_not_there(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nonexistent/ca.pem")
        outcome = send_to("https://127.0.0.1:9")
        assert isinstance(outcome, Misconfigured)
        assert "REQUESTS_CA_BUNDLE" in outcome.error

    def test_a_socks_proxy(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("ALL_PROXY", "socks5://127.0.0.1:9")
        assert isinstance(send_to("http://api.example"), Misconfigured)


class TestPerhapsSent:
    @pytest.mark.parametrize("tls", [False, True], ids=["http", "https"])
    @pytest.mark.parametrize("talk", FAULTS)
    def test_every_fault_after_the_request_is_uncertain_and_ends_in_time(
        self, talk: Callable[[Peer], None], *, tls: bool
    ) -> None:
        with RawServer(talk, tls=tls) as server, within(LATE):
            assert isinstance(send_to(server.url, SOON), Uncertain)
        assert server.connections == 1

    @pytest.mark.parametrize("talk", [dripping_head, dripping_body])
    def test_requests_alone_would_not_have_ended(self, talk: Callable[[Peer], None]) -> None:
        """The control: the same fault, the same timeout, no deadline."""
        began = time.monotonic()
        ended = threading.Event()

        def post(url: str) -> None:
            with suppress(requests.RequestException):
                requests.post(url, data=b"", timeout=SOON).close()
            ended.set()

        with RawServer(talk) as server:
            threading.Thread(target=post, args=(server.url,), daemon=True).start()
            assert not ended.wait(SOON * 3)
        assert ended.wait(10)
        assert time.monotonic() - began >= SOON * 3

    def test_a_fault_on_a_used_connection_ends_in_time_as_well(self) -> None:
        def talk(peer: Peer) -> None:
            peer.request()
            peer.say(DELIVERED)
            dripping_body(peer)

        with RawServer(talk) as server, client_of(server.url) as client:
            assert client.send(MESSAGE, 20) == Delivered(42)
            with within(LATE):
                assert client.send(MESSAGE, SOON) == Uncertain("no complete answer in time")
        assert server.connections == 1

    def test_a_server_that_does_not_read_ends_in_time(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(urllib3.util.connection, "_set_socket_options", small_buffer)
        with (
            RawServer(Peer.wait, receive_buffer=4096) as server,
            client_of(server.url) as client,
            within(LATE),
        ):
            outcome = client.send(LARGE, SOON)
        assert isinstance(outcome, Uncertain)

    def test_a_server_that_reads_late_has_until_the_deadline(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def late(peer: Peer) -> None:
            time.sleep(SOON * 2)
            answering(DELIVERED)(peer)

        monkeypatch.setattr(urllib3.util.connection, "_set_socket_options", small_buffer)
        with (
            RawServer(late, receive_buffer=4096) as server,
            client_of(server.url, connect_seconds=SOON) as client,
        ):
            assert client.send(LARGE, 20) == Delivered(42)

    def test_a_missing_end_of_a_closed_connection_is_no_answer(self) -> None:
        with RawServer(end_after_the_request) as server:
            assert send_to(server.url) == Uncertain(
                "the connection ended before the answer was complete"
            )


class TestBehindAProxy:
    @pytest.fixture(params=["http://api.example", "https://api.example"])
    def api_base(self, request: pytest.FixtureRequest) -> str:
        return str(request.param)

    def use(self, monkeypatch: pytest.MonkeyPatch, url: str) -> None:
        monkeypatch.setenv("HTTP_PROXY", url)
        monkeypatch.setenv("HTTPS_PROXY", url)

    def test_a_proxy_that_is_not_there(
        self, monkeypatch: pytest.MonkeyPatch, api_base: str
    ) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
        self.use(monkeypatch, f"http://127.0.0.1:{port}")
        assert send_to(api_base) == Retry("not sent: no connection: Connection refused")

    @pytest.mark.parametrize("status", ["407 Proxy Authentication Required", "502 Bad Gateway"])
    def test_a_proxy_that_opens_no_tunnel(
        self, monkeypatch: pytest.MonkeyPatch, status: str
    ) -> None:
        with RawServer(answering(reply(b"", status))) as proxy:
            self.use(monkeypatch, proxy.url)
            outcome = send_to("https://api.example")
        assert isinstance(outcome, Retry)
        assert outcome.error.endswith(f"Tunnel connection failed: {status}")
        assert proxy.requests[0].startswith(b"CONNECT api.example:443 ")
        assert TOKEN.encode() not in b"".join(proxy.requests)

    @pytest.mark.parametrize("talk", [silence, dripping_head])
    def test_a_proxy_that_does_not_finish_its_tunnel(
        self, monkeypatch: pytest.MonkeyPatch, talk: Callable[[Peer], None]
    ) -> None:
        with RawServer(talk) as proxy, within(LATE):
            self.use(monkeypatch, proxy.url)
            outcome = send_to("https://api.example", connect_seconds=SOON)
        assert outcome == Retry("not sent: connecting timed out")

    def test_a_message_passes_a_tunnel(self, monkeypatch: pytest.MonkeyPatch) -> None:
        with (
            RawServer(answering(DELIVERED), tls=True) as server,
            RawServer(tunnel) as proxy,
            client_of(server.url) as client,
        ):
            self.use(monkeypatch, proxy.url)
            assert [client.send(MESSAGE, 20) for _ in range(3)] == [Delivered(42)] * 3
            client.close()
        assert (proxy.connections, server.connections) == (1, 1)

    def test_a_reset_after_the_request_is_uncertain_though_its_class_says_proxy(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with RawServer(reset_after_the_request) as proxy:
            self.use(monkeypatch, proxy.url)
            assert isinstance(send_to("http://api.example"), Uncertain)
            with pytest.raises(requests.exceptions.ProxyError):  # the control
                requests.post("http://api.example", timeout=5)
        assert len(proxy.requests) == 2


class TestConnections:
    @pytest.mark.parametrize("tls", [False, True], ids=["http", "https"])
    def test_many_messages_use_one_connection_and_leave_no_thread(self, *, tls: bool) -> None:
        with RawServer(answering(DELIVERED), tls=tls) as server, client_of(server.url) as client:
            client.send(MESSAGE, 20)
            before = threading.active_count()
            assert {client.send(MESSAGE, 20) for _ in range(50)} == {Delivered(42)}
            assert threading.active_count() == before
        assert server.connections == 1

    def test_a_refusal_keeps_the_connection(self) -> None:
        refusal = reply(b'{"ok":false,"error_code":400,"description":"x"}', "400 Bad Request")
        with RawServer(answering(refusal)) as server, client_of(server.url) as client:
            for _ in range(3):
                client.send(MESSAGE, 20)
        assert server.connections == 1

    def test_each_thread_has_a_connection_of_its_own(self) -> None:
        with RawServer(answering(DELIVERED)) as server, client_of(server.url) as client:
            both = threading.Barrier(2)

            def work() -> None:
                for _ in range(5):
                    both.wait(10)
                    client.send(MESSAGE, 20)

            threads = [threading.Thread(target=work) for _ in range(2)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(20)
        assert len(server.requests) == 10
        assert server.connections == 2

    def test_a_connection_that_the_server_closed_meanwhile_is_replaced(self) -> None:
        closed = threading.Event()

        def talk(peer: Peer) -> None:
            peer.request()
            peer.say(DELIVERED)
            peer.sock.close()
            closed.set()

        with RawServer(talk) as server, client_of(server.url) as client:
            for _ in range(3):
                assert client.send(MESSAGE, 20) == Delivered(42)
                assert closed.wait(10)
                closed.clear()
        assert server.connections == 3

    def test_a_connection_that_was_idle_for_long_is_replaced(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(session, "LONGEST_IDLE_SECONDS", 0)
        with RawServer(answering(DELIVERED)) as server, client_of(server.url) as client:
            for _ in range(3):
                client.send(MESSAGE, 20)
        assert server.connections == 3

    def test_a_close_that_crosses_our_request_is_uncertain(self) -> None:
        def talk(peer: Peer) -> None:
            peer.request()
            peer.say(DELIVERED)
            peer.request()

        with RawServer(talk) as server, client_of(server.url) as client:
            assert client.send(MESSAGE, 20) == Delivered(42)
            assert isinstance(client.send(MESSAGE, 20), Uncertain)

    def test_a_closed_client_opens_new_connections(self) -> None:
        with RawServer(answering(DELIVERED)) as server, client_of(server.url) as client:
            client.send(MESSAGE, 20)
            client.close()
            assert client.send(MESSAGE, 20) == Delivered(42)
        assert server.connections == 2


class TestGetMe:
    def test_it_says_who_the_token_belongs_to(self) -> None:
        answer = reply(b'{"ok":true,"result":{"id":7654321,"is_bot":true,"username":"a_bot"}}')
        with RawServer(answering(answer)) as server, client_of(server.url) as client:
            assert client.get_me(5) == Identity(7654321, "a_bot")
        assert server.requests[0].startswith(f"POST /bot{TOKEN}/getMe HTTP/1.1\r\n".encode())

    def test_a_wrong_token_is_the_configuration(self) -> None:
        body = b'{"ok":false,"error_code":401,"description":"Unauthorized"}'
        answer = reply(body, "401 Unauthorized")
        with RawServer(answering(answer)) as server, client_of(server.url) as client:
            assert client.get_me(5) == Misconfigured("401 Unauthorized")

    def test_an_answer_that_names_no_bot_is_none(self) -> None:
        with RawServer(answering(DELIVERED)) as server, client_of(server.url) as client:
            assert client.get_me(5) == Uncertain("200 without a result")


def small_buffer(sock: socket.socket, _: object) -> None:
    """In place of urllib3's options, so that a large request waits for its reader."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)


def tunnel(peer: Peer) -> None:
    """A proxy that does its work."""
    host, port = peer.request().split()[1].decode().split(":")
    with socket.create_connection((host, int(port)), timeout=10) as out:
        peer.say(b"HTTP/1.1 200 Connection established\r\n\r\n")
        back = threading.Thread(target=copy, args=(out, peer.sock), daemon=True)
        back.start()
        copy(peer.sock, out)
        back.join(10)


def copy(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)


@contextmanager
def black_hole() -> Iterator[str]:
    """An address that neither accepts nor refuses: a listener whose queue is full."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        waiting = [socket.socket() for _ in range(4)]
        try:
            for sock in waiting:
                sock.setblocking(False)  # noqa: FBT003
                sock.connect_ex(listener.getsockname())
            yield f"127.0.0.1:{listener.getsockname()[1]}"
        finally:
            for sock in waiting:
                sock.close()
