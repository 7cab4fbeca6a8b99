"""What the searches of `people` send back.

The API documents only a part of a row; `pubrio.capture()` has the rest, as it came. Rows are
invisible to the cyclic garbage collector, which is most of what a large reply costs.
"""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from pubrio_async.models.pagination import Pagination
from pubrio_async.models.redeem import Number


class Employment(Struct, frozen=True, kw_only=True, gc=False):
    """One position a person holds or held; the dates are days, such as `2014-02-01`."""

    title: str | None = None
    current: bool | None = None
    end_date: str | None = None
    start_date: str | None = None
    company_name: str | None = None


class PersonRow(Struct, frozen=True, kw_only=True, gc=False):
    """One person of a search.

    Attributes:
        people_search_id: The person's id (UUID): what `redeem` takes.
        name: The whole name.
        first_name: The given name.
        last_name: The family name.
        title: The job title.
        seniority: Such as `c_suite`; not always a value that filters take.
        functions: The API documents no shape.
        headline: The headline of the profile.
        departments: Such as `c_suite`; not always values that filters take.
        subdepartments: Such as `executive`.
        keywords: The API documents no shape.
        employment_history: Positions, as the API orders them.
    """

    people_search_id: str | None = None
    name: str | None = None
    first_name: str | None = None
    last_name: str | None = None
    title: str | None = None
    seniority: str | None = None
    functions: Any = None
    headline: str | None = None
    departments: tuple[str, ...] | None = None
    subdepartments: tuple[str, ...] | None = None
    keywords: Any = None
    employment_history: tuple[Employment, ...] | None = None


class SimilarPersonRow(PersonRow, frozen=True, kw_only=True, gc=False):
    """One person of a search by similarity.

    Attributes:
        similarity_score: From 0 to 1.
    """

    similarity_score: Number | None = None


class PeopleSearchReply(Struct, frozen=True, kw_only=True):
    """One page of `people.search`."""

    pagination: Pagination | None = None
    peoples: tuple[PersonRow, ...] | None = None


class SimilarPeopleReply(Struct, frozen=True, kw_only=True):
    """One page of `people.search_similar`, the most similar first."""

    pagination: Pagination | None = None
    peoples: tuple[SimilarPersonRow, ...] | None = None
