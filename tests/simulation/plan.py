"""What one seed draws: the input, the server, and what becomes of each life of the process."""

from __future__ import annotations

import random
import uuid
from collections.abc import Callable
from typing import Any, NamedTuple

from msgspec import structs

from pubrio_async.sandbox import Fault, SandboxConfig

TYPES = ("email-work", "email-personal", "phone")
_LIMITS = (
    "5/second",
    "10/10 second",
    "20/10 second; 60/minute",
    "60/minute; 400/hour",
    "300/minute",
    "unlimited",
)
_KINDS = (
    "lost_before",
    "lost_after",
    "5xx_before",
    "5xx_after",
    "garbage",
    "truncated",
    "slow",
    "stall",
    "429",
    "402",
    "401",
    "400",
    "redirect",
    "batch_too_large",
    "unknown_id",
    "unfinished_forever",
)
_MALFORMED = ("", "nobody", "1234", "https://example.com/in/a", "linkedin.com/company/x", "-" * 36)
_PATHS = (None, "/redeem", "/redeem/people/batch$", "/redeem/people/batch/query", "/redeem/people$")


class Crash(NamedTuple):
    """The death of the process: at the n-th step of the journal, turn of the loop, or instant.

    Of the steps of the journal all count (`journal`), or those that write (`write`).
    """

    at: str
    number: float
    written: bool = False


class DiskTrouble(NamedTuple):
    """Writes to the journal that fail, from the n-th on.

    Attributes:
        at: The first write that fails.
        length: How many fail, one after the other; None if the disk is broken for good, and then
            nothing can be read from it either.
        written: Whether a broken disk holds the write that it reported as failed.
    """

    at: int
    length: int | None
    written: bool


class LifePlan(NamedTuple):
    """One life of the process. Times are in seconds from its start."""

    seed: int
    batch_size: int
    order: Any
    concurrency: int
    max_open_jobs: int | None
    max_credits: int | None
    deadline: float | None
    source: str
    think_s: float
    journal_s: float
    crash: Crash | None
    cancel_at: float | None
    cancel_again: float | None
    stop_at: float | None
    leave_after: int | None
    refused: int
    rest_s: float
    faults: tuple[Fault, ...]
    trouble: DiskTrouble | None = None
    input_fails_at: int | None = None
    clock_set: tuple[tuple[float, float], ...] = ()
    """When the wall clock is set, and by how many seconds forward (or back)."""


class Plan(NamedTuple):
    """Everything a seed decides."""

    seed: int
    config: SandboxConfig
    client_limits: str
    types: tuple[str, ...]
    rows: tuple[str, ...]
    latency: float
    high_water: int
    start_at: float
    lives: tuple[LifePlan, ...]
    on_file: bool = False
    """Whether the journal is a real file."""
    top_up: bool = False
    """Whether credits are bought before the last life."""

    @property
    def is_poor(self) -> bool:
        """Whether the credits may be too few for everybody."""
        return self.config.credit < SandboxConfig().credit


def draw(seed: int, *, calm: bool = False) -> Plan:
    """The plan of a seed.

    Args:
        seed: The seed.
        calm: Without the troubles of `_troubled`, everything else being the same.
    """
    plan = _draw(seed)
    return plan if calm else _troubled(plan, random.Random(f"troubles of {seed}"))


