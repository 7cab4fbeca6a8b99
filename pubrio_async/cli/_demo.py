"""The stand-in for the API inside `redeem --sandbox`.

It ends with the process, and its jobs with it. So that an interrupted demonstration can be
continued like any other run, a new one takes over the open jobs it finds in the journal.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager

import msgspec

from pubrio_async._config import DEFAULT_RATE_LIMIT, parse_rates, rates_in_words
from pubrio_async.cli._demo_journal import DEMO_KEY, journal_exists
from pubrio_async.sandbox import (
    Sandbox,
    SandboxConfig,
    SandboxReply,
    SandboxRequest,
    SandboxServer,
)
from pubrio_async.scheduler import OpenBatch
from pubrio_async.scheduler.journal_sqlite import SqliteJournal

# Quick enough to watch, slow enough to see it wait.
_LATENCY_S = 0.05
_TIME_SCALE = 0.3

_BATCH_PATH = "/redeem/people/batch"
_QUERY_PATH = "/redeem/people/batch/query"
# Jobs taken over were submitted long ago, and slowly: no rate limit of today counts them.
_APART_S = 60.0


@asynccontextmanager
async def demo_sandbox(
    rate: str | None, journal: str | None, contact_types: Sequence[str]
) -> AsyncGenerator[str, None]:
    """Runs the stand-in on a port of this machine while the block runs; gives its URL.

    Args:
        rate: The rate limits the client will keep; the stand-in enforces the same.
        journal: Where the journal is, if one is kept.
        contact_types: What is asked for.

    Raises:
        JournalError: The journal cannot be read.
    """
    limits = rate or os.environ.get("PUBRIO_RATE_LIMIT", "").strip() or DEFAULT_RATE_LIMIT
    # Of `account` what always holds is left: the stand-in is who is asked for the rest.
    limits = rates_in_words(parse_rates(limits))
    sandbox = _DemoSandbox(SandboxConfig(limits=limits, latency=_LATENCY_S, time_scale=_TIME_SCALE))
    if journal is not None and journal_exists(journal):
        sandbox.take_over(
            await _open_batches(journal), contact_types, asyncio.get_running_loop().time()
        )
    async with SandboxServer(sandbox) as server:
        yield server.url


async def _open_batches(path: str) -> Sequence[OpenBatch]:
    journal = SqliteJournal(path)
    await journal.open(())
    try:
        return await journal.open_batches()
    finally:
        await journal.close()


class _Query(msgspec.Struct):
    redeem_query_id: str


class _Submitted(msgspec.Struct):
    data: _Query


class _DemoSandbox(Sandbox):
    """A stand-in that knows jobs of its predecessor, by the ids they had there."""

    def __init__(self, config: SandboxConfig) -> None:
        super().__init__(config)
        self._renamed: dict[str, str] = {}

    def take_over(
        self, batches: Sequence[OpenBatch], contact_types: Sequence[str], now: float
    ) -> None:
        """Submits the jobs again, long before `now`.

        Args:
            batches: Those that are open.
            contact_types: What was asked for.
            now: The time on the clock of the requests.
        """
        accepted = [(entry.batch, entry.job) for entry in batches if entry.job is not None]
        for age, (batch, job) in zip(range(len(accepted), 0, -1), accepted, strict=True):
            body = {"peoples": batch.keys, "people_contact_types": contact_types}
            request = SandboxRequest(
                "POST",
                _BATCH_PATH,
                {"pubrio-api-key": DEMO_KEY},
                msgspec.json.encode(body),
            )
            reply = self.handle(request, now - age * _APART_S)
            submitted = msgspec.json.decode(reply.body, type=_Submitted)
            self._renamed[job.redeem_query_id] = submitted.data.redeem_query_id

    def handle(self, request: SandboxRequest, now: float) -> SandboxReply:
        """Carries out a request; in a poll of a job that was taken over the ids are exchanged."""
        if request.path != _QUERY_PATH or not self._renamed:
            return super().handle(request, now)
        old = msgspec.json.decode(request.body, type=_Query).redeem_query_id
        new = self._renamed.get(old)
        if new is None:
            return super().handle(request, now)
        body = request.body.replace(old.encode(), new.encode())
        reply = super().handle(request._replace(body=body), now)
        return msgspec.structs.replace(reply, body=reply.body.replace(new.encode(), old.encode()))
