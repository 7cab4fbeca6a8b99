"""What `doctor` found out: the report, as it is printed with `--json`."""

from __future__ import annotations

from typing import Final, Literal

from msgspec import Struct, field

from pubrio_async._version import __version__
from pubrio_async.doctor.drift import Drift
from pubrio_async.models.redeem import Number

REPORT_VERSION: Final = 1

Settled = Literal["yes", "no", "not tested"]
"""`yes`: it is as assumed. `no`: it is not. `not tested`: no reply told."""

EndpointState = Literal["fine", "drift", "failed", "not asked"]
"""`fine`: asked, and as documented. `drift`: asked, and different. `failed`: refused, lost or
unreadable. `not asked`: not, and `why` says why."""


class KeyCheck(Struct, kw_only=True):
    """The key. It is shown nowhere.

    Attributes:
        accepted: Whether the API takes it; None if that could not be found out.
        status: The status of the first call.
    """

    accepted: bool | None = None
    status: int | None = None


class Connection(Struct, kw_only=True):
    """The way to the API.

    Attributes:
        host: The host of the base URL.
        addresses: How many addresses its name has; None where a proxy looks them up.
        resolve_s: Seconds that took.
        tls: The version of TLS; None without TLS, or through a proxy.
        certificate_days: Days until the certificate ends.
        handshake_s: Seconds to connect and to agree on TLS.
        through_proxy: Whether the environment names a proxy for it.
        problem: What is wrong with it; None if nothing is.
        http_versions: The versions of HTTP the replies came in.
        first_byte_s: Seconds until the head of a reply: the least, the median and the most.
        calls: How many replies that is of.
    """

    host: str = ""
    addresses: int | None = None
    resolve_s: float | None = None
    tls: str | None = None
    certificate_days: int | None = None
    handshake_s: float | None = None
    through_proxy: bool = False
    problem: str | None = None
    http_versions: tuple[str, ...] = ()
    first_byte_s: tuple[float, float, float] | None = None
    calls: int = 0


class ClockCheck(Struct, kw_only=True):
    """The clock of this machine beside the API's.

    Attributes:
        skew_s: Seconds by which the API's clock is ahead; negative if it is behind. None: the
            replies have no `Date`.
        within_s: How far off that may be: half of what all replies together leave open.
        replies: Replies with a `Date`.
    """

    skew_s: float | None = None
    within_s: float | None = None
    replies: int = 0


class QuotaCheck(Struct, kw_only=True):
    """One quota of the workspace, from `profile.usage`.

    Attributes:
        unit: `hour`, `day` or `month`.
        used: Requests counted in it.
        most: Requests it allows.
    """

    unit: str
    used: int | None
    most: int | None


class LimitsCheck(Struct, kw_only=True):
    """Limits.

    Attributes:
        client: What this client keeps to, in words.
        headers: Rate-limit headers that came, by name, as they last came.
        quotas: The quotas of the workspace, as they were at the beginning.
        rate_limited: How often the API answered with 429.
    """

    client: str = ""
    headers: dict[str, str] = field(default_factory=dict[str, str])
    quotas: tuple[QuotaCheck, ...] = ()
    rate_limited: int = 0


class PlanCheck(Struct, kw_only=True):
    """Plan, prices and balances, from `profile.get`; None where it does not say.

    Attributes:
        plan: The plan, such as `business-annual`.
        credit: Plan credits.
        topup_credit: Credits bought besides; not known to be part of `credit` or beside it.
        prices: Unit prices in credits, by the name of the field.
        cost_per_call: Credits for one call on average in the last 30 days, by kind of call, as
            `api_keys.usage_breakdown` tells.
    """

    plan: str | None = None
    credit: Number | None = None
    topup_credit: Number | None = None
    prices: dict[str, Number] = field(default_factory=dict[str, Number])
    cost_per_call: dict[str, Number] = field(default_factory=dict[str, Number])


class EndpointReport(Struct, kw_only=True):
    """One reply, and how it compares.

    Attributes:
        name: The endpoint.
        source: `call`: it was called. `request log`: the reply to a past call of the workspace,
            read from the API's request log, which costs nothing.
        state: How it is.
        why: Why it was not asked, or how it failed.
        status: The HTTP status.
        elapsed_s: Seconds the call took.
        size: Bytes of the reply.
        drift: Where it differs from its type.
        not_seen: Documented fields that were nowhere in it; that is no drift.
        undescribed: What no type describes: types seen, by path.
    """

    name: str
    source: Literal["call", "request log"] = "call"
    state: EndpointState = "not asked"
    why: str | None = None
    status: int | None = None
    elapsed_s: float | None = None
    size: int | None = None
    drift: tuple[Drift, ...] = ()
    not_seen: tuple[str, ...] = ()
    undescribed: dict[str, list[str]] = field(default_factory=dict[str, list[str]])


class Assumption(Struct, frozen=True, kw_only=True):
    """Something this package assumes, because no document tells.

    Attributes:
        name: A short name that stays.
        assumed: What is assumed.
        seen: What was seen.
        settled: Whether it is so.
    """

    name: str
    assumed: str
    seen: str
    settled: Settled


class DoctorReport(Struct, kw_only=True):
    """The whole report. No value of a reply is in it, but for numbers, words and limits named here.

    Attributes:
        version: The version of this shape.
        package: The version of this package.
        base_url: Where was asked.
        sandbox: Whether that was the stand-in.
        requests: Requests that were sent.
        credits_charged: What the paid probes cost, as the API reported; 0 without them.
        key: The key.
        connection: The way to the API.
        clock: The clock.
        limits: The limits.
        plan: Plan, prices and balances.
        endpoints: Each reply, in the order in which they came.
        assumptions: What this package assumes.
        warnings: What else to know, in sentences.
    """

    version: int = REPORT_VERSION
    package: str = __version__
    base_url: str = ""
    sandbox: bool = False
    requests: int = 0
    credits_charged: Number = 0
    key: KeyCheck = field(default_factory=KeyCheck)
    connection: Connection = field(default_factory=Connection)
    clock: ClockCheck = field(default_factory=ClockCheck)
    limits: LimitsCheck = field(default_factory=LimitsCheck)
    plan: PlanCheck = field(default_factory=PlanCheck)
    endpoints: list[EndpointReport] = field(default_factory=list[EndpointReport])
    assumptions: list[Assumption] = field(default_factory=list[Assumption])
    warnings: list[str] = field(default_factory=list[str])

    @property
    def well(self) -> bool:
        """Whether there is no drift, no failure, no warning and no wrong assumption."""
        return not (
            self.warnings
            or any(one.state in {"drift", "failed"} for one in self.endpoints)
            or any(one.settled == "no" for one in self.assumptions)
        )
