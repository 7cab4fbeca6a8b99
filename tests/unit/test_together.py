"""Cases that are carried out together fail one by one, each with its name."""

from __future__ import annotations

from collections import Counter

import pytest

from pubrio_async import AsyncPubrio
from tests.catalogue import ENDPOINTS, Endpoint
from tests.memory_wire import MemoryWire
from tests.together import together

ONE, OTHER = (next(e for e in ENDPOINTS if e.group == name) for name in ("user", "jobs"))


async def test_each_case_is_carried_out_and_failures_have_names() -> None:
    seen: Counter[str] = Counter()

    @together
    @pytest.mark.parametrize("word", ["sound", "wrong", "lenient"])
    @pytest.mark.parametrize(("number", "more"), [(1, 2), pytest.param(3, 4, id="second")])
    async def case(word: str, number: int, more: int) -> None:
        seen[word] += number * more
        if word == "wrong":
            assert number == 1
        if word == "lenient":
            with pytest.raises(ValueError, match="no"):
                assert number

    with pytest.raises(ExceptionGroup, match="3 of 6 cases") as raised:
        await case("all")
    assert seen == {"sound": 14, "wrong": 14, "lenient": 14}
    told = {(str(error).partition("\n")[0], *error.__notes__) for error in raised.value.exceptions}
    refused = "DID NOT RAISE ValueError"
    assert told == {
        ("assert 3 == 1", "in the case second-wrong"),
        (refused, "in the case 1-2-lenient"),
        (refused, "in the case second-lenient"),
    }


async def test_endpoints_are_together_with_their_group_and_have_their_own_wire() -> None:
    wires: list[MemoryWire] = []

    @together
    @pytest.mark.parametrize("endpoint", [ONE, OTHER], ids=str)
    @pytest.mark.parametrize("data", [None, {}])
    async def case(endpoint: Endpoint, data: object, wire: MemoryWire, pubrio: AsyncPubrio) -> None:
        wires.append(wire)
        await pubrio.user.get()
        assert len(wire.sent) == 1

    await case(ONE.group)
    await case(OTHER.group)
    assert len({id(wire) for wire in wires}) == 4
    (mark,) = vars(case)["pytestmark"]
    assert mark.args[1].keys() == {ONE.group, OTHER.group}


def test_without_async_it_is_the_same() -> None:
    seen: list[int] = []

    @together
    @pytest.mark.parametrize("number", [1, 2, 3])
    def case(number: int) -> None:
        seen.append(number)
        assert number != 2

    with pytest.raises(ExceptionGroup, match="1 of 3 cases") as raised:
        case("all")
    assert seen == [1, 2, 3]
    assert raised.value.exceptions[0].__notes__ == ["in the case 2"]


def test_cases_of_one_name_are_all_carried_out() -> None:
    seen: list[int] = []

    @together
    @pytest.mark.parametrize("word", [pytest.param(1, id="same"), pytest.param(2, id="same")])
    def case(word: int) -> None:
        seen.append(word)
        raise ValueError

    with pytest.raises(ExceptionGroup) as raised:
        case("all")
    assert seen == [1, 2]
    notes = [error.__notes__ for error in raised.value.exceptions]
    assert notes == [["in the case same"], ["in the case same-1"]]