def _draw(seed: int) -> Plan:
    rng = random.Random(seed)
    rows, ids = _rows(rng)
    limits = rng.choice(_LIMITS)
    same = rng.random() < 0.6
    config = SandboxConfig(
        seed=seed,
        limits=limits,
        window_phase=rng.choice([0.0, 0.3, rng.uniform(0, 60)]),
        retry_after=rng.choice(["none", "seconds", "date"]),
        latency=rng.choice([0.0, 0.0, rng.uniform(0, 3)]),
        distribution=rng.choice(["fixed", "uniform", "lognormal", "exponential"]),
        base_s=rng.choice([0.0, 1.0, rng.uniform(0, 30)]),
        per_person_s=rng.choice([0.0, 0.08, 1.0]),
        straggler_share=rng.choice([0.0, 0.0, 0.2]),
        estimate_factor=rng.choice([1.0, 1.0, 0.3, 3.0]),
        estimate_unit=rng.choice(["second", "seconds", "minute", "milliseconds", "moons"]),
        max_batch=rng.choice([None, None, rng.randint(1, 20)]),
        unknown_query_status=rng.choice([400, 404]),
        unknown_ids=tuple(rng.sample(ids, k=min(len(ids), rng.choice([0, 0, 1, 3])))),
        absent_contacts=rng.choice(["empty", "null", "missing"]),
        include_empty_people=rng.random() < 0.5,
        people_order=rng.choice(["given", "shuffled"]),
        world_people=0,
    )
    count = rng.choice([0, 1, 1, 2, 3])
    crashes = rng.random() < 0.75
    lives = [_life(rng, ids, crashes=crashes) for _ in range(count)]
    return Plan(
        seed=seed,
        config=config,
        client_limits=limits if same else rng.choice(_LIMITS),
        types=tuple(rng.sample(TYPES, k=rng.randint(1, 3))),
        rows=rows,
        latency=rng.choice([0.0, 0.1, rng.uniform(0, 2), rng.uniform(0, 20)]),
        high_water=rng.choice([1, 10, 1_000]),
        start_at=rng.choice([0.0, rng.uniform(0, 4_000)]),
        lives=(*lives, _clean(rng)),
    )


def _troubled(plan: Plan, rng: random.Random) -> Plan:
    """What a machine adds: a real file, a disk and an input that fail, a clock that is set."""
    *lives, last = plan.lives
    config = plan.config
    if rng.random() < 0.15:
        config = structs.replace(config, credit=rng.choice([0, 30, rng.randint(1, 1_500)]))
    on_file = rng.random() < 0.4
    troubled = [_with_troubles(life, len(plan.rows), rng) for life in lives]
    if on_file:
        troubled = [_torn(life, rng) for life in troubled]
    return plan._replace(
        config=config,
        lives=(*troubled, last),
        on_file=on_file,
        top_up=rng.random() < 0.5,
    )


def _torn(life: LifePlan, rng: random.Random) -> LifePlan:
    """Perhaps it ends while something is being written."""
    if rng.random() < 0.5:
        return life
    number = rng.randint(1, rng.choice([4, 30]))
    return life._replace(crash=Crash("write", number, written=rng.random() < 0.9))


def _with_troubles(life: LifePlan, rows: int, rng: random.Random) -> LifePlan:
    trouble, input_fails_at = None, None
    clock_set: tuple[tuple[float, float], ...] = ()
    if rng.random() < 0.2:
        for_good = rng.random() < 0.4
        trouble = DiskTrouble(
            at=rng.randint(1, rng.choice([5, 30])),
            length=None if for_good else rng.choice([1, 3, 20]),
            written=for_good and rng.random() < 0.5,
        )
    if rng.random() < 0.15:
        input_fails_at = rng.randint(0, rows)
    if rng.random() < 0.2:
        clock_set = tuple(
            (rng.uniform(0, rng.choice([0.0, 3.0, 60.0])), rng.uniform(-10, 10) * 3_600)
            for _ in range(rng.randint(1, 3))
        )
    return life._replace(trouble=trouble, input_fails_at=input_fails_at, clock_set=clock_set)


