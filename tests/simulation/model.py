"""A model of what a disk holds: a journal in memory, what is asked of it, and what failed."""

from __future__ import annotations

import copy
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any, NamedTuple, TypeVar, cast

from pubrio_async import JournalError, MemoryJournal
from pubrio_async.scheduler.journal import Journal, OpenBatch
from tests.simulation.plan import DiskTrouble

_T = TypeVar("_T")


class Op:
    """A step asked of the journal.

    Attributes:
        done: Whether the disk has it, or has refused it.
    """

    def __init__(
        self,
        name: str,
        about: object,
        call: Callable[[Journal], Awaitable[Any]],
        *,
        keys: Sequence[str] | None = None,
        query_id: str | None = None,
    ) -> None:
        self.name = name
        self.about = about
        self.call = call
        self.keys = keys
        self.query_id = query_id
        self.at = 0.0
        self.done = False
        self.was_left = False

    @property
    def writes(self) -> bool:
        """Whether it changes the journal."""
        return self.keys is not None


class Unwritten:
    """What a life could not write down because the disk failed.

    Attributes:
        steps: How many steps that write.
        unread: How many that do not.
        people: Those in the steps.
        jobs: Those whose ids were not written down.
        must_be_told: Whether anybody was there to hear of it, and had anything to lose. Who was
            cancelled while the intent was written sends nothing; and what was written again
            afterwards is not missing.
    """

    def __init__(self) -> None:
        self.steps = 0
        self.unread = 0
        self.people: set[str] = set()
        self.jobs: set[str] = set()
        self._failed: list[Op] = []

    @property
    def must_be_told(self) -> bool:
        return any(op.name != "intend" or not op.was_left for op in self._failed)

    def add(self, op: Op) -> None:
        """This step failed."""
        if op.writes:
            self.steps += 1
            self._failed.append(op)
            self.people.update(op.keys or ())
            if op.query_id is not None:
                self.jobs.add(op.query_id)
        else:
            self.unread += 1

    def made_up_for(self, op: Op) -> None:
        """This step was carried out: what failed of the same kind, when nobody waited, is done."""
        done = op.name, op.keys
        self._failed = [
            old for old in self._failed if not old.was_left or (old.name, old.keys) != done
        ]


class FailingWrites:
    """Counts the writes of a life and says which of them fail."""

    def __init__(self, trouble: DiskTrouble | None) -> None:
        self.trouble = trouble
        self.broken = False
        self._writes = 0

    def strikes(self) -> bool:
        """One more write: True if it fails."""
        self._writes += 1
        trouble = self.trouble
        if trouble is None or self._writes < trouble.at:
            return False
        if trouble.length is None:
            self.broken = True
            return True
        return self._writes < trouble.at + trouble.length


class Deed(NamedTuple):
    """What a step came to: its result, or the error of the journal."""

    result: Any = None
    error: JournalError | None = None


class _Times:
    """The clock of a model: each step has the time at which it was asked for."""

    def __init__(self) -> None:
        self.at = 0.0

    def now(self) -> float:
        return self.at

    wall = now


class Model(MemoryJournal):
    """A journal in memory, asked without waiting; it can be copied."""

    def __init__(self) -> None:
        self.times = _Times()
        super().__init__(self.times)

    def twin(self) -> Model:
        """Another one that holds the same."""
        twin = Model()
        for name, value in vars(self).items():
            if isinstance(value, dict | set | list):
                setattr(twin, name, copy.copy(value))
            elif value is not self.times:
                setattr(twin, name, value)
        return twin

    def carry_out(self, op: Op) -> Deed:
        """Carries out a step."""
        self.times.at = op.at
        try:
            return Deed(at_once(op.call(self)))
        except JournalError as error:
            return Deed(error=error)

    @property
    def opened(self) -> Sequence[OpenBatch]:
        """The batches without an end."""
        return at_once(self.open_batches())


def at_once(step: Awaitable[_T]) -> _T:
    """The result of a coroutine that does not wait for anything."""
    try:
        cast("Coroutine[Any, Any, _T]", step).send(None)
    except StopIteration as end:
        return cast("_T", end.value)
    raise AssertionError("it waits")


def short(*keys: str) -> str:
    """Which people or job, in a few letters each; in an order that is the same every time."""
    return " ".join(key[-12:] if key.startswith("http") else key[:4] for key in sorted(keys))
