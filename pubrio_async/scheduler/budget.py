"""The budget: the worst case is reserved before a request, the real charge settled after it.

Promise: with `max_credits` set, reserved + charged never exceeds it, as far as the plan's prices
hold. Where a charge turns out higher than the price, the price is raised for everything after it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from msgspec import Struct

from pubrio_async._errors import BudgetExhaustedError
from pubrio_async.models.profile import Subscription
from pubrio_async.models.redeem import Number

FALLBACK_EMAIL_CREDIT = 5
FALLBACK_PHONE_CREDIT = 10


class Prices(Struct, frozen=True):
    """What the plan charges for one record, in credits.

    Attributes:
        email: For an e-mail address.
        phone: For a phone number.
    """

    email: Number = FALLBACK_EMAIL_CREDIT
    phone: Number = FALLBACK_PHONE_CREDIT

    @classmethod
    def of_plan(cls, email: Number | None, phone: Number | None) -> Prices:
        """The prices of a plan; where it names none, those of the API's guide."""
        return cls(
            FALLBACK_EMAIL_CREDIT if email is None else email,
            FALLBACK_PHONE_CREDIT if phone is None else phone,
        )

    @classmethod
    def of_subscription(cls, subscription: Subscription) -> Prices:
        """The prices of a plan, as `profile.get` tells them."""
        return cls.of_plan(
            subscription.email_redeem_credit, subscription.phone_number_redeem_credit
        )

    def worst_case(self, contact_types: Sequence[str]) -> Number:
        """Most credits one person can cost: one record of every type asked for."""
        emails = sum(1 for kind in contact_types if kind.startswith("email"))
        return emails * self.email + (self.phone if "phone" in contact_types else 0)


class Budget(Protocol):
    """What the run asks before it spends."""

    @property
    def reserved(self) -> Number:
        """Worst-case cost of the people whose charge is not known yet."""
        ...

    def room(self) -> int | None:
        """How many more people fit; None for any number."""
        ...

    def reserve(self, people: int) -> None:
        """Sets aside the worst case of so many people."""
        ...

    def release(self, people: int) -> None:
        """Gives it back: they were surely not charged."""
        ...

    def settle(self, people: int, charged: Number | None) -> None:
        """Replaces what was set aside by the real charge; None: unknown, the worst case stays."""
        ...

    def no_room(self) -> BudgetExhaustedError:
        """What ends a run that may not spend any more."""
        ...


class NoBudget:
    """No bound: everything fits."""

    @property
    def reserved(self) -> Number:
        """Nothing."""
        return 0

    def room(self) -> int | None:
        """Any number."""
        return None

    def reserve(self, people: int) -> None:
        """Nothing to set aside."""

    def release(self, people: int) -> None:
        """Nothing to give back."""

    def settle(self, people: int, charged: Number | None) -> None:
        """Nothing to settle."""

    def no_room(self) -> BudgetExhaustedError:
        """Never asked for."""
        raise AssertionError


class CreditBudget:
    """At most `max_credits`, reserved and charged together.

    Args:
        max_credits: The bound.
        worst_case: Most credits one person can cost.
    """

    def __init__(self, max_credits: Number, worst_case: Number) -> None:
        self._max = max_credits
        self._worst_case = worst_case
        self._people = 0
        self._charged: Number = 0

    @property
    def reserved(self) -> Number:
        """Worst-case cost of the people whose charge is not known yet."""
        return self._people * self._worst_case

    def room(self) -> int | None:
        """How many more people fit."""
        left = self._max - self._charged - self.reserved
        return max(0, int(left // self._worst_case)) if self._worst_case else None

    def reserve(self, people: int) -> None:
        """Sets aside the worst case of so many people."""
        self._people += people

    def release(self, people: int) -> None:
        """Gives it back: they were surely not charged."""
        self._people -= people

    def settle(self, people: int, charged: Number | None) -> None:
        """Replaces the reservation by the charge; an unknown charge stays reserved for good."""
        if charged is None:
            return
        self._people -= people
        self._charged += charged
        if people:
            self._worst_case = max(self._worst_case, charged / people)

    def no_room(self) -> BudgetExhaustedError:
        """What ends a run that may not spend any more."""
        return BudgetExhaustedError(
            f"max_credits ({self._max:,}) leaves no room for the worst case of another person "
            f"({self._worst_case:,.10g} credits); raise it and run again with the same journal to "
            "go on"
        )