def _rows(rng: random.Random) -> tuple[tuple[str, ...], list[str]]:
    size = rng.choice([1, 5, rng.randint(1, 60), rng.randint(1, 150)])
    ids = [str(uuid.UUID(int=rng.getrandbits(128), version=4)) for _ in range(size)]
    rows = list(ids)
    for number in range(rng.choice([0, 0, 1, 8])):
        name = f"Somebody-{rng.getrandbits(40):x}-{number}"
        rows += rng.choices(
            [
                f"https://www.linkedin.com/in/{name.lower()}",
                f"linkedin.com/in/{name}/",
                f"http://de.linkedin.com/in/{name}/en?trk=1",
            ],
            k=rng.randint(1, 3),
        )
    rows += [person.upper() for person in rng.choices(ids, k=rng.choice([0, 1, size // 2]))]
    rows += rng.choices(_MALFORMED, k=rng.choice([0, 1, 5]))
    if rng.random() < 0.7:
        rng.shuffle(rows)
    return tuple(rows), ids


def _life(rng: random.Random, ids: list[str], *, crashes: bool) -> LifePlan:
    def maybe(share: float, value: Callable[[], Any]) -> Any:
        return value() if rng.random() < share else None

    return _clean(rng)._replace(
        max_credits=maybe(0.3, lambda: rng.choice([0, 40, rng.randint(1, 2_000)])),
        deadline=maybe(0.15, lambda: rng.uniform(0.1, 200)),
        crash=_crash(rng) if crashes and rng.random() < 0.8 else None,
        cancel_at=maybe(0.2, lambda: rng.uniform(0, rng.choice([2.0, 30.0, 300.0]))),
        cancel_again=maybe(0.3, lambda: rng.uniform(0, 2.0)),
        stop_at=maybe(0.2, lambda: rng.uniform(0, rng.choice([2.0, 30.0, 300.0]))),
        leave_after=maybe(0.1, lambda: rng.randint(1, 50)),
        refused=rng.choice([0, 0, 0, 3, 10]),
        rest_s=rng.choice([0.0, rng.uniform(0, 100), 4_000.0]),
        faults=tuple(_fault(rng, ids) for _ in range(rng.choice([0, 1, 2, 4]))),
    )


def _clean(rng: random.Random) -> LifePlan:
    return LifePlan(
        seed=rng.getrandbits(32),
        batch_size=rng.choice([1, 2, rng.randint(1, 10), rng.randint(1, 50)]),
        order=rng.choice(["results", "makespan"]),
        concurrency=rng.choice([1, 2, 8, 32]),
        max_open_jobs=rng.choice([None, 1, 3, 10]),
        max_credits=None,
        deadline=None,
        source=rng.choice(["list", "generator", "async", "slow"]),
        think_s=rng.choice([0.0, 0.0, 0.0, rng.uniform(0, 2)]),
        journal_s=rng.choice([0.0, 0.0, 0.01, 0.3, 3.0]),
        crash=None,
        cancel_at=None,
        cancel_again=None,
        stop_at=None,
        leave_after=None,
        refused=0,
        rest_s=0.0,
        faults=(),
    )


def _crash(rng: random.Random) -> Crash:
    at = rng.choice(["journal", "journal", "turn", "instant"])
    if at == "journal":
        number: float = rng.randint(1, rng.choice([6, 40]))
    elif at == "turn":
        number = rng.randint(1, rng.choice([100, 600]))
    else:
        number = rng.uniform(0, rng.choice([3.0, 60.0]))
    return Crash(at, number, written=rng.random() < 0.5)


def _fault(rng: random.Random, ids: list[str]) -> Fault:
    kind: Any = rng.choice(_KINDS)
    rare = kind in {"401", "402", "unfinished_forever"}
    return Fault(
        kind=kind,
        path=rng.choice(_PATHS),
        times=1 if rare else rng.choice([1, 3, 12 if kind == "429" else None]),
        after=rng.choice([0, 0, 1, 5]),
        probability=rng.choice([0.05, 0.3, 1.0]) if not rare else 0.3,
        status=rng.choice([500, 502, 503]) if kind.startswith("5xx") else None,
        delay=rng.choice([1.0, 20.0, 45.0]),
        retry_after=rng.choice([None, 0.0, 7.0]) if kind == "429" else None,
        retry_after_date=rng.random() < 0.3,
        ids=tuple(rng.sample(ids, k=1)) if kind == "unknown_id" else (),
        size=rng.randint(1, 10),
    )
