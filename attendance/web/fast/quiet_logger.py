"""The logger of a gunicorn that writes no access log, and pays for none.

gunicorn's own gathers the parts of the line at each request, even where no handler wants it.
"""

import logging
from typing import Any

from gunicorn.glogging import Logger


class QuietLogger(Logger):  # type: ignore[misc]  # gunicorn has no types
    def access(self, *request: Any) -> None:
        """Write the line of one request, if anybody reads the access log."""
        if self.access_log.isEnabledFor(logging.INFO):
            super().access(*request)
