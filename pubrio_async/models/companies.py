"""What the search of `companies` sends back.

The API documents only a part of a row; `pubrio.capture()` has the rest, as it came.
"""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from pubrio_async.models.pagination import Pagination


class CompanyRow(Struct, frozen=True, kw_only=True, gc=False):
    """One company of a search; `exclude_fields` of the search can leave any of it None.

    Attributes:
        logo_url: Where its logo is.
        company_name: Its name.
        emails: E-mail addresses; the API documents no shape.
        phones: Phone numbers; the API documents no shape.
        contacts: Contacts; the API documents no shape.
        founded_year: The year of its foundation.
        specialties: What it says it does.
        industry: Its industry.
        domain: Its domain, such as `example.com`.
    """

    logo_url: str | None = None
    company_name: str | None = None
    emails: tuple[Any, ...] | None = None
    phones: tuple[Any, ...] | None = None
    contacts: tuple[Any, ...] | None = None
    founded_year: int | None = None
    specialties: tuple[str, ...] | None = None
    industry: str | None = None
    domain: str | None = None


class CompanySearchReply(Struct, frozen=True, kw_only=True):
    """One page of `companies.search`."""

    pagination: Pagination | None = None
    companies: tuple[CompanyRow, ...] | None = None
