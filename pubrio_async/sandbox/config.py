"""What the stand-in is told to be: prices, limits, speed of its jobs, and what goes wrong."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from pubrio_async._errors import ConfigurationError

Distribution = Literal["fixed", "uniform", "lognormal", "exponential"]


class SandboxConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of a `Sandbox`. Times are in seconds, prices in credits.

    Attributes:
        seed: Everything that looks random is a hash of this and of what it is about.
        api_key: The only key that is accepted; None accepts any that is not empty.
        credit: Plan credits at the start; they are spent first.
        topup_credit: Top-up credits at the start.
        email_credit: Price of an e-mail record that is returned.
        phone_credit: Price of a phone record that is returned.
        contact_lookup_credit: Price of a match of a contact lookup.
        people_search_credit: Price of a page of a search for people, and of an enrichment or a
            lookup on LinkedIn of one of them.
        company_search_credit: The same for companies; also of a page of jobs, news or
            advertisements.
        world_people: How many people the searches know; there is a company for ten of them.
        limits: Rate limits, for example `300/minute; 2400/hour`; `unlimited` for none.
        window_phase: How far the fixed windows are shifted; one number for all limits, or one
            for each.
        retry_after: Whether a 429 carries `Retry-After`, and in which of its two forms.
        latency: Time between the work and the start of the reply.
        epoch: Unix time at `now == 0`; None lets an adapter set it from its clock.
        distribution: How the time a job takes is spread around its mean.
        base_s: Mean time of a job, the part that does not depend on its size.
        per_person_s: Mean time of a job for each person. The defaults give 50 people 5 s.
        spread: Half width of `uniform` and sigma of `lognormal`, both relative to the mean.
        straggler_share: Share of jobs that take `straggler_factor` times as long.
        straggler_factor: How much longer a straggler takes; its estimate does not know.
        estimate_quantile: The quantile of the job's time that is told as its estimate.
        estimate_factor: Multiplies every estimate; below 1 they are too short.
        estimate_unit: Unit of `estimated_time`: `second`, `minutes`, `ms`, ... A word that is
            not known goes out as it is, with a number that means seconds.
        time_scale: Multiplies the time of every job, estimates included. Limits are not scaled.
        max_batch: Largest batch that is accepted; None for no bound.
        job_retention: How long a job can be polled after its result was delivered.
        unknown_query_status: What a poll of an unknown job gets.
        work_share: Share of people with a work e-mail.
        personal_share: Share of people with a personal e-mail.
        phone_share: Share of people with a phone number.
        unresolvable_share: Share of LinkedIn URLs behind which nobody is found.
        unknown_ids: Ids that have the form of an id but belong to nobody: a request that holds
            one is refused as a whole (400).
        absent_contacts: How a list of contacts with nothing in it looks in a reply.
        include_empty_people: Whether people with nothing found appear in replies.
        people_order: Whether a batch comes back in the order it was sent.
        max_log_entries: Requests kept in the request log.
        max_log_bytes: Bytes of bodies kept in the request log.
        log_delay: Time until a request shows up in the request log.
        max_ledger_people: Charged people whose single charges are kept; totals have no bound.
        faults: Faults in their text form, see `parse_fault`.

    Raises:
        ConfigurationError: A number is out of its range, or the key is empty.
    """

    seed: int | str = 0
    api_key: str | None = None
    credit: int = 1_000_000
    topup_credit: int = 0
    email_credit: int = 5
    phone_credit: int = 10
    contact_lookup_credit: int = 1
    people_search_credit: int = 3
    company_search_credit: int = 1
    world_people: int = 2_500
    limits: str = "300/minute"
    window_phase: float | tuple[float, ...] = 0.0
    retry_after: Literal["none", "seconds", "date"] = "none"
    latency: float = 0.0
    epoch: float | None = None
    distribution: Distribution = "fixed"
    base_s: float = 1.0
    per_person_s: float = 0.08
    spread: float = 0.3
    straggler_share: float = 0.0
    straggler_factor: float = 10.0
    estimate_quantile: float = 0.999
    estimate_factor: float = 1.0
    estimate_unit: str = "second"
    time_scale: float = 1.0
    max_batch: int | None = None
    job_retention: float = 600.0
    unknown_query_status: Literal[400, 404] = 404
    work_share: float = 0.68
    personal_share: float = 0.2
    phone_share: float = 0.25
    unresolvable_share: float = 0.1
    unknown_ids: tuple[str, ...] = ()
    absent_contacts: Literal["empty", "null", "missing"] = "empty"
    include_empty_people: bool = True
    people_order: Literal["given", "shuffled"] = "shuffled"
    max_log_entries: int = 10_000
    max_log_bytes: int = 32 * 1024 * 1024
    log_delay: float = 0.0
    max_ledger_people: int = 200_000
    faults: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in _NOT_NEGATIVE:
            if getattr(self, name) < 0:
                raise ConfigurationError(f"SandboxConfig.{name} must not be negative")
        for name in _SHARES:
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise ConfigurationError(f"SandboxConfig.{name} must be between 0 and 1")
        if not 0.0 < self.estimate_quantile < 1.0:
            raise ConfigurationError("SandboxConfig.estimate_quantile must be inside 0 and 1")
        if self.api_key == "":
            raise ConfigurationError("SandboxConfig.api_key must not be empty")


_NOT_NEGATIVE = (
    "credit",
    "topup_credit",
    "email_credit",
    "phone_credit",
    "contact_lookup_credit",
    "people_search_credit",
    "company_search_credit",
    "world_people",
    "latency",
    "base_s",
    "per_person_s",
    "spread",
    "straggler_factor",
    "estimate_factor",
    "time_scale",
    "job_retention",
    "max_log_entries",
    "max_log_bytes",
    "log_delay",
    "max_ledger_people",
)
_SHARES = (
    "straggler_share",
    "work_share",
    "personal_share",
    "phone_share",
    "unresolvable_share",
)
