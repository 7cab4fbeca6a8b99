from __future__ import annotations

import logging
from pathlib import Path

import pytest

from pubrio_async import BatchEvent, RequestEvent
from pubrio_async._log import JOURNAL, note
from pubrio_async.cli import _verbose
from pubrio_async.cli._verbose import logged, observers, said_through
from tests.cli.conftest import Api, Cli, ids, write_csv

LOG = logging.getLogger("pubrio_async")


def test_every_request_and_batch_is_told_of_and_nobody_named(
    cli: Cli, api: Api, tmp_path: Path
) -> None:
    sandbox = api()
    source = write_csv(tmp_path / "in.csv", ids(20))
    words = ("redeem", source, "-o", tmp_path / "out.csv", "--types", "phone", "--batch-size", 10)
    result = cli(*words, "-v", "--progress", "none")

    assert result.code == 0, result.err
    lines = result.err.splitlines()
    assert all(line.startswith("pubrio-async: ") for line in lines)
    assert result.err.count(": POST /redeem/people/batch: 200 in ") == 2
    for kind in ("submitted", "accepted", "settled"):
        assert result.err.count(f" {kind}, 10 people") == 2
    for person in ids(20):
        assert person not in result.err
        for contact in sandbox.contacts_for(person, ["phone"]):
            assert contact.value not in result.err
    assert "key-of-the-test" not in result.err

    (tmp_path / "out.csv.journal").unlink()
    quiet = cli(*words, "--progress", "none")
    assert "POST" not in quiet.err
    assert LOG.level == logging.NOTSET


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["call", "profile.get"], "profile.get: POST /profile: 200 in "),
        (["estimate", "in.csv", "--types", "phone"], "profile.get: POST /profile: 200 in "),
    ],
)
def test_other_commands_tell_too(  # noqa: PLR0917 - fixtures
    cli: Cli, api: Api, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], told: str
) -> None:
    api()
    monkeypatch.chdir(tmp_path)
    write_csv(tmp_path / "in.csv", ids(3))
    result = cli(*words, "--verbose")

    assert result.code == 0, result.err
    assert told in result.err
    assert told not in cli(*words).err


def test_what_is_logged_goes_where_the_bar_is(
    capsys: pytest.CaptureFixture[str],
) -> None:
    above: list[str] = []
    with logged(verbose=False):
        LOG.warning("quiet")
    with logged(verbose=True):
        LOG.warning("an %s", "omen\x1b[2J")
        LOG.debug("nothing")
        with said_through(above.append):
            LOG.warning("another")
            # It is for a person: a message that cannot be made ends nothing.
            logging.raiseExceptions = False
            try:
                LOG.warning("%d", "x")
            finally:
                logging.raiseExceptions = True
        LOG.warning("the last")
    LOG.warning("to nobody")

    assert capsys.readouterr().err == "pubrio-async: an omen?[2J\npubrio-async: the last\n"
    assert above == ["another"]


def test_what_is_told_of_a_request(capsys: pytest.CaptureFixture[str]) -> None:
    (told,) = observers(verbose=True)
    assert observers(verbose=False) == ()
    with logged(verbose=True):
        for status, sent, error in ((200, True, None), (429, True, "E"), (None, False, "F")):
            told.on_request(
                RequestEvent(
                    name="n", method="GET", path="/p", paid=True, sent=sent, status=status,
                    started_at=0.0, elapsed_s=1.2, bytes_out=1_000, bytes_in=20, error=error,
                )
            )  # fmt: skip
        told.on_batch(
            BatchEvent(
                kind="accepted", batch_id="0123456789", people=1, redeem_query_id="q", at=0.0,
                age_s=0.0, estimate_s=2.0,
            )
        )  # fmt: skip
        told.on_batch(
            BatchEvent(
                kind="given_up", batch_id="0123456789", people=2, redeem_query_id="q", at=0.0,
                age_s=3.0, credits=1.5,
            )
        )  # fmt: skip

    tail = "in 1.200 s, 1,000 bytes out, 20 in"
    assert capsys.readouterr().err.splitlines() == [
        f"pubrio-async: n: GET /p: 200 {tail}",
        f"pubrio-async: n: GET /p: E 429 {tail}",
        f"pubrio-async: n: GET /p: F, not sent {tail}",
        "pubrio-async: batch 01234567 accepted, 1 person, job q, to take 2.0 s",
        "pubrio-async: batch 01234567 given up, 2 people, 1.5 credits, after 3.0 s",
    ]


@pytest.mark.parametrize("options", [[], ["--verbose"]])
def test_an_outage_is_told_while_it_lasts(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: list[str]
) -> None:
    monkeypatch.setenv("PUBRIO_API_KEY", "key-of-the-test")
    monkeypatch.setenv("PUBRIO_BASE_URL", "http://127.0.0.1:1")
    source = write_csv(tmp_path / "in.csv", ids(3))
    result = cli(
        "redeem", source, "--types", "phone", "--progress", "none", "--deadline", 0.3, *options
    )

    assert result.code == 3, result.err
    told = "the API cannot be reached: trying again for up to 120 s" in result.err
    assert told != bool(options)
    assert not logging.getLogger("pubrio_async.runs").handlers


@pytest.mark.parametrize("verbose", [True, False])
def test_a_database_that_is_away_is_told_of_once(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, verbose: bool
) -> None:
    monkeypatch.setattr(_verbose, "_outages", _verbose._Outages())
    with logged(verbose=verbose):
        for _ in range(3):  # whoever waits for it
            note(JOURNAL, logging.WARNING, "database_away", error="OperationalError")
    told = capsys.readouterr().err.splitlines()
    if verbose:
        assert told == ["pubrio-async: database_away error=OperationalError"] * 3
    else:
        (line,) = told
        assert "the database cannot be reached: trying again" in line
    assert not JOURNAL.handlers
