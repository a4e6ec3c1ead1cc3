"""Whose address is noted: proxies are believed only where the operator trusts them."""

from collections.abc import Callable
from ipaddress import ip_network

import pytest
from calling import ADA, Api

from attendance.config import TrustedProxies
from attendance.web.client_ip import client_address

PROXY, OTHER_PROXY, CLIENT, OTHER = "10.0.0.1", "10.0.0.2", "203.0.113.7", "192.0.2.9"
TRUSTED = TrustedProxies((ip_network("10.0.0.0/8"), ip_network("2001:db8::/32")))
LONG = "x" * 100


@pytest.mark.parametrize(
    ("peer", "forwarded_for", "address"),
    [
        # peer             X-Forwarded-For                    the client
        (CLIENT, None, CLIENT),
        (CLIENT, "", CLIENT),
        # A stranger's header is not believed, whatever it says.
        (CLIENT, "1.2.3.4", CLIENT),
        (CLIENT, "10.0.0.9", CLIENT),
        (PROXY, None, PROXY),
        (PROXY, CLIENT, CLIENT),
        # What the client itself had put there stands before what the proxy added.
        (PROXY, f"6.6.6.6, {CLIENT}", CLIENT),
        (PROXY, f"6.6.6.6, {CLIENT}, {OTHER_PROXY}", CLIENT),
        (PROXY, f"{CLIENT},{OTHER_PROXY} , 10.9.9.9", CLIENT),
        # All trusted: the one that is farthest away.
        (PROXY, f"10.0.0.3, {OTHER_PROXY}", "10.0.0.3"),
        # Garbage ends the walk at the last address that was believed.
        (PROXY, "garbage", PROXY),
        (PROXY, f"garbage, {OTHER_PROXY}", OTHER_PROXY),
        (PROXY, f"{CLIENT}, <script>", PROXY),
        (PROXY, f"{CLIENT}:4711", CLIENT),
        (PROXY, f"{CLIENT}:", PROXY),
        (PROXY, f"{CLIENT}:471100", PROXY),
        (PROXY, "[2002::1]:4711", "2002::1"),
        (PROXY, "[fe80::1%eth0]:4711", "fe80::1"),
        (PROXY, "fe80::1%eth0", "fe80::1"),
        # Nothing longer than an address reaches a column.
        (PROXY, f"fe80::1%{LONG}", "fe80::1"),
        (PROXY, LONG, PROXY),
        (LONG, None, LONG[:45]),
        (PROXY, ", ,", PROXY),
        (PROXY, f",,{CLIENT},,", CLIENT),
        ("2001:db8::1", "2001:DB8:0::5, 2002:0:0::0001", "2002::1"),
        ("2001:db8::1", "[2002::1]", "2002::1"),
        ("2001:db8::1", CLIENT, CLIENT),
        # A socket for IPv4 and IPv6 shows IPv4 in the clothes of IPv6.
        (f"::ffff:{PROXY}", CLIENT, CLIENT),
        (f"::ffff:{CLIENT}", "1.2.3.4", CLIENT),
        (PROXY, f"::ffff:{CLIENT}", CLIENT),
        # No address at all: a Unix socket.
        ("", CLIENT, None),
        (None, CLIENT, None),
        ("not-an-address", CLIENT, "not-an-address"),
    ],
)
def test_the_client_s_address(
    peer: str | None, forwarded_for: str | None, address: str | None
) -> None:
    assert client_address(peer, forwarded_for, TRUSTED) == address


def test_without_trusted_proxies_nobody_is_believed() -> None:
    assert client_address(PROXY, CLIENT, TrustedProxies()) == PROXY


@pytest.mark.parametrize("peer", ["", None])
def test_who_comes_by_a_socket_is_believed_where_the_operator_says_so(peer: str | None) -> None:
    by_socket = TrustedProxies(TRUSTED.networks, unix=True)

    assert client_address(peer, f"6.6.6.6, {CLIENT}, {PROXY}", by_socket) == CLIENT
    assert client_address(peer, None, by_socket) is None
    assert client_address(OTHER, CLIENT, TrustedProxies(unix=True)) == OTHER


def test_a_thousand_hops_are_walked() -> None:
    hops = ", ".join([CLIENT, *["10.1.1.1"] * 1000])

    assert client_address(PROXY, hops, TRUSTED) == CLIENT


@pytest.mark.parametrize(
    ("trusted", "noted"), [("127.0.0.1", CLIENT), ("", "127.0.0.1"), (PROXY, "127.0.0.1")]
)
def test_the_trail_has_the_address_that_is_believed(
    make_api: Callable[..., Api], trusted: str, noted: str
) -> None:
    api = make_api(TRUSTED_PROXIES=trusted)

    api.post(ADA, headers={"X-Forwarded-For": CLIENT})

    assert api.audited()[0]["source_ip"] == noted
