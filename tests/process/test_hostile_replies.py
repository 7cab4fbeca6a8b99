"""Replies that no honest API would give."""

from __future__ import annotations

import asyncio
import re
import zlib
from collections import Counter
from pathlib import Path

import pytest

from pubrio_async import AsyncPubrio
from pubrio_async.models import Outcome
from pubrio_async.scheduler import logbook, policy, reconcile
from tests.cli.conftest import ids, write_csv
from tests.process.books import assert_balanced, read
from tests.process.conftest import BATCH, LOG, LOGS, PATIENCE_S, QUERY, StartApi, StartCli
from tests.process.proxy import Fate, Mode, Raw, always_pass, at

BOMB_BYTES = 2 << 30
# A bomb that was unpacked whole would not fit.
MEMORY = ("RLIMIT_AS", 3 << 29)
COOKIES = 20_000
LOST: Mode = "reset_after"
HOSTILE = ["gzip bomb", "five gigabytes", "cookies", "redirect"]


def _bomb() -> bytes:
    deflate = zlib.compressobj(9, zlib.DEFLATED, 31)
    zeros = bytes(1 << 20)
    packed = deflate.compress(zeros) + deflate.flush(zlib.Z_FULL_FLUSH)
    # After a full flush nothing refers back: the piece can be repeated.
    piece = deflate.compress(zeros) + deflate.flush(zlib.Z_FULL_FLUSH)
    packed += piece * (BOMB_BYTES // len(zeros) - 1) + deflate.flush()
    head = f"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {len(packed)}\r\n\r\n"
    return head.encode() + packed


def hostile(kind: str, elsewhere: str) -> Raw:
    """A reply.

    Args:
        kind: Which.
        elsewhere: Where the redirect leads.
    """
    match kind:
        case "gzip bomb":
            return Raw(_bomb())
        case "five gigabytes":
            return Raw(b"HTTP/1.1 200 OK\r\nContent-Length: 5000000000\r\n\r\n{")
        case "cookies":
            cookies = "".join(f"Set-Cookie: c{n}=v; Max-Age=9{n}\r\n" for n in range(COOKIES))
            return Raw(f"HTTP/1.1 200 OK\r\n{cookies}Content-Length: 2\r\n\r\n{{}}".encode())
        case _:
            return Raw(
                f"HTTP/1.1 307 Temporary Redirect\r\nLocation: {elsewhere}{BATCH}\r\n"
                "Content-Length: 0\r\n\r\n".encode()
            )


def broken_log(kind: str, elsewhere: str) -> Fate:
    """What the request log answers."""
    if kind in HOSTILE:
        return hostile(kind, elsewhere)
    match kind:
        case "hanging":
            return "half_open"
        case "not HTTP":
            return Raw(bytes(200))
        case "garbage":
            return Raw(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n<html>")
        case _:
            return Raw(f"HTTP/1.1 {kind} No\r\nContent-Length: 2\r\n\r\nno".encode())


# What is told of each.
BROKEN_LOGS = {
    "403": re.compile(r"could not be read: .* was refused \(403\): no"),
    # An entry that is listed and not shown may be another's.
    "404": re.compile(r"could not be read: .* was refused \(404\): no|it was not there"),
    "500": re.compile(r"could not be read: .* failed at the API \(500\): no"),
    "garbage": re.compile(r"could not be read: .*JSON is malformed"),
    "not HTTP": re.compile(r"could not be read: .*not HTTP"),
    "hanging": re.compile(r"could not be read: .*no complete reply came within 0\.5 s"),
    "five gigabytes": re.compile(r"could not be read: .*larger than 67,108,864 bytes"),
    "redirect": re.compile(r"could not be read: .*redirect, which is never followed \(307\)"),
}


async def test_paid_requests_that_are_answered_so_are_found_in_the_request_log(
    cli: StartCli, api: StartApi, tmp_path: Path
) -> None:
    other = await api()
    fates: dict[int, Fate] = {n: hostile(kind, other.url) for n, kind in enumerate(HOSTILE, 1)}
    served = await api(lambda path, number: fates.get(number, "pass") if path == BATCH else "pass")
    people, out = ids(30), tmp_path / "out.csv"
    source = write_csv(tmp_path / "in.csv", people)
    words = ["redeem", source, "-o", out, "--types", "phone", "--batch-size", 5]

    process = await cli(*words, "--progress", "none", url=served.url, bound=MEMORY)
    ended = await process.end()

    assert ended.code == 0, ended.err
    assert "key-of-the-test" not in ended.err + out.read_text()
    await assert_balanced(served, read(out, people), ["phone"], tmp_path / "out.csv.journal")
    assert served.proxy.fates["raw"] == 4
    assert not other.proxy.seen
    assert served.proxy.seen[BATCH] == 6


@pytest.mark.parametrize("path", [LOGS, LOG])
@pytest.mark.parametrize("kind", BROKEN_LOGS)
async def test_a_request_log_that_cannot_be_read_leaves_who_was_lost_unsettled(
    api: StartApi, kind: str, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logbook, "_FIRST_LOOK_S", 0.02)
    monkeypatch.setattr(logbook, "_LATER_LOOKS_S", (0.05, 0.1))
    monkeypatch.setattr(reconcile, "_PAUSE_S", 0.05)
    other = await api()
    broken = broken_log(kind, other.url)
    served = await api(
        lambda asked, number: broken if asked == path else at(BATCH, {1}, LOST)(asked, number)
    )
    async with (
        asyncio.timeout(PATIENCE_S),
        AsyncPubrio("key-of-the-test", served.url, "unlimited", timeout=0.5) as pubrio,
        pubrio.redeem.many(ids(20), people_contact_types=["phone"], batch_size=5) as run,
    ):
        outcomes = [outcome async for outcome in run]

    assert run.stopped_by is None
    lost = [outcome for outcome in outcomes if outcome.status == "unsettled"]
    # Nobody else is the worse for it.
    assert Counter(outcome.status in {"found", "empty"} for outcome in outcomes)[True] == 15
    assert len(lost) == 5
    for outcome in lost:
        assert outcome.error is not None
        assert "its reply was lost: the connection broke" in outcome.error
        assert BROKEN_LOGS[kind].search(outcome.error.partition("in the request log")[2])
    # It is not asked for ever.
    assert 1 <= served.proxy.seen[LOGS] + served.proxy.seen[LOG] <= 12
    assert served.proxy.seen[BATCH] == 4
    assert not other.proxy.seen


async def test_a_log_that_could_not_be_read_is_read_by_resolve_once_it_can(
    cli: StartCli, api: StartApi, tmp_path: Path
) -> None:
    broken = broken_log("403", "")
    struck = at(BATCH, {1}, LOST)
    served = await api(lambda path, n: broken if path == LOGS else struck(path, n))
    people, out, journal = ids(20), tmp_path / "out.csv", tmp_path / "out.csv.journal"
    words: list[str | Path | int] = [
        "redeem", write_csv(tmp_path / "in.csv", people), "-o", out, "--types", "phone",
        "--batch-size", 5, "--progress", "none",
    ]  # fmt: skip
    ended = await (await cli(*words, url=served.url)).end()
    assert ended.code == 3, ended.err
    assert f"pubrio-async resolve {journal}" in ended.err
    told = read(out, people)
    lost = told.people("unsettled")
    assert len(lost) == 5
    for person in lost:
        assert "in the request log, which could not be read" in told.errors[person]
    assert served.charged() <= told.people("found") | lost

    resolve = ["resolve", str(journal), "--progress", "none"]
    ended = await (await cli(*resolve, url=served.url)).end()
    assert ended.code == 3, ended.err
    assert "5 people still unsettled" in ended.err

    served.proxy.plan = always_pass
    ended = await (await cli(*resolve, url=served.url)).end()
    assert ended.code == 0, ended.err
    submits = served.proxy.seen[BATCH]
    ended = await (await cli(*words, url=served.url)).end()
    assert ended.code == 0, ended.err
    assert served.proxy.seen[BATCH] == submits == 4
    await assert_balanced(served, read(out, people), ["phone"], journal)


@pytest.mark.parametrize("kind", HOSTILE)
async def test_polls_that_are_answered_so_are_asked_again(
    api: StartApi, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(policy, "_WAIT_WITHOUT_ESTIMATE_S", 0.02)
    other = await api()
    served = await api(at(QUERY, {0, 1}, hostile(kind, other.url)))
    outcomes: list[Outcome] = []
    async with (
        asyncio.timeout(PATIENCE_S),
        AsyncPubrio("key-of-the-test", served.url, "unlimited") as pubrio,
        pubrio.redeem.many(ids(20), people_contact_types=["phone"], batch_size=10) as run,
    ):
        async for outcome in run:
            outcomes.append(outcome)  # noqa: PERF401 - what came before a failure is worth seeing

    assert Counter(outcome.status for outcome in outcomes).keys() <= {"found", "empty"}
    assert len(outcomes) == 20
    assert served.proxy.fates["raw"] == run.report.retries == 2
    assert not other.proxy.seen
    assert {o.person for o in outcomes if o.status == "found"} == served.charged()
    assert served.sandbox.regrets().double_charges == 0
