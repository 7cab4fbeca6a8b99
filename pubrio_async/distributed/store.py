"""Connections to the database, and transactions that outlive the loss of one."""

from __future__ import annotations

import asyncio
import math
import os
import random
import socket
from collections.abc import Awaitable, Callable
from contextlib import suppress
from logging import WARNING
from types import TracebackType
from typing import Any, Final, Self, TypeAlias, TypeVar

import psycopg
import psycopg_pool
from psycopg import errors

from pubrio_async._errors import ConfigurationError, JournalError
from pubrio_async._log import JOURNAL, note
from pubrio_async.distributed.schema import OPTIONS, check_schema, explain, parts_of

T = TypeVar("T")
Connection: TypeAlias = psycopg.AsyncConnection[Any]
Cursor: TypeAlias = psycopg.AsyncCursor[Any]

_FIRST_WAIT_S = 0.1
_LONGEST_WAIT_S = 5.0
_POOL_WAIT_S = 2.0
_LAST_WAIT_S = 0.3
_TOLD_AFTER = 4
_REACHED_S = 10.0
_REASON_S = 2.0
# A pool tries for so long, less and less often; then whoever needs a connection begins anew.
_RECONNECT_S = 10.0
_CHECKED_S = 5.0
# A host that has vanished says nothing: it is missed after some 20 s. What the address of the
# database says of these goes before.
_NOTICED: Final = {
    "connect_timeout": 5,
    "keepalives_idle": 5,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 15_000,
}
# For the database, which would wait for hours for one who has vanished: with its rows locked, and
# one of its connections taken. In milliseconds and seconds, as it has them.
_MISSED: Final = {
    "idle_in_transaction_session_timeout": 10_000,
    "tcp_keepalives_idle": 10,
    "tcp_keepalives_interval": 5,
    "tcp_keepalives_count": 3,
    "tcp_user_timeout": 20_000,
}
# A database, or a role, may have it off: after a crash it would not know whom it was told are sent,
# and they would be paid for again.
_KEPT: Final = {"synchronous_commit": "on"}
# Not about what was asked: somebody was in the way, or the database is being stopped or moved.
_PASSING = (
    errors.OperationalError,  # deadlocks and serialization failures among them
    errors.InterfaceError,
    errors.ReadOnlySqlTransaction,
    errors.IdleInTransactionSessionTimeout,  # this process was stopped for a while
    errors.TransactionTimeout,
)
# These are, although they are of the same kind.
_LASTING = (
    errors.DiskFull,
    errors.InvalidPassword,
    errors.InvalidAuthorizationSpecification,
    psycopg_pool.PoolClosed,
)


