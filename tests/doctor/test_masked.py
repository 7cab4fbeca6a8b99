"""No value of a reply is shown, nor the key."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from pubrio_async._routes import ROUTES
from pubrio_async.cli._doctor_tables import in_tables
from tests.doctor.patient import KEY, Patient, live_in, of, with_data, with_headers

pytestmark = pytest.mark.virtual_time


def texts(value: Any) -> set[str]:
    """All texts in decoded JSON, those that are JSON in turn looked into, too."""
    if isinstance(value, str):
        try:
            inner = texts(json.loads(value)) if value[:1] in {"{", "["} else set()
        except ValueError:
            inner = set()
        return {value} | inner
    members = (
        value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    )
    return set().union(*map(texts, members))


# Words and slugs of the API, and the paths and names of its fields that this package uses itself.
HARMLESS = {
    *("business-annual", "second", "Verified", "email-work", "email-personal", "phone"),
    *("people_search", "company_search", "people_redeem", "company_first", "webhook", "email"),
    *(
        "created_at",
        "success",
        "string",
        "monitor",
        "month",
        "profile",
        "people",
        "companies",
        "POST",
        "GET",
    ),
}


async def test_no_value_of_a_reply_is_shown_nor_the_key() -> None:
    patient = Patient()
    await live_in(patient)

    def sentinels(data: Any) -> Any:
        if isinstance(data, dict):
            data["jane.doe@example.com"] = {"+15551234567": "https://linkedin.com/in/jane-doe"}
            data["new_field"] = {"Jane Doe": KEY, KEY: 1}
        return data

    patient.changes = {
        path: with_data(sentinels)
        for path in {route.path for route in ROUTES.values()} - {"/profile"}
    }
    patient.changes["*"] = with_headers(X_RateLimit_Note=KEY)
    report = await patient.examine(spend=60)
    shown = msgspec.json.encode(report).decode() + in_tables(report)
    assert of(report, "profile.usage").state == "drift"
    assert "data.new_field" in shown
    assert KEY not in shown
    values: set[str] = set()
    for body in patient.bodies:
        values |= texts(msgspec.json.decode(body))
    secret = {value for value in values if len(value) > 4 and value not in HARMLESS}
    assert len(secret) > 500
    assert sum("@" in value for value in secret) > 5
    # Words that are part of what the report says itself.
    empty = msgspec.json.encode(await Patient().examine()).decode()
    assert {value for value in secret if value in shown and value not in empty} == set()
    assert "jane" not in shown.lower()
    assert "1555" not in shown
