"""Who was charged for what: balances, single charges, and what was charged twice."""

from __future__ import annotations

from array import array
from collections import deque
from collections.abc import Iterable, Iterator

from msgspec import Struct

from pubrio_async.sandbox.config import SandboxConfig
from pubrio_async.sandbox.people import EMAIL_PERSONAL, EMAIL_WORK, PHONE, TYPE_NAMES, format_id
from pubrio_async.sandbox.wire import error

MATCH = 8
_NAMES = {**TYPE_NAMES, MATCH: "contact-lookup"}
_CONTACTS = EMAIL_WORK | EMAIL_PERSONAL | PHONE
_FLAGS = 63
_ASKED_SHIFT = 3


class Charge(Struct, frozen=True):
    """One charge.

    Attributes:
        people_search_id: Who was bought.
        type: The contact type, or `contact-lookup`.
        credits: The price.
        source: The `redeem_query_id` of the job, or the path of the request.
        at: When, on the clock of the requests.
    """

    people_search_id: str
    type: str
    credits: int
    source: str
    at: float


class Bought(Struct, frozen=True, gc=False):
    """A person and the contacts returned for them, as bits; `digest` names the person."""

    raw: bytes
    digest: bytes
    bits: int


class _Entry(Struct, frozen=True):
    source: str
    at: float
    people: bytes
    bits: bytes


class FlagTable:
    """Six flags for each of a million keys in 16 MB: open addressing in one array.

    A slot holds the upper 58 bits of a hashed key and the flags in the other six, so two
    different keys are taken for one with a chance of about 2**-58 a pair.
    """

    def __init__(self, size: int = 1024) -> None:
        """`size` is a power of two."""
        self._slots = array("Q", bytes(8 * size))
        self._used = 0

    def __len__(self) -> int:
        return self._used

    def mark(self, key: int, flags: int) -> int:
        """Adds flags to a 64-bit key; returns those it had before."""
        tag = key & ~_FLAGS or _FLAGS + 1
        slots = self._slots
        mask = len(slots) - 1
        place = (tag >> 6) & mask
        while slot := slots[place]:
            if slot & ~_FLAGS == tag:
                slots[place] = slot | flags
                return slot & _FLAGS
            place = (place + 1) & mask
        slots[place] = tag | flags
        self._used += 1
        if self._used * 5 > len(slots) * 3:
            self._grow()
        return 0

    def _grow(self) -> None:
        old = self._slots
        slots = array("Q", bytes(16 * len(old)))
        mask = len(slots) - 1
        for slot in old:
            if slot:
                place = (slot >> 6) & mask
                while slots[place]:
                    place = (place + 1) & mask
                slots[place] = slot
        self._slots = slots


class Ledger:
    """The money: two balances, of which plan credits are spent first, and a book of charges."""

    def __init__(self, config: SandboxConfig) -> None:
        self.credit: int = config.credit
        self.topup_credit: int = config.topup_credit
        prices = {
            EMAIL_WORK: config.email_credit,
            EMAIL_PERSONAL: config.email_credit,
            PHONE: config.phone_credit,
            MATCH: config.contact_lookup_credit,
        }
        self._prices = prices
        self.price_of: list[int] = [
            sum(price for bit, price in prices.items() if bits & bit) for bits in range(16)
        ]
        self.charged: int = 0
        self.charges_total: int = 0
        self.double_charges: int = 0
        self.repeated_people: int = 0
        self._flags = FlagTable()
        self._entries: deque[_Entry] = deque()
        self._kept = 0
        self._max_kept = config.max_ledger_people

    def covers(self, worst: int) -> bool:
        """Whether both balances together can pay this."""
        return worst <= self.credit + self.topup_credit

    def charge(self, source: str, now: float, bought: Iterable[Bought], asked: int) -> int:
        """Charges for what was found when the types in `asked` were wanted; returns the cost."""
        price_of, flags = self.price_of, self._flags
        total = 0
        people: list[bytes] = []
        kept_bits: list[int] = []
        for raw, digest, bits in ((each.raw, each.digest, each.bits) for each in bought):
            if asked & _CONTACTS:
                charged, wanted = bits & _CONTACTS, asked & _CONTACTS
                key = int.from_bytes(digest[:8], "big")
                before = flags.mark(key, charged | wanted << _ASKED_SHIFT)
                if before:
                    self.double_charges += (before & charged).bit_count()
                    self.repeated_people += bool(before >> _ASKED_SHIFT & wanted)
            if bits:
                total += price_of[bits]
                self.charges_total += bits.bit_count()
                people.append(raw)
                kept_bits.append(bits)
        if people:
            self._keep(_Entry(source, now, b"".join(people), bytes(kept_bits)))
        self._take(total)
        return total

    def spend(self, price: int) -> int:
        """Charges for something that is not a person's contact; returns the price.

        Raises:
            RefusedError: Both balances together cannot pay it (402).
        """
        if not self.covers(price):
            raise error(402, "Not enough credits.")
        self._take(price)
        return price

    def charges(self) -> Iterator[Charge]:
        """The single charges for people that are still kept, oldest first."""
        for entry in self._entries:
            for number, bits in enumerate(entry.bits):
                person = format_id(entry.people[16 * number : 16 * number + 16])
                for bit, price in self._prices.items():
                    if bits & bit:
                        yield Charge(person, _NAMES[bit], price, entry.source, entry.at)

    @property
    def people_seen(self) -> int:
        """How many different people were redeemed, found or not."""
        return len(self._flags)

    def _take(self, total: int) -> None:
        from_plan = min(self.credit, total)
        self.credit -= from_plan
        self.topup_credit -= total - from_plan
        self.charged += total

    def _keep(self, entry: _Entry) -> None:
        self._entries.append(entry)
        self._kept += len(entry.bits)
        while self._kept > self._max_kept:
            self._kept -= len(self._entries.popleft().bits)
