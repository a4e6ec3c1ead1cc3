"""The HTTP side, and the only place that knows Flask.

May import `correcting`, `recording`, `idempotency`, `keys` and what lies below them. A request's
way: `calls` (who and from where) · `body` (parse) · `api` (act, through one `Database.write`) ·
`problems` (every way it can go wrong, as JSON).
"""
