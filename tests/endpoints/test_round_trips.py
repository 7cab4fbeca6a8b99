"""Any reply of a documented shape survives being read and written again."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pubrio_async._routes import ROUTES
from tests import catalogue
from tests.catalogue import ENDPOINTS, Endpoint
from tests.together import together

TEXT = st.text(max_size=12)
NUMBER = st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False)
ANYTHING = st.recursive(
    st.none() | st.booleans() | NUMBER | TEXT,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(TEXT, inner, max_size=2),
    max_leaves=4,
)
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "int": st.integers(-(2**53), 2**53),
    "number": NUMBER,
    "bool": st.booleans(),
    "string": TEXT,
    "uuid": st.uuids().map(str),
    "date": st.dates().map(str),
    "datetime": st.datetimes().map(str),
    "object": st.dictionaries(TEXT, ANYTHING, max_size=2),
    "any": ANYTHING,
    "null": st.none(),
}


def shaped(shape: Any) -> st.SearchStrategy[Any]:
    """Documents of a shape in the notation of the API's description."""
    if isinstance(shape, list):
        return st.lists(shaped(shape[0]), max_size=3)
    if isinstance(shape, dict):
        optional = set(shape.get("$optional", ()))
        members = {name: shaped(of) for name, of in shape.items() if not name.startswith("$")}
        return st.fixed_dictionaries(
            {name: of for name, of in members.items() if name not in optional},
            optional={name: of for name, of in members.items() if name in optional},
        )
    return st.one_of(
        [
            st.lists(VALUES[word.removesuffix("[]")], max_size=3)
            if word.endswith("[]")
            else VALUES[word]
            for word in shape.split("|")
        ]
    )


KNOWN = [endpoint for endpoint in ENDPOINTS if endpoint.response is not None]


@together
@pytest.mark.parametrize("endpoint", KNOWN, ids=str)
def test_what_is_read_and_written_again_is_the_same(endpoint: Endpoint) -> None:
    route = ROUTES[endpoint.name]

    @settings(
        max_examples=25, deadline=None, database=None, suppress_health_check=list(HealthCheck)
    )
    @given(shaped(endpoint.response["data"]))
    def there_and_back(data: Any) -> None:
        if endpoint.name == "redeem.query" and "query" not in data:
            return  # without the state of the job it is an error, on purpose
        reply = route.decode(json.dumps({"data": data}).encode())
        written = msgspec.json.encode({"data": reply})
        assert route.decode(written) == reply
        assert list(catalogue.lost(data, json.loads(written)["data"])) == []

    there_and_back()
    assert len(KNOWN) == 30
