"""Replies held against types: no drift where there is none, and one where there is one."""

from __future__ import annotations

import datetime as dt
import uuid
from enum import Enum, StrEnum
from typing import Annotated, Any, Literal, NamedTuple

import msgspec
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from msgspec import UNSET, Meta, Struct, UnsetType, inspect

from pubrio_async import models
from pubrio_async.doctor import compare
from pubrio_async.doctor.drift import BREAKING
from pubrio_async.doctor.kinds import compare_reply
from pubrio_async.models import MonitorRow, ProfileUsage, RedeemPeopleReply
from tests import catalogue
from tests.together import together


class Cat(Struct, tag_field="kind", tag="cat"):
    lives: int


class Dog(Struct, tag_field="kind", tag="dog"):
    name: str | None = None


class Point(Struct, array_like=True):
    x: int
    y: float


class Colour(StrEnum):
    RED = "red"
    GREEN = "green"


class Level(Enum):
    LOW = 1
    HIGH = 2


class Everything(Struct, rename="camel"):
    """What msgspec knows and the models of today do not use."""

    a_pet: Cat | Dog | None
    a_point: Point
    pair: tuple[int, str]
    nested: tuple[tuple[tuple[int, ...], str], ...]
    by_name: dict[str, Point]
    colour: Colour
    level: Level
    choice: Literal["a", "b", 3]
    when: dt.datetime
    day: dt.date | None
    identity: uuid.UUID
    number: int | float
    words: set[str]
    bounded: Annotated[list[int], Meta(title="numbers")]
    anything: Any
    maybe: int | UnsetType = UNSET
    maybe_null: str | UnsetType | None = UNSET
    later: str | None = None


def is_reply(kind: Any) -> bool:
    """Whether msgspec can read it at all; some are only ever sent."""
    try:
        msgspec.json.Decoder(kind)
    except TypeError:
        return False
    return True


KINDS: list[Any] = [
    kind
    for kind in vars(models).values()
    if isinstance(kind, type) and issubclass(kind, Struct) and is_reply(kind)
]
assert len(KINDS) > 50
KINDS += [Everything, tuple[RedeemPeopleReply, ...], dict[str, ProfileUsage], int | None]


class Site(NamedTuple):
    """A member of an object in a value, or the object itself."""

    holder: dict[str, Any]
    name: str
    path: str
    field: inspect.Field


SIMPLE: list[tuple[type[inspect.Type], st.SearchStrategy[Any]]] = [
    (inspect.NoneType, st.none()),
    (inspect.BoolType, st.booleans()),
    (inspect.IntType, st.integers(-(2**40), 2**40)),
    (inspect.FloatType, st.floats(-1e6, 1e6) | st.integers(-9, 9)),
    (inspect.StrType, st.text(max_size=5)),
    (inspect.AnyType, st.none() | st.integers(0, 9) | st.just({"x": [1]})),
    (inspect.DateTimeType, st.just("2026-05-14T12:04:32")),
    (inspect.DateType, st.just("2026-05-14")),
    (inspect.UUIDType, st.uuids().map(str)),
]
ANY_KIND = st.sampled_from(KINDS)


def build(  # noqa: C901 - a case for each kind of type
    draw: Any, kind: inspect.Type, path: str, sites: list[Site]
) -> Any:
    """A value of a type; notes every member of an object that is in it."""
    if isinstance(kind, inspect.Metadata):
        kind = kind.type
    for simple, strategy in SIMPLE:
        if type(kind) is simple:
            return draw(strategy)
    match kind:
        case inspect.UnionType():
            return build(draw, draw(st.sampled_from(kind.types)), path, sites)
        case inspect.EnumType():
            return draw(st.sampled_from([one.value for one in kind.cls]))
        case inspect.LiteralType():
            return draw(st.sampled_from(kind.values))
        case inspect.TupleType():
            return [
                build(draw, item, f"{path}[{number}]", sites)
                for number, item in enumerate(kind.item_types)
            ]
        case inspect.DictType():
            names = draw(st.lists(st.sampled_from(["one", "two"]), unique=True))
            if isinstance(kind.value_type, inspect.AnyType):
                return dict.fromkeys(names, 1)
            return {name: build(draw, kind.value_type, f"{path}.*", sites) for name in names}
        case inspect.StructType():
            return build_struct(draw, kind, path, sites)
        case _:
            item = kind.item_type  # type: ignore[attr-defined] # a list of some kind
            return [build(draw, item, f"{path}[]", sites) for _ in range(draw(st.integers(0, 2)))]


