"""Before a run that may be dear, somebody on a terminal is asked."""

from __future__ import annotations

import io
import signal
import sys
from pathlib import Path

import pytest

from pubrio_async.cli import _ask
from tests.cli.conftest import Api, Cli, ids, write_csv
from tests.cli.terminal import InTerminal

# What is started in a process of its own is not about its start.
pytestmark = pytest.mark.usefixtures("warm_starts")


@pytest.fixture
def source(tmp_path: Path) -> str:
    """33 rows: 30 people, of whom three come twice."""
    return write_csv(tmp_path / "in.csv", [*ids(30), *ids(3)])


@pytest.fixture
def at_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_ask, "on_terminal", lambda: True)


def answer(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(text))


@pytest.mark.usefixtures("at_terminal")
@pytest.mark.parametrize(
    ("typed", "goes_on"),
    [("y\n", True), ("YES\n", True), ("\n", False), ("n\n", False), ("", False)],
)
def test_it_asks_and_obeys(  # noqa: PLR0917 - fixtures
    cli: Cli, api: Api, source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    typed: str, goes_on: bool,
) -> None:  # fmt: skip
    sandbox = api()
    answer(monkeypatch, typed)
    out = tmp_path / "out.csv"
    result = cli("redeem", source, "-o", out, "--types", "phone", "--ask-above", 299)

    assert "up to 300 credits: 30 people to redeem, each 10 at most by the prices" in result.err
    assert "go on? [y/N]" in result.err
    if goes_on:
        assert result.code == 0, result.err
        assert out.exists()
        return
    assert result.code == 130
    assert "not agreed to: nothing was sent, nothing was charged" in result.err
    assert sandbox.statistics().requests == 0
    assert [path.name for path in tmp_path.iterdir()] == ["in.csv"]


@pytest.mark.usefixtures("at_terminal")
@pytest.mark.parametrize(
    "words",
    [
        ["--ask-above", "300"],
        ["--ask-above", "0", "--yes"],
        ["--ask-above", "0", "--sandbox"],
        ["--ask-above", "99", "--max-credits", "99"],
        [],
    ],
)
def test_it_does_not_ask_for_what_is_cheap_bounded_free_or_agreed(
    cli: Cli, api: Api, source: str, monkeypatch: pytest.MonkeyPatch, words: list[str]
) -> None:
    api()
    monkeypatch.setattr(sys, "stdin", None)  # whoever asks, fails
    result = cli("redeem", source, "--types", "phone", "--progress", "none", *words)

    assert result.code in {0, 4}, result.err
    assert "go on?" not in result.err


@pytest.mark.usefixtures("at_terminal")
def test_what_the_journal_knows_is_not_asked_for_again(
    cli: Cli, api: Api, tmp_path: Path, source: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    sandbox = api()
    words = ["-o", str(tmp_path / "out.csv"), "--types", "phone", "--ask-above", "20"]
    assert cli("redeem", source, *words, "--yes").code == 0
    requests = sandbox.statistics().requests
    monkeypatch.setattr(sys, "stdin", None)

    assert cli("redeem", source, *words).code == 0
    assert sandbox.statistics().requests == requests
    # Three more cost up to thirty.
    write_csv(tmp_path / "in.csv", ids(33))
    answer(monkeypatch, "n\n")
    result = cli("redeem", source, *words)
    assert result.code == 130
    assert "up to 30 credits: 3 people to redeem" in result.err
    assert sandbox.statistics().requests == requests


@pytest.mark.usefixtures("at_terminal")
def test_a_signal_is_an_answer(
    cli: Cli, api: Api, source: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    sandbox = api()

    class Asked(io.StringIO):
        def readline(self, size: int | None = -1) -> str:
            signal.raise_signal(signal.SIGINT)
            return "y\n"

    monkeypatch.setattr(sys, "stdin", Asked())
    result = cli("redeem", source, "--types", "phone", "--ask-above", 0)

    assert result.code == 130
    assert "nothing was charged" in result.err
    assert sandbox.statistics().requests == 0


def test_nobody_is_asked_without_a_terminal(
    cli: Cli, api: Api, source: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    api()
    answer(monkeypatch, "")

    assert cli("redeem", source, "--types", "phone", "--ask-above", 0).code == 0


def test_in_a_real_terminal(api: Api, source: str, tmp_path: Path) -> None:
    sandbox = api()
    words = ("redeem", source, "-o", "out.csv", "--types", "phone", "--ask-above", "100")
    with InTerminal(*words, folder=tmp_path) as terminal:
        shown = terminal.wait_for(r"go on\? \[y/N\]")
        assert "up to 300 credits" in shown
        assert sandbox.statistics().requests == 0
        terminal.type("\x03")  # Ctrl-C
        assert terminal.end() == 130
    assert sandbox.statistics().requests == 0
    with InTerminal(*words, folder=tmp_path) as terminal:
        terminal.wait_for(r"go on\? \[y/N\]")
        terminal.type("y\n")
        assert terminal.end() == 0, terminal.shown
    assert (tmp_path / "out.csv").exists()


def test_people_typed_into_a_terminal_are_no_answers(api: Api, tmp_path: Path) -> None:
    """stdin is the input: it is read once, and nobody can be asked."""
    sandbox = api()
    words = ("redeem", "-", "--types", "phone", "--ask-above", "0", "--progress", "none")
    with InTerminal(*words, folder=tmp_path, piped=True) as terminal:
        terminal.type("".join(f"{person}\n" for person in ids(3)) + "\x04")
        assert terminal.end() == 0, terminal.shown
        assert terminal.process.stdout is not None
        assert len(terminal.process.stdout.read().splitlines()) == 3
    assert "go on?" not in terminal.shown
    assert sandbox.statistics().requests > 0
