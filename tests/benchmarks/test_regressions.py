"""Nothing becomes dearer unnoticed: counted work against the figures in baseline.json."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec
import pytest

from benchmarks.decode import PlainEnvelope
from pubrio_async import _dispatch, _wire
from pubrio_async._limiter import Limiter
from pubrio_async.scheduler import ends, settling
from pubrio_async.scheduler.agenda import Agenda
from tests.benchmarks import work as pieces
from tests.benchmarks.counting import VERSION, Figures, baselines, figures, problems
from tests.benchmarks.work import WORK


def baseline(name: str) -> Figures:
    known = baselines().get(VERSION)
    if known is None:
        pytest.skip(
            f"no baseline for Python {VERSION}: python -m tests.benchmarks.counting --renew"
        )
    return known[name]


@pytest.mark.parametrize("name", WORK)
def test_it_costs_no_more_than_it_did(name: str) -> None:
    assert not problems(name, figures(WORK[name]), baseline(name))


def slow_decoding(patch: pytest.MonkeyPatch) -> None:
    """A model the collector has to walk, with lists and plain strings."""
    decode = msgspec.json.Decoder(PlainEnvelope).decode
    patch.setattr(pieces, "query_decoder", lambda: decode)


def slow_call(patch: pytest.MonkeyPatch) -> None:
    """The body is encoded nine times instead of once."""
    encode = _wire.encode_body

    def nine_times(fields: Mapping[str, Any]) -> bytes:
        return [encode(fields) for _ in range(9)][-1]

    patch.setattr(_dispatch, "encode_body", nine_times)


def slow_poll(patch: pytest.MonkeyPatch) -> None:
    """The agenda looks twice at each choice."""
    choose = Agenda.choose

    def twice(self: Agenda, now: float, held: int) -> str:
        choose(self, now, held)
        return choose(self, now, held)

    patch.setattr(Agenda, "choose", twice)


def slow_row(patch: pytest.MonkeyPatch) -> None:
    """The people of a reply are gone through three times."""
    settled = settling.settled_people

    def thrice(*arguments: Any) -> object:
        return settled(*arguments) and settled(*arguments) and settled(*arguments)

    patch.setattr(ends, "settled_people", thrice)


@pytest.mark.parametrize(
    ("name", "plant"), list(zip(WORK, (slow_decoding, slow_call, slow_poll, slow_row), strict=True))
)
def test_a_planted_slowdown_is_noticed(
    name: str, plant: Callable[[pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = baseline(name)
    plant(monkeypatch)
    found = problems(name, figures(WORK[name]), honest)
    assert found
    assert "--renew" in found[0]


def test_a_fifth_more_is_too_much_and_a_twentieth_is_not() -> None:
    for name, allowed in baselines()[VERSION].items() if VERSION in baselines() else ():
        for what, count in allowed.items():
            if count > 1:  # what costs next to nothing has some room
                (told,) = problems(name, {**allowed, what: 1.2 * count}, allowed)
                assert what in told
        assert not problems(name, {what: 1.05 * n for what, n in allowed.items()}, allowed)


def test_the_same_work_costs_the_same_twice() -> None:
    name = "a call of an endpoint"
    first, second = figures(WORK[name]), figures(WORK[name])
    assert first["bytecodes"] == pytest.approx(second["bytecodes"], rel=0.02)
    assert first["calls"] == pytest.approx(second["calls"], rel=0.02)


def test_a_dearer_permit_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    release = Limiter.release

    def slower(self: Limiter, ticket: int, sent: int, **fields: Any) -> None:
        for _ in range(8):
            self.statistics()
        release(self, ticket, sent, **fields)

    honest = baseline("a call of an endpoint")
    monkeypatch.setattr(Limiter, "release", slower)
    found = figures(WORK["a call of an endpoint"])
    assert any("bytecodes" in line for line in problems("a call of an endpoint", found, honest))
