"""A connection that is lost just after a commit: nobody hears that it went through."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest


def tear(monkeypatch: pytest.MonkeyPatch, after: int) -> Iterator[int]:
    """Loses the connection at the end of one transaction.

    Args:
        monkeypatch: Undoes it.
        after: Which one, counted from now.

    Returns:
        Gives as many numbers as there were transactions, and goes on counting.
    """
    numbers, transaction = iter(range(100)), psycopg.AsyncConnection.transaction

    def cut(connection: psycopg.AsyncConnection[object]) -> object:
        inner, number = transaction(connection), next(numbers)

        class Cut:
            async def __aenter__(self) -> object:
                return await inner.__aenter__()

            async def __aexit__(self, *error: object) -> bool | None:
                done = await inner.__aexit__(*error)  # type: ignore[arg-type]  # as it came
                if number == after:
                    raise psycopg.OperationalError("the connection is lost")
                return done

        return Cut()

    monkeypatch.setattr(psycopg.AsyncConnection, "transaction", cut)
    return numbers
