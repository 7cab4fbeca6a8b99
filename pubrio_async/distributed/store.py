"""Connections to the database, and transactions that outlive the loss of one."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from logging import WARNING
from types import TracebackType
from typing import Any, Self, TypeAlias, TypeVar

import psycopg
import psycopg_pool
from psycopg import errors
from psycopg.conninfo import conninfo_to_dict

from pubrio_async._errors import JournalError
from pubrio_async._log import JOURNAL, note
from pubrio_async.distributed.schema import OPTIONS, check_schema, explain

T = TypeVar("T")
Connection: TypeAlias = psycopg.AsyncConnection[Any]
Cursor: TypeAlias = psycopg.AsyncCursor[Any]

_FIRST_WAIT_S = 0.1
_LONGEST_WAIT_S = 5.0
_TOLD_AFTER = 4
_REACHED_S = 10.0
# Not about what was asked: somebody was in the way, or the database is being stopped or moved.
_PASSING = (
    errors.OperationalError,  # deadlocks and serialization failures among them
    errors.InterfaceError,
    errors.ReadOnlySqlTransaction,
    errors.IdleInTransactionSessionTimeout,  # this process was stopped for a while
    psycopg_pool.PoolTimeout,
)
# These are, although they are of the same kind.
_LASTING = (
    errors.DiskFull,
    errors.InvalidPassword,
    errors.InvalidAuthorizationSpecification,
)


class Store:
    """A pool of connections to the database of a fleet of workers.

        async with Store("postgresql://user@host/name") as store:
            await store.transact(work)

    Args:
        conninfo: The database. It may hold a password, and is never shown.
        patience: Seconds a transaction is tried for while the database cannot be reached.
        connections: Most connections at once.

    Attributes:
        patience: As given; may be changed while transactions wait.
    """

    def __init__(self, conninfo: str, *, patience: float = 300.0, connections: int = 4) -> None:
        self.patience: float = patience
        self._conninfo = conninfo
        self._pool = psycopg_pool.AsyncConnectionPool(
            conninfo,
            kwargs={"options": OPTIONS, "autocommit": True, "application_name": "pubrio-async"},
            min_size=1,
            max_size=connections,
            timeout=_LONGEST_WAIT_S,
            open=False,
            check=psycopg_pool.AsyncConnectionPool.check_connection,
        )
        try:
            self._where = _place(conninfo)
        except psycopg.ProgrammingError:
            raise JournalError(
                "this is no address of a database; one looks like postgresql://user@host/name"
            ) from None

    def __repr__(self) -> str:
        return f"<Store {self._where}>"

    @property
    def place(self) -> str:
        """Where the database is, without user and password."""
        return self._where

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    async def open(self) -> None:
        """Connects.

        Raises:
            JournalError: The database cannot be reached, or its tables are not there.
        """
        await self._pool.open()
        try:
            await self._pool.wait(timeout=_REACHED_S)
            await self.transact(check_schema)
        except psycopg_pool.PoolTimeout:
            await self.close()
            raise JournalError(
                f"cannot reach the database {self._where}; check the address, and that it runs"
            ) from None
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """Lets go of the connections; safe to call twice."""
        await self._pool.close()

    async def connect(self) -> Connection:
        """A connection beside the pool, for whoever listens to notifications and closes it.

        Raises:
            psycopg.Error: The database cannot be reached.
        """
        return await psycopg.AsyncConnection.connect(
            self._conninfo, options=OPTIONS, autocommit=True, application_name="pubrio-async"
        )

    async def transact(self, work: Callable[[Connection], Awaitable[T]]) -> T:
        """Does something in one transaction, again and again until the database takes it.

        When a connection is lost while it commits, nobody knows whether it has: the work is then
        done once more, so it must come to the same when it is done twice.

        Args:
            work: What to do.

        Returns:
            What `work` returned.

        Raises:
            JournalError: The database refuses it, or could not be reached for too long.
        """
        loop = asyncio.get_running_loop()
        began, wait, tries = loop.time(), _FIRST_WAIT_S, 0
        while True:
            try:
                patience = min(_LONGEST_WAIT_S, self.patience)
                async with (
                    self._pool.connection(timeout=patience) as connection,
                    connection.transaction(),
                ):
                    return await work(connection)
            except psycopg.Error as error:
                if not is_passing(error) or loop.time() + wait > began + self.patience:
                    raise JournalError(f"the database {self._where}: {explain(error)}") from None
                tries += 1
                if tries == _TOLD_AFTER:
                    note(JOURNAL, WARNING, "database_away", error=type(error).__name__)
            await asyncio.sleep(min(wait * random.uniform(0.5, 1.0), self.patience))
            wait = min(2 * wait, _LONGEST_WAIT_S)


def is_passing(error: BaseException | None) -> bool:
    """Whether trying again may help: the database is not there, or somebody is in the way."""
    return isinstance(error, _PASSING) and not isinstance(error, _LASTING)


def _place(conninfo: str) -> str:
    """Where a database is, without user and password."""
    parts = conninfo_to_dict(conninfo)
    host = parts.get("host") or "localhost"
    return f"{parts.get('dbname') or 'default'} at {host}:{parts.get('port') or 5432}"
