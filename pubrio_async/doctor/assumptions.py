"""What this package assumes because no document tells, and what replies say about it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeAlias

from msgspec import Struct

from pubrio_async.doctor.evidence import Evidence
from pubrio_async.doctor.report import Assumption, Settled

Verdict: TypeAlias = tuple[Settled, str]
"""Whether it is so, and what was seen."""


class Question(Struct, frozen=True):
    """An assumption and how it is settled.

    Attributes:
        name: A short name that stays.
        assumed: What is assumed, as a sentence.
        settle: Settles it by what came back.
    """

    name: str
    assumed: str
    settle: Callable[[Evidence], Verdict]

    def answer(self, evidence: Evidence) -> Assumption:
        """What became of it."""
        settled, seen = self.settle(evidence)
        return Assumption(name=self.name, assumed=self.assumed, seen=seen, settled=settled)


class Questions:
    """A list of assumptions, written down one function at a time."""

    def __init__(self) -> None:
        self.all: list[Question] = []

    def __call__(
        self, name: str, assumed: str
    ) -> Callable[[Callable[[Evidence], Verdict]], Callable[[Evidence], Verdict]]:
        """Decorates the function that settles an assumption."""

        def add(settle: Callable[[Evidence], Verdict]) -> Callable[[Evidence], Verdict]:
            self.all.append(Question(name, assumed, settle))
            return settle

        return add


def yes(seen: str) -> Verdict:
    """It is as assumed."""
    return "yes", seen


def no(seen: str) -> Verdict:
    """It is not."""
    return "no", seen


def untested(why: str) -> Verdict:
    """No reply told."""
    return "not tested", why


def either(fine: bool, seen: str) -> Verdict:
    """It is as assumed, or it is not."""
    return yes(seen) if fine else no(seen)


def names(found: Iterable[str], most: int = 8) -> str:
    """Names in words, each once."""
    distinct = list(dict.fromkeys(found))
    shown = ", ".join(distinct[:most])
    return f"{shown} and {len(distinct) - most} more" if len(distinct) > most else shown
