"""What a shell offers when Tab is pressed: the values of options and arguments.

The scripts for the shells are typer's: `pubrio-async --install-completion`.
"""

from __future__ import annotations

from typing import get_args

from pubrio_async.endpoints import ContactTypeName

Suggestions = list[str | tuple[str, str]]
"""Values, some with a word of help, which shells other than bash show."""

_RATES: Suggestions = [
    ("300/minute", "the limit that holds in every plan"),
    ("free", "the quotas of the plan for one licence"),
    ("growth", "the quotas of the plan for one licence"),
    ("business", "the quotas of the plan for one licence"),
    ("account", "those of your workspace, by one free request"),
]


def complete_types(incomplete: str) -> Suggestions:
    """Contact types joined by commas: those that are not there yet, after those that are."""
    *before, _ = incomplete.split(",")
    given = "".join(f"{word}," for word in before)
    return [f"{given}{name}" for name in get_args(ContactTypeName) if name not in before]


def complete_rate(incomplete: str) -> Suggestions:
    """Rate limits by name."""
    del incomplete  # what does not fit is left out by typer
    return _RATES


def complete_endpoint(incomplete: str) -> Suggestions:
    """Endpoints by their names."""
    del incomplete
    # Only here: whoever presses Tab elsewhere does not wait for the routes.
    from pubrio_async.cli._call import routes  # noqa: PLC0415

    return [(name, f"{route.method} {route.path}") for name, route in routes().items()]
