"""The stand-in for the API as a pure state machine: a request and a time in, a reply out.

A request passes, in this order: the faults at the gate, the key, the rate limits, the faults
around the work, the table of endpoints, and the work itself.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from email.utils import formatdate
from math import ceil

import msgspec
from msgspec import Struct

from pubrio_async.models import Contact, ContactStatus, ContactType
from pubrio_async.sandbox.account import USER, AccountDesk
from pubrio_async.sandbox.config import SandboxConfig
from pubrio_async.sandbox.endpoints import Parts, endpoints
from pubrio_async.sandbox.faults import (
    AFTER_THE_WORK,
    AROUND_THE_WORK,
    AT_THE_GATE,
    Fault,
    FaultBook,
    parse_fault,
)
from pubrio_async.sandbox.jobs import JobBook
from pubrio_async.sandbox.ledger import Charge, Ledger
from pubrio_async.sandbox.limits import FixedWindows
from pubrio_async.sandbox.log import RequestLog
from pubrio_async.sandbox.people import TYPE_BITS, People, format_id, parse_id
from pubrio_async.sandbox.redeem import RedeemDesk
from pubrio_async.sandbox.wire import (
    Answer,
    RefusedError,
    SandboxReply,
    SandboxRequest,
    bad_request,
    error,
    json_headers,
)

# 2025-01-01, as `pubrio_async.testing.EPOCH`: under virtual time both tell the same date.
_DEFAULT_EPOCH = 1_735_689_600.0
_TOO_MANY = "Request rate limit exceeded. Please wait and try again later."
_SERVER_FAULT = "An unexpected error occurred on the server."
_ELSEWHERE = "(unknown)"


class Regrets(Struct, frozen=True, kw_only=True):
    """What clients did that a good client does not do.

    Attributes:
        double_charges: Contacts charged though they had been charged before.
        early_polls: Polls before the newest estimate that reached the client had passed.
        polls_after_completion: Polls of a job whose result had been delivered.
        unknown_polls: Polls of a job that does not exist.
        overrun_windows: Windows in which at least one request was refused.
        refused_429: Requests refused by a rate limit; those of a fault are not among them.
        malformed_ids: Ids and profile URLs without the form of one.
        malformed_requests: Bodies that cannot be read, and unknown paths and methods.
    """

    double_charges: int
    early_polls: int
    polls_after_completion: int
    unknown_polls: int
    overrun_windows: int
    refused_429: int
    malformed_ids: int
    malformed_requests: int

    @property
    def total(self) -> int:
        """All of them; 0 for a good client."""
        return sum(getattr(self, name) for name in self.__struct_fields__)


class SandboxStatistics(Struct, frozen=True, kw_only=True):
    """What has happened so far.

    Attributes:
        requests: All requests, the refused ones too.
        requests_by_path: The same by path; unknown paths are lumped together.
        replies_by_status: Replies by status, as far as there was one.
        credit: Plan credits left.
        topup_credit: Top-up credits left.
        credits_charged: Credits charged in all.
        charges: Single charges for contacts and matches in all.
        people: Different people redeemed, whether anything was found or not.
        repeated_people: How often a person was redeemed again for a type asked for before.
        jobs_submitted: Jobs accepted.
        jobs_delivered: Jobs whose result was delivered.
        polls: Polls.
        faults: Faults that struck, by kind.
    """

    requests: int
    requests_by_path: dict[str, int]
    replies_by_status: dict[str, int]
    credit: int
    topup_credit: int
    credits_charged: int
    charges: int
    people: int
    repeated_people: int
    jobs_submitted: int
    jobs_delivered: int
    polls: int
    faults: dict[str, int]


class Sandbox:
    """A stand-in for the Pubrio API: no I/O, no clock, no event loop, nothing random.

    Replies follow from the configuration, the faults that are switched on, and the requests so
    far with their times. It is not safe for threads.

    Args:
        config: What it is told to be; None for the defaults.

    Raises:
        ConfigurationError: A rate limit or a fault in the configuration is malformed.
    """

    def __init__(self, config: SandboxConfig | None = None) -> None:
        config = config or SandboxConfig()
        self.config: SandboxConfig = config
        #: Unix time at `now == 0`, for the dates in replies.
        self.epoch: float = _DEFAULT_EPOCH if config.epoch is None else config.epoch
        self._people = People(config)
        self._ledger = Ledger(config)
        self._jobs = JobBook(config, self._people)
        self._faults = FaultBook(self._people)
        self._windows = FixedWindows(config)
        self._log = RequestLog(config, self._people, USER, self.wall)
        self._redeem = RedeemDesk(config, self._people, self._ledger, self._jobs, self._faults)
        self._paths: Counter[str] = Counter()
        self._statuses: Counter[int] = Counter()
        self._malformed_requests = 0
        self._endpoints = endpoints(
            Parts(
                config,
                self._people,
                self._ledger,
                self._log,
                self._redeem,
                AccountDesk(config, self._ledger, self._windows, self.wall),
                self.wall,
            )
        )
        for text in config.faults:
            self.add_fault(parse_fault(text))

    def wall(self, now: float) -> float:
        """The Unix time at a time on the clock of the requests."""
        return self.epoch + now

    def handle(self, request: SandboxRequest, now: float) -> SandboxReply:
        """Carries out a request.

        Args:
            request: The request.
            now: Seconds on a clock of the caller's that never goes back.

        Returns:
            The reply, with how it is to be delayed or broken. It counts as delivered unless a
            fault breaks it, or the caller says so by `undelivered`.
        """
        path = request.path.partition("?")[0]
        self._paths[path if path in self._endpoints else _ELSEWHERE] += 1
        reply = self._handle(request, path, now)
        if reply.cut in {None, "mid_body", "stall_body"}:
            self._statuses[reply.status] += 1
        if reply.receipt is not None:
            self._jobs.deliver(reply.receipt, now)
        return reply

    def undelivered(self, reply: SandboxReply) -> None:
        """Takes note that the client never got this reply: it may well ask again."""
        if reply.receipt is not None:
            self._jobs.undeliver(reply.receipt)

    def add_fault(self, fault: Fault) -> None:
        """Switches a fault on, behind those that are on already."""
        self._faults.add(fault)

    def clear_faults(self) -> None:
        """Switches all faults off."""
        self._faults.clear()

    def contacts_for(self, people_search_id: str, types: Iterable[str]) -> tuple[Contact, ...]:
        """What a person has of these contact types: the e-mails, then the phones.

        Raises:
            ValueError: The id is malformed or a type is unknown.
        """
        raw = parse_id(people_search_id)
        unknown = set(types := tuple(types)).difference(TYPE_BITS)
        if raw is None or unknown:
            raise ValueError("not a people_search_id, or not a contact type")
        bits = sum(TYPE_BITS[name] for name in set(types))
        emails, phones = self._people.contacts(self._people.digest(raw), bits)
        return tuple(
            Contact(
                row.value,
                ContactType(row.type),
                None if row.status is None else ContactStatus(row.status),
            )
            for row in (*emails, *phones)
        )

    def id_for_linkedin(self, url: str) -> str | None:
        """The `people_search_id` behind a profile URL; None if nobody is found."""
        raw = self._people.at_linkedin(url)
        return None if raw is None else format_id(raw)

    def charges(self) -> Iterator[Charge]:
        """The single charges for people, oldest first, as far as `max_ledger_people` keeps them."""
        return self._ledger.charges()

    def regrets(self) -> Regrets:
        """What clients did that a good client does not do."""
        jobs = self._jobs
        return Regrets(
            double_charges=self._ledger.double_charges,
            early_polls=jobs.early_polls,
            polls_after_completion=jobs.polls_after_completion,
            unknown_polls=jobs.unknown_polls,
            overrun_windows=self._windows.overrun_windows,
            refused_429=self._windows.refused,
            malformed_ids=self._redeem.malformed_ids,
            malformed_requests=self._malformed_requests,
        )

    def statistics(self) -> SandboxStatistics:
        """What has happened so far."""
        ledger, jobs = self._ledger, self._jobs
        return SandboxStatistics(
            requests=self._paths.total(),
            requests_by_path=dict(self._paths),
            replies_by_status={str(status): count for status, count in self._statuses.items()},
            credit=ledger.credit,
            topup_credit=ledger.topup_credit,
            credits_charged=ledger.charged,
            charges=ledger.charges_total,
            people=ledger.people_seen,
            repeated_people=ledger.repeated_people,
            jobs_submitted=jobs.submitted,
            jobs_delivered=jobs.delivered,
            polls=jobs.polls,
            faults=dict(self._faults.fired),
        )

    # ------------------------------------------------------------------------------ the way in

    def _handle(self, request: SandboxRequest, path: str, now: float) -> SandboxReply:
        fault = self._faults.strike(AT_THE_GATE, path)
        if fault is not None:
            return self._at_the_gate(fault, request, path, now)
        key = request.header("pubrio-api-key")
        if not key or self.config.api_key not in {None, key}:
            return self._reply_to(error(401, "The API key is missing or wrong."))
        free_at = self._windows.admit(now)
        if free_at is not None:
            wait = free_at - now
            form = self.config.retry_after
            headers = {} if form == "none" else self._retry_after(wait, now, date=form == "date")
            refusal = RefusedError(429, error(429, _TOO_MANY).body, json_headers(**headers))
            return self._logged(request, path, now, self._reply_to(refusal), 0)
        fault = self._faults.strike(AROUND_THE_WORK, path)
        if fault is not None and fault.kind not in AFTER_THE_WORK:
            return self._logged(request, path, now, self._instead_of_work(fault), 0)
        try:
            answer = self._work(request, path, now)
        except RefusedError as refusal:
            reply, cost = self._reply_to(refusal), 0
        else:
            cost = answer.cost
            reply = SandboxReply(
                status=200,
                headers=json_headers(),
                body=answer.body,
                delay=self.config.latency,
                receipt=answer.receipt,
            )
        self._logged(request, path, now, reply, cost)
        return reply if fault is None else _spoilt(fault, reply)

    def _work(self, request: SandboxRequest, path: str, now: float) -> Answer:
        endpoint = self._endpoints.get(path)
        if endpoint is None or endpoint.method != request.method:
            self._malformed_requests += 1
            if endpoint is None:
                raise error(404, "There is no such endpoint.")
            raise error(405, f"Use {endpoint.method}.")
        try:
            return endpoint.answer(request.body, now)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as problem:
            self._malformed_requests += 1
            raise bad_request("The body is malformed.", {"reason": str(problem)}) from None

    # ---------------------------------------------------------------------------- the way out

    def _reply_to(self, refusal: RefusedError) -> SandboxReply:
        return SandboxReply(
            status=refusal.status,
            headers=refusal.headers,
            body=refusal.body,
            delay=self.config.latency,
        )

    def _logged(
        self, request: SandboxRequest, path: str, now: float, reply: SandboxReply, cost: int
    ) -> SandboxReply:
        self._log.add(
            request,
            path,
            now,
            status=reply.status,
            body=reply.body,
            cost=cost,
            delay=reply.delay,
        )
        return reply

    def _retry_after(self, wait: float, now: float, *, date: bool) -> dict[str, str]:
        if date:
            return {"retry_after": formatdate(ceil(self.wall(now) + wait), usegmt=True)}
        return {"retry_after": str(ceil(wait))}

    def _at_the_gate(
        self, fault: Fault, request: SandboxRequest, path: str, now: float
    ) -> SandboxReply:
        if fault.kind == "lost_before":
            return SandboxReply(status=0, headers={}, body=b"", cut=fault.breaks)
        if fault.kind == "401":
            return self._reply_to(_told(fault, error(401, "The API key is missing or wrong.")))
        headers: dict[str, str] = {}
        if fault.retry_after is not None:
            headers = self._retry_after(fault.retry_after, now, date=fault.retry_after_date)
        refusal = RefusedError(429, error(429, _TOO_MANY).body, json_headers(**headers))
        return self._logged(request, path, now, self._reply_to(_told(fault, refusal)), 0)

    def _instead_of_work(self, fault: Fault) -> SandboxReply:
        if fault.kind == "400":
            refusal = bad_request("The request was refused.")
        elif fault.kind == "402":
            refusal = error(402, "Not enough credits.")
        elif fault.kind == "redirect":
            refusal = RefusedError(fault.status or 302, b"", json_headers(location=fault.location))
        else:
            refusal = error(fault.status or 500, _SERVER_FAULT)
        return self._reply_to(_told(fault, refusal))


def _told(fault: Fault, refusal: RefusedError) -> RefusedError:
    if fault.body is None:
        return refusal
    return RefusedError(refusal.status, fault.body.encode(), refusal.headers)


def _spoilt(fault: Fault, reply: SandboxReply) -> SandboxReply:
    """The reply after a fault that comes when the work has been done."""
    replace = msgspec.structs.replace
    if fault.kind == "slow":
        return replace(reply, delay=reply.delay + fault.delay)
    if fault.kind == "garbage":
        body = (fault.body or "<html>not what you think</html>").encode()
        return replace(reply, status=200, body=body, receipt=None)
    if fault.kind == "5xx_after":
        told = _told(fault, error(fault.status or 500, _SERVER_FAULT))
        return replace(reply, status=told.status, body=told.body, receipt=None)
    return replace(reply, cut=fault.breaks, receipt=None)
