"""Reading a large reply a piece at a time, so that nobody has to wait for all of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import msgspec
from msgspec import Raw, Struct

from pubrio_async._wire.bodies import BAD_INPUT
from pubrio_async.models import RedeemCharge, RedeemedPerson, RedeemJob, RedeemQueryReply

# Half a millisecond's worth of people.
_PIECE = 1_000


class _Skeleton(Struct, frozen=True):
    """A `RedeemQueryReply` whose people are not looked into: an eighth of the work."""

    query: RedeemJob
    peoples: tuple[Raw, ...]
    profile: RedeemCharge | None = None


class _Envelope(Struct, frozen=True):
    data: _Skeleton


def query_in_pieces() -> Callable[[bytes], Iterator[RedeemQueryReply | None]]:
    """A decoder of large replies of `redeem.query`.

    Returns:
        A function from the body to an iterator: it gives None after each piece of the work, and
        the reply at its end. Of a body that is not quite as documented it gives no reply;
        `query_decoder` tells what is to be made of that.
    """
    envelope: Callable[[bytes], _Envelope] = msgspec.json.Decoder(_Envelope).decode
    some: Callable[[bytes], tuple[RedeemedPerson, ...]] = msgspec.json.Decoder(
        tuple[RedeemedPerson, ...]
    ).decode

    def decode(body: bytes) -> Iterator[RedeemQueryReply | None]:
        peoples: list[RedeemedPerson] = []
        try:
            data = envelope(body).data
            for start in range(0, len(data.peoples), _PIECE):
                yield None
                peoples += some(b"[" + b",".join(data.peoples[start : start + _PIECE]) + b"]")
        except BAD_INPUT:
            return
        yield RedeemQueryReply(profile=data.profile, query=data.query, peoples=tuple(peoples))

    return decode
