from __future__ import annotations

import pytest
from msgspec import structs

from pubrio_async import (
    AuthenticationError,
    InsufficientCreditsError,
    NotSentError,
    PubrioError,
)
from pubrio_async.cli._messages import (
    kept_output,
    not_read,
    summary,
    what_next,
    why,
    why_stopped,
)
from pubrio_async.cli._options import RedeemOptions
from pubrio_async.models import RunReport
from pubrio_async.scheduler.budget import CreditBudget

KEPT = RedeemOptions(input="in.csv", output="out.csv", types="phone")
NOT_KEPT = RedeemOptions(input="in.csv", types="phone")


def test_a_summary_of_what_there_is() -> None:
    report = RunReport(
        rows=1_001, unique=1_000, found=1_000, pending=1, credits_charged=12.5, elapsed_s=1.26
    )

    lines = summary(report, NOT_KEPT)
    assert lines[0] == "1,001 rows (1,000 distinct people): 1,000 found, 0 empty, 1 pending"
    assert lines[1] == "12.5 credits charged, as reported; the balance was not reported"
    assert lines[2].endswith("in 1.3 s")
    assert len(lines) == 3
    assert summary(RunReport(rows=1), KEPT)[0].startswith("1 row (")
    assert "output: out.csv" in summary(report, KEPT)
    assert "output: out.csv" not in summary(report, KEPT, complete=False)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (PubrioError("gone", may_have_charged=True), "gone. It may have cost credits."),
        (NotSentError("The API cannot be reached."), "reached. The refused request cost nothing."),
        (InsufficientCreditsError("x!", status=402), "credits: x! The refused request cost"),
    ],
)
def test_why_a_run_was_stopped(error: PubrioError, words: str) -> None:
    assert words in why_stopped(error)


def test_nothing_is_advised_where_all_is_settled() -> None:
    done = RunReport(rows=2, found=1, rejected=1)

    assert what_next(done, KEPT, interrupted=False) == []
    assert what_next(done, NOT_KEPT, interrupted=False) == []


def test_the_resume_command_is_named_where_it_helps() -> None:
    def advice(report: RunReport, options: RedeemOptions, *, interrupted: bool = False) -> str:
        return "\n".join(what_next(report, options, interrupted=interrupted))

    for report in (RunReport(pending=1), RunReport(failed=1), RunReport(skipped=2)):
        assert "redeem in.csv -o out.csv --types phone" in advice(report, KEPT)
    assert "redeem" not in advice(RunReport(unsettled=1), KEPT)
    assert "resolve out.csv.journal" in advice(RunReport(unsettled=1), KEPT)
    assert "dashboard" in advice(RunReport(unsettled=1), NOT_KEPT)
    made_up = RedeemOptions(input="in.csv", output="out.csv", types="phone", sandbox=True)
    assert "The stand-in they were sent to has ended" in advice(RunReport(unsettled=1), made_up)
    assert "goes on from there" in advice(RunReport(found=1), KEPT, interrupted=True)
    assert "No journal was kept" in advice(RunReport(found=1), NOT_KEPT, interrupted=True)
    stdin = RedeemOptions(input="-", types="phone", journal="j")
    assert "(with the same input)" in advice(RunReport(pending=1), stdin)


def test_reasons_are_ranked_and_bounded() -> None:
    reasons = {"rare": 1, "usual": 1_200, **{f"other {number}": 2 for number in range(5)}}

    lines = why(reasons, most=2)
    assert lines[0] == "1,200 people: usual"
    assert lines[2] == "9 people: 5 other reasons"
    assert why({"one": 1}) == ["1 person: one"]
    assert why({}) == []


def test_what_to_know_about_the_output_of_a_run_whose_journal_failed() -> None:
    assert "kept in out.csv.kept" in kept_output("out.csv", "out.csv.kept")
    for unsaved in (kept_output(None, None), kept_output("out.csv", None)):
        assert "Keep a copy of the output before running again" in unsaved


def test_nothing_is_said_twice_of_why_a_run_was_stopped() -> None:
    refused = AuthenticationError("The key is wrong. Check PUBRIO_API_KEY.", status=401)
    told = why_stopped(refused)
    assert told.count("Check PUBRIO_API_KEY") == 1
    assert told.endswith("cost nothing.")
    unsent = why_stopped(NotSentError("No route. Nothing was carried out or charged."))
    assert unsent == "Nothing more could be sent: No route. Nothing was carried out or charged."
    budget = why_stopped(CreditBudget(10, 15).no_room())
    assert budget == (
        "The budget is used up, or too small: --max-credits (10) leaves no room for the worst case "
        "of another person (15 credits). Raise --max-credits to go on."
    )


def test_results_that_could_not_be_written_are_said_to_be_in_the_journal_or_lost() -> None:
    done = RunReport(rows=2, found=2)

    [kept] = what_next(done, KEPT, interrupted=False, written=False)
    assert "holds what was paid for; this goes on from there: " in kept
    [lost] = what_next(done, NOT_KEPT, interrupted=False, written=False)
    assert "No journal was kept" in lost


def test_rejected_rows_are_told_to_have_cost_nothing() -> None:
    (told,) = (
        line for line in summary(RunReport(rows=9, unique=8, rejected=2), KEPT) if "2 rows" in line
    )
    assert told.startswith("2 rows rejected and not charged: ")
    assert not any("not charged" in line for line in summary(RunReport(rows=9, unique=9), KEPT))


def test_one_of_each_is_not_many() -> None:
    lines = summary(RunReport(rows=1, unique=1, requests=1, batches=1, polls=1, retries=1), KEPT)

    assert lines[0].startswith("1 row (1 distinct person): ")
    assert lines[2].startswith("1 request (1 batch, 1 poll, 1 retry, 0 refused ")


def test_where_nobody_is_named_the_column_is_asked_about() -> None:
    nobody = RunReport(rows=7, rejected=7)

    assert "--column" in summary(nobody, KEPT)[1]
    stdin = RedeemOptions(input="-", types="phone")
    assert "give a table as a file" in summary(nobody, stdin)[1]
    somebody = RunReport(rows=7, unique=1, rejected=7)
    assert not any("warning" in line for line in summary(somebody, KEPT))
    assert not any("warning" in line for line in summary(RunReport(), KEPT))


def test_rows_that_the_output_lacks_are_told() -> None:
    report = RunReport(rows=37_000)

    assert not_read(report, 40_000) == ["the last 3,000 rows not read, and not in the output"]
    assert not_read(report, 37_000) == []
    assert not_read(report, None) == []


def test_a_deadline_that_was_reached_is_named() -> None:
    options = structs.replace(KEPT, deadline=2.5)
    late = RunReport(rows=2, found=1, skipped=1, elapsed_s=2.6)
    told = what_next(late, options, interrupted=False)
    assert "The deadline of 2.5 s was reached: raise --deadline." in told
    in_time = what_next(structs.replace(late, elapsed_s=1.0), options, interrupted=False)
    assert not any("deadline of" in line for line in in_time)
