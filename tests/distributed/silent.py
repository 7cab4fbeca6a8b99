"""A way to a database that falls silent: connections stay, and nothing comes through any more."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from urllib.parse import parse_qs, urlsplit


class Way:
    """What the way is like.

    Attributes:
        url: The address of the database by this way.
        made: How many connections were made by it.
        folder: Where the socket is.
    """

    def __init__(self) -> None:
        self.url = ""
        self.made = 0
        self.folder = ""
        self._loud = asyncio.Event()
        self._loud.set()

    def lead_to(self, url: str) -> None:
        """From now on new connections lead to another database; those there are stay."""
        self.folder = parse_qs(urlsplit(url).query)["host"][0]

    def fall_silent(self) -> None:
        """From now on nothing comes through the connections there are; new ones are fine."""
        self._loud.clear()
        self._loud = asyncio.Event()
        self._loud.set()

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Hands on what comes, until it is silent."""
        loud = self._loud
        with suppress(ConnectionError):
            while data := await reader.read(65_536):
                if not loud.is_set():
                    return  # what comes is dropped, and nobody is told
                writer.write(data)
                await writer.drain()
            if loud.is_set():
                writer.close()


@asynccontextmanager
async def way_to(url: str) -> AsyncGenerator[Way]:
    """A way to a database that listens on a socket in a folder."""
    parts, way = urlsplit(url), Way()
    way.lead_to(url)
    tasks: set[asyncio.Task[None]] = set()
    writers: list[asyncio.StreamWriter] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        way.made += 1
        there, to_there = await asyncio.open_unix_connection(f"{way.folder}/.s.PGSQL.5432")
        writers.extend((writer, to_there))
        for source, target in ((reader, to_there), (there, writer)):
            tasks.add(asyncio.create_task(way.carry(source, target)))

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    way.url = f"postgresql://tests@127.0.0.1:{port}{parts.path}"
    try:
        yield way
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for writer in writers:
            writer.transport.abort()
        await server.wait_closed()
