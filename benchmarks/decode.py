"""Decoding a batch reply: our decoder against what else there is, and what it does to the loop."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import itertools
import json
import statistics
import time
import tracemalloc
from collections.abc import Callable
from functools import partial
from typing import Any

import msgspec

from benchmarks.harness import Options, Plot, Report, Samples, cpu_seconds, interleaved, people
from pubrio_async import AsyncPubrio
from pubrio_async._phase import Phase
from pubrio_async._wire import WireReply, WireRequest, query_decoder
from pubrio_async.models import RedeemQueryReply

OURS, BARE = "pubrio-async", "bare msgspec.json.Decoder"


class _Envelope(msgspec.Struct):
    data: RedeemQueryReply


class _PlainContact(msgspec.Struct):
    value: str
    type: str | None = None
    status: str | None = None


class _PlainPerson(msgspec.Struct):
    people_search_id: str | None = None
    emails: list[_PlainContact] | None = None
    phones: list[_PlainContact] | None = None


class _PlainData(msgspec.Struct):
    query: dict[str, Any]
    profile: dict[str, Any] | None = None
    peoples: list[_PlainPerson] | None = None


class PlainEnvelope(msgspec.Struct):
    data: _PlainData


def reply(count: int) -> bytes:
    """A finished job: 85 % have a work address, half a second one, a quarter a phone."""
    rows: list[dict[str, Any]] = []
    for number, person in enumerate(people(count, seed=4)):
        emails: list[dict[str, Any]] = []
        phones: list[dict[str, Any]] = []
        local = f"maria.{person[:10]}"
        if number % 20 < 17:
            emails.append(_contact(f"{local}@example.com", "email-work", number % 3))
        if number % 2:
            emails.append(_contact(f"{local}@example.org", "email-personal", number % 5))
        if number % 4 == 0:
            phones.append(_contact(f"+1555{number % 10**7:07d}", "phone", number % 2))
        rows.append({"people_search_id": person, "emails": emails, "phones": phones})
    data = {
        "profile": {"credit": 1000, "topup_credit": 0, "total_charged_credit": 5 * count},
        "query": {"redeem_query_id": people(1, seed=5)[0], "is_completed": True},
        "peoples": rows,
    }
    return json.dumps({"data": data}).encode()


def _contact(value: str, kind: str, verified: int) -> dict[str, Any]:
    return {"value": value, "type": kind, "status": "Verified" if verified else None}


def decoders() -> dict[str, Callable[[bytes], object]]:
    """Every way to read a reply, by name; peers that are not installed are left out."""
    found: dict[str, Callable[[bytes], object]] = {
        OURS: query_decoder(),
        BARE: msgspec.json.Decoder(_Envelope).decode,
        "msgspec, default Struct": msgspec.json.Decoder(PlainEnvelope).decode,
        "json.loads": json.loads,
    }
    with contextlib.suppress(ImportError):
        import orjson  # noqa: PLC0415 - an extra

        found["orjson"] = orjson.loads
    with contextlib.suppress(ImportError):
        found["pydantic"] = _pydantic()
    return found


def _pydantic() -> Callable[[bytes], object]:
    from pydantic import BaseModel, create_model  # noqa: PLC0415 - an extra

    contact: Any = create_model(
        "contact", value=(str, ...), type=(str | None, None), status=(str | None, None)
    )
    person: Any = create_model(
        "person",
        people_search_id=(str | None, None),
        emails=(list[contact] | None, None),
        phones=(list[contact] | None, None),
    )
    data: Any = create_model(
        "data",
        query=(dict[str, Any], ...),
        profile=(dict[str, Any] | None, None),
        peoples=(list[person] | None, None),
    )
    envelope: type[BaseModel] = create_model("envelope", data=(data, ...))
    return envelope.model_validate_json


def _round(decode: Callable[[bytes], object], body: bytes, times: int) -> float:
    kept: list[
        object
    ] = []  # replies stay alive as they do in a run: that is what the collector walks
    return cpu_seconds(lambda: kept.extend(decode(body) for _ in range(times))) / times


def footprint(decode: Callable[[bytes], object], body: bytes) -> tuple[int, int]:
    """Bytes a decoded reply occupies, and how many objects the collector tracks for it."""
    decode(body)
    gc.collect()
    before = len(gc.get_objects())
    tracemalloc.start()
    try:
        start = tracemalloc.get_traced_memory()[0]
        kept = decode(body)
        used = tracemalloc.get_traced_memory()[0] - start
    finally:
        tracemalloc.stop()
    gc.collect()  # a tuple of plain values is new to the collector once, and never seen again
    tracked = max(0, len(gc.get_objects()) - before)
    del kept
    return used, tracked


class _Canned:
    """A transport that has the reply already."""

    def __init__(self, body: bytes) -> None:
        self._body = body

    async def send(self, request: WireRequest, *, timeout: float, phase: Phase) -> WireReply:  # noqa: ARG002 - as the protocol has it
        phase.sent += 1
        await asyncio.sleep(0)
        return WireReply(200, {}, self._body)

    async def aclose(self) -> None:
        pass


async def _stall(body: bytes, times: int) -> list[float]:
    """The longest the loop was held up by each of so many calls: CPU time, not who else is busy."""
    longest: list[float] = []
    async with AsyncPubrio("benchmark", rate_limit="unlimited", transport=_Canned(body)) as pubrio:
        for _ in range(times):
            beats: list[float] = []
            heart = asyncio.create_task(_beat(beats))
            await asyncio.sleep(0)
            await pubrio.redeem.query(redeem_query_id="e37ccf38-ea8f-422e-9874-cb23b15e8fe4")
            await asyncio.sleep(0)
            heart.cancel()
            longest.append(max(b - a for a, b in itertools.pairwise(beats)))
    return longest


async def _beat(beats: list[float]) -> None:
    while True:
        beats.append(time.thread_time())
        await asyncio.sleep(0)


def run(options: Options) -> Report:
    report = Report(
        name="decode",
        title="Decoding a batch reply",
        method=(
            "The reply of `redeem.query` for a finished job is decoded by each decoder in turn; "
            "the figure is CPU time, with results kept alive within a round. The floor is a bare "
            "msgspec decoder of the same model. Bytes by tracemalloc; tracked objects are those "
            "the cyclic collector still has to walk after its first pass. The stall is the "
            "longest gap, in CPU time, between two turns of the event loop while `redeem.query` "
            "of the real client reads such a reply from a transport in memory."
        ),
        columns=("people", "decoder", "µs a reply", "÷ bare decoder", "bytes a person", "tracked"),
    )
    sizes = {50: options.pick(20, 400), 1_000: options.pick(1, 20), 25_000: 1}
    plotted: dict[str, tuple[list[Any], list[float]]] = {}
    at: dict[int, Samples] = {}
    for size, times in sizes.items():
        if options.quick and size > 1_000:
            continue
        body = reply(size)
        variants = {
            name: partial(_round, decode, body, times) for name, decode in decoders().items()
        }
        at[size] = samples = interleaved(variants, options.pick(3, 21 if size < 25_000 else 11))
        for name, decode in decoders().items():
            used, tracked = footprint(decode, body)
            ratio = samples.ratio(name, BARE)
            micro = 1e6 * samples.median(name)
            report.add(size, name, round(micro, 1), ratio, round(used / size), tracked)
            xs, ys = plotted.setdefault(name, ([], []))
            xs.append(size)
            ys.append(micro / size)
            if name == OURS:
                report.goal(f"{size:,} people, ÷ bare decoder", ratio, at_most=1.05)
            if name == OURS and size == 1_000:
                report.goal("bytes a person", used / size, at_most=450, unit="bytes")
                # The reply, its job, its charge and the tuple: one each, whatever the size.
                report.goal("tracked objects in a reply of 1,000", tracked, at_most=4)
    for peer, most in (("json.loads", 0.35), ("pydantic", 0.15)):
        if peer in at[1_000]:
            ratio = at[1_000].ratio(OURS, peer)
            report.goal(f"1,000 people, ÷ {peer}", ratio, at_most=most)
    for size in at:
        _stalls(options, report, size)
    report.plots.append(
        Plot(
            title="Decoding, CPU per person",
            x_title="people in the reply",
            y_title="µs a person",
            series=plotted,
            log_x=True,
            log_y=True,
        )
    )
    return report


def _stalls(options: Options, report: Report, size: int) -> None:
    stalls = asyncio.run(_stall(reply(size), options.pick(3, 15)))
    stall = 1000 * statistics.median(stalls)
    report.notes.append(f"A reply of {size:,} people holds up the loop for {stall:.2f} ms.")
    if size == 25_000:
        report.goal(
            "25,000 people, longest stall of the loop",
            stall,
            at_most=10,
            unit="ms",
            why=(
                "a large reply is decoded a thousand people at a time, but before that all of it "
                "is gone through once, to find where each of them begins"
            ),
        )
