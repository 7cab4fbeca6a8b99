"""What the page says at the end."""

from __future__ import annotations

from typing import Any

import pytest

from pubrio_async import (
    AuthenticationError,
    BudgetExhaustedError,
    InsufficientCreditsError,
    JournalError,
    PermissionDeniedError,
    PubrioError,
    RateLimitedError,
    RunReport,
    TransportError,
)
from pubrio_async.dashboard._ending import End, ending
from tests.together import together


def end(report: RunReport, **changes: Any) -> End:
    usual = {"stopped_by": None, "reason": None, "open_rows": 0, "trouble": None}
    return ending(report, **{**usual, **changes})


def test_nothing_left_to_do() -> None:
    told = end(RunReport(rows=3, found=1, empty=1, rejected=1))

    assert (told.mood, told.headline) == ("done", "Finished")
    assert told.advice == ["Every row is settled. Nothing is left to do."]


@together
@pytest.mark.parametrize(
    ("report", "words"),
    [
        (RunReport(rows=1, failed=1), "1 row is not redeemed and not charged."),
        (RunReport(rows=5, failed=2, skipped=3), "5 rows are not redeemed and not charged."),
        (RunReport(rows=1_200, pending=1_200), "1,200 rows are pending: accepted"),
        (RunReport(rows=2, unsettled=2), "2 rows are unsettled: they may have been charged"),
    ],
)
def test_rows_left_to_do(report: RunReport, words: str) -> None:
    told = end(report)

    assert (told.mood, told.headline) == ("rest", "Finished, with rows left to do")
    assert told.advice[0].startswith(words)
    assert "exact command" in told.advice[-1]


@together
@pytest.mark.parametrize(
    ("error", "words"),
    [
        (AuthenticationError("x", status=401), "refused the key"),
        (PermissionDeniedError("x", status=403), "key or its plan does not allow"),
        (InsufficientCreditsError("x", status=402), "Top up"),
        (BudgetExhaustedError("x"), "budget is used up"),
        (JournalError("/home/jane/run.db is gone"), "journal failed"),
        (RateLimitedError("x", status=429), "quota is used up"),
        (TransportError("x"), "(TransportError)"),
    ],
)
def test_errors_by_their_class(error: PubrioError, words: str) -> None:
    told = end(RunReport(rows=1, skipped=1), stopped_by=error, reason=str(error))

    assert (told.mood, told.headline) == ("failed", "Stopped by an error")
    assert words in told.advice[0]
    assert "jane" not in str(told)


@pytest.mark.parametrize(
    ("reason", "words"),
    [("interrupted", "It was interrupted."), ("jane said so", "The program stopped it.")],
)
def test_reasons_by_what_is_known_of_them(reason: str, words: str) -> None:
    told = end(RunReport(), reason=reason)

    assert (told.mood, told.headline, told.advice[0]) == ("stopped", "Stopped early", words)


def test_trouble_goes_before_all_else() -> None:
    told = end(RunReport(rows=1, found=1), trouble="The program ended with KeyError.")

    assert (told.mood, told.headline) == ("failed", "Ended with an error")
    assert told.advice[0] == "The program ended with KeyError."
