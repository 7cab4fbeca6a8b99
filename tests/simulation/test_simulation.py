"""Whatever a seed makes go wrong, the scheduler keeps its promises; and a planted flaw is found."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import pytest

from tests.simulation.file_disk import KEPT, LOST
from tests.simulation.lives import BrokenPromiseError, run_seed
from tests.simulation.mutants import MUTANTS, Changes, planted
from tests.simulation.plan import draw

CHUNK = 50
SEEDS_FOR_A_MUTANT = 300
# Seeds that have found flaws, and one where a write was lost, are tried before the others of their
# range: should they find nothing any more, the others are there.
FINDERS = {
    "reserve_nothing": (67,),
    "give_the_permit_back_early": (20,),
    "poll_early": (52,),
    "withdraw_what_was_interrupted": (56,),
    "forget_who_was_given_up": (202,),
    "write_without_a_transaction": (6,),
    "lose_what_was_not_written": (14,),
    "ignore_the_disk": (14,),
    "measure_time_by_the_date": (16,),
    "drop_the_rows_before_an_error": (11,),
    "take_an_error_for_the_end": (11,),
    "go_on_without_credits": (23,),
    "forget_whom_it_planned": (35,),
}
KEPT_AND_LOST = (11, 88)


def first(seeds: Iterable[int], count: int) -> Iterator[int]:
    """As many seeds as `count`, these before all others of them."""
    return iter(dict.fromkeys(seed for seed in (*seeds, *range(count)) if seed < count))


@pytest.mark.parametrize("start", range(0, 500, CHUNK))
def test_no_seed_breaks_a_promise(start: int) -> None:
    for seed in range(start, start + CHUNK):
        run_seed(seed)


@pytest.mark.parametrize("seed", [812, 907, 1349, 1867])
def test_who_is_settled_while_the_journal_is_asked_is_not_sent_again(seed: int) -> None:
    run_seed(seed, calm=True)


@pytest.mark.parametrize("seed", [707_264])
def test_an_answer_to_one_request_is_not_taken_for_that_to_the_next(seed: int) -> None:
    """In the second life a batch is sent again, whose answer the third one has to find."""
    run_seed(seed)


@pytest.mark.parametrize("seed", [0, 3, 8, 66, 196])
def test_a_seed_is_the_same_story_every_time(seed: int) -> None:
    first: list[str] = []
    second: list[str] = []
    run_seed(seed, first)
    run_seed(seed, second)
    assert first == second
    assert len(first) > 10


def test_what_was_being_written_is_sometimes_lost_and_sometimes_not() -> None:
    seen = set[str]()
    for seed in (seed for seed in first(KEPT_AND_LOST, 150) if draw(seed).on_file):
        story: list[str] = []
        run_seed(seed, story)
        seen |= {end for end in (KEPT, LOST) if any(line.endswith(end) for line in story)}
        if seen == {KEPT, LOST}:
            return
    pytest.fail(f"of what was being written, only this was seen: {seen}")


@pytest.mark.parametrize("mutant", MUTANTS)
def test_a_planted_flaw_is_found(mutant: Callable[[], Changes]) -> None:
    with planted(mutant), pytest.raises(BrokenPromiseError, match=r"tests\.simulation --seed"):
        for seed in first(FINDERS.get(mutant.__name__, ()), SEEDS_FOR_A_MUTANT):
            run_seed(seed)
