"""Routes of `filters`: the values that filters take."""

from __future__ import annotations

from typing import Any

from pubrio_async._routes.route import Route
from pubrio_async._wire import data_decoder


def _list(name: str, path: str, method: str = "GET") -> Route[Any]:
    """One reference list; all are free, and the API documents no shape for any of them."""
    return Route(
        name=f"filters.{name}",
        method=method,
        path=path,
        decode=data_decoder(Any),
        spends_credits=False,
        safe_to_resend=True,
    )


FILTERS_LOCATIONS: Route[Any] = _list("locations", "/locations")
FILTERS_DEPARTMENTS: Route[Any] = _list("departments", "/departments/title")
FILTERS_DEPARTMENT_FUNCTIONS: Route[Any] = _list("department_functions", "/departments/function")
FILTERS_MANAGEMENT_LEVELS: Route[Any] = _list("management_levels", "/management_levels")
FILTERS_COMPANY_SIZES: Route[Any] = _list("company_sizes", "/company_sizes")
FILTERS_TIMEZONES: Route[Any] = _list("timezones", "/timezones")
FILTERS_NEWS_CATEGORIES: Route[Any] = _list("news_categories", "/companies/news/categories")
FILTERS_NEWS_GALLERIES: Route[Any] = _list("news_galleries", "/companies/news/galleries")
FILTERS_NEWS_LANGUAGES: Route[Any] = _list("news_languages", "/companies/news/languages")
FILTERS_TECHNOLOGIES: Route[Any] = _list("technologies", "/technologies", "POST")
FILTERS_TECHNOLOGY_CATEGORIES: Route[Any] = _list(
    "technology_categories", "/technologies/categories", "POST"
)
FILTERS_VERTICALS: Route[Any] = _list("verticals", "/verticals", "POST")
FILTERS_VERTICAL_CATEGORIES: Route[Any] = _list(
    "vertical_categories", "/verticals/categories", "POST"
)
FILTERS_VERTICAL_SUB_CATEGORIES: Route[Any] = _list(
    "vertical_sub_categories", "/verticals/sub_categories", "POST"
)
