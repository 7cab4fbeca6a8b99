"""How a run behaves."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from pubrio_async.scheduler.policy import Order


class RunOptions(Struct, frozen=True, kw_only=True):
    """How a run behaves.

    Attributes:
        contact_types: What to look for.
        batch_size: Most people in a batch.
        order: What goes first.
        max_open_jobs: Most jobs open at once; None to derive it from the rate limit.
        linger: Seconds a batch waits to be filled when the input pauses.
        job_timeout: Seconds after which an unfinished job is left as `pending`.
        unreachable_after: Seconds the API may be unreachable before the run ends.
        refused_after: Seconds of nothing but refusals with 429 after which the run ends.
        max_workers: Most requests of the run under way at once.
        max_age: Seconds after which what the journal knows is bought again; None for never.
        reopen: Whether to look again for answers that earlier runs have given up; then nobody is
            sent, whatever is found.
        resend: Whether people whose answer was lost are sent again.
        max_credits: Bound on what the run may cost; None for none.
        deadline: Seconds after which the run ends; None for as long as it takes.
    """

    contact_types: Sequence[str]
    batch_size: int = 100
    order: Order = "results"
    max_open_jobs: int | None = None
    linger: float = 2.0
    job_timeout: float = 3600.0
    unreachable_after: float = 120.0
    refused_after: float = 4000.0
    max_workers: int = 32
    max_age: float | None = None
    reopen: bool = False
    resend: bool = False
    max_credits: float | None = None
    deadline: float | None = None
