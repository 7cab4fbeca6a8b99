"""The input of a run, whatever it is, as slices of rows."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Iterable, Iterator
from itertools import islice
from typing import cast

from pubrio_async._errors import ConfigurationError
from pubrio_async.scheduler.columns import ArrowData, is_table, people_of

People = Iterable[str | None] | AsyncIterable[str | None] | ArrowData
"""Ids or LinkedIn URLs, mixed as you like; endless is fine.

A column or a table of polars, pandas, pyarrow or DuckDB will do too; see `docs/tables.md`.
"""


class Source:
    """The input, pulled in slices; an async one is read ahead by no more than a slice.

    Args:
        people: The input.
        ahead: Most rows to read ahead of the scheduler from an async input.
        are_keys: Whether the rows are keys out of a journal.

    Attributes:
        are_keys: Likewise. Such a row is taken as it is: what would be made of it otherwise may be
            another key, of whom the journal knows nothing, and who would be bought.
    """

    def __init__(self, people: People, ahead: int, *, are_keys: bool = False) -> None:
        self.are_keys: bool = are_keys
        self._sync: Iterator[object] | None = None
        self._async: AsyncIterator[object] | None = None
        self._generator: AsyncGenerator[object, None] | None = None
        if isinstance(people, str | bytes):
            msg = f"people takes a list of ids or LinkedIn URLs, not one {type(people).__name__}"
            raise ConfigurationError(msg)
        if is_table(people):
            people = people_of(cast("ArrowData", people))
        if isinstance(people, AsyncIterable):
            self._async = aiter(people)
            if isinstance(people, AsyncGenerator):
                self._generator = people
        else:
            try:
                self._sync = iter(cast("Iterable[object]", people))
            except TypeError as error:
                msg = (
                    "people takes an iterable or async iterable of ids or LinkedIn URLs, "
                    f"not {type(people).__name__}"
                )
                raise ConfigurationError(msg) from error
        self._buffer: deque[object] = deque()
        self._ahead = ahead
        self._changed = asyncio.Event()
        self._pump: asyncio.Task[None] | None = None
        self._ended = False
        self._failure: Exception | None = None

    async def pull(self, limit: int, linger: float | None) -> list[object] | None:
        """The next rows.

        Args:
            limit: Most rows to return.
            linger: Seconds to wait for the first of them; None for as long as it takes.

        Returns:
            At least one row; an empty list if none came within `linger`; None at the end.
        """
        if self._sync is not None:
            await asyncio.sleep(0)  # a long input must not keep the loop to itself
            return self._slice(limit)
        if self._pump is None:
            self._pump = asyncio.get_running_loop().create_task(self._read_ahead())
        while not self._buffer:
            if self._ended:
                await self._pump  # raises what the input raised
                return None
            self._changed.clear()
            try:
                async with asyncio.timeout(linger):
                    await self._changed.wait()
            except TimeoutError:
                return []
        rows = [self._buffer.popleft() for _ in range(min(limit, len(self._buffer)))]
        self._changed.set()
        return rows

    def _slice(self, limit: int) -> list[object] | None:
        assert self._sync is not None  # noqa: S101 - asked for by `pull` alone
        if self._failure is not None:
            raise self._failure
        rows: list[object] = []
        try:
            rows.extend(islice(self._sync, limit))
        except Exception as error:  # noqa: BLE001 - the input's own; raised after its last rows
            self._failure = error
        except asyncio.CancelledError as error:
            self._failure = _broken_off(error)
        if self._failure is not None and not rows:
            raise self._failure
        return rows or None

    async def close(self) -> None:
        """Stops reading ahead and lets an async generator clean up."""
        if self._pump is not None:
            if self._pump is asyncio.current_task():
                return  # it is the input that closes the run, and ends after this
            self._pump.cancel()
            # What the input raised has been seen by `pull`, or nobody is left to see it.
            await asyncio.gather(self._pump, return_exceptions=True)
        if self._generator is not None:
            await self._generator.aclose()

    async def _read_ahead(self) -> None:
        assert self._async is not None  # noqa: S101 - only an async input has a pump
        try:
            async for person in self._async:
                self._buffer.append(person)
                self._changed.set()
                while len(self._buffer) >= self._ahead:
                    self._changed.clear()
                    await self._changed.wait()
        except asyncio.CancelledError as error:
            this = asyncio.current_task()
            if this is None or this.cancelling():
                raise
            raise _broken_off(error) from error
        finally:
            self._ended = True
            self._changed.set()


def _broken_off(error: asyncio.CancelledError) -> RuntimeError:
    """What is raised for an input that was cancelled by itself: nobody has cancelled the run."""
    failure = RuntimeError(
        "the input was cancelled before its end: what it reads from was, perhaps"
    )
    failure.__cause__ = error
    return failure
