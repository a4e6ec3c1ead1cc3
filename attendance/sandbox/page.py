"""The page that shows the chats: its files, and a policy that lets nothing else in."""

from importlib.resources import files

from attendance.sandbox.bot_api import Refused, Reply, refused

_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; "
        "img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}
FILES = {
    "/": ("page.html", "text/html; charset=utf-8"),
    "/sandbox/page.css": ("page.css", "text/css; charset=utf-8"),
    "/sandbox/page.js": ("page.js", "text/javascript; charset=utf-8"),
    "/sandbox/text.js": ("text.js", "text/javascript; charset=utf-8"),
    "/sandbox/words.js": ("words.js", "text/javascript; charset=utf-8"),
    "/sandbox/icon.svg": ("icon.svg", "image/svg+xml"),
}


def answer(command: str, path: str) -> Reply:
    """Return a file of the page, or Telegram's own 404."""
    if command != "GET" or path not in FILES:
        return refused(Refused(404, "Not Found"))
    name, content_type = FILES[path]
    content = files(__package__).joinpath("static", name).read_bytes()
    return Reply(200, content, content_type=content_type, headers=_HEADERS)
