"""The `redeem` endpoints: who is found, what it costs, what the reply says."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import Struct

from pubrio_async.sandbox.config import SandboxConfig
from pubrio_async.sandbox.faults import FaultBook
from pubrio_async.sandbox.jobs import JobBook, job_text
from pubrio_async.sandbox.ledger import MATCH, Bought, Ledger
from pubrio_async.sandbox.people import (
    TYPE_BITS,
    People,
    PersonRow,
    encode,
    format_id,
    normalise_linkedin,
    parse_id,
)
from pubrio_async.sandbox.wire import Answer, bad_request, error

PEOPLE = "/redeem/people"
BATCH = "/redeem/people/batch"
QUERY = "/redeem/people/batch/query"
LOOKUP = "/redeem/people/contact/lookup"
LOOKUP_BATCH = "/redeem/people/contact/lookup/batch"

# Of a hundred lookups this many find somebody.
_MATCH_SHARE = 0.8


class PeopleBody(Struct):
    """The body of `redeem.people`."""

    people_contact_types: list[str]
    people_search_id: str | None = None
    linkedin_url: str | None = None


class BatchBody(Struct):
    """The body of `redeem.batch`."""

    peoples: list[str]
    people_contact_types: list[str]


class QueryBody(Struct):
    """The body of `redeem.query`."""

    redeem_query_id: str


class LookupInput(Struct):
    """One input of a contact lookup."""

    email: str | None = None
    phone: str | None = None
    first_name: str | None = None
    last_name: str | None = None
    domain: str | None = None
    company: str | None = None

    def evidence(self, *, similar: bool) -> tuple[str, str, str] | None:
        """Confidence, value and type of what a match rests on; None if the input is no input."""
        if self.email and self.email.strip():
            return "exact", self.email.strip().lower(), "email-work"
        if self.phone and self.phone.strip():
            return "exact", self.phone.strip(), "phone"
        if similar and self.first_name and self.last_name:
            if self.domain:
                return "similarity_domain", self.domain.strip().lower(), "domain"
            if self.company:
                return "similarity_company", self.company.strip(), "company"
        return None


class LookupBody(LookupInput):
    """The body of `redeem.contact_lookup`."""

    is_enable_similarity_search: bool = False


class LookupBatchBody(Struct):
    """The body of `redeem.contact_lookup_batch`."""

    peoples: list[LookupInput]
    is_enable_similarity_search: bool = False


_decode_people = msgspec.json.Decoder(PeopleBody).decode
_decode_batch = msgspec.json.Decoder(BatchBody).decode
_decode_query = msgspec.json.Decoder(QueryBody).decode
_decode_lookup = msgspec.json.Decoder(LookupBody).decode
_decode_lookup_batch = msgspec.json.Decoder(LookupBatchBody).decode


class RedeemDesk:
    """Answers the five `redeem` endpoints."""

    def __init__(
        self,
        config: SandboxConfig,
        people: People,
        ledger: Ledger,
        jobs: JobBook,
        faults: FaultBook,
    ) -> None:
        self._config = config
        self._people = people
        self._ledger = ledger
        self._jobs = jobs
        self._faults = faults
        #: Ids that belong to nobody: a request that holds one is refused.
        self.unknown: set[bytes | None] = set(map(parse_id, config.unknown_ids))
        self.malformed_ids: int = 0

    def single(self, body: bytes, now: float) -> Answer:
        """Answers `redeem.people`."""
        wanted = _decode_people(body)
        types = self._types(wanted.people_contact_types)
        person: bytes | None
        if wanted.people_search_id is not None:
            person = self._ids([wanted.people_search_id])[0]
            self._refuse_unknown(PEOPLE, [person])
        elif wanted.linkedin_url is not None:
            if normalise_linkedin(wanted.linkedin_url) is None:
                self.malformed_ids += 1
                raise bad_request("linkedin_url is not the URL of a person.")
            person = self._people.at_linkedin(wanted.linkedin_url)
        else:
            raise bad_request("people_search_id or linkedin_url is required.")
        self._refuse_poor(self._ledger.price_of[types])
        people = [] if person is None else [person]
        cost = self._ledger.charge(PEOPLE, now, self._bought(people, types), types)
        return Answer(
            encode(
                {
                    "data": {
                        "profile": self._profile("total_credit_cost", cost),
                        "peoples": self._rows(people, types),
                    }
                }
            ),
            cost,
        )

    def batch(self, body: bytes, now: float) -> Answer:
        """Answers `redeem.batch`: accept a job and charge for what it will find."""
        wanted = _decode_batch(body)
        types = self._types(wanted.people_contact_types)
        limit = self._config.max_batch
        size = len(wanted.peoples)
        if (limit is not None and size > limit) or self._faults.too_large(BATCH, size):
            raise bad_request("Too many peoples.")
        if not size:
            raise bad_request("peoples must not be empty.")
        people = list(dict.fromkeys(self._ids(wanted.peoples)))
        self._refuse_unknown(BATCH, people)
        self._refuse_poor(len(people) * self._ledger.price_of[types])
        endless = self._faults.strike(("unfinished_forever",), BATCH) is not None
        job = self._jobs.submit(b"".join(people), types, now, endless=endless)
        job_id = job_text(job)
        if not endless:
            job.cost = self._ledger.charge(job_id, now, self._bought(people, types), types)
        state = self._state(job_id, job.estimate, completed=self._jobs.is_done(job, now))
        return Answer(encode({"data": state}), job.cost)

    def query(self, body: bytes, now: float) -> Answer:
        """Answers `redeem.query`: the people and the cost, or a newer estimate."""
        wanted = _decode_query(body)
        job = self._jobs.poll(wanted.redeem_query_id, now)
        if job is None:
            if self._config.unknown_query_status == 400:
                raise bad_request("There is no such redeem query.")
            raise error(404, "There is no such redeem query.")
        job_id = job_text(job)
        if not self._jobs.is_done(job, now):
            remaining = self._jobs.remaining(job, now)
            state = self._state(job_id, remaining, completed=False)
            receipt = self._jobs.receipt(job, now, remaining)
            return Answer(encode({"data": {"query": state}}), receipt=receipt)
        data = {
            "profile": self._profile("total_charged_credit", job.cost),
            "query": self._state(job_id, job.estimate, completed=True),
            "peoples": self._rows(job.persons(), job.types),
        }
        return Answer(encode({"data": data}), receipt=self._jobs.receipt(job, now, None))

    def lookup(self, body: bytes, now: float) -> Answer:
        """Answers `redeem.contact_lookup`."""
        wanted = _decode_lookup(body)
        similar = wanted.is_enable_similarity_search
        return self._lookup(LOOKUP, [wanted], now, similar=similar, names=True)

    def lookup_batch(self, body: bytes, now: float) -> Answer:
        """Answers `redeem.contact_lookup_batch`."""
        wanted = _decode_lookup_batch(body)
        if not wanted.peoples:
            raise bad_request("peoples must not be empty.")
        similar = wanted.is_enable_similarity_search
        return self._lookup(LOOKUP_BATCH, wanted.peoples, now, similar=similar, names=False)

    def _lookup(
        self, path: str, inputs: Sequence[LookupInput], now: float, *, similar: bool, names: bool
    ) -> Answer:
        self._refuse_poor(len(inputs) * self._ledger.price_of[MATCH])
        rows: list[dict[str, Any]] = []
        bought: list[Bought] = []
        seen: set[tuple[str, ...]] = set()
        for each in inputs:
            evidence = each.evidence(similar=similar)
            if evidence is None:
                raise bad_request("An input has neither email, phone nor a name with a company.")
            confidence, value, kind = evidence
            about: tuple[str, ...] = (kind, value)
            if confidence != "exact":
                about += ((each.first_name or "").lower(), (each.last_name or "").lower())
            if self._people.fraction("match", about) >= _MATCH_SHARE:
                continue
            raw = self._people.make_id("match", about)
            digest = self._people.digest(raw)
            if about not in seen:
                bought.append(Bought(raw, digest, MATCH))
            name = self._people.name(digest)
            first, last = (
                (name.first.title(), name.last.title())
                if confidence == "exact"
                else (each.first_name or "", each.last_name or "")
            )
            domain = f"{name.last}.example.com" if kind != "domain" else value
            rows.append(
                {
                    "people_search_id": format_id(raw),
                    **({"first_name": first, "last_name": last} if names else {}),
                    "people_name": f"{first} {last}",
                    "company_name": value
                    if kind == "company"
                    else domain.partition(".")[0].title(),
                    "domain": domain,
                    "match": {
                        "confidence": confidence,
                        "input": {"value": value, "type": kind},
                        "is_duplicate_input": about in seen,
                    },
                }
            )
            seen.add(about)
        cost = self._ledger.charge(path, now, bought, MATCH)
        data = {"profile": self._profile("total_credit_cost", cost), "peoples": rows}
        return Answer(encode({"data": data}), cost)

    def _types(self, names: list[str]) -> int:
        bits = 0
        for name in names:
            bit = TYPE_BITS.get(name)
            if bit is None:
                raise bad_request(
                    "people_contact_types holds an unknown type.", {"people_contact_types": name}
                )
            bits |= bit
        if not bits:
            raise bad_request("people_contact_types must not be empty.")
        return bits

    def _ids(self, texts: list[str]) -> list[bytes]:
        ids: list[bytes] = []
        malformed = 0
        for text in texts:
            raw = parse_id(text)
            if raw is None:
                malformed += 1
            else:
                ids.append(raw)
        if malformed:
            self.malformed_ids += malformed
            raise bad_request("A people_search_id is malformed.")
        return ids

    def _refuse_unknown(self, path: str, people: list[bytes]) -> None:
        # Whom the refusal is about is left open, as it is not documented that the API says so.
        if not self.unknown.isdisjoint(people) or self._faults.unknown(path, people):
            raise bad_request("A people_search_id is unknown.")

    def _refuse_poor(self, worst: int) -> None:
        if not self._ledger.covers(worst):
            raise error(402, "Not enough credits.")

    def _bought(self, people: list[bytes], types: int) -> list[Bought]:
        known, digest_of = self._people.known, self._people.digest
        bought: list[Bought] = []
        for raw in people:
            digest = digest_of(raw)
            bought.append(Bought(raw, digest, known(digest) & types))
        return bought

    def _rows(self, people: list[bytes], types: int) -> list[PersonRow]:
        source = self._people
        digests = [(source.digest(raw), raw) for raw in people]
        if self._config.people_order == "shuffled":
            digests.sort()
        if not self._config.include_empty_people:
            digests = [pair for pair in digests if source.known(pair[0]) & types]
        return [source.row(raw, digest, types) for digest, raw in digests]

    def _profile(self, name: str, cost: int) -> dict[str, int]:
        ledger = self._ledger
        return {"credit": ledger.credit, "topup_credit": ledger.topup_credit, name: cost}

    def _state(self, job_id: str, estimate: int, *, completed: bool) -> dict[str, Any]:
        return {
            "redeem_query_id": job_id,
            "is_completed": completed,
            "estimated_time": estimate,
            "estimated_time_type": self._config.estimate_unit,
        }
