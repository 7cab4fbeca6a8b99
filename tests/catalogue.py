"""The API's description of its endpoints, and what can be made of it: requests, replies, samples.

The data is `tests/data/endpoints.json`; nothing here looks at the package for what is right.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Mapping
from operator import attrgetter
from pathlib import Path
from typing import Any, Literal

import msgspec
from msgspec import Struct

SAMPLES = Path(__file__).parent / "samples"

UUID = "3c90c3cc-0d44-4b50-8888-8dd25736052a"
OTHER_UUID = "e37ccf38-ea8f-422e-9874-cb23b15e8fe4"
DATE = "2026-05-01"
LATER = "2026-05-14"

# Where several identifiers at once are refused, because nobody knows which one the API would take.
EXACTLY_ONE = frozenset({"redeem.people", "people.lookup", "people.enrich"})

# Samples that show every field at once and set alternatives side by side.
INVENTORIES = frozenset({"redeem_people.request.json"})
# A sample of one field, for the calls that take it.
FRAGMENT = "filter_conditions.request.json"
ERRORS = ("error_400.response.json", "error_429.response.json", "error_500.response.json")


class Field(Struct, frozen=True):
    """One field of a request, named by its path."""

    field: str
    type: str
    required: bool
    certainty: str
    note: str = ""
    enum: tuple[str, ...] = ()
    range: tuple[int | float | None, int | float | None] | None = None

    @property
    def nested(self) -> bool:
        return "." in self.field

    @property
    def listed(self) -> bool:
        return self.type.endswith("[]")

    @property
    def pair(self) -> bool:
        return self.type.startswith("[")


class Endpoint(Struct, frozen=True):
    """One endpoint."""

    name: str
    group: str
    method: str
    path: str
    summary: str
    certainty: str
    docs: tuple[str, ...]
    spends_credits: bool | Literal["unknown"]
    safe_to_resend: bool
    request: tuple[Field, ...]
    paginated: bool
    items_key: str | None
    response_certainty: Literal["complete", "partial", "unknown"]
    response: dict[str, Any] | None
    cost_note: str
    examples: tuple[str, ...]
    one_of: tuple[tuple[str, ...], ...] = ()

    def __str__(self) -> str:
        return self.name

    @property
    def fields(self) -> dict[str, Field]:
        """The fields of the body itself."""
        return {field.field: field for field in self.request if not field.nested}

    @property
    def credits(self) -> bool | None:
        return None if self.spends_credits == "unknown" else self.spends_credits

    @property
    def exactly_one(self) -> bool:
        return self.name in EXACTLY_ONE

    def samples(self, kind: Literal["request", "response"]) -> list[str]:
        return [name for name in self.examples if f".{kind}." in name and name != FRAGMENT]


ENDPOINTS: list[Endpoint] = msgspec.json.decode(
    (Path(__file__).parent / "data" / "endpoints.json").read_bytes(), type=list[Endpoint]
)
PAGINATED = [endpoint for endpoint in ENDPOINTS if endpoint.paginated]

# The documented bodies, each with the endpoint it belongs to.
REQUEST_SAMPLES = [
    (endpoint, name)
    for endpoint in ENDPOINTS
    for name in endpoint.samples("request")
    if name not in INVENTORIES
]
RESPONSE_SAMPLES = [
    (endpoint, name) for endpoint in ENDPOINTS for name in endpoint.samples("response")
]
TAKE_THE_FRAGMENT = [endpoint for endpoint in ENDPOINTS if FRAGMENT in endpoint.examples]


def method_of(client: object, endpoint: Endpoint, suffix: str = "") -> Any:
    """The method for an endpoint, or its twin with the suffix `_iter`."""
    return attrgetter(endpoint.name + suffix)(client)


def sample(name: str) -> Any:
    """A documented body."""
    return json.loads((SAMPLES / name).read_bytes())


def canonical(value: Any) -> str:
    """JSON in one spelling: equal where nothing was lost, 1 apart from 1.0 and from true."""
    return json.dumps(value, sort_keys=True)


# ----------------------------------------------------------------------------------- requests


def request(endpoint: Endpoint, *names: str) -> dict[str, Any]:
    """A body with these fields, each with a value the documentation allows."""
    return {name: value_of(endpoint, endpoint.fields[name]) for name in names}


def alternatives(endpoint: Endpoint) -> tuple[tuple[str, ...], ...]:
    """The ways to satisfy `one_of`; the empty one where there is none."""
    return endpoint.one_of or ((),)


def smallest(endpoint: Endpoint, alternative: tuple[str, ...] | None = None) -> dict[str, Any]:
    """A body with what is required and one alternative."""
    chosen = alternatives(endpoint)[0] if alternative is None else alternative
    required = [field.field for field in endpoint.fields.values() if field.required]
    return request(endpoint, *required, *chosen)


def fullest(endpoint: Endpoint, alternative: tuple[str, ...] | None = None) -> dict[str, Any]:
    """A body with every field, but one alternative only where they exclude each other."""
    chosen = alternatives(endpoint)[0] if alternative is None else alternative
    others = {name for group in endpoint.one_of for name in group} - set(chosen)
    left_out = others if endpoint.exactly_one else set[str]()
    return request(endpoint, *(name for name in endpoint.fields if name not in left_out))


def value_of(endpoint: Endpoint, field: Field) -> Any:
    """A value of a field."""
    members = [inner for inner in endpoint.request if _parent(inner) == field.field]
    if members:
        if field.field == "destination_config":
            # What it holds depends on the destination; `webhook` is the first.
            members = [m for m in members if m.field.endswith(("webhook_url", "headers", "body"))]
        holder = {_leaf(inner): value_of(endpoint, inner) for inner in members}
        return [holder] if field.listed else holder
    if field.enum:
        return list(field.enum) if field.listed else field.enum[0]
    name = _leaf(field)
    if name in {"linkedin_url", "people_linkedin_url", "linkedin_urls", "company_linkedin_urls"}:
        person = endpoint.group in {"redeem", "people"} and "company" not in name
        url = f"https://www.linkedin.com/{'in' if person else 'company'}/pubrio"
        return [url] if field.listed else url
    if name in {"filters", "company_filters"}:
        return {"locations": ["US"]}
    if name == "webhook_url":
        return "https://example.com/hook"
    if name in {"email", "notification_email"}:
        return "someone@example.com"
    if field.range is not None:
        lowest, highest = field.range
        return lowest if lowest is not None else highest
    return copy.deepcopy(_VALUES[field.type])


_VALUES: dict[str, Any] = {
    "any": {"x": "someone"},
    "any[]": [1, "second"],
    "bool": True,
    "date": DATE,
    "datetime": "2026-05-01T10:00:00.000Z",
    "int": 7,
    "int[]": [1, 200],
    "int[][]": [[1, 10], [10_001]],
    "int|string": 7,
    "object": {"key": "value"},
    "string": "text",
    "string[]": ["one", "two"],
    "uuid": UUID,
    "uuid[]": [UUID, OTHER_UUID],
    "(int|string)[]": [123, "Kubernetes"],
    "[date,date]": [DATE, LATER],
    "[int,int]": [2018, 2024],
}


def with_value(endpoint: Endpoint, path: str, value: Any) -> dict[str, Any]:
    """A body that is right but for one value; `...` leaves the field out."""
    holder, _, leaf = path.rpartition(".")
    alternative = next((group for group in endpoint.one_of if path in group), None)
    body = smallest(endpoint, alternative)
    place: Any = body
    if holder:
        top = holder.removesuffix("[]")
        body |= request(endpoint, top)
        place = body[top][0] if holder.endswith("[]") else body[top]
    if value is ...:
        place.pop(leaf, None)
    else:
        place[leaf] = value
    return body


def _parent(field: Field) -> str:
    return field.field.rpartition(".")[0].removesuffix("[]")


def _leaf(field: Field) -> str:
    return field.field.rpartition(".")[2]


# ------------------------------------------------------------------------------------- replies

Completeness = Literal["full", "smallest", "nulls"]


def reply(endpoint: Endpoint, completeness: Completeness = "full") -> dict[str, Any]:
    """A reply of the documented shape, or something plausible where none is documented.

    Args:
        endpoint: The endpoint.
        completeness: Every key; only keys that are always there; null where null may come.
    """
    if endpoint.response is not None:
        made: dict[str, Any] = _made(endpoint.response, completeness)
        if endpoint.name == "redeem.query":
            # The state may stand elsewhere, but a poll that tells none at all is no reply.
            made["data"].setdefault("query", _made(endpoint.response["data"]["query"], "full"))
        return made
    if endpoint.paginated:
        pagination = {"page": 1, "per_page": 25, "total_entries": 1, "total_pages": 1}
        return {"data": {"pagination": pagination, "rows": [{"id": "one", "other": None}]}}
    return {"data": [{"slug": "one", "members": [{"id": 1}]}]}


def _made(shape: Any, completeness: Completeness) -> Any:
    if isinstance(shape, dict):
        optional = shape.get("$optional", ())
        return {
            name: _made(inner, completeness)
            for name, inner in shape.items()
            if not name.startswith("$") and not (completeness == "smallest" and name in optional)
        }
    if isinstance(shape, list):
        return [_made(shape[0], completeness)]
    assert isinstance(shape, str)
    if shape.endswith("|null"):
        return None if completeness == "nulls" else _made(shape.removesuffix("|null"), completeness)
    return 0.5 if shape == "number" else copy.deepcopy(_VALUES[shape])


def lost(given: Any, kept: Any, where: str = "data") -> Iterator[str]:
    """What of one JSON value is missing in another; a null that was added is no loss."""
    if isinstance(given, dict) and isinstance(kept, dict):
        for name, value in given.items():
            if name in kept:
                yield from lost(value, kept[name], f"{where}.{name}")
            else:
                yield f"{where}.{name}"
        yield from (f"{where}.{n} = {kept[n]!r}" for n in kept.keys() - given.keys() if kept[n])
    elif isinstance(given, list) and isinstance(kept, list) and len(given) == len(kept):
        for index, (one, other) in enumerate(zip(given, kept, strict=True)):
            yield from lost(one, other, f"{where}[{index}]")
    elif canonical(given) != canonical(kept):
        yield f"{where}: {given!r} became {kept!r}"


def places(document: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of every value in a document, its own included."""
    yield path
    if isinstance(document, Mapping):
        for name, value in document.items():
            yield from places(value, (*path, name))
    elif isinstance(document, list):
        for index, value in enumerate(document):
            yield from places(value, (*path, index))


def replaced(document: Any, path: tuple[Any, ...], value: Any) -> Any:
    """A copy with another value at one place."""
    if not path:
        return value
    changed = copy.deepcopy(document)
    holder = changed
    for step in path[:-1]:
        holder = holder[step]
    holder[path[-1]] = value
    return changed