class Pool(psycopg_pool.AsyncConnectionPool[Connection]):
    """Connections that are given up when the database does not answer.

    To cancel a statement is no way out of it: that waits for an answer, too.

    Args:
        conninfo: The database.
        kwargs: See `connection_settings`.
        max_size: Most connections at once.
        timeout: Seconds to wait for one of them.
        longest: Seconds after which a connection that is in use is given up; None for never.
    """

    def __init__(
        self,
        conninfo: str,
        *,
        kwargs: dict[str, Any],
        max_size: int,
        timeout: float,
        longest: float | None = None,
        **_: object,
    ) -> None:
        self._longest = math.inf if longest is None else longest
        self._hurries = False
        self._given_up: dict[Connection, asyncio.TimerHandle | None] = {}
        super().__init__(
            conninfo,
            kwargs=kwargs,
            min_size=1,
            max_size=max_size,
            timeout=timeout,
            reconnect_timeout=_RECONNECT_S,
            open=False,
            check=self._try,
        )

    def hurry(self, seconds: float) -> None:
        """From now on nobody waits for longer than that, whoever waits already included."""
        self._longest, self._hurries = min(self._longest, seconds), True
        for connection in tuple(self._given_up):
            self._watch(connection, seconds)

    async def open(self, wait: bool = False, timeout: float = 30.0) -> None:
        """Begins to connect. Who needs a connection waits for it, and nobody before."""
        del wait, timeout
        await super().open()

    async def getconn(self, timeout: float | None = None) -> Connection:
        """A connection that works."""
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - a coroutine of a task
        asked = task.cancelling()
        connection = await super().getconn(timeout)
        self._watch(connection, self._longest)
        if task.cancelling() > asked:
            # The pool waits with `asyncio.wait_for`, which before Python 3.12 loses a cancellation
            # that comes together with the connection: who was to end would go on for ever.
            await self.putconn(connection)
            raise asyncio.CancelledError
        return connection

    async def putconn(self, conn: Connection) -> None:
        """Takes it back."""
        self._leave(conn)
        await super().putconn(conn)

    async def close(self, timeout: float = 5.0) -> None:
        """Lets go of all of them; those that are being made are not waited for in a hurry."""
        await super().close(_LAST_WAIT_S if self._hurries else timeout)

    async def _try(self, connection: Connection) -> None:
        self._watch(connection, min(_CHECKED_S, self._longest))
        try:
            await self.check_connection(connection)
        finally:
            self._leave(connection)

    def _watch(self, connection: Connection, seconds: float) -> None:
        self._leave(connection)
        self._given_up[connection] = (
            None
            if seconds == math.inf
            else asyncio.get_running_loop().call_later(seconds, _hang_up, connection)
        )

    def _leave(self, connection: Connection) -> None:
        timer = self._given_up.pop(connection, None)
        if timer is not None:
            timer.cancel()


