"""Faults that can be switched on: what breaks, where, how often."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection
from math import inf
from typing import Literal, get_args

import msgspec
from msgspec import Struct

from pubrio_async._errors import ConfigurationError
from pubrio_async.sandbox.people import People, parse_id
from pubrio_async.sandbox.wire import Cut

FaultKind = Literal[
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
]

# By the moment at which they strike: before the request counts in a window, after it was
# counted, and inside the handler that they concern.
AT_THE_GATE: Collection[str] = frozenset({"lost_before", "401", "429"})
BEFORE_THE_WORK: Collection[str] = frozenset({"5xx_before", "400", "402", "redirect"})
AFTER_THE_WORK: Collection[str] = frozenset(
    {"lost_after", "5xx_after", "garbage", "truncated", "slow", "stall"}
)
AROUND_THE_WORK: Collection[str] = frozenset({*BEFORE_THE_WORK, *AFTER_THE_WORK})

_DEFAULT_CUTS: dict[str, Cut] = {
    "lost_before": "before_headers",
    "lost_after": "before_headers",
    "truncated": "mid_body",
    "stall": "stall",
}


class Fault(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One thing that goes wrong.

    | kind | what happens | work done? |
    |---|---|---|
    | `lost_before`, `lost_after` | the connection breaks (`cut`) | no, yes |
    | `5xx_before`, `5xx_after` | `status`, 500 by default | no, yes |
    | `garbage` | a 200 whose body is not JSON | yes |
    | `truncated` | the body ends before its announced length | yes |
    | `slow` | the reply starts `delay` seconds later | yes |
    | `stall` | nothing ever comes | yes |
    | `429`, `402`, `401`, `400` | refused; a 429 may carry `retry_after` | no |
    | `redirect` | `status`, 302 by default, to `location` | no |
    | `batch_too_large` | a batch of more than `size` people is refused (400) | no |
    | `unknown_id` | a request with one of `ids` is refused (400) | no |
    | `unfinished_forever` | a job that is submitted never completes, and is not charged | no |

    The request log holds what the work answered, so a reply that was lost is found there.

    Making one whose `kind` is not known, or that has a number which makes no sense, raises a
    `ConfigurationError`.

    Attributes:
        kind: What goes wrong.
        path: Only requests whose path starts so, or is just this if it ends in `$`; None for all.
        times: How often it strikes; None for always.
        after: How many requests that fit are let pass first.
        probability: Share of those that fit that it strikes; drawn from the seed.
        status: Status of `5xx_*` and `redirect`.
        delay: Seconds, for `slow`.
        retry_after: Seconds told by a `429`; None for no header.
        retry_after_date: Whether they are told as a date.
        ids: Ids that `unknown_id` refuses.
        size: Largest batch that `batch_too_large` lets pass.
        cut: How the connection breaks, if not in the way that is usual for the kind.
        body: The body of `garbage`, `5xx_*` and the refusals, if not the usual one.
        location: Where `redirect` leads.
    """

    kind: FaultKind
    path: str | None = None
    times: int | None = None
    after: int = 0
    probability: float = 1.0
    status: int | None = None
    delay: float = 5.0
    retry_after: float | None = None
    retry_after_date: bool = False
    ids: tuple[str, ...] = ()
    size: int = 0
    cut: Cut | None = None
    body: str | None = None
    location: str = "http://127.0.0.1:9/elsewhere"

    def __post_init__(self) -> None:
        wrong = self._what_is_wrong()
        if wrong is not None:
            raise ConfigurationError(wrong)

    def _what_is_wrong(self) -> str | None:
        if self.kind not in get_args(FaultKind):
            return _no_kind(self.kind)
        for name in ("times", "after", "size"):
            if (getattr(self, name) or 0) < 0:
                return f"{name} must not be negative"
        for name in ("delay", "retry_after"):
            if not 0.0 <= (getattr(self, name) or 0.0) < inf:
                return f"{name} must be a number of seconds, not below 0"
        if not 0.0 <= self.probability <= 1.0:
            return "probability must be between 0 and 1"
        if self.status is not None and not 200 <= self.status <= 599:
            return "status must be between 200 and 599"
        return None

    def fits(self, path: str) -> bool:
        """Whether requests to this path are concerned."""
        wanted = self.path
        if wanted is None:
            return True
        if wanted.endswith("$"):
            return path == wanted[:-1]
        return path.startswith(wanted)

    @property
    def breaks(self) -> Cut | None:
        """How the reply is broken off."""
        return self.cut or _DEFAULT_CUTS.get(self.kind)


