"""Counting distinct people without keeping them, and telling strangers in memory that is flat."""

from __future__ import annotations

import random
import tracemalloc
from collections.abc import Callable
from functools import cache
from typing import Self

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pubrio_async.scheduler import seen
from pubrio_async.scheduler.seen import ExactRegister, Register, Seen, Sieve, SlimRegister
from tests.scheduler.fake_api import people


@cache
def crowd() -> list[str]:
    """So many that what each of them costs is seen; made once."""
    return people(200_000)


@given(st.lists(st.text(max_size=3)))
def test_it_counts_like_a_set(texts: list[str]) -> None:
    counted, model = Seen(), set[str]()
    for text in texts:
        assert counted.add([text]) == [text] * (text in model)
        model.add(text)
        assert len(counted) == len(model)


@given(st.lists(st.lists(st.text(max_size=3))))
def test_many_at_once_count_like_one_after_the_other(slices: list[list[str]]) -> None:
    at_once, one_by_one = Seen(), Seen()
    for texts in slices:
        met = at_once.add(texts)
        assert met == [text for text in texts if one_by_one.add([text])]
        assert len(at_once) == len(one_by_one)


def test_many_in_one_bucket_are_told_apart() -> None:
    class Text(str):
        """A text whose hash is chosen: bytes that also occur across the borders of entries."""

        __slots__ = ("_hash",)

        def __new__(cls, number: int) -> Self:
            text = super().__new__(cls, number)
            text._hash = number
            return text

        def __eq__(self, other: object) -> bool:
            return self is other

        def __hash__(self) -> int:
            return self._hash

    rng = random.Random(3)
    numbers = {
        int.from_bytes(bytes(rng.choices(b"\x00\x01", k=5)), "big") << seen._BITS for _ in range(60)
    }
    counted = Seen()
    texts = [Text(number) for number in numbers]
    assert counted.add(texts) == []
    assert counted.add(texts) == texts
    assert len(counted) == len(numbers)


def test_a_person_costs_a_few_bytes() -> None:
    rows = crowd()
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        counted = Seen()
        counted.add(rows)
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(counted) == len(set(rows))
    fixed = (1 << seen._BITS) * (8 + 64 + 16)
    assert after - before < fixed + 16 * len(rows)


@given(st.lists(st.lists(st.text(max_size=3))))
def test_a_sieve_lets_nobody_pass_who_was_added(slices: list[list[str]]) -> None:
    sieve, model = Sieve(), set[str]()
    for texts in slices:
        assert model & set(texts) <= set(sieve.perhaps(texts))
        sieve.add(texts)
        model.update(texts)
        assert sieve.perhaps(texts) == texts


def test_a_sieve_hardly_holds_a_stranger_for_somebody_else() -> None:
    sieve = Sieve()
    rows = crowd()
    sieve.add(rows[:100_000])
    assert sieve.perhaps(rows[:100_000]) == rows[:100_000]
    assert len(sieve.perhaps(rows[100_000:])) <= 3


def test_the_hashes_of_a_crowd_fill_the_sieve_evenly() -> None:
    masks = seen._masks()
    assert len(set(masks)) == len(masks) == 1 << seen._MASK_BITS
    assert all(mask.bit_count() in {3, 4, 5} and mask < 1 << 64 for mask in masks)
    for bit in range(64):
        share = sum(mask >> bit & 1 for mask in masks) / len(masks)
        assert 3.5 / 64 < share < 6.5 / 64


def test_a_new_journal_is_asked_for_those_alone_who_were_planned() -> None:
    register, rows = SlimRegister(), people(30)
    assert register.meet(rows) == []
    register.plan(rows[:10])
    assert len(register) == 10
    register.skip([*rows[10:20], *rows[10:20]])
    assert len(register) == 20
    register.counted(rows[:10])
    register.skip(rows)
    assert len(register) == 30
    assert register.meet(rows) == rows[:10]


def test_an_old_journal_is_asked_for_everyone() -> None:
    register, rows = ExactRegister(), people(30)
    assert register.meet([*rows, *rows]) == [*rows, *rows]
    for tell in (register.plan, register.skip, register.counted):
        tell(rows)
        assert len(register) == 30


@pytest.mark.parametrize(
    ("make", "bytes_each"), [(SlimRegister, 0), (ExactRegister, 16)], ids=["slim", "exact"]
)
def test_memory_is_flat_with_a_new_journal(make: Callable[[], Register], bytes_each: int) -> None:
    rows = crowd()
    seen._masks()
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        register = make()
        for start in range(0, len(rows), 100):
            some = rows[start : start + 100]
            known = set(register.meet(some))
            register.plan([key for key in some if key not in known])
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(register) >= len(rows) - 3
    assert Sieve()._words.nbytes == 4 << 20
    fixed = (1 << seen._BITS) * (8 + 64 + 16) if bytes_each else 100_000
    assert after - before < fixed + bytes_each * len(rows)
