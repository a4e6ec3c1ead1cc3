"""What the service does by itself: note its start and stop, prune, probe, and seal the trail.

`tasks` is the one list of background jobs. May import `notifications` and the lines below it.
"""
