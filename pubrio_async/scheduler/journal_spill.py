"""The journal of a run that keeps none: in memory, and on a private file once it grows large.

Nothing of it survives the run. It is there so that duplicates are found and served, however many
people there are, in memory that stays flat.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec import structs

from pubrio_async._clock import Clock
from pubrio_async.models.redeem import Number
from pubrio_async.scheduler.journal import JournalSummary, Settled, Unsettled
from pubrio_async.scheduler.journal_memory import MemoryJournal
from pubrio_async.scheduler.shelf import Shelf

_MOST_IN_MEMORY = 1_000


class SpillingJournal(MemoryJournal):
    """A journal as long-lived as the run, and for one run.

    Args:
        clock: Where the times come from.
        most_in_memory: People whose results are kept at hand; when there are more, all of them
            are put on a shelf.
    """

    def __init__(self, clock: Clock, most_in_memory: int = _MOST_IN_MEMORY) -> None:
        super().__init__(clock)
        self._most = self._room = most_in_memory
        self._shelf = Shelf()

    async def open(self, contact_types: Sequence[str]) -> bool:
        """Makes the journal ready; it is always new."""
        await super().open(contact_types)
        return True

    async def lookup(
        self, keys: Sequence[str], newer_than: float | None = None
    ) -> Mapping[str, Settled | Unsettled]:
        """What is known of these people."""
        ends = dict(await super().lookup(keys, newer_than))
        for key, (end, at) in (await self._shelf.find(filter(self._lacks, keys))).items():
            if newer_than is None or at >= newer_than:
                ends[key] = end
        return ends

    async def settle(
        self, batch_id: str, results: Mapping[str, Settled], charged: Number | None
    ) -> None:
        """Notes the end of the batch."""
        await super().settle(batch_id, results, charged)
        self._room -= len(results)
        if self._room < 0:
            self._room = self._most
            for at, ends in self._put_away():
                self._shelf.put(ends, at)
            await self._shelf.room()

    async def summary(self) -> JournalSummary:
        """The figures of the journal."""
        summary = await super().summary()
        counts = await self._shelf.count(but=self._ends)
        return structs.replace(
            summary,
            found=summary.found + counts["found"],
            empty=summary.empty + counts["empty"],
            rejected=summary.rejected + counts["rejected"],
        )

    async def close(self) -> None:
        """Lets go of everything; safe to call twice."""
        await self._shelf.close()
