"""What a run hands out: one Outcome for each input row, and a report of the whole."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct, field

from pubrio_async.models.redeem import Contact, Number

OutcomeStatus = Literal["found", "empty", "rejected", "failed", "pending", "unsettled", "skipped"]
"""How a row ended.

- `found`: at least one contact came back; charged.
- `empty`: settled, nothing found; not charged.
- `rejected`: malformed, or refused by the server on its own; not charged.
- `failed`: refused or unreachable, surely not charged.
- `pending`: accepted, not finished when the run ended; perhaps charged, a resumed run fetches it.
- `unsettled`: may have been charged, the answer was lost.
- `skipped`: never sent; budget, interrupt or a fatal error came first.

A person who was to be bought again (`max_age`), and was not, has the contacts from before, whatever
the status.
"""


class Outcome(Struct, frozen=True, gc=False):
    """What became of one input row.

    Attributes:
        row: 0-based index of the row in the input.
        person: The person as the input gave it.
        people_search_id: The person's id, where it is known.
        status: How the row ended.
        emails: E-mail addresses. Personal data: never logged by this package.
        phones: Phone numbers. Personal data, likewise.
        redeem_query_id: The job this row belongs to, where there is one.
        error: What went wrong, whether it may have cost credits, and what to do next.
    """

    row: int
    person: str
    people_search_id: str | None
    status: OutcomeStatus
    emails: list[Contact] = field(default_factory=list[Contact])
    phones: list[Contact] = field(default_factory=list[Contact])
    redeem_query_id: str | None = None
    error: str | None = None


class RunReport(Struct, kw_only=True):
    """The figures of a run; `rows` is the sum of the seven statuses.

    Attributes:
        rows: Rows that have an outcome.
        unique: Distinct well-formed people among them.
        batches: Batches the API has made a job of in this run.
        requests: Requests the run has sent, refused ones and looks into the request log included;
            not the one for the plan's prices.
        polls: Requests for the state of a job.
        retries: Requests that had to be made again.
        rate_limited: Requests refused with 429.
        credits_charged: Credits the API reported as charged in this run.
        credit_balance: Plan credits left, as last reported.
        elapsed_s: Seconds from start to end.
        polls_per_batch: `polls / batches`; 1.0 is the least for a run that begins and ends its
            jobs itself, and 0.0 if it made none.
    """

    rows: int = 0
    unique: int = 0
    found: int = 0
    empty: int = 0
    rejected: int = 0
    failed: int = 0
    pending: int = 0
    unsettled: int = 0
    skipped: int = 0
    batches: int = 0
    requests: int = 0
    polls: int = 0
    retries: int = 0
    rate_limited: int = 0
    credits_charged: Number = 0
    credit_balance: Number | None = None
    elapsed_s: float = 0.0
    polls_per_batch: float = 0.0


class RunStatistics(Struct, frozen=True, kw_only=True):
    """A run as it stands now, for progress displays.

    Attributes:
        rows_read: Rows taken from the input so far.
        rows_settled: Rows whose outcome is known, handed over or not.
        rows_waiting: Rows read whose outcome is not known yet.
        outcomes_queued: Outcomes the consumer has not taken yet.
        batches_open: Batches under way: with a request in flight, accepted, or lost and looked for.
        batches_ready: Batches planned and not sent.
        requests_in_flight: Requests under way.
        requests_left: Requests the rate limit would let leave at once; None without a limit.
        paused_s: Seconds until requests may leave again, after a 429 or while the API cannot be
            reached; 0 when they may.
        credits_reserved: Worst-case cost of what is open.
        stopped_by: Why no further batch is sent, where that is so.
        report: The figures so far.
    """

    rows_read: int
    rows_settled: int
    rows_waiting: int
    outcomes_queued: int
    batches_open: int
    batches_ready: int
    requests_in_flight: int
    requests_left: int | None
    paused_s: float
    credits_reserved: Number
    stopped_by: str | None
    report: RunReport
