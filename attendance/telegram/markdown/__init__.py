"""Telegram's MarkdownV2: writing it, reading it, and templates of it.

`text` escapes and cuts, `markup` parses as Telegram does, `links` and `entities` are what a parsed
text holds, `template` checks an operator's text before it is sent to anybody.
"""
