"""`redeem.many` and `redeem.resolve`: what a list of any length is redeemed with."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import timedelta
from numbers import Integral, Real
from typing import TypeAlias, cast

from pubrio_async._clock import in_seconds
from pubrio_async._dispatch import Dispatcher
from pubrio_async._errors import ConfigurationError
from pubrio_async._routes import Rules, check
from pubrio_async._routes.rules import CONTACT_TYPES
from pubrio_async.endpoints import ContactTypeName, Redeem
from pubrio_async.scheduler.journal import Journal
from pubrio_async.scheduler.options import RunOptions
from pubrio_async.scheduler.policy import ORDERS, Order
from pubrio_async.scheduler.run import Run
from pubrio_async.scheduler.source import People

_WHOLE = frozenset({"batch_size", "max_open_jobs"})
_MANY = Rules(
    required=("people_contact_types",),
    lists=("people_contact_types",),
    choices={"people_contact_types": CONTACT_TYPES, "order": ORDERS},
)

OpenRun: TypeAlias = Callable[
    [People | None, str | os.PathLike[str] | Journal | None, RunOptions], Run
]


class ClientRedeem(Redeem):
    """The `redeem` group, with `many` for lists of any length."""

    def __init__(self, dispatcher: Dispatcher, open_run: OpenRun) -> None:
        super().__init__(dispatcher)
        self._open_run = open_run

    def many(
        self,
        people: People,
        *,
        people_contact_types: Sequence[ContactTypeName],
        batch_size: int = 100,
        journal: str | os.PathLike[str] | Journal | None = None,
        max_credits: float | None = None,
        order: Order = "results",
        deadline: float | timedelta | None = None,
        max_open_jobs: int | None = None,
        linger: float | timedelta = 2.0,
        max_age: float | timedelta | None = None,
    ) -> Run:
        """Redeems any number of people. Spends credits.

        Every distinct person is sent once, in batches; jobs are polled when they are due, within
        the rate limit; each input row comes out as exactly one `Outcome`.

        Args:
            people: Ids or LinkedIn URLs, mixed as you like: any iterable or async iterable, or
                a column or table of polars, pandas or pyarrow (extra `tables`).
            people_contact_types: What to look for, one to three of `email-work`,
                `email-personal`, `phone`.
            batch_size: The most people in one request.
            journal: A path, or a journal of your own: run again with it and nobody is paid for
                twice. None keeps none beyond the run: a crash loses what was bought.
            max_credits: The most credits this run may cost; the worst case is reserved before a
                request is made. Takes one free request, for the plan's prices.
            order: `results` for finished people early, `makespan` for the whole list soonest.
            deadline: How long the run may take, in seconds or as a `datetime.timedelta`; then it
                ends, and the rest is `pending`, `skipped` or `unsettled`.
            max_open_jobs: The most jobs open at once; by default what the rate limit calls for.
                Jobs whose answer was lost, and found again, come on top.
            linger: How long a batch waits to be filled when an async input pauses, in seconds or
                as a `datetime.timedelta`.
            max_age: Results in the journal that are older are bought again: seconds, or a
                `datetime.timedelta` such as `timedelta(days=30)`; None keeps results for ever.

        Returns:
            The run, to be used with `async with` and iterated.

        Raises:
            ConfigurationError: An argument is malformed; nothing was sent. Entering the run
                raises `JournalError` if the journal cannot be used and, with `max_credits`, any
                error of the request for the prices; nobody was sent then, either.
        """
        words = {"people_contact_types": people_contact_types, "order": order}
        check("redeem.many", _MANY, words)
        deadline, max_age = in_seconds(deadline), in_seconds(max_age)
        linger = in_seconds(linger)
        _check_positive(batch_size=batch_size, deadline=deadline, max_open_jobs=max_open_jobs)
        _check_not_negative(max_credits=max_credits, max_age=max_age, linger=linger)
        if cast("object", people) is None:
            msg = "people takes an iterable or async iterable of ids or LinkedIn URLs, not None"
            raise ConfigurationError(msg)
        options = RunOptions(
            contact_types=tuple(dict.fromkeys(people_contact_types)),
            batch_size=batch_size,
            order=order,
            max_open_jobs=max_open_jobs,
            linger=linger,
            max_age=max_age,
            max_credits=max_credits,
            deadline=deadline,
        )
        return self._open_run(people, journal, options)

    def resolve(
        self,
        journal: str | os.PathLike[str] | Journal,
        *,
        resend: bool = False,
        batch_size: int = 100,
        max_credits: float | None = None,
        deadline: float | timedelta | None = None,
    ) -> Run:
        """Finds out what became of people whose answer was lost. With `resend`: spends credits.

        Runs do so by themselves, soon after the loss. This looks once more, later: for the
        requests in the API's request log, and then for the results of the jobs it finds there.
        They are written into the journal, so the next run with it has them. People whose request
        turns out to have been refused come out as `failed`: the next run sends them.

        Args:
            journal: The journal of the runs that lost them.
            resend: Do not look; redeem once more, at full price, those who are still unsettled:
                if the lost request was carried out, they are paid for twice.
            batch_size: The most people in one request, with `resend`.
            max_credits: The most credits this may cost, with `resend`.
            deadline: How long the run may take, in seconds or as a `datetime.timedelta`.

        Returns:
            A run like that of `many`, whose rows are the journal's unsettled people.

        Raises:
            ConfigurationError: An argument is malformed; nothing was sent. Entering the run
                raises what entering one of `many` does.
        """
        deadline = in_seconds(deadline)
        _check_positive(batch_size=batch_size, deadline=deadline)
        _check_not_negative(max_credits=max_credits)
        options = RunOptions(
            contact_types=(),  # those of the journal
            batch_size=batch_size,
            reopen=not resend,
            resend=resend,
            max_credits=max_credits,
            deadline=deadline,
        )
        return self._open_run(None, journal, options)


def _check_positive(**values: float | None) -> None:
    for name, value in _numbers(values):
        if not value > 0:
            msg = f"{name} must be above 0, not {value!r}"
            raise ConfigurationError(msg)


def _check_not_negative(**values: float | None) -> None:
    for name, value in _numbers(values):
        if not value >= 0:
            msg = f"{name} must be at least 0, not {value!r}"
            raise ConfigurationError(msg)


def _numbers(values: Mapping[str, object]) -> Iterator[tuple[str, float]]:
    for name, value in values.items():
        if value is None:
            continue
        # Those of numpy count as numbers, too.
        kind, what = (Integral, "whole number") if name in _WHOLE else (Real, "number")
        if not isinstance(value, kind):
            msg = f"{name} must be a {what}, not {value!r:.40}"
            raise ConfigurationError(msg)
        yield name, cast("float", value)
