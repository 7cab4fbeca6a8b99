from __future__ import annotations

import asyncio
import io
import os
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import IO, Any

import pytest

from pubrio_async import ConfigurationError
from pubrio_async.tables import open_rows


@pytest.fixture
def pipe(monkeypatch: pytest.MonkeyPatch) -> Iterator[IO[bytes]]:
    """The writing end of a pipe whose other end is stdin."""
    reading, writing = os.pipe()
    with os.fdopen(reading) as stdin, os.fdopen(writing, "wb", 0) as writer:
        monkeypatch.setattr(sys, "stdin", stdin)
        yield writer


def watched() -> AsyncIterator[str]:
    people = open_rows("-").people()
    assert isinstance(people, AsyncIterator)
    return people


async def test_a_pipe_is_read_as_it_comes(pipe: IO[bytes]) -> None:
    people = watched()
    pipe.write(b"\xef\xbb\xbfid-1\r\n\nid-")
    assert await anext(people) == "id-1"

    waiting = asyncio.ensure_future(anext(people))
    await asyncio.sleep(0)
    assert not waiting.done()

    pipe.write(b"2\nbad \xff\nid-4")
    assert await waiting == "id-2"
    pipe.close()
    assert [person async for person in people] == ["bad \ufffd", "id-4"]


async def test_waiting_can_be_cancelled_and_taken_up_again(pipe: IO[bytes]) -> None:
    people = watched()
    waiting = asyncio.ensure_future(anext(people))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting

    pipe.write(b"id-1\n")
    assert await anext(people) == "id-1"


async def test_what_came_and_was_cancelled_at_once_is_not_lost(pipe: IO[bytes]) -> None:
    people = watched()
    waiting = asyncio.ensure_future(anext(people))
    await asyncio.sleep(0)
    pipe.write(b"id-1\n")
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)

    assert await anext(people) == "id-1"


def test_a_file_as_stdin_is_read_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "ids"
    path.write_text("id-1\nid-2")
    with path.open() as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        source = open_rows("-")
        found = source.people()

        assert isinstance(found, Iterator)
        assert list(found) == ["id-1", "id-2"]
    assert source.total is None
    assert source.cells() is None


async def test_the_null_device_is_an_empty_input(monkeypatch: pytest.MonkeyPatch) -> None:
    with open(os.devnull) as stdin:  # noqa: ASYNC230
        monkeypatch.setattr(sys, "stdin", stdin)

        assert [person async for person in watched()] == []


@pytest.mark.parametrize("stdin", [None, io.StringIO()])
def test_no_stdin_is_an_error(stdin: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    if stdin is not None:
        stdin.close()
    monkeypatch.setattr(sys, "stdin", stdin)

    with pytest.raises(ConfigurationError, match="no stdin"):
        open_rows("-")
