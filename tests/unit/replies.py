"""What the tests of the wire share: replies, and what is made of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pubrio_async._errors import ResponseError
from pubrio_async._wire import WireReply, data_decoder, interpret, job_decoder, query_decoder
from pubrio_async.models import RedeemPeopleReply

SAMPLES = Path(__file__).parent.parent / "samples"
WALL = 1_700_000_000.0
JOB_ID = "a046c1da-b3d4-4ca1-aca6-1dd8c8055701"

anything: Any = data_decoder(Any)
people = data_decoder(RedeemPeopleReply)
job = job_decoder()
query = query_decoder()


def sample(name: str) -> bytes:
    return (SAMPLES / name).read_bytes()


def dumps(document: object) -> bytes:
    return json.dumps(document).encode()


def meaning(
    status: int,
    body: bytes = b"",
    decode: Any = anything,
    *,
    paid: bool = False,
    headers: dict[str, str] | None = None,
) -> Any:
    return interpret(
        WireReply(status, headers or {}, body),
        decode,
        method_path="POST /redeem/people/batch",
        paid=paid,
        wall=WALL,
    )


def refusal(
    status: int, body: bytes = b"", *, paid: bool = False, headers: dict[str, str] | None = None
) -> ResponseError:
    with pytest.raises(ResponseError) as caught:
        meaning(status, body, paid=paid, headers=headers)
    assert caught.value.status == status
    return caught.value
