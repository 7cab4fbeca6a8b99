"""The unsettled people of many machines: what `resolve` does with a database."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack

from pubrio_async._config import load_settings
from pubrio_async._observe import Observer
from pubrio_async.cli._demo_journal import DEMO_KEY
from pubrio_async.cli._options import ResolveOptions, command_line
from pubrio_async.cli._runs import Settling
from pubrio_async.cli._unsettled import Standing
from pubrio_async.client import AsyncPubrio
from pubrio_async.distributed.figures import status
from pubrio_async.distributed.resolving import resolve
from pubrio_async.distributed.store import Store
from pubrio_async.distributed.survey import survey
from pubrio_async.distributed.worker import shared_limits
from pubrio_async.models import Outcome


class InDatabase:
    """The database of many machines.

    Args:
        options: What `resolve` was asked to do.

    Attributes:
        name: Where it is, without user and password.
        fetches_pending: Workers may be none.
        who_sends: Who has put them into the queue.

    Raises:
        JournalError: It has no address.
        ConfigurationError: A setting is malformed.
    """

    def __init__(self, options: ResolveOptions) -> None:
        self._options = options
        self._store = Store(options.journal)
        self.name: str = self._store.place
        self.fetches_pending: bool = True
        self.who_sends: str = (
            "the same enqueue command does, or a worker that is not done with them"
        )
        # Without a key: there may be nothing to do.
        self._origin = load_settings(DEMO_KEY).base_url

    async def open(self, stack: AsyncExitStack) -> None:
        """Connects."""
        await stack.enter_async_context(self._store)

    async def read(self) -> Standing:
        """How many are not settled, and left by workers."""
        run = self._options.run
        runs = await survey(self._store, self._origin, run, stalled_s=self._options.stalled_after)
        by_types: dict[Sequence[str], int] = {}
        reasons: dict[str, int] = {}
        for each in runs:
            if each.unsettled:
                by_types[each.contact_types] = by_types.get(each.contact_types, 0) + each.unsettled
            for reason, people in each.reasons.items():
                reasons[reason] = reasons.get(reason, 0) + people
        return Standing(
            by_types=by_types,
            pending=sum(each.pending for each in runs),
            with_workers=sum(each.with_workers for each in runs),
            reasons=reasons,
            told={"runs": (await status(self._store, run)).runs},
        )

    async def client(self, stack: AsyncExitStack, observers: Sequence[Observer]) -> AsyncPubrio:
        """Who sends, within the limits that the workers share."""
        settings = load_settings(None, None, self._options.rate)
        limits = shared_limits(self._store, settings, self._options.limit_name)
        if limits is not None:
            await stack.enter_async_context(limits)
        client = AsyncPubrio(
            rate_limit="unlimited" if limits is None else None,
            observers=observers,
            limiter=limits,
        )
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
        return resolve(
            self._store,
            client,
            run=self._options.run,
            resend=resend,
            max_credits=max_credits,
            deadline=deadline,
            stalled_s=self._options.stalled_after,
        )

    def take(self, outcome: Outcome) -> None:
        """The database has it; if not, it has the job, whose result can be fetched again."""

    def keep(self) -> str | None:
        """Nothing was taken."""
        return None

    def command(self, *, resend: bool) -> str:
        """The command line that settles them, without the address, which may hold a password."""
        words = ["URL", *(("--run", self._options.run) if self._options.run else ())]
        return command_line("resolve", [*words, "--resend"] if resend else words)

    def advice(self, *, pending: str | None) -> str:
        """What to do next."""
        if pending is not None:
            return (
                f"{pending} pending: a worker, or the same command, fetches the results at no cost"
            )
        return "the database holds what was recovered: export has it"
