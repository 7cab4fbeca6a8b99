"""The people of the stand-in: contacts that follow from a hash, so that tests can foretell them."""

from __future__ import annotations

import re
from collections.abc import Callable
from hashlib import blake2b
from typing import NamedTuple
from urllib.parse import unquote

import msgspec
from msgspec import UNSET, Struct, UnsetType

from pubrio_async.sandbox.config import SandboxConfig

EMAIL_WORK, EMAIL_PERSONAL, PHONE = 1, 2, 4
TYPE_BITS = {"email-work": EMAIL_WORK, "email-personal": EMAIL_PERSONAL, "phone": PHONE}
TYPE_NAMES = {bit: name for name, bit in TYPE_BITS.items()}

_ID = re.compile(r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}")
_LINKEDIN = re.compile(r"https?://(?:[^/?#@]*\.)?linkedin\.com/(in|pub)/([^?#]+)", re.IGNORECASE)

_FIRST = ("ada", "ben", "chi", "dora", "eli", "faye", "gus", "hana", "ivo", "june", "kai", "lena",
          "milo", "nora", "otis", "pia")  # fmt: skip
_LAST = ("abel", "brook", "cole", "dunn", "ellis", "frost", "grant", "hale", "irwin", "joyce",
         "knox", "lowe", "marsh", "noble", "oakes", "price")  # fmt: skip
_VERIFIED = "Verified"


class ContactRow(Struct, frozen=True, gc=False):
    """A contact as it stands in a reply."""

    value: str
    type: str
    status: str | None


class PersonRow(Struct, frozen=True, gc=False):
    """A redeemed person as it stands in a reply."""

    people_search_id: str
    emails: tuple[ContactRow, ...] | UnsetType | None
    phones: tuple[ContactRow, ...] | UnsetType | None


class Name(NamedTuple):
    """A made-up name."""

    first: str
    last: str


def parse_id(text: str) -> bytes | None:
    """The 16 bytes of a `people_search_id`, in any case; None if it is malformed."""
    return bytes.fromhex(text.replace("-", "")) if _ID.fullmatch(text) else None


def format_id(raw: bytes) -> str:
    """The lower-case text of an id."""
    text = raw.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def uuid_like(digest: bytes) -> bytes:
    """16 bytes of a digest with the marks of a random UUID."""
    raw = bytearray(digest[:16])
    raw[6] = raw[6] & 0x0F | 0x40
    raw[8] = raw[8] & 0x3F | 0x80
    return bytes(raw)


def normalise_linkedin(url: str) -> str | None:
    """`in/slug` or `pub/path` of a profile URL, whatever its spelling; None if it is none."""
    match = _LINKEDIN.match(url.strip())
    if match is None:
        return None
    kind = match[1].lower()
    path = unquote(match[2]).lower().strip("/")
    if kind == "in":
        path = path.partition("/")[0]
    return f"{kind}/{path}" if path else None


class People:
    """All people there are: every well-formed id is somebody.

    Whether a person has a contact of a type, and which, follows from the seed and the id alone.
    """

    def __init__(self, config: SandboxConfig) -> None:
        self._key = blake2b(repr(config.seed).encode(), digest_size=32).digest()
        self._work = round(config.work_share * 65_536)
        self._personal = round(config.personal_share * 65_536)
        self._phone = round(config.phone_share * 65_536)
        self._unresolvable = config.unresolvable_share
        absent: dict[str, tuple[ContactRow, ...] | UnsetType | None]
        absent = {"empty": (), "null": None, "missing": UNSET}
        self._absent = absent[config.absent_contacts]
        self._told: dict[bytes, tuple[ContactRow, ...]] = {}
        self._profiles: dict[str, bytes | None] = {}

    def tell(self, raw: bytes, contacts: tuple[ContactRow, ...]) -> None:
        """Gives a person just these contacts, one of a type, whatever the seed says."""
        self._told[self.digest(raw)] = contacts

    def tell_profile(self, profile: str, raw: bytes | None) -> None:
        """Says who is behind a profile, in the form of `normalise_linkedin`; None for nobody."""
        self._profiles[profile] = raw

    def digest(self, raw: bytes) -> bytes:
        """32 bytes from which everything about a person is read."""
        return blake2b(raw, key=self._key, digest_size=32).digest()

    def fraction(self, *about: object) -> float:
        """A number in [0, 1) that depends on the seed and on what it is about."""
        digest = self.digest(repr(about).encode())
        return int.from_bytes(digest[:7], "big") / 2**56

    def make_id(self, *about: object) -> bytes:
        """An id that depends on the seed and on what it is about."""
        return uuid_like(self.digest(repr(about).encode()))

    def known(self, digest: bytes) -> int:
        """The types of contacts there are of a person, as bits."""
        told = self._told.get(digest)
        if told is not None:
            return sum(TYPE_BITS[row.type] for row in told)
        work, personal, phone = (
            int.from_bytes(digest[8:10], "big") < self._work,
            int.from_bytes(digest[10:12], "big") < self._personal,
            int.from_bytes(digest[12:14], "big") < self._phone,
        )
        return work * EMAIL_WORK | personal * EMAIL_PERSONAL | phone * PHONE

    def contacts(self, digest: bytes, bits: int) -> tuple[list[ContactRow], list[ContactRow]]:
        """The e-mails and the phones of a person, of the types in `bits`."""
        bits &= self.known(digest)
        emails: list[ContactRow] = []
        phones: list[ContactRow] = []
        told = self._told.get(digest)
        if told is not None:
            for row in told:
                if TYPE_BITS[row.type] & bits:
                    (phones if row.type == TYPE_NAMES[PHONE] else emails).append(row)
            return emails, phones
        marks = digest[14]
        if bits & (EMAIL_WORK | EMAIL_PERSONAL):
            first, last = self.name(digest)
            local = f"{first}.{last}.{digest[17:22].hex()}"
            if bits & EMAIL_PERSONAL:
                status = _VERIFIED if marks & 1 else None
                emails.append(ContactRow(f"{local}@example.org", "email-personal", status))
            if bits & EMAIL_WORK:
                status = _VERIFIED if marks & 6 else None
                emails.append(ContactRow(f"{local}@example.com", "email-work", status))
        if bits & PHONE:
            number = int.from_bytes(digest[22:26], "big") % 10_000_000
            status = _VERIFIED if marks & 8 else None
            phones.append(ContactRow(f"+1555{number:07d}", "phone", status))
        return emails, phones

    def row(self, raw: bytes, digest: bytes, bits: int) -> PersonRow:
        """The person as a reply shows it."""
        emails, phones = self.contacts(digest, bits)
        return PersonRow(
            format_id(raw),
            tuple(emails) if emails else self._absent,
            tuple(phones) if phones else self._absent,
        )

    def name(self, digest: bytes) -> Name:
        """The person's name, in lower case."""
        return Name(_FIRST[digest[15] & 15], _LAST[digest[16] & 15])

    def at_linkedin(self, url: str) -> bytes | None:
        """Who is behind a profile URL; None if nobody is found. The URL must be well-formed."""
        profile = normalise_linkedin(url)
        if profile is not None and profile in self._profiles:
            return self._profiles[profile]
        if profile is None or self.fraction("nobody", profile) < self._unresolvable:
            return None
        return self.make_id("linkedin", profile)


encode: Callable[[object], bytes] = msgspec.json.Encoder().encode
