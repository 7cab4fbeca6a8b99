"""What is shown in a real terminal: of any width, with and without colours, hostile names in it."""

from __future__ import annotations

import json
import re
import signal
from pathlib import Path

import pytest

from tests.cli.conftest import LOG_REFUSED, LOST, Api, Cli, ids, write_csv
from tests.cli.terminal import InTerminal, plain

# What is started in a process of its own is not about its start.
pytestmark = pytest.mark.usefixtures("warm_starts")

# A file name that clears the screen, names another title, and turns the line round.
HOSTILE = "a\x1b[2J\x1b]0;x\x07\u202e\x9b31mb.csv"
# What may be sent to a terminal: colours, one line erased, the cursor hidden and shown.
OBEYED = re.compile(r"\x1b\[(?:[0-9;]*m|2K|1A|\?25[lh])|[\r\n]")


def check_harmless(shown: str) -> None:
    """Nothing is left that a terminal would obey, but for what a bar needs."""
    rest = OBEYED.sub("", shown)
    assert all(char.isprintable() for char in rest), repr(rest)


def bars(shown: str) -> list[str]:
    """The states of the bar."""
    lines = re.split(r"[\r\n]+", plain(shown))
    return [line for line in lines if " rows" in line and not line.startswith("pubrio-async")]


@pytest.fixture
def words(tmp_path: Path) -> list[str]:
    source = write_csv(tmp_path / "in.csv", ids(40))
    return [
        "redeem", source, "-o", "out.csv", "--types", "phone", "--batch-size", "10",
        "--rate", "4 per 1 second", "--sandbox",
    ]  # fmt: skip


def test_a_bar_fits_a_narrow_terminal_and_follows_its_size(
    tmp_path: Path, words: list[str]
) -> None:
    with InTerminal(*words, folder=tmp_path, columns=40) as terminal:
        terminal.wait_for(r" rows.* rows")
        before = len(terminal.shown)
        terminal.resize(100)
        assert terminal.end() == 0, terminal.shown

    check_harmless(terminal.shown)
    narrow, wide = bars(terminal.shown[:before]), bars(terminal.shown[before:])
    assert narrow
    assert all(len(line) < 40 for line in narrow), narrow
    assert any("credits" in line for line in narrow)
    assert "…" not in terminal.shown
    assert 40 < len(wide[-1]) < 100
    assert re.search(r"40/40 rows · 0 batches · \d requests left · \d+ credits", wide[-1])
    # What is said at the end stands below the bar, each on its own line.
    assert any(
        line.startswith("pubrio-async: 40 rows (40 distinct people): ") for line in terminal.lines()
    )


def test_without_colours_there_are_none(tmp_path: Path, words: list[str]) -> None:
    with InTerminal(*words, folder=tmp_path, environ={"NO_COLOR": "1"}) as terminal:
        assert terminal.end() == 0, terminal.shown

    check_harmless(terminal.shown)
    assert not re.search(r"\x1b\[[0-9;]*m", terminal.shown)
    assert "40/40 rows" in bars(terminal.shown)[-1]


def test_an_encoding_without_the_dot_gets_commas(tmp_path: Path, words: list[str]) -> None:
    environ = {"PYTHONIOENCODING": "ascii"}
    with InTerminal(*words, "--verbose", folder=tmp_path, environ=environ) as terminal:
        assert terminal.end() == 0, terminal.shown

    check_harmless(terminal.shown)
    assert terminal.shown.isascii()
    assert "\\x" not in terminal.shown
    assert "40/40 rows, 0 batches, " in bars(terminal.shown)[-1]
    # What is told meanwhile has lines of its own, above the bar.
    told = [line for line in terminal.lines() if "redeem.batch: POST" in line]
    assert len(told) == 4
    assert all(line.startswith("pubrio-async: redeem.batch: POST") for line in told)


def test_a_dumb_terminal_gets_lines(tmp_path: Path, words: list[str]) -> None:
    with InTerminal(*words, folder=tmp_path, environ={"TERM": "dumb"}) as terminal:
        assert terminal.end() == 0, terminal.shown

    assert "\x1b" not in terminal.shown
    lines = [line for line in terminal.lines() if line.startswith("{")]
    assert json.loads(lines[-1])["rows_settled"] == 40


def test_an_interrupted_bar_gives_the_cursor_back(tmp_path: Path, words: list[str]) -> None:
    with InTerminal(*words, folder=tmp_path) as terminal:
        terminal.wait_for(r"[1-9]\d*/40 rows")
        terminal.type("\x03")
        assert terminal.end() == 130, terminal.shown

    check_harmless(terminal.shown.replace("^C", ""))
    assert terminal.shown.rindex("\x1b[?25h") > terminal.shown.rindex("\x1b[?25l")
    assert "stopping, which takes a moment" in terminal.shown
    assert "this goes on from there: " in terminal.shown