def build_struct(draw: Any, kind: inspect.StructType, path: str, sites: list[Site]) -> Any:
    if kind.array_like:
        return [
            build(draw, field.type, f"{path}[{number}]", sites)
            for number, field in enumerate(kind.fields)
        ]
    value: dict[str, Any] = {}
    if kind.tag_field is not None:
        value[kind.tag_field] = kind.tag
    for field in kind.fields:
        if field.required or draw(st.booleans()):
            where = f"{path}.{field.encode_name}"
            value[field.encode_name] = build(draw, field.type, where, sites)
            sites.append(Site(value, field.encode_name, where, field))
    return value


@st.composite
def values(draw: Any) -> tuple[Any, Any, list[Site]]:
    kind = draw(ANY_KIND)
    sites: list[Site] = []
    return kind, build(draw, inspect.type_info(kind), "data", sites), sites


def reads(value: Any, kind: Any) -> bool:
    try:
        msgspec.json.decode(msgspec.json.encode(value), type=kind)
    except msgspec.ValidationError:
        return False
    return True


@settings(max_examples=100, deadline=None)
@given(values())
def test_a_value_of_a_type_has_no_drift(made: tuple[Any, Any, list[Site]]) -> None:
    kind, value, _ = made
    assert reads(value, kind)
    assert compare(value, kind).drift == ()


@settings(max_examples=150, deadline=None)
@given(values(), st.data())
def test_one_change_is_reported_at_exactly_its_path(
    made: tuple[Any, Any, list[Site]], data: st.DataObject
) -> None:
    kind, value, sites = made
    assume(sites)
    holder, name, path, field = data.draw(st.sampled_from(sites))
    change = data.draw(st.sampled_from(["more", "less", "other"]))
    if change == "more":
        holder["brand_new"] = {"email": "jane@example.com"}
        expected = (f"{path.removesuffix(f'.{name}')}.brand_new", "unknown_field", ("object",))
    elif change == "less":
        assume(field.required)
        del holder[name]
        expected = (path, "missing_field", ("nothing",))
    else:
        junk, word = data.draw(
            st.sampled_from(
                [(None, "null"), (True, "bool"), (7, "int"), ("?", "string"), ([], "list")]
            )
        )
        holder[name] = junk
        assume(not reads(value, kind))  # it fits
        if junk == []:  # a list, but too short a one
            assume(not isinstance(field.type, inspect.StructType))
            word = "list of 0" if isinstance(field.type, inspect.TupleType) else word
        expected = (path, "null" if junk is None else "wrong_type", (word,))
    drift = compare(value, kind).drift
    assert [(one.path, one.kind, one.seen) for one in drift] == [expected]
    assert drift[0].count == 1
    assert reads(value, kind) == (drift[0].kind not in BREAKING)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.floats(-2, 2) | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["peoples", "emails", "value", "type", "query", "redeem_query_id", "profile"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=8,
)


@settings(max_examples=150, deadline=None)
@given(JSON, st.sampled_from([*KINDS, int, float, str | int, list[bool], Cat | Dog]))
def test_it_breaks_what_msgspec_cannot_read_and_nothing_else(value: Any, kind: Any) -> None:
    drift = compare(value, kind).drift
    assert reads(value, kind) == (not BREAKING & {one.kind for one in drift})


