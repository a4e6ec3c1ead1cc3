"""A transactional outbox: messages written with the data they speak of, delivered afterwards.

May import `db` and nothing else of ours: it knows neither attendance nor Telegram nor HTTP. What
carries a message is a `transport.Transport`; what must happen with an outcome comes in as a
function.

    enqueue ─▶ pending ─▶ sending ─▶ sent | failed | uncertain | cancelled
                  ▲          │
                  └──────────┘  not delivered, or a retry by hand
"""
