"""A strict stand-in for Telegram's Bot API, for tests, for trying out, and for measuring.

It accepts, refuses and words its refusals as the real server does, misbehaves on request, and
shows on a page what people would see. May import `telegram.markdown`, which reads MarkdownV2, and
the standard library.
"""

from attendance.sandbox.faults import BadFault, Fault
from attendance.sandbox.server import Sandbox
from attendance.sandbox.state import Message, Request
from attendance.telegram.markdown.entities import Entity

__all__ = ["BadFault", "Entity", "Fault", "Message", "Request", "Sandbox"]
