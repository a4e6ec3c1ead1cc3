"""What Ctrl-C does: end the process where nothing is begun, or raise where a command tidies up.

Where whoever started the process has it ignored, it stays ignored.
"""

import signal


def end_at_once() -> None:
    """Let Ctrl-C end the process as SIGTERM does, without a traceback."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)


def raise_again() -> None:
    """Let Ctrl-C raise KeyboardInterrupt, after `end_at_once`."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_DFL:
        signal.signal(signal.SIGINT, signal.default_int_handler)
