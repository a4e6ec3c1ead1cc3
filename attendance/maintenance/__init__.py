"""What the service does by itself: notes its start and stop, prunes, probes, and seals the trail.

`tasks` is the one list of background jobs. May import `notifications` and the lines below it.
"""
