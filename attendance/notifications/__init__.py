"""Who is told of what, and in which words; and what an admin does to messages and chats.

May import `telegram`, `api_keys`, `outbox`, `audit`, `models` and the lines below them.
"""
