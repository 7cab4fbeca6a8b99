"""From the body of a success to a Struct.

The envelope is `{"data": ...}`; what differs between the documentation's own pages is read
either way.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Generic, TypeVar, cast, overload

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from pubrio_async._errors import DecodeError
from pubrio_async._wire.bodies import BAD_INPUT, body_text
from pubrio_async.models import RedeemCharge, RedeemedPerson, RedeemJob, RedeemQueryReply

T = TypeVar("T")


class _Envelope(Struct, Generic[T]):
    data: T | UnsetType = UNSET


class _DataDecoder(Generic[T]):
    """Reads `{"data": T}`, or T itself where the body has no `data` member."""

    __slots__ = ("_envelope", "_known", "_whole")

    def __init__(self, kind: Any) -> None:
        self._envelope: msgspec.json.Decoder[_Envelope[T]] = msgspec.json.Decoder(
            cast("type[_Envelope[T]]", _Envelope[kind])
        )
        self._whole: msgspec.json.Decoder[T] = msgspec.json.Decoder(kind)
        self._known = (
            frozenset(field.encode_name for field in msgspec.structs.fields(kind))
            if isinstance(kind, type) and issubclass(kind, Struct)
            else None
        )

    def __call__(self, body: bytes) -> T:
        problem = ""
        try:
            data = self._envelope.decode(body).data
        except BAD_INPUT as error:
            problem = _problem(error)
        else:
            if data is not UNSET:
                return data
        return self._without_envelope(body, problem)

    def _without_envelope(self, body: bytes, problem: str) -> T:
        members = _members(body)
        if members is not None:
            if "data" in members:
                raise _undecodable(problem, body)
            # Every field may be absent, so any object at all would pass for an empty reply.
            if self._known is not None and not self._known & members.keys():
                raise _undecodable("neither `data` nor a documented field is in it", body)
        try:
            return self._whole.decode(body)
        except BAD_INPUT as error:
            problem = _problem(error)
        raise _undecodable(problem, body)


@overload
def data_decoder(kind: type[T]) -> Callable[[bytes], T]: ...
@overload
def data_decoder(kind: Any) -> Callable[[bytes], Any]: ...
def data_decoder(kind: Any) -> Callable[[bytes], Any]:
    """A decoder of `{"data": kind}`; without a `data` member the whole body is taken.

    Args:
        kind: A Struct, `Any`, or any other type msgspec knows; `X | None` where `data` may be
            null.

    Returns:
        A function from the body to the value; it raises DecodeError and nothing else. It is
        built when it is first used: a program uses a few of the endpoints, and imports all.
    """
    built: _DataDecoder[Any] | None = None

    def decode(body: bytes) -> Any:
        nonlocal built
        if built is None:
            built = _DataDecoder(kind)
        return built(body)

    return decode


def job_decoder() -> Callable[[bytes], RedeemJob]:
    """A decoder of the reply of `redeem.batch`.

    It reads the fields in `data` or in `data.query`, and of a reply that is not quite as
    documented it saves the `redeem_query_id`: the job is paid for, and nothing else leads to it.

    Returns:
        A function from the body to the job; it raises DecodeError and nothing else.
    """
    documented: msgspec.json.Decoder[_Envelope[RedeemJob]] = msgspec.json.Decoder(
        _Envelope[RedeemJob]
    )

    def decode(body: bytes) -> RedeemJob:
        try:
            job = documented.decode(body).data
        except BAD_INPUT:
            pass
        else:
            if job is not UNSET and job.redeem_query_id:
                return job
        found = _find_job(_document(body))
        if found is None or not found.redeem_query_id:
            raise _undecodable("there is no redeem_query_id in it", body)
        return found

    return decode


def query_decoder() -> Callable[[bytes], RedeemQueryReply]:
    """A decoder of the reply of `redeem.query`.

    The state is read from `data.query` or `data`; the cost and the people may be missing.

    Returns:
        A function from the body to the reply; it raises DecodeError and nothing else.
    """
    documented: msgspec.json.Decoder[_Envelope[RedeemQueryReply]] = msgspec.json.Decoder(
        _Envelope[RedeemQueryReply]
    )

    def decode(body: bytes) -> RedeemQueryReply:
        try:
            reply = documented.decode(body).data
        except BAD_INPUT:
            pass
        else:
            if reply is not UNSET:
                return reply
        document = _document(body)
        job = _find_job(document)
        if job is None:
            raise _undecodable("the state of the job is not in it", body)
        holder = _child(document, "data") or document
        try:
            peoples = msgspec.convert(holder.get("peoples"), tuple[RedeemedPerson, ...] | None)
        except BAD_INPUT as error:
            problem = f"its people: {_problem(error)}"
        else:
            return RedeemQueryReply(profile=_charge(holder), query=job, peoples=peoples)
        raise _undecodable(problem, body)

    return decode


def _document(body: bytes) -> dict[str, Any]:
    """The body as plain objects; raises DecodeError unless it is an object."""
    try:
        return msgspec.json.decode(body, type=dict[str, Any])
    except BAD_INPUT as error:
        problem = _problem(error)
    raise _undecodable(problem, body)


def _members(body: bytes) -> dict[str, Raw] | None:
    """The members of the body, not looked into; None unless it is an object."""
    try:
        return msgspec.json.decode(body, type=dict[str, Raw])
    except BAD_INPUT:
        return None


def _child(document: Mapping[str, Any], name: str) -> dict[str, Any]:
    value = document.get(name)
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def _find_job(document: dict[str, Any]) -> RedeemJob | None:
    """The state of a job wherever it stands, taking of each field only what it should be."""
    data = _child(document, "data")
    for place in (_child(data, "query"), data, _child(document, "query"), document):
        query_id = place.get("redeem_query_id")
        done = place.get("is_completed")
        if not isinstance(query_id, str) and not isinstance(done, bool):
            continue
        time, unit = place.get("estimated_time"), place.get("estimated_time_type")
        return RedeemJob(
            redeem_query_id=query_id if isinstance(query_id, str) else "",
            is_completed=done is True,
            estimated_time=time if type(time) in {int, float} else None,
            estimated_time_type=unit if isinstance(unit, str) else None,
        )
    return None


def _charge(holder: Mapping[str, Any]) -> RedeemCharge | None:
    # What was found is worth more than what it cost: an odd cost must not lose the people.
    try:
        return msgspec.convert(holder.get("profile"), RedeemCharge | None, strict=False)
    except BAD_INPUT:
        return None


def _problem(error: BaseException) -> str:
    """What is wrong with a body, without quoting it."""
    return "it is not valid UTF-8" if isinstance(error, UnicodeError) else str(error)


def _undecodable(problem: str, body: bytes) -> DecodeError:
    return DecodeError(problem, status=200, body=body_text(body))
