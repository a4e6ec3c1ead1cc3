"""Say what Telegram makes of an address inside a link: its normal form, or None.

May import nothing of ours.
"""

import ipaddress
import re

_SCHEMES = ("tg", "ton", "tonsite")
_SPACES = " \t\r\n\0\v"
_PART = r"(?:[A-Za-z0-9.\-_!$,~*'();&+={extra}]|%[0-9A-Fa-f]{{2}}|[^\x00-\x7f])*"
_HOST = re.compile(_PART.format(extra=""))
_USERINFO = re.compile(_PART.format(extra=":"))
_AUTHORITY = re.compile(r"(?:(?P<userinfo>.*)@)?(?P<host>.*?)(?P<port>(?<!^):[^:\]@]*)?", re.DOTALL)
_URL = re.compile(
    r"(?:(?P<scheme>[^:/?#@\[\]]*)://)?(?P<authority>[^/?#]*)(?P<query>.*)", re.DOTALL
)
_TG_QUERY = re.compile(r"tg:(?://)?(?P<host>[a-z]+)/?\?(?P<query>[^#]*)", re.DOTALL | re.IGNORECASE)


def checked_link(link: str) -> str | None:
    """Return the address as a client receives it, or None if Telegram silently drops the link."""
    scheme = next((name for name in _SCHEMES if _lower(link).startswith(f"{name}:")), None)
    if scheme is None:
        return _web_link(link)
    return _telegram_link(scheme, link[len(scheme) + 1 :].removeprefix("//"))


def user_id(link: str) -> int | None:
    """Return the id of the person that a `tg://user?id=…` address mentions, else None."""
    query = _tg_query(_lower(link), "user")
    user = _integer(_first(query, "id"), bits=64)
    return user if user is not None and 0 < user < 1 << 40 else None


def custom_emoji_id(link: str) -> str | None:
    """Return the id of the emoji that a `tg://emoji?id=…` address names, else None."""
    emoji = _integer(_first(_tg_query(link, "emoji"), "id"), bits=64)
    return str(emoji) if emoji else None


def date_time(link: str) -> dict[str, str | int] | None:
    """Return the fields of a MessageEntity for a `tg://time?unix=…&format=…` address, else None."""
    query = _tg_query(link, "time")
    times = [_integer(value, bits=32) for key, value in query if key == "unix"]
    style = next((value for key, value in reversed(query) if key == "format"), "")
    if not times or any(time is None or time <= 0 for time in times):
        return None
    if style not in {"r", "R"} and not re.fullmatch("[tTdDwW]*", style):
        return None
    return {"unix_time": times[-1] or 0, "date_time_format": style}


def _web_link(link: str) -> str | None:
    parts = _parse(link)
    if parts is None or not ("." in parts["host"] or parts["host"].startswith("[")):
        return None
    userinfo = parts["userinfo"] and parts["userinfo"] + "@"
    return f"{parts['scheme']}://{userinfo}{parts['host']}{parts['port']}{parts['query']}"


def _telegram_link(scheme: str, link: str) -> str | None:
    parts = _parse(link)
    if parts is None or _lower(link).startswith("http://") or parts["scheme"] == "https":
        return None
    allowed = r"[A-Za-z0-9_.-]+" if scheme == "tonsite" else r"[A-Za-z0-9_-]+"
    if parts["userinfo"] or parts["port"] or not re.fullmatch(allowed, parts["host"]):
        return None
    query = parts["query"]
    return f"{scheme}://{parts['host']}{query[1:] if query.startswith('/?') else query}"


def _parse(link: str) -> dict[str, str] | None:
    """Split into scheme, userinfo, host, port (with its colon) and query; None if one is not
    allowed."""
    url = _URL.fullmatch(link)
    scheme = _lower(url["scheme"]) if url and url["scheme"] is not None else "http"
    authority = _AUTHORITY.fullmatch(url["authority"]) if url else None
    if url is None or authority is None or scheme not in {"http", "https"}:
        return None
    host, userinfo = _lower(authority["host"]), authority["userinfo"] or ""
    port = _port(authority["port"])
    if port is None or not _is_host(host) or not _USERINFO.fullmatch(userinfo):
        return None
    query = _query(url["query"])
    return {"scheme": scheme, "userinfo": userinfo, "host": host, "port": port, "query": query}


def _port(written: str | None) -> str | None:
    if written is None:
        return ""
    number = written[1:].lstrip("0")
    if not re.fullmatch("[0-9]{1,5}", number) or int(number) > 65535:
        return None
    return f":{number}"


def _is_host(host: str) -> bool:
    if host.startswith("[") and host.endswith("]"):
        return _is_ipv6(host[1:-1])
    return host not in {"", "."} and _HOST.fullmatch(host) is not None


def _is_ipv6(address: str) -> bool:
    try:
        return ipaddress.IPv6Address(address).scope_id is None
    except ValueError:
        return False


def _query(written: str) -> str:
    query = written.rstrip(_SPACES)
    rooted = query if query.startswith("/") else f"/{query}"
    return "".join(f"%{ord(c):02X}" if c <= " " else c for c in rooted)


def _tg_query(link: str, host: str) -> list[tuple[str, str]]:
    match = _TG_QUERY.match(link)
    if match is None or _lower(match["host"]) != host:
        return []
    pairs = (parameter.partition("=") for parameter in match["query"].split("&"))
    return [(key, value) for key, _, value in pairs]


def _first(query: list[tuple[str, str]], key: str) -> str:
    return next((value for name, value in query if name == key), "")


def _integer(written: str, bits: int) -> int | None:
    if not re.fullmatch("0|-?[1-9][0-9]{0,18}", written):
        return None
    number = int(written)
    return number if -(1 << bits - 1) <= number < 1 << bits - 1 else None


def _lower(text: str) -> str:
    """Lower the ASCII letters only, as Telegram does."""
    return text.encode(errors="surrogatepass").lower().decode(errors="surrogatepass")
