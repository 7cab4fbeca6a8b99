"""No public name goes, changes or comes unnoticed."""

from __future__ import annotations

import pytest

from tests.typing.surface import RENEW, SURFACE, changes, surface


@pytest.fixture(scope="module")
def now() -> str:
    return surface()


def test_the_public_names_are_those_that_were_agreed(now: str) -> None:
    told = changes(SURFACE.read_text("utf-8"), now)
    assert not told, f"{told}If this is meant, say it in CHANGELOG.md, and: {RENEW}"


def test_what_scripts_rely_on_is_among_them(now: str) -> None:
    for line in (
        "class pubrio_async.RateLimitedError(ResponseError)",
        "class pubrio_async.ConfigurationError(PubrioError, ValueError)",
        "    async def batch(*, peoples: Sequence[str], people_contact_types: ",
        "    def search_iter(*, ",
        "    def many(people: People, *, people_contact_types: ",
        "    people_search_id: str | None",
        "pubrio_async.OutcomeStatus = Literal['found', 'empty', 'rejected', 'failed', ",
        "    --max-credits VALUE = None [PUBRIO_MAX_CREDITS]",
    ):
        assert f"\n{line}" in now
    assert "pubrio_async.__version__" not in now


def test_nothing_private_is_among_them(now: str) -> None:
    names = [line.partition("(")[0] for line in now.splitlines()]
    private = [name for name in names if "._" in name or name.startswith(("    _", "    def _"))]
    inside = ("_capture.ResponseInfo", "_dispatch.AbandonedCall", "_limiter.LimiterStatistics")
    told = [name for name in private if name.strip() != "def __init__"]
    assert sorted(told) == [f"class pubrio_async.{name}" for name in inside]


def test_a_change_is_told_line_by_line(now: str) -> None:
    before = now.replace("    def statistics() -> RunStatistics\n", "", 1)
    assert "+    def statistics() -> RunStatistics" in changes(before, now)
    assert not changes(now, now)
