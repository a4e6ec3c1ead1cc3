"""Attendance records: recording them, correcting them, reading them, and following one request.

Each use case is one function that takes the caller's connection and commits nothing: the caller
runs it inside `Database.write`. May import `notifications` and the lines below it.
"""