# What an option that is not a text has to be.
_VALUES = {
    **dict.fromkeys(("times", "after", "size", "status"), "a whole number"),
    **dict.fromkeys(("probability", "delay", "retry_after"), "a number"),
    "retry_after_date": "true or false",
    "cut": f"one of {', '.join(get_args(Cut))}",
}
_OPTIONS = tuple(name for name in Fault.__struct_fields__ if name not in {"kind", "path"})


def parse_fault(text: str) -> Fault:
    """Reads a fault from `kind`, `kind:path` or `kind:path:name=value,name=value`.

    The path may be empty; several `ids` are joined by `|`. For example
    `5xx_after:/redeem/people/batch:times=2`.

    Raises:
        ConfigurationError: The text is not of this form, or a value makes no sense.
    """
    kind, _, rest = text.strip().partition(":")
    path, _, options = rest.partition(":")
    fields: dict[str, object] = {"kind": kind.strip()}
    if fields["kind"] not in get_args(FaultKind):
        raise ConfigurationError(f"fault {text!r}: {_no_kind(kind.strip())}")
    if path.strip():
        fields["path"] = path.strip()
    for option in filter(None, options.split(",")):
        name, equals, value = option.partition("=")
        if not equals:
            raise ConfigurationError(f"fault {text!r}: {option!r} is not of the form name=value")
        name, value = name.strip(), value.strip()
        if name not in _OPTIONS:
            raise ConfigurationError(
                f"fault {text!r}: there is no option {name!r}. Options: {', '.join(_OPTIONS)}"
            )
        fields[name] = tuple(value.split("|")) if name == "ids" else value
    try:
        return msgspec.convert(fields, Fault, strict=False)
    except msgspec.ValidationError as error:
        reason = error.__cause__ or _wrong_value(error, fields)
    raise ConfigurationError(f"fault {text!r}: {reason}")


def _no_kind(kind: str) -> str:
    return f"there is no kind {kind!r:.40}. Kinds: {', '.join(get_args(FaultKind))}"


def _wrong_value(error: msgspec.ValidationError, fields: dict[str, object]) -> str:
    """What is wrong with the value of an option, whose name is at the end of the error."""
    name = str(error).rpartition("`$.")[2].rstrip("`")
    return f"{name} must be {_VALUES[name]}, not {fields[name]!r}"


class _Armed:
    """A fault and how often it has been met."""

    __slots__ = ("fault", "fired", "ids", "number", "seen")

    def __init__(self, fault: Fault, number: int) -> None:
        self.fault = fault
        self.number = number
        self.seen = 0
        self.fired = 0
        self.ids = frozenset(raw for raw in map(parse_id, fault.ids) if raw is not None)


class FaultBook:
    """The faults that are switched on, in the order in which they were added."""

    def __init__(self, people: People) -> None:
        self._people = people
        self._armed: list[_Armed] = []
        self._added = 0
        self.fired: Counter[str] = Counter()

    def add(self, fault: Fault) -> None:
        """Switches a fault on."""
        self._armed.append(_Armed(fault, self._added))
        self._added += 1

    def clear(self) -> None:
        """Switches all faults off."""
        self._armed.clear()

    def strike(self, kinds: Collection[str], path: str) -> Fault | None:
        """The first fault of these kinds that strikes this request."""
        return self._strike(kinds, path, lambda _: True) if self._armed else None

    def too_large(self, path: str, people: int) -> bool:
        """Whether a fault refuses a batch of this size."""
        if not self._armed:
            return False
        found = self._strike(("batch_too_large",), path, lambda armed: people > armed.fault.size)
        return found is not None

    def unknown(self, path: str, people: Collection[bytes]) -> bool:
        """Whether a fault knows one of these people to be unknown."""
        if not self._armed:
            return False
        found = self._strike(("unknown_id",), path, lambda armed: not armed.ids.isdisjoint(people))
        return found is not None

    def _strike(
        self, kinds: Collection[str], path: str, concerns: Callable[[_Armed], bool]
    ) -> Fault | None:
        for armed in self._armed:
            fault = armed.fault
            if fault.kind not in kinds or not fault.fits(path) or not concerns(armed):
                continue
            if fault.times is not None and armed.fired >= fault.times:
                continue
            armed.seen += 1
            if armed.seen <= fault.after:
                continue
            draw = self._people.fraction("fault", armed.number, armed.seen)
            if fault.probability < 1.0 and draw >= fault.probability:
                continue
            armed.fired += 1
            self.fired[fault.kind] += 1
            return fault
        return None
