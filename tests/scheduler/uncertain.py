"""Errors of calls that may have been carried out all the same."""

from __future__ import annotations

from pubrio_async import DecodeError, ResponseError, ResponseLostError, ServerError

UNCERTAIN = [
    ResponseLostError("the connection broke", may_have_charged=True),
    ServerError("failed", status=503, may_have_charged=True),
    DecodeError("garbage", status=200, may_have_charged=True),
    ResponseError("a redirect", status=302, may_have_charged=True),
]
