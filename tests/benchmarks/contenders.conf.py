"""gunicorn's settings for the contenders: the project's own, without its hooks."""

import runpy
from pathlib import Path

_ours = runpy.run_path(str(Path(__file__).parents[2] / "gunicorn.conf.py"))
_hooks = {"on_starting", "pre_fork", "post_fork", "post_worker_init", "worker_exit", "wsgi_app"}
globals().update(
    {name: value for name, value in _ours.items() if name[0] != "_" and name not in _hooks}
)
