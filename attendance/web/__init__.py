"""The HTTP side, and, with `app`, the only place that knows Flask.

May import `records`, `notifications`, `api_keys` and everything below them. The way of a request:

    server          wait until it is whole, and give it a thread
    request_id      give it an id
    auth            check the caller's key (`audit_context`: whoever that is, and from where)
    body, schemas   read what was sent
    api             act, through one `Database.write`, and answer
    problems        whatever went wrong, as JSON
    failure_audit   a row for each request that was refused or crashed
"""
