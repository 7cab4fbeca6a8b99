"""The layout of the database: applied by a command, versioned, brought up to date in one step.

Everything of ours, and of the queue, lives in one schema of PostgreSQL, so that it can share a
database with others and be granted, dumped and dropped as one.
"""

from __future__ import annotations

from importlib.resources import files
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict

from pubrio_async._errors import JournalError

SCHEMA = "pubrio_async"
VERSION = 2
"""What this version of the package reads and writes."""

# One after the other brings an empty database to VERSION: number n brings n - 1 to n.
_STEPS = ("schema_1.sql", "schema_2.sql")
_LOCK = 0x7075_6272  # only one process changes the layout at a time

_NO_ADDRESS = (
    "this is no address of a database; one looks like postgresql://user@host/name. A password in "
    "it has %40 for @ and %2F for /"
)

OPTIONS = f"-c search_path={SCHEMA}"
"""How a connection finds the tables."""


async def apply_schema(conninfo: str) -> int:
    """Makes the tables, or brings them up to date; does nothing where they are.

    Takes a role that may create a schema; workers need less, see the page on scaling.

    Args:
        conninfo: The database, such as `postgresql://user@host/name`.

    Returns:
        The version found there before; 0 for a database without our tables.

    Raises:
        JournalError: `conninfo` is no address, a newer version of this package has made the
            tables, or the database refuses or cannot be reached.
    """
    parts_of(conninfo)
    try:
        async with await psycopg.AsyncConnection.connect(conninfo, options=OPTIONS) as connection:
            await connection.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
            found = await version_of(connection)
            if found > VERSION:
                raise JournalError(_too_new(found))
            if found < VERSION:
                await _upgrade(connection, found)
    except psycopg.Error as error:
        raise JournalError(f"cannot prepare the database: {explain(error)}") from None
    return found


async def check_schema(connection: psycopg.AsyncConnection[Any]) -> None:
    """Sees to it that the tables are those this version of the package knows.

    Raises:
        JournalError: They are not there, or older or newer.
    """
    found = await version_of(connection)
    if found > VERSION:
        raise JournalError(_too_new(found))
    if found < VERSION:
        have = "has no tables of pubrio-async" if not found else f"has tables of version {found}"
        raise JournalError(
            f"the database {have}, and version {VERSION} is needed; "
            "apply it first: pubrio-async database upgrade URL"
        )


async def version_of(connection: psycopg.AsyncConnection[Any]) -> int:
    """The version of the tables; 0 if there are none."""
    cursor = await connection.execute("SELECT to_regclass(%s)", (f"{SCHEMA}.layout",))
    row = await cursor.fetchone()
    if row is None or row[0] is None:
        return 0
    cursor = await connection.execute("SELECT max(version) FROM layout")
    row = await cursor.fetchone()
    return int(row[0]) if row else 0


def parts_of(conninfo: str) -> dict[str, Any]:
    """What the address of a database says, by the words of libpq.

    Raises:
        JournalError: It is none. Nothing of it is shown: a part may be the password.
    """
    try:
        parts = conninfo_to_dict(conninfo)
    except psycopg.ProgrammingError:
        raise JournalError(_NO_ADDRESS) from None
    if conninfo.startswith(("postgresql://", "postgres://")):
        authority, _, path = conninfo.partition("://")[2].partition("?")[0].partition("/")
        # Else the end of a password would be taken for the host or the name, which are shown.
        if authority.count("@") > 1 or "@" in path:
            raise JournalError(_NO_ADDRESS)
    return parts


def explain(error: psycopg.Error) -> str:
    """What a database said, without the statement and its values."""
    text = error.diag.message_primary or str(error).partition("\n")[0]
    return f"{text} ({error.sqlstate})" if error.sqlstate else text


async def _upgrade(connection: psycopg.AsyncConnection[Any], found: int) -> None:
    await connection.execute(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}")
    if not found:
        from procrastinate.schema import SchemaManager  # noqa: PLC0415 - a second of imports

        await connection.execute(SchemaManager.get_schema().encode())
    for step in _STEPS[found:]:
        script = files("pubrio_async.distributed").joinpath(step).read_text("utf-8")
        await connection.execute(script.encode())
    await connection.execute("INSERT INTO layout (version) VALUES (%s)", (VERSION,))


def _too_new(found: int) -> str:
    return (
        f"the tables are of version {found}, and this version of pubrio-async knows those up to "
        f"{VERSION}; use the version that made them, or a newer one"
    )
