"""What is written into the columns of a journal is what comes out of them."""

from __future__ import annotations

import uuid

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pubrio_async.scheduler.journal import Settled
from pubrio_async.scheduler.journal_values import (
    join_keys,
    pack_keys,
    pack_results,
    split_keys,
    unpack_key,
    unpack_results,
)
from tests.unit.journals import ADA, BOB, EMPTY, EVE, FOUND, REJECTED

IDS = st.uuids().map(str)
TEXTS = st.lists(IDS | IDS.map(str.upper) | st.text(st.characters(codec="utf-8"), max_size=40))


def there_and_back(texts: tuple[str, ...]) -> None:
    people = pack_keys(texts)
    assert tuple(map(unpack_key, people.each)) == texts
    assert list(split_keys(people.stored)) == list(people.each)
    assert join_keys(people.each) == people.stored


@given(texts=TEXTS | st.lists(IDS))
def test_people_come_out_as_they_went_in(texts: list[str]) -> None:
    there_and_back(tuple(texts))


@pytest.mark.parametrize(
    "texts",
    [
        (ADA.upper(),),
        (ADA, BOB.replace("4c5e", "4C5e")),
        (ADA[:-1], f"{ADA[-1]}{BOB}"),  # in a row they look like two ids
        (ADA.replace("1111", "11 1"), BOB),
        (ADA.replace("0001", "000 "), BOB),
        (ADA.replace("0001", "000g"), BOB),
        (ADA.replace("-", ""),),
        (f"{{{ADA}}}",),
        ("\u0660" * 8 + ADA[8:],),
        ("-" * 36, ADA),
        (ADA, EVE, ""),
        (),
    ],
)
def test_other_spellings_stay_what_they_are(texts: tuple[str, ...]) -> None:
    there_and_back(texts)
    assert isinstance(pack_keys(texts).stored, str)


def test_ids_take_16_bytes_each() -> None:
    assert pack_keys((ADA, BOB)).stored == uuid.UUID(ADA).bytes + uuid.UUID(BOB).bytes


def test_people_that_are_cut_off_are_noticed() -> None:
    with pytest.raises(msgspec.ValidationError, match="cut off"):
        split_keys(uuid.UUID(ADA).bytes[:-1])


@pytest.mark.parametrize(
    "results",
    [
        {},
        {ADA: FOUND},
        {ADA: FOUND, BOB: EMPTY},
        {ADA: EMPTY, BOB: FOUND},  # each under the name of the other
        {ADA: FOUND, BOB: EMPTY, EVE: REJECTED},
        {EVE: REJECTED, "": REJECTED},
    ],
)
def test_results_come_out_as_they_went_in(results: dict[str, Settled]) -> None:
    people = pack_keys(tuple(results))
    ends = unpack_results(people.stored, pack_results(results).columns)
    pairs = zip(people.each, results, strict=True)
    assert {text: ends.of(key, text) for key, text in pairs} == results


def test_results_are_counted() -> None:
    packed = pack_results({ADA: FOUND, BOB: FOUND, EVE: REJECTED})
    assert packed[1:] == (2, 0, 1)
    assert pack_results({})[1:] == (0, 0, 0)


def test_results_of_other_people_are_noticed() -> None:
    three = pack_keys((ADA, BOB, EVE)).stored
    with pytest.raises(msgspec.ValidationError, match="do not fit"):
        unpack_results(three, pack_results({ADA: FOUND, BOB: EMPTY}).columns)
    ends = unpack_results(pack_keys((ADA,)).stored, pack_results({ADA: FOUND}).columns)
    with pytest.raises(msgspec.ValidationError, match="a person is missing"):
        ends.status(uuid.UUID(BOB).bytes)
