"""gunicorn's settings, derived from ours: `manage.py serve`, or `gunicorn -c gunicorn.conf.py`."""

import logging
import os
import sys

import attendance.app  # noqa: F401 - once for all workers, before the fork
from attendance.config import ConfigError, Settings, typos
from attendance.config.capacity import THREADS
from attendance.config.logs import logging_config
from attendance.db import assert_no_connections
from attendance.notifications.texts import Notices
from attendance.web.fast import cpu_affinity
from attendance.web.key_limit import Counts
from attendance.web.server.stop import end_process
from attendance.worker import UNCONFIGURED, start_in_worker, stop_in_worker

try:
    _settings = Settings.from_env(os.environ)
    Notices(_settings.notice_template)
except ConfigError as error:
    sys.exit(f"Error: {error}")

wsgi_app = "attendance.app:create_app()"
bind = _settings.bind
workers = _settings.web_concurrency
worker_class = "attendance.web.server.worker.JsonWorker"
logger_class = "attendance.web.fast.quiet_logger.QuietLogger"
threads = THREADS
# Longer than whoever keeps connections to us: proxies and balancers do for a minute. Where both
# let go of one at the same moment, a request is on the way, and its sender cannot tell whether it
# was taken. It costs no thread.
keepalive = 75
# Of each worker, idle ones among them. A process may have 1,024 files open, and a database needs
# its share. For one who comes beyond, whoever has been silent longest makes room: to refuse the new
# ones would let the silent ones keep everybody out.
worker_connections = 512
# A stopping worker may be in the middle of a delivery: it gets the time that one can take.
graceful_timeout = timeout = int(_settings.stop_seconds)
# Whose headers are believed is for TRUSTED_PROXIES alone to say.
forwarded_allow_ips = ""
forwarder_headers = ""
# No application before the fork: a database connection that lived through one loses commits.
preload_app = False
# The control socket is shared by all gunicorns of a user, and nobody here needs it.
control_socket_disable = True
logconfig_dict = logging_config(_settings.log_format)
proc_name = "attendance"

# Made before the fork: all workers count the requests of a key in the same memory.
_counts = Counts()


def on_starting(server):
    typos.warn(os.environ)
    if not _settings.telegram_configured:
        logging.getLogger("attendance").warning(UNCONFIGURED)


def pre_fork(server, worker):
    assert_no_connections()
    cpu_affinity.assign(server, worker)


def post_fork(server, worker):
    worker.masters_signals = server.SIG_QUEUE
    cpu_affinity.keep(worker)


def post_worker_init(worker):
    worker.wsgi.extensions["attendance"].key_limit.share(_counts, worker.age)
    start_in_worker(worker)


def worker_exit(server, worker):
    stop_in_worker(worker)
    end_process(worker)
