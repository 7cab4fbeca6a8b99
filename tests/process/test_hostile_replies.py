"""Replies that no honest API would give."""

from __future__ import annotations

import asyncio
import zlib
from collections import Counter
from pathlib import Path

import pytest

from pubrio_async import AsyncPubrio
from pubrio_async.models import Outcome
from pubrio_async.scheduler import policy
from tests.cli.conftest import ids, write_csv
from tests.process.conftest import BATCH, PATIENCE_S, QUERY, StartApi, StartCli
from tests.process.proxy import Fate, Raw, at

BOMB_BYTES = 2 << 30
# A bomb that was unpacked whole would not fit.
MEMORY = ("RLIMIT_AS", 3 << 29)
COOKIES = 20_000
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


async def test_paid_requests_that_are_answered_so_are_unsettled_and_the_run_goes_on(
    cli: StartCli, api: StartApi, tmp_path: Path
) -> None:
    other = await api()
    fates: dict[int, Fate] = {n: hostile(kind, other.url) for n, kind in enumerate(HOSTILE, 1)}
    served = await api(lambda path, number: fates.get(number, "pass") if path == BATCH else "pass")
    source, out = write_csv(tmp_path / "in.csv", ids(30)), tmp_path / "out.csv"
    words = ["redeem", source, "-o", out, "--types", "phone", "--batch-size", 5]

    for _ in range(2):
        process = await cli(*words, "--progress", "none", url=served.url, bound=MEMORY)
        ended = await process.end()
        assert ended.code == 3, ended.err
        assert "20 rows unsettled: they may have been charged" in ended.err
        assert "Traceback" not in ended.err
        assert "key-of-the-test" not in ended.err + out.read_text()
        statuses = Counter(line.split(",")[2] for line in out.read_text().splitlines()[1:])
        assert statuses["unsettled"] == 20
        assert statuses["found"] + statuses["empty"] == 10
    told = out.read_text()
    assert "larger than 67,108,864 bytes" in told
    assert "307" in told
    assert served.proxy.fates["raw"] == 4
    assert not other.proxy.seen
    assert served.proxy.seen[BATCH] == 6
    assert await served.double_charges() == 0


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
    assert await served.double_charges() == 0