def test_paths_types_and_counts_are_told_and_no_values() -> None:
    person = {"people_search_id": 7, "emails": [{"value": None, "type": "telegram"}], "age": 40}
    compared = compare({"peoples": [person, person, {"phones": "secret"}]}, RedeemPeopleReply)
    assert [(one.path, one.kind, one.expected, one.seen, one.count) for one in compared.drift] == [
        ("data.peoples[].people_search_id", "wrong_type", "string | null", ("int",), 2),
        ("data.peoples[].emails[].value", "null", "string", ("null",), 2),
        (
            "data.peoples[].emails[].type",
            "new_word",
            "one of email-work, email-personal, phone",
            ("telegram",),
            2,
        ),
        ("data.peoples[].age", "unknown_field", "", ("int",), 2),
        ("data.peoples[].phones", "wrong_type", "list | null", ("string",), 1),
    ]
    assert "data.profile" in compared.not_seen
    assert "secret" not in str(compared)


@together
@pytest.mark.parametrize(
    "hostile",
    ["jane@example.com", "+15551234567", "Jane Doe", "3c90c3cc-0d44-4b50-8888-8dd2573605"],
)
def test_what_is_no_name_of_a_field_is_masked(hostile: str) -> None:
    compared = compare({"peoples": [], hostile: {hostile: hostile}}, RedeemPeopleReply)
    assert [one.path for one in compared.drift] == ["data.*"]
    status = compare(
        {"peoples": [{"emails": [{"value": "x", "status": f"{hostile}!"}]}]}, RedeemPeopleReply
    )
    assert [one.kind for one in status.drift] == ["new_word"]
    assert hostile not in str((compared, status))


def test_a_list_with_places_is_told_by_its_places() -> None:
    compared = compare({"one": [1], "two": [1, 2.5, "more"], "three": ["x", 1]}, dict[str, Point])
    assert [(one.path, one.kind) for one in compared.drift] == [
        ("data.*[1]", "missing_field"),
        ("data.*[0]", "wrong_type"),
    ]


@together
@pytest.mark.parametrize(
    ("pet", "path", "kind"),
    [
        ({"kind": "bird"}, "data.*.kind", "wrong_type"),
        ({"lives": 9}, "data.*.kind", "missing_field"),
        ({"kind": "cat", "lives": "9"}, "data.*.lives", "wrong_type"),
        ("cat", "data.*", "wrong_type"),
    ],
)
def test_an_object_of_several_kinds_is_told_by_its_tag(pet: Any, path: str, kind: str) -> None:
    pets = dict[str, Cat | Dog]
    assert not reads({"one": pet}, pets)
    assert [(one.path, one.kind) for one in compare({"one": pet}, pets).drift] == [(path, kind)]


def test_a_free_map_is_not_looked_into() -> None:
    monitor = {"destination_config": {"headers": {"x_secret": "s"}}}
    compared = compare(monitor, MonitorRow)
    assert compared.drift == ()
    assert "x_secret" not in str(compared)


@together
@pytest.mark.parametrize(
    ("endpoint", "sample"),
    [(endpoint, name) for endpoint in catalogue.ENDPOINTS for name in endpoint.samples("response")],
    ids=str,
)
def test_a_documented_reply_has_no_drift(endpoint: catalogue.Endpoint, sample: str) -> None:
    assert compare_reply(endpoint.name, catalogue.sample(sample)).drift == ()


@together
@pytest.mark.parametrize("endpoint", catalogue.ENDPOINTS, ids=str)
def test_a_reply_of_the_documented_shape_has_no_drift(endpoint: catalogue.Endpoint) -> None:
    if endpoint.response is None:
        body: Any = {"data": [{"id": 1}]}
        assert compare_reply(endpoint.name, body).undescribed["data[].id"] == ["int"]
    else:
        body = catalogue.reply(endpoint)
    # Its texts are made up, those that are words of a vocabulary too.
    drift = compare_reply(endpoint.name, body).drift
    assert {one.kind for one in drift} <= {"new_word"}