class Store:
    """A pool of connections to the database of a fleet of workers.

        async with Store("postgresql://user@host/name") as store:
            await store.transact(work)

    Args:
        conninfo: The database; several hosts, of which one can be written to, as in
            `postgresql://user@a,b/name?target_session_attrs=read-write`, are tried in turn. It may
            hold a password, and is never shown.
        patience: Seconds a transaction is tried for while the database cannot be reached.
        connections: Most connections at once.
        longest: Seconds after which a transaction that is not done is given up, and tried anew
            on another connection; None to wait for as long as it takes.

    Raises:
        JournalError: `conninfo` is no address.

    Attributes:
        patience: As given. Where it is changed, it counts at once, for transactions that are under
            way, too.
    """

    def __init__(
        self,
        conninfo: str,
        *,
        patience: float = 300.0,
        connections: int = 4,
        longest: float | None = None,
    ) -> None:
        self._patience = patience
        self._hurried = asyncio.Event()
        self._is_hopeless = False
        self._conninfo = conninfo
        self._where = _place(conninfo)
        self._settings = connection_settings(conninfo)
        self._pool = Pool(
            conninfo,
            kwargs={**self._settings, "autocommit": True},
            max_size=connections,
            timeout=_POOL_WAIT_S,
            longest=longest,
        )

    def __repr__(self) -> str:
        return f"<Store {self._where}>"

    @property
    def patience(self) -> float:
        """Seconds a transaction is tried for while the database cannot be reached."""
        return self._patience

    @patience.setter
    def patience(self, seconds: float) -> None:
        if seconds < self._patience:
            self._pool.hurry(seconds)
            self._hurried.set()  # for those who wait now
            self._hurried.clear()
        self._patience = seconds

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
            ConfigurationError: It was closed before.
            JournalError: The database cannot be reached or refuses, or its tables are not there.
        """
        try:
            await self._pool.open()
        except psycopg_pool.PoolClosed:
            raise ConfigurationError("a store is opened once; make another one") from None
        try:
            await self._pool.wait(timeout=_REACHED_S)
            await self.transact(check_schema)
        except psycopg_pool.PoolTimeout:
            await self.close()
            raise JournalError(await self._why_not()) from None
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """Lets go of the connections; safe to call twice."""
        await self._pool.close()

    async def _why_not(self) -> str:
        """Why there is no connection: a pool does not tell."""
        try:
            async with asyncio.timeout(_REASON_S):
                connection = await self.connect()
        except (psycopg.Error, TimeoutError) as error:
            _, refuses, why = str(error).partition("FATAL:")
            if refuses:
                return f"the database {self._where} refuses: {why.strip().partition(chr(10))[0]}"
        else:
            await connection.close()
        return f"cannot reach the database {self._where}; check the address, and that it runs"

    async def connect(self) -> Connection:
        """A connection beside the pool, for whoever listens to notifications and closes it.

        Raises:
            psycopg.Error: The database cannot be reached.
        """
        return await psycopg.AsyncConnection.connect(
            self._conninfo, autocommit=True, **self._settings
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
                patience = _LAST_WAIT_S if self._is_hopeless else _POOL_WAIT_S
                async with self._pool.connection(timeout=min(patience, self._patience)) as found:
                    self._is_hopeless = False
                    return await _carry_out(found, work)
            except psycopg_pool.PoolClosed:
                raise JournalError(
                    f"the store of the database {self._where} is not open, or was closed: use it "
                    "inside `async with Store(...)`"
                ) from None
            except psycopg.Error as error:
                if not is_passing(error) or loop.time() + wait > began + self._patience:
                    # Who comes next need not find out for so long.
                    self._is_hopeless = isinstance(error, psycopg_pool.PoolTimeout)
                    raise JournalError(f"the database {self._where}: {explain(error)}") from None
                tries += 1
                if tries == _TOLD_AFTER:
                    note(JOURNAL, WARNING, "database_away", error=type(error).__name__)
            with suppress(TimeoutError):
                async with asyncio.timeout(min(wait * random.uniform(0.5, 1.0), self._patience)):
                    await self._hurried.wait()
            wait = min(2 * wait, _LONGEST_WAIT_S)


def connection_settings(conninfo: str, name: str = "pubrio-async") -> dict[str, Any]:
    """How a connection to a database is made, beside what its address says.

    Args:
        conninfo: The address.
        name: What the connection is called in the database.

    Raises:
        JournalError: It is no address.
    """
    said = parts_of(conninfo)
    settings: dict[str, Any] = {
        word: value for word, value in _NOTICED.items() if said.get(word) is None
    }
    if "PGCONNECT_TIMEOUT" in os.environ:
        settings.pop("connect_timeout", None)
    missed = " ".join(f"-c {word}={value}" for word, value in (_MISSED | _KEPT).items())
    # What comes later counts.
    options = f"{missed} {said.get('options') or ''} {OPTIONS}"
    return settings | {"options": options, "application_name": name}


def is_passing(error: BaseException | None) -> bool:
    """Whether trying again may help: the database is not there, or somebody is in the way."""
    return isinstance(error, _PASSING) and not isinstance(error, _LASTING)


async def _carry_out(connection: Connection, work: Callable[[Connection], Awaitable[T]]) -> T:
    try:
        async with connection.transaction():
            return await work(connection)
    except errors.ReadOnlySqlTransaction:
        await connection.close()  # another one may lead to where it can be written
        raise


def _hang_up(connection: Connection) -> None:
    with (
        suppress(OSError, psycopg.Error),  # it is closed already
        # A copy: the driver goes on to watch its own, and hears of the end.
        socket.fromfd(connection.fileno(), socket.AF_INET, socket.SOCK_STREAM) as copy,
    ):
        copy.shutdown(socket.SHUT_RDWR)


def _place(conninfo: str) -> str:
    """Where a database is, without user and password."""
    parts, environ = parts_of(conninfo), os.environ
    name = parts.get("dbname") or environ.get("PGDATABASE") or "default"
    host = parts.get("host") or environ.get("PGHOST") or "localhost"
    return f"{name} at {host}:{parts.get('port') or environ.get('PGPORT') or 5432}"
