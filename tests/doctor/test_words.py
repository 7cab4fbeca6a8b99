"""What may be shown of a reply."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pubrio_async.doctor.outline import outline_of
from pubrio_async.doctor.words import MASKED, error_shape, field_name, form_of, word
from tests.together import together


@together
@pytest.mark.parametrize("name", ["people_search_id", "id", "total_pages", "createdAt", "_links"])
def test_names_of_fields_are_shown(name: str) -> None:
    assert field_name(name) == name


@given(
    st.text(max_size=40) | st.emails() | st.uuids().map(str) | st.from_regex(r"\\+?[0-9 -]{4,15}")
)
def test_what_is_shown_is_no_address_number_or_id(text: str) -> None:
    for shown in (field_name(text), word(text)):
        if shown == text and text != MASKED:
            assert re.fullmatch(r"[A-Za-z_][A-Za-z0-9_ -]{0,49}", text)
            assert not re.search(r"[0-9]{4}", text)
    assert not re.search(r"[0-9@]", word(text))


@together
@pytest.mark.parametrize(
    ("value", "form"),
    [
        ("3c90c3cc-0d44-4b50-8888-8dd25736052a", "string (uuid)"),
        ("2026-04-05T18:28:05.000Z", "string (datetime with zone)"),
        ("2026-05-14 12:04:32.243", "string (datetime without zone)"),
        ("2014-02-01", "string (date)"),
        ("12.5", "string (number)"),
        ("jane@example.com", "string (email)"),
        ("https://www.linkedin.com/in/jane", "string (url)"),
        ("", "string (empty)"),
        ("Jane Doe", "string"),
        (True, "bool"),
        (1, "int"),
        (1.5, "float"),
        (None, "null"),
        ([], "list"),
        ({}, "object"),
    ],
)
def test_a_value_is_told_by_its_form(value: object, form: str) -> None:
    assert form_of(value) == form


def test_an_outline_is_bounded_and_takes_large_objects_for_maps() -> None:
    deep: object = 1
    for _ in range(50):
        deep = [deep]
    assert len(outline_of(deep, "data")) == 11
    wide = {f"name_{number}": number for number in range(500)}
    assert outline_of(wide, "data") == {"data": ["object"], "data.*": ["int"]}
    rows = [{f"field_{number}": {f"a_{number}": [1]}} for number in range(400)]
    assert len(outline_of(rows, "data")) == 300


def test_the_shape_of_a_refusal_shows_no_words_of_it() -> None:
    body = {"error": "no credits for jane@example.com", "jane@example.com": 1}
    assert error_shape(body) == "{*: int, error: string}"
