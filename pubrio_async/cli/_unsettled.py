"""Where unsettled people are kept, and how they are settled there.

That is the journal of a run, here, or the database of many machines, in `_unsettled_fleet`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, ExitStack
from typing import Any, Protocol

from msgspec import Struct

from pubrio_async._errors import ConfigurationError
from pubrio_async._observe import Observer
from pubrio_async.cli._demo_journal import DEMO_ORIGIN
from pubrio_async.cli._kept import Backup
from pubrio_async.cli._options import ResolveOptions, resolve_command
from pubrio_async.cli._runs import Settling
from pubrio_async.client import AsyncPubrio
from pubrio_async.models import Outcome
from pubrio_async.models.redeem import Number
from pubrio_async.scheduler.budget import Prices
from pubrio_async.scheduler.journal_status import read_status


class Standing(Struct, frozen=True, kw_only=True):
    """How many are not settled.

    Attributes:
        by_types: People whose answer is lost, by the contact types that were asked for.
        pending: People whose job was accepted, and not fetched.
        with_workers: People of either kind that are left to workers, who are at it.
        reasons: Why people are unsettled, and how many.
        told: What `--json` tells of it, by what it is called there.
    """

    by_types: Mapping[Sequence[str], int]
    pending: int
    with_workers: int = 0
    reasons: Mapping[str, int]
    told: Mapping[str, Any]

    @property
    def unsettled(self) -> int:
        """People whose answer is lost."""
        return sum(self.by_types.values())

    def worst_case(self, prices: Prices) -> Number:
        """Most that sending them again can cost."""
        return sum(prices.worst_case(types) * people for types, people in self.by_types.items())


class Place(Protocol):
    """Where they are kept.

    Attributes:
        name: What it is called; never with a password.
        fetches_pending: Whether what is pending is fetched although nobody is unsettled.
        who_sends: What sends people again who were refused.
    """

    name: str
    fetches_pending: bool
    who_sends: str

    async def open(self, stack: AsyncExitStack) -> None:
        """Makes it ready; the stack closes it."""
        ...

    async def read(self) -> Standing:
        """How many are not settled.

        Raises:
            JournalError: It cannot be read.
        """
        ...

    async def client(self, stack: AsyncExitStack, observers: Sequence[Observer]) -> AsyncPubrio:
        """Who sends; the stack closes it."""
        ...

    def settle(
        self,
        client: AsyncPubrio,
        *,
        resend: bool,
        max_credits: float | None,
        deadline: float | None,
    ) -> AbstractAsyncContextManager[Settling]:
        """Settles them."""
        ...

    def take(self, outcome: Outcome) -> None:
        """Sees an outcome on its way."""
        ...

    def keep(self) -> str | None:
        """It has failed: keeps what came in elsewhere; returns where, None for nowhere.

        Raises:
            OSError: That did not work.
        """
        ...

    def command(self, *, resend: bool) -> str:
        """The command line that settles them."""
        ...

    def advice(self, *, pending: str | None) -> str:
        """What to do next: about those who are pending, or else with what was recovered."""
        ...


class InJournal:
    """The journal of a run.

    Args:
        options: What `resolve` was asked to do.
        stack: Unwound when the command ends.

    Attributes:
        name: Its path.
        fetches_pending: Its redeem command does that.
        who_sends: Its redeem command, too.

    Raises:
        JournalError: There is no journal, or it cannot be read.
        ConfigurationError: It is that of a demonstration.
    """

    def __init__(self, options: ResolveOptions, stack: ExitStack) -> None:
        self._options = options
        self.name: str = options.journal
        self.fetches_pending: bool = False
        self.who_sends: str = "the next run does"
        # Before the journal is in use here, and without a key: there may be nothing to do.
        held = read_status(options.journal)
        if held.unsettled and held.origin == DEMO_ORIGIN:
            raise ConfigurationError(
                f"cannot resolve {options.journal}: it is the journal of a demonstration, and the "
                "stand-in its people were sent to has ended, its request log with it"
            )
        # Results are in the journal. This is for the case that it fails, and else thrown away.
        self._backup = Backup(options.journal, stack) if held.unsettled else None

    async def open(self, stack: AsyncExitStack) -> None:
        """Nothing to do: each run opens it."""

    async def read(self) -> Standing:
        """How many are not settled."""
        held = read_status(self._options.journal)
        return Standing(
            by_types={held.contact_types: held.unsettled} if held.unsettled else {},
            pending=held.pending,
            reasons=held.reasons,
            told={"journal": held},
        )

    async def client(self, stack: AsyncExitStack, observers: Sequence[Observer]) -> AsyncPubrio:
        """Who sends."""
        client = AsyncPubrio(rate_limit=self._options.rate, observers=observers)
        return await stack.enter_async_context(client)

    def settle(
        self,
        client: AsyncPubrio,
        *,
        resend: bool,
        max_credits: float | None,
        deadline: float | None,
    ) -> AbstractAsyncContextManager[Settling]:
        """Settles them."""
        return client.redeem.resolve(
            self._options.journal, resend=resend, max_credits=max_credits, deadline=deadline
        )

    def take(self, outcome: Outcome) -> None:
        """Keeps a copy."""
        if self._backup is not None:
            self._backup.write(outcome)

    def keep(self) -> str | None:
        """Keeps the copies."""
        return None if self._backup is None else self._backup.keep()

    def command(self, *, resend: bool) -> str:
        """The command line that settles them."""
        return resolve_command(self._options.journal, resend=resend)

    def advice(self, *, pending: str | None) -> str:
        """What to do next."""
        if pending is not None:
            return (
                f"{pending} pending: run the redeem command of this journal again, it fetches the "
                "results, which costs nothing beyond their jobs"
            )
        return (
            "the journal holds what was recovered: run its redeem command again to have it in the "
            "output, at no cost"
        )
