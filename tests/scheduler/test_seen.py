"""Counting distinct people without keeping them."""

from __future__ import annotations

import random
import tracemalloc
from typing import Self

from hypothesis import given
from hypothesis import strategies as st

from pubrio_async.scheduler import seen
from pubrio_async.scheduler.seen import Seen
from tests.scheduler.fake_api import people


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
    rows = people(200_000)
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
