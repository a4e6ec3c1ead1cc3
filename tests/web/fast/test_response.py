"""`JsonResponse` leaves out what is known beforehand: Flask's own response says the same."""

from collections.abc import Callable

import pytest
from calling import Api
from flask import Response
from requests_of_each_kind import REQUESTS, answers

from attendance.web import idempotent, pagination, problems
from attendance.web.fast.response import JsonResponse


class _PlainResponse(Response):
    default_mimetype = "application/json"


def test_flask_s_own_response_is_the_same_to_the_client(
    make_twin: Callable[[], Api], monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = answers(make_twin())
    for module in (idempotent, pagination, problems):
        assert module.JsonResponse is JsonResponse
        monkeypatch.setattr(module, "JsonResponse", _PlainResponse)
    plain = answers(make_twin())

    for request, ours_said, plain_said in zip(REQUESTS, ours, plain, strict=True):
        assert ours_said == plain_said, request


def test_every_answer_tells_its_length(make_twin: Callable[[], Api]) -> None:
    for request, (_, headers, body) in zip(REQUESTS, answers(make_twin()), strict=True):
        if request[0] != "HEAD" and "export" not in request[1]:
            assert dict(headers)["Content-Length"] == str(len(body)), request