def test_hostile_names_of_files_are_not_obeyed(tmp_path: Path) -> None:
    (tmp_path / HOSTILE).write_text("people_search_id\x1b[31m\n1\n")
    words = ("redeem", HOSTILE, "--types", "phone", "--sandbox")
    with InTerminal(*words, folder=tmp_path) as terminal:
        assert terminal.end() == 2
    check_harmless(terminal.shown)
    assert "people_search_id" in terminal.shown

    (tmp_path / HOSTILE).write_text("people_search_id\n" + "\n".join(ids(3)))
    more = ("-o", f"out-{HOSTILE}", "--report", f"{HOSTILE}.json", "--no-journal")
    with InTerminal(*words, *more, folder=tmp_path) as terminal:
        assert terminal.end() == 0, terminal.shown
    check_harmless(terminal.shown)
    with InTerminal("estimate", *words[1:], "--json", folder=tmp_path) as terminal:
        assert terminal.end() == 0, terminal.shown
    check_harmless(terminal.shown)
    assert json.loads("".join(terminal.lines()))["input"] == HOSTILE


def test_words_that_are_not_understood_are_not_obeyed(cli: Cli) -> None:
    for words in (
        ["redeem", "a.csv", HOSTILE],
        ["redeem", "a.csv", f"--{HOSTILE}"],
        ["redeem", "a.csv", "--order", HOSTILE, "--types", "phone"],
        ["redeem", "a.csv", "--types", HOSTILE],
        ["call", HOSTILE],
        [HOSTILE],
    ):
        result = cli(*words)
        assert result.code == 2
        check_harmless(result.err)


def test_estimates_are_a_table_that_fits(api: Api, tmp_path: Path) -> None:
    api(topup_credit=70)
    source = write_csv(tmp_path / "in.csv", ids(1_234))
    words = ("estimate", source, "--types", "phone")
    with InTerminal(*words, folder=tmp_path, columns=60) as terminal:
        assert terminal.end() == 0, terminal.shown

    check_harmless(terminal.shown)
    lines = terminal.lines()
    assert all(len(line) <= 60 for line in lines)
    text = " ".join(" ".join(lines).split())
    for figure in (
        "rows 1,234", "distinct people 1,234", "worst case 12,340 credits, an estimate",
        "enough for the worst case", "top-up credits 70", "least time 0:00:00 under 300/minute",
    ):  # fmt: skip
        assert figure in text


@pytest.mark.usefixtures("quick_looks")
def test_status_and_resolve(cli: Cli, api: Api, tmp_path: Path) -> None:
    api(faults=(LOST, LOG_REFUSED))
    source = write_csv(tmp_path / "in.csv", ids(30))
    out = tmp_path / "out.csv"
    words = ("-o", out, "--types", "phone", "--batch-size", 10, "--progress", "none")
    assert cli("redeem", source, *words).code == 3
    with InTerminal("status", f"{out}.journal", folder=tmp_path, columns=70) as terminal:
        assert terminal.end() == 0, terminal.shown
    check_harmless(terminal.shown)
    assert "\x1b[1munsettled" in terminal.shown
    assert any(re.fullmatch(r"unsettled +10 *", line) for line in terminal.lines())

    # For a program on stdout, for people on stderr.
    with InTerminal("resolve", f"{out}.journal", "--json", folder=tmp_path, piped=True) as terminal:
        assert terminal.end() == 0, terminal.shown
        assert terminal.process.stdout is not None
        told = json.loads(terminal.process.stdout.read())
    check_harmless(terminal.shown)
    assert told["journal"]["unsettled"] == told["report"]["unsettled"] == 0
    assert told["report"]["found"] + told["report"]["empty"] == 10
    assert told["stopped_by"] is None
    assert any(re.fullmatch(r"still unsettled +0 *", line) for line in terminal.lines())
    # Once more there is nothing to do, and that is told too.
    result = cli("resolve", f"{out}.journal", "--json")
    assert result.code == 0
    assert json.loads(result.out)["journal"] == told["journal"]
    assert json.loads(result.out)["report"]["requests"] == 0


def test_a_signal_is_sent_by_the_terminal_itself(tmp_path: Path) -> None:
    """What the tests of Ctrl-C rest on."""
    with InTerminal("sandbox", folder=tmp_path) as terminal:
        terminal.wait_for(r"http://127\.0\.0\.1:\d+")
        terminal.type("\x03")
        assert terminal.end() != -signal.SIGINT
        assert terminal.process.returncode == 0
