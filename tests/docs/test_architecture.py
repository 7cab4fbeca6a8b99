"""What docs/architecture.md says of the rooms is what the contracts ask for and the code does."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.docs.programs import ROOT, program

PACKAGE = ROOT / "pubrio_async"
PAGE = ROOT / "docs" / "architecture.md"
DISTRIBUTION = {"pubrio_async", "pytest_pubrio_async"}


def section(title: str) -> str:
    """The text below a heading, up to the next one of its level."""
    found = re.search(rf"(?ms)^## {title}\n(.*?)(?=^## |\Z)", PAGE.read_text("utf-8"))
    assert found is not None, title
    return found[1]


def table(text: str) -> list[list[str]]:
    """The cells of the first table in a text, without its head."""
    lines = re.search(r"(?m)(?:^\|.*\n)+", text)
    assert lines is not None
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[0].splitlines()]
    return rows[2:]


def names(cell: str) -> list[str]:
    return re.findall(r"`(\w+)`", cell)


def modules_of(folder: Path) -> set[str]:
    """The modules and packages of a folder."""
    files = {path.stem for path in folder.glob("*.py")} - {"__init__"}
    return files | {path.parent.name for path in folder.glob("*/__init__.py")}


@pytest.fixture(scope="module")
def rooms() -> ModuleType:
    return program("rooms")


@pytest.fixture(scope="module")
def arrows(rooms: ModuleType) -> dict[str, set[str]]:
    found: dict[str, set[str]] = rooms.arrows()
    return found


@pytest.fixture(scope="module")
def contracts() -> list[dict[str, Any]]:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    found: list[dict[str, Any]] = settings["tool"]["importlinter"]["contracts"]
    return found


def test_the_table_has_the_floors_of_the_contract(rooms: ModuleType) -> None:
    told: dict[int, set[str]] = {}
    for floor, room, *_ in table(section("The rooms, ground floor first")):
        assert not told.get(int(floor), set()) & {*names(room)}
        told.setdefault(int(floor), set()).update(names(room))
    assert [told[floor] for floor in sorted(told)] == [{*floor} for floor in rooms.floors()]
    assert set().union(*told.values()) == modules_of(PACKAGE)


def test_the_table_has_the_arrows_of_the_code(
    rooms: ModuleType, arrows: dict[str, set[str]]
) -> None:
    floors = {room: floor for floor, row in enumerate(rooms.floors()) for room in row}
    for floor, cell, _, told in table(section("The rooms, ground floor first")):
        row = names(cell)
        real = set().union(*(arrows[room] for room in row)) - ({*row} if floor == "0" else set())
        if told == "all below":
            assert all(floors[other] < int(floor) for other in real), row
        elif told in {"each other", "nothing of ours"}:
            assert not real, row
        else:
            assert {*names(told)} == real, f"{row}: correct the column, or take the import back"


def test_the_contracts_forbid_what_the_table_does_not_name(
    rooms: ModuleType, arrows: dict[str, set[str]], contracts: list[dict[str, Any]]
) -> None:
    floors = rooms.floors()
    forbidding = [
        (contract, {name.split(".")[1] for name in contract["source_modules"]})
        for contract in contracts
        if contract["type"] == "forbidden" and "pubrio_async" not in contract["source_modules"]
    ]
    checked: set[str] = set()
    for contract, sources in forbidding:
        told = [name.removeprefix("pubrio_async.") for name in contract["forbidden_modules"]]
        forbidden = {name for name in told if name in modules_of(PACKAGE)}
        if not forbidden:
            continue
        lowest = min(floor for floor, row in enumerate(floors) if sources & {*row})
        allowed: set[str] = set().union(*(arrows[room] for room in sources))
        if not contract.get("allow_indirect_imports"):
            allowed = allowed.union(*(rooms.stands_on(room, arrows) for room in sources))
        assert forbidden == set().union(*floors[:lowest]) - allowed, contract["name"]
        checked |= sources
    assert checked == {"models", "_limiter", "_retry", "_routes", "endpoints", "scheduler"}


def test_the_contract_about_extras_has_all_of_the_core(
    rooms: ModuleType, contracts: list[dict[str, Any]]
) -> None:
    (extras,) = [contract for contract in contracts if "extra" in contract["name"]]
    (client,) = [floor for floor, row in enumerate(rooms.floors()) if row == ["client"]]
    core = set().union(*rooms.floors()[: client + 1])
    assert {name.split(".")[1] for name in extras["source_modules"]} == core


def test_every_module_of_the_scheduler_has_its_line() -> None:
    told = [
        name for cell, _ in table(section("The scheduler, room by room")) for name in names(cell)
    ]
    assert len(told) == len({*told})
    assert {*told} == modules_of(PACKAGE / "scheduler")


def test_the_walks_lead_through_modules_that_exist() -> None:
    everywhere = {
        path.relative_to(PACKAGE).with_suffix("").as_posix() for path in PACKAGE.rglob("*.py")
    }
    known = everywhere | {path.removesuffix("/__init__") for path in everywhere}
    known |= modules_of(PACKAGE / "scheduler")
    walks = re.split(r"(?m)^### ", section("Four walks"))[1:]
    assert len(walks) == 4
    for walk in walks:
        paths = re.findall(r"`([a-z_]+/[a-z_]+)`", walk)
        assert {*paths} <= known, walk
        private = re.findall(r"`(_[a-z_]+)`", walk)
        assert {*private} <= known, walk
        assert len({*re.findall(r"`(\w+)`", walk)} & known) >= 6, walk


def test_no_name_leads_nowhere() -> None:
    """What looks like a private module anywhere in the page is one."""
    known = {path.stem for path in PACKAGE.rglob("*.py")} | modules_of(PACKAGE) | DISTRIBUTION
    assert {*re.findall(r"`(_[a-z][a-z_]*)/?`", PAGE.read_text("utf-8"))} <= known


def test_the_picture_is_up_to_date(rooms: ModuleType) -> None:
    """If this fails: `python docs/rooms.py`."""
    assert rooms.PICTURE.read_text("utf-8") == rooms.picture()
    assert f"(images/{rooms.PICTURE.name})" in PAGE.read_text("utf-8")
