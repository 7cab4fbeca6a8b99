"""Server-sent events; a listener is a cursor, not a queue.

Rows are kept by the job anyway, so all a listener needs is how far it has come. One that reads
slowly, or stands still, costs the run nothing and the memory a part of a reply; one that was cut
off comes back with the id of the last event it has seen, and goes on behind it.

| event | data | when |
|---|---|---|
| `jobs` | all jobs of the visitor, without rows | they have changed |
| `reset` | nothing | what was shown before belongs to an earlier run of the job |
| `rows` | the next rows of the job | there are some |
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Self

import msgspec
from msgspec import Struct

from examples.webapp.store import Store

_PART = 100
# A table that changes ten times a second is as live as one can see.
_BREATH_S = 0.1
# What is reserved changes without a row; nobody is told more often than this.
_LOOK_S = 0.5
_ALIVE_S = 15.0


class Cursor(Struct, frozen=True):
    """How far a listener has come: a number of rows, in a run of the job."""

    generation: int = 0
    row: int = 0

    @classmethod
    def parse(cls, text: str) -> Self:
        """Reads an event id; whatever is none stands for the beginning."""
        generation, _, row = text.partition(".")
        if generation.isdecimal() and row.isdecimal() and len(text) < 24:
            return cls(int(generation), int(row))
        return cls()

    def __str__(self) -> str:
        return f"{self.generation}.{self.row}"


async def events(
    store: Store, owner: str, job_id: str | None, cursor: Cursor
) -> AsyncGenerator[bytes, None]:
    """The events of a visitor, and those of one job; ends when the server does."""
    store.streams[owner] += 1
    try:
        yield b"retry: 1000\n\n"
        told = b""
        while not store.closing:
            rings = store.bell.rings
            summaries = msgspec.json.encode(store.summaries(owner))
            if summaries != told:
                told = summaries
                yield _event("jobs", summaries)
            job = next((job for job in store.of(owner) if job.record.id == job_id), None)
            if job is not None:
                if cursor.generation != job.generation or cursor.row > len(job.rows):
                    cursor = Cursor(job.generation)
                    yield _event("reset", b"{}", cursor)
                # A new run of the job may begin while a part is on its way.
                while cursor.generation == job.generation and cursor.row < len(job.rows):
                    rows = job.shown(cursor.row, _PART)
                    cursor = Cursor(cursor.generation, cursor.row + len(rows))
                    yield _event("rows", msgspec.json.encode(rows), cursor)
            await asyncio.sleep(_BREATH_S)
            busy = any(job.is_running for job in store.of(owner))
            await store.bell.after(rings, _LOOK_S if busy else _ALIVE_S)
            if store.bell.rings == rings and not busy:
                # Writing is how one learns that nobody is there any more.
                yield b": still here\n\n"
    finally:
        store.streams[owner] -= 1
        if not store.streams[owner]:
            del store.streams[owner]


def _event(name: str, data: bytes, cursor: Cursor | None = None) -> bytes:
    # JSON holds no line feed, so an event is one line of data.
    head = f"event: {name}\n" + (f"id: {cursor}\n" if cursor is not None else "")
    return head.encode() + b"data: " + data + b"\n\n"
