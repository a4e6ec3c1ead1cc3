"""Python imports this by itself, where PYTHONPATH leads here: in each process of a service under
test, before anything of the product. It acts in `serve`, in `dispatch` and in `db backup`, as
FAULTS_INSIDE names it."""

import os
import sys

if any(
    argument.endswith(("/gunicorn", "serve", "dispatch", "backup")) for argument in sys.orig_argv
):
    import kill_points
    import without
    import without_among_hosts

    wishes = {**without.REMOVALS, **without_among_hosts.REMOVALS}
    for wish in os.environ.get("FAULTS_INSIDE", "").split():
        {"kill-points": kill_points.install, **wishes}[wish]()
