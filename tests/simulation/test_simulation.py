"""Whatever a seed makes go wrong, the scheduler keeps its promises; and a planted flaw is found."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.simulation.file_disk import KEPT, LOST
from tests.simulation.lives import BrokenPromiseError, run_seed
from tests.simulation.mutants import MUTANTS, Changes, planted
from tests.simulation.plan import draw

CHUNK = 50
SEEDS_FOR_A_MUTANT = 300


@pytest.mark.parametrize("start", range(0, 500, CHUNK))
def test_no_seed_breaks_a_promise(start: int) -> None:
    for seed in range(start, start + CHUNK):
        run_seed(seed)


@pytest.mark.parametrize("seed", [812, 907, 1349, 1867])
def test_who_is_settled_while_the_journal_is_asked_is_not_sent_again(seed: int) -> None:
    run_seed(seed, calm=True)


@pytest.mark.parametrize("seed", [0, 3, 8, 66, 196])
def test_a_seed_is_the_same_story_every_time(seed: int) -> None:
    first: list[str] = []
    second: list[str] = []
    run_seed(seed, first)
    run_seed(seed, second)
    assert first == second
    assert len(first) > 10


def test_what_was_being_written_is_sometimes_lost_and_sometimes_not() -> None:
    story: list[str] = []
    for seed in (seed for seed in range(150) if draw(seed).on_file):
        run_seed(seed, story)
    assert any(line.endswith(LOST) for line in story)
    assert any(line.endswith(KEPT) for line in story)


@pytest.mark.parametrize("mutant", MUTANTS)
def test_a_planted_flaw_is_found(mutant: Callable[[], Changes]) -> None:
    with planted(mutant), pytest.raises(BrokenPromiseError, match=r"tests\.simulation --seed"):
        for seed in range(SEEDS_FOR_A_MUTANT):
            run_seed(seed)
