"""The reference lists: which values the filters of searches take.

None of these replies is documented. Each is a list of objects, made of the words the world is
made of, so every value finds something in a world of some size.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import msgspec

from pubrio_async.sandbox.bodies import Keyword
from pubrio_async.sandbox.people import encode
from pubrio_async.sandbox.rows import technology_row
from pubrio_async.sandbox.signals import Signals
from pubrio_async.sandbox.vocabulary import (
    COMPANY_SIZES,
    COUNTRIES,
    DEPARTMENTS,
    MANAGEMENT_LEVELS,
    NEWS_CATEGORIES,
    NEWS_GALLERIES,
    NEWS_LANGUAGES,
    TECHNOLOGIES,
    VERTICALS,
)
from pubrio_async.sandbox.wire import Answer, Fields, Handler

Rows = list[dict[str, Any]]


def _size_name(lowest: int, highest: int | None) -> str:
    return f"{lowest}+" if highest is None else f"{lowest}-{highest}"


_FIXED: Final[dict[str, Rows]] = {
    "/locations": [{"code": each.code, "name": each.name} for each in COUNTRIES],
    "/departments/title": [{"slug": each.slug, "name": each.name} for each in DEPARTMENTS],
    "/departments/function": [
        {
            "slug": each.function,
            "name": each.function.replace("_", " ").title(),
            "department": each.slug,
        }
        for each in DEPARTMENTS
    ],
    "/management_levels": [{"slug": slug, "name": name} for slug, name, _ in MANAGEMENT_LEVELS],
    "/company_sizes": [
        {
            "name": _size_name(lowest, highest),
            "range": [lowest] if highest is None else [lowest, highest],
        }
        for lowest, highest in COMPANY_SIZES
    ],
    "/timezones": [{"name": each.timezone, "country": each.code} for each in COUNTRIES],
    "/companies/news/categories": [
        {"slug": slug, "name": name} for slug, name, _ in NEWS_CATEGORIES
    ],
    "/companies/news/languages": [{"code": code, "name": name} for code, name in NEWS_LANGUAGES],
}


def _different(rows: Iterable[dict[str, Any]]) -> Rows:
    return list({row["name"]: row for row in rows}.values())


_SEARCHED: Final[dict[str, Rows]] = {
    "/technologies": [technology_row(each) for each in TECHNOLOGIES],
    "/technologies/categories": _different(
        {"category_id": each.category_id, "name": each.category} for each in TECHNOLOGIES
    ),
    "/verticals": [
        {
            "vertical_id": each.vertical_id,
            "name": each.name,
            "vertical_sub_category_id": each.sub_category_id,
            "vertical_category_id": each.category_id,
        }
        for each in VERTICALS
    ],
    "/verticals/categories": _different(
        {"vertical_category_id": each.category_id, "name": each.category} for each in VERTICALS
    ),
    "/verticals/sub_categories": _different(
        {
            "vertical_sub_category_id": each.sub_category_id,
            "name": each.sub_category,
            "vertical_category_id": each.category_id,
        }
        for each in VERTICALS
    ),
}


def fixed_lists(signals: Signals) -> dict[str, Handler]:
    """The lists that take no argument, by path."""
    galleries = [
        {"news_gallery_id": signals.gallery_ids[each.slug], "slug": each.slug, "name": each.name}
        for each in NEWS_GALLERIES
    ]
    lists = {**_FIXED, "/companies/news/galleries": galleries}
    return {path: _fixed(rows) for path, rows in lists.items()}


def searched_lists() -> dict[str, Handler]:
    """The lists that a keyword narrows, by path."""
    return {path: _searched(rows) for path, rows in _SEARCHED.items()}


def _fixed(rows: Rows) -> Handler:
    answer = Answer(encode({"data": rows}))
    return lambda _, __: answer


def _searched(rows: Rows) -> Handler:
    def handler(fields: Fields, _: float) -> Answer:
        keyword = (msgspec.convert(fields, Keyword).keyword or "").strip().lower()
        found = [row for row in rows if keyword in str(row["name"]).lower()]
        return Answer(encode({"data": found}))

    return handler
