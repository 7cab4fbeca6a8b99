"""What a test says to the sandbox it uses, and what it reads back: alike for both kits."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterable, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any, Final, TypedDict, Unpack

from pubrio_async.models import Contact
from pubrio_async.sandbox.config import SandboxConfig
from pubrio_async.sandbox.core import Regrets, SandboxStatistics
from pubrio_async.sandbox.faults import Fault, FaultKind
from pubrio_async.sandbox.ledger import Charge
from pubrio_async.sandbox.people import ContactRow
from pubrio_async.sandbox.wire import Cut
from pubrio_async.testing.recorder import RecordingSandbox, SeenRequest

API_KEY: Final = "sandbox-key"


class FaultOptions(TypedDict, total=False):
    """What `SandboxControls.inject` takes: the fields of `pubrio_async.sandbox.Fault`."""

    path: str | None
    times: int | None
    after: int
    probability: float
    status: int | None
    delay: float
    retry_after: float | None
    retry_after_date: bool
    ids: tuple[str, ...]
    size: int
    cut: Cut | None
    body: str | None
    location: str


class SandboxControls:
    """People to find, faults to meet, and the books: the part both kits share.

    For everybody the seed alone decides whether they have contacts; `add_found`, `add_empty` and
    `add_rejected` decide it for one person. All methods may be called at any time and from any
    thread.
    """

    def __init__(self, defaults: Mapping[str, Any], settings: Mapping[str, Any]) -> None:
        self._defaults = MappingProxyType({**defaults, **settings})
        self._sandbox = RecordingSandbox(SandboxConfig(**self._defaults))

    # ------------------------------------------------------------------------------ the world

    @property
    def config(self) -> SandboxConfig:
        """The settings that hold."""
        return self._sandbox.config

    def reset(self, **settings: Any) -> None:
        """Begins anew: people, faults, jobs, books and requests are forgotten.

        The environment that `installed` has set stays as it was: a client that is to have another
        key or another limit is given it, or made by `client`.

        Args:
            **settings: Fields of `SandboxConfig` that differ from those this was made with.

        Raises:
            ConfigurationError: A setting is malformed.
        """
        self._sandbox.begin_anew(SandboxConfig(**{**self._defaults, **settings}))

    def people(self, count: int) -> list[str]:
        """Ids of people who were not handed out before: by the seed, some have contacts."""
        return self._sandbox.make_up(count)

    def add_found(
        self,
        person: str | None = None,
        *,
        work_email: str | None = None,
        personal_email: str | None = None,
        phone: str | None = None,
    ) -> str:
        """Adds a person with just these contacts.

        Args:
            person: Their `people_search_id` or LinkedIn URL; None makes up an id.
            work_email: What is found for `email-work`.
            personal_email: What is found for `email-personal`.
            phone: What is found for `phone`. If all three are None, all three are made up.

        Returns:
            The person, as given or made up.

        Raises:
            ValueError: `person` is neither an id nor a LinkedIn URL.
        """
        if work_email is personal_email is phone is None:
            work_email, personal_email = "found@example.com", "found@example.org"
            phone = "+15550100000"
        found = (
            (personal_email, "email-personal"),
            (work_email, "email-work"),
            (phone, "phone"),
        )
        who = self._sandbox.make_up(1)[0] if person is None else person
        self._sandbox.set_contacts(
            who, [ContactRow(value, kind, "Verified") for value, kind in found if value is not None]
        )
        return who

    def add_empty(self, person: str | None = None) -> str:
        """Adds a person without contacts; behind a LinkedIn URL nobody is found.

        Args:
            person: Their `people_search_id` or LinkedIn URL; None makes up an id.

        Returns:
            The person, as given or made up.

        Raises:
            ValueError: `person` is neither an id nor a LinkedIn URL.
        """
        who = self._sandbox.make_up(1)[0] if person is None else person
        if "/" in who:
            self._sandbox.set_unresolvable(who)
        else:
            self._sandbox.set_contacts(who, ())
        return who

    def add_rejected(self, people_search_id: str | None = None) -> str:
        """Adds an id that belongs to nobody: a request that holds it is refused (400).

        Args:
            people_search_id: The id; None makes one up.

        Returns:
            The id.

        Raises:
            ValueError: It is not an id.
        """
        who = self._sandbox.make_up(1)[0] if people_search_id is None else people_search_id
        self._sandbox.refuse(who)
        return who

    def contacts_for(self, people_search_id: str, types: Iterable[str]) -> tuple[Contact, ...]:
        """What a person has of these contact types: the e-mails, then the phones.

        Raises:
            ValueError: The id is malformed or a type is unknown.
        """
        with self._sandbox.lock:
            return self._sandbox.contacts_for(people_search_id, types)

    # ------------------------------------------------------------------------------ the faults

    def inject(self, fault: Fault | FaultKind, /, **options: Unpack[FaultOptions]) -> None:
        """Switches a fault on, behind those that are on already.

            sandbox.inject("429", times=1, retry_after=2)
            sandbox.inject("lost_after", path="/redeem/people/batch$", times=1)
            sandbox.inject("slow", delay=0.5)

        Args:
            fault: What goes wrong, as a word or as a whole `Fault`; see there.
            **options: Fields of `Fault`, with a word only. Without `times` it strikes always.

        Raises:
            ConfigurationError: There is no such fault, or an option makes no sense.
            TypeError: A whole fault was given, and options as well.
        """
        if not isinstance(fault, Fault):
            fault = Fault(kind=fault, **options)
        elif options:
            raise TypeError("A whole Fault takes no further options.")
        with self._sandbox.lock:
            self._sandbox.add_fault(fault)

    def clear_faults(self) -> None:
        """Switches all faults off; people that were added stay what they are."""
        with self._sandbox.lock:
            self._sandbox.clear_faults()

    # ------------------------------------------------------------------------------- the books

    @property
    def requests(self) -> list[SeenRequest]:
        """The requests that came in, oldest first."""
        with self._sandbox.lock:
            return list(self._sandbox.seen)

    @property
    def ledger(self) -> list[Charge]:
        """The single charges for people, oldest first."""
        with self._sandbox.lock:
            return list(self._sandbox.charges())

    @property
    def credits_charged(self) -> int:
        """Credits charged in all."""
        return self.statistics().credits_charged

    @property
    def credits_left(self) -> int:
        """Credits left, of the plan and topped up."""
        statistics = self.statistics()
        return statistics.credit + statistics.topup_credit

    def regrets(self) -> Regrets:
        """What the client did that a good client does not do, such as paying twice."""
        with self._sandbox.lock:
            return self._sandbox.regrets()

    def statistics(self) -> SandboxStatistics:
        """What has happened so far."""
        with self._sandbox.lock:
            return self._sandbox.statistics()

    # --------------------------------------------------------------------------- the environment

    @property
    def api_key(self) -> str:
        """A key that is accepted."""
        return self.config.api_key or API_KEY


@contextmanager
def environment(variables: Mapping[str, str]) -> Generator[None]:
    """Sets environment variables while the block runs, and puts back what was there."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
