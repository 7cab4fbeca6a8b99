from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from pubrio_async import ConfigurationError
from pubrio_async.cli._options import Order, ProgressStyle
from pubrio_async.cli._settings_file import FileSettings, read_settings_file
from tests.cli.conftest import Api, Cli, ids, write_csv

EVERYTHING = """
[tool.pubrio-async]
types = ["phone", "email-work"]
rate = "100/minute"
batch-size = 7
max-concurrency = 3
max-credits = 900
ask-above = 50
deadline = 60
order = "makespan"
progress = "none"
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the command runs, two below the directory of the test."""
    folder = tmp_path / "a" / "b"
    folder.mkdir(parents=True)
    write_csv(folder / "in.csv", ids(30))
    monkeypatch.chdir(folder)
    return folder


def save(folder: Path, text: str | bytes) -> None:
    content = text if isinstance(text, bytes) else text.encode()
    (folder / "pyproject.toml").write_bytes(content)


def estimate(cli: Cli, *words: str | int) -> dict[str, Any]:
    result = cli("estimate", "in.csv", "--offline", "--json", *words)
    assert result.code == 0, result.err
    told: dict[str, Any] = json.loads(result.out)
    return told


# ----------------------------------------------------------------------------------- what it says


def test_everything_it_may_hold(folder: Path) -> None:
    save(folder, EVERYTHING)
    found = read_settings_file()

    assert found.path == str(folder / "pyproject.toml")
    assert found.values == {
        "types": "phone,email-work", "rate": "100/minute", "batch_size": 7, "max_concurrency": 3,
        "max_credits": 900, "ask_above": 50, "deadline": 60.0, "order": Order.MAKESPAN,
        "progress": ProgressStyle.NONE,
    }  # fmt: skip
    assert set(found.values) == set(FileSettings.__struct_fields__)


def test_the_nearest_with_a_table_of_ours_is_read(folder: Path) -> None:
    save(folder, "[project]\nname = 'x'\ndependencies = ['pubrio-async[cli]']\n")
    save(folder.parent, "[tool.pubrio-async]\nbatch-size = 2\n")
    save(folder.parent.parent, "[tool.pubrio-async]\nbatch-size = 3\nmax-credits = 1\n")

    assert read_settings_file().values == {"batch_size": 2}
    save(folder, "[tool]\n'pubrio-async' = {batch-size = 9}\n")
    assert read_settings_file().values == {"batch_size": 9}


def test_files_of_others_are_neither_parsed_nor_refused(folder: Path) -> None:
    save(folder, b"[tool.\xffother\n = = =")
    (folder.parent / "pyproject.toml").mkdir()
    os.mkfifo(folder.parent.parent / "pyproject.toml")  # would be waited for

    assert read_settings_file().path is None


def test_a_directory_that_is_gone_holds_no_file(folder: Path) -> None:
    (folder / "in.csv").unlink()
    folder.rmdir()

    assert read_settings_file().values == {}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("[tool.pubrio-async]\ntypes = 'phone'\nbatch-size = \n", ["not TOML", "line 3"]),
        (b"[tool.pubrio-async]\n# caf\xe9\n", ["line 2", "not UTF-8"]),
        ("tool = 3 # pubrio-async", ["must be a table"]),
        ("[tool]\npubrio-async = 3", ["must be a table"]),
        ("x = " + "[" * 5_000 + " # pubrio-async", ["too deeply"]),
        (
            "[tool.pubrio-async]\nbatch_size = 3",
            ["no setting 'batch_size'", "Did you mean batch-size?"],
        ),
        ("[tool.pubrio-async]\nmax-credit = 3", ["Did you mean max-credits?"]),
        ("[tool.pubrio-async]\nzzz = 3", ["It may hold types, rate, batch-size"]),
        ("[tool.pubrio-async]\nbatch-size = 0", ["batch-size: Expected `int` >= 1"]),
        ("[tool.pubrio-async]\nbatch-size = '3'", ["batch-size: Expected `int`"]),
        ("[tool.pubrio-async]\nbatch-size = true", ["batch-size: Expected `int`"]),
        ("[tool.pubrio-async]\nmax-credits = -1", ["max-credits: Expected `int` >= 0"]),
        ("[tool.pubrio-async]\ndeadline = 0", ["deadline: Expected `float` > 0"]),
        ("[tool.pubrio-async]\norder = 'random'", ["order: Invalid enum value 'random'"]),
        ("[tool.pubrio-async]\ntypes = ['fax']", ["types: --types: 'fax' is not a contact type"]),
        ("[tool.pubrio-async]\ntypes = [3]", ["types: Expected `str`, got `int`"]),
        ("[tool.pubrio-async]\ntypes = []", ["types: --types: '' is not a contact type"]),
        ("[tool.pubrio-async]\nrate = 'fast'", ["rate: 'fast' is not a rate limit"]),
    ],
)
def test_what_is_wrong_is_told_in_one_line(
    cli: Cli, api: Api, folder: Path, content: str | bytes, words: list[str]
) -> None:
    sandbox = api()
    save(folder, content)
    result = cli("redeem", "in.csv", "--types", "phone", "-o", "out.csv")

    assert result.code == 2
    assert result.err.count("\n") == 1
    for word in [str(folder / "pyproject.toml"), *words]:
        assert word in result.err
    assert sandbox.statistics().requests == 0
    assert sorted(path.name for path in folder.iterdir()) == ["in.csv", "pyproject.toml"]


@pytest.mark.parametrize("name", ["api-key", "api_key", "apikey", "key", "PUBRIO_API_KEY", "token"])
def test_the_key_is_refused_and_not_shown(folder: Path, name: str) -> None:
    save(folder, f"[tool.pubrio-async]\n{name} = 'pk-1234'\n")

    with pytest.raises(ConfigurationError, match="PUBRIO_API_KEY") as refused:
        read_settings_file()
    assert "pk-1234" not in str(refused.value)
    assert "does not belong in a file" in str(refused.value)


@pytest.mark.parametrize("name", ["base-url", "base_url", "url"])
def test_a_file_does_not_say_who_is_given_the_key(
    cli: Cli, api: Api, folder: Path, name: str
) -> None:
    sandbox = api()
    save(folder, f"[tool.pubrio-async]\n{name} = 'https://example.com'\n")
    result = cli("redeem", "in.csv", "--types", "phone")

    assert result.code == 2
    assert "PUBRIO_BASE_URL" in result.err
    assert sandbox.statistics().requests == 0


def test_a_file_that_cannot_be_read_is_not_passed_over(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(folder, EVERYTHING)

    def denied(*args: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("builtins.open", denied)
    with pytest.raises(ConfigurationError, match=r"pyproject\.toml: Permission denied"):
        read_settings_file()


def test_a_file_without_end_is_refused(folder: Path) -> None:
    save(folder, "[tool.pubrio-async]\n" + "#" * 5_000_000)

    with pytest.raises(ConfigurationError, match="larger than"):
        read_settings_file()


def test_help_needs_no_file(cli: Cli, folder: Path) -> None:
    save(folder, "[tool.pubrio-async]\n = = =")

    assert cli("redeem", "--help").code == 0


# ------------------------------------------------------------------------------- what goes before


def test_an_option_goes_before_the_environment_and_that_before_the_file(
    cli: Cli, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert estimate(cli, "--types", "phone")["batches"] == 1
    save(folder, "[tool.pubrio-async]\ntypes = 'phone'\nbatch-size = 10\nrate = '7/minute'\n")

    told = estimate(cli)
    assert (told["batches"], told["worst_case_credits"], told["rate_limit"]) == (3, 300, "7/minute")
    monkeypatch.setenv("PUBRIO_BATCH_SIZE", "15")
    monkeypatch.setenv("PUBRIO_TYPES", "email-work")
    monkeypatch.setenv("PUBRIO_RATE_LIMIT", "8/minute")
    told = estimate(cli)
    assert (told["batches"], told["worst_case_credits"], told["rate_limit"]) == (2, 150, "8/minute")
    # An option goes first even if it says what is the default.
    told = estimate(cli, "--batch-size", 100, "--types", "email-work,phone", "--rate", "9/minute")
    assert (told["batches"], told["worst_case_credits"], told["rate_limit"]) == (1, 450, "9/minute")


@pytest.mark.parametrize("blank", ["", "  "])
def test_a_variable_set_to_nothing_is_not_set(
    cli: Cli, folder: Path, monkeypatch: pytest.MonkeyPatch, blank: str
) -> None:
    save(folder, "[tool.pubrio-async]\ntypes = 'phone'\nrate = '7/minute'\n")
    monkeypatch.setenv("PUBRIO_TYPES", blank)
    monkeypatch.setenv("PUBRIO_RATE_LIMIT", blank)

    assert estimate(cli)["rate_limit"] == "7/minute"
    (folder / "pyproject.toml").unlink()
    assert estimate(cli, "--types", "phone")["rate_limit"] == "300/minute"
    assert cli("estimate", "in.csv", "--offline").code == 2


def test_a_wrong_variable_is_named(cli: Cli, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PUBRIO_BATCH_SIZE", "many")
    result = cli("estimate", "in.csv", "--types", "phone", "--offline")

    assert result.code == 2
    assert "PUBRIO_BATCH_SIZE" in result.err


def test_what_comes_from_the_file_is_said_and_holds(cli: Cli, api: Api, folder: Path) -> None:
    sandbox = api(unresolvable_share=0.0)
    save(folder, EVERYTHING)
    result = cli("redeem", "in.csv", "-o", "out.csv", "--max-credits", 30)

    assert result.code == 4, result.err
    told = result.err.splitlines()[0]
    assert told.startswith(f"pubrio-async: settings of {folder / 'pyproject.toml'}: types, ")
    assert "max-credits" not in told
    assert sandbox.statistics().credits_charged <= 30
    # The command that goes on means the same in another directory.
    assert "--types phone,email-work" in result.err
    for words in ("--batch-size 7", "--rate 100/minute", "--order makespan", "--ask-above 50"):
        assert words in result.err


def test_a_default_is_named_where_the_file_would_change_it(
    cli: Cli, api: Api, folder: Path
) -> None:
    api()
    save(folder, "[tool.pubrio-async]\nbatch-size = 10\nprogress = 'none'\n")
    result = cli(
        "redeem", "in.csv", "-o", "out.csv", "--types", "phone", "--batch-size", 100,
        "--max-credits", 50,
    )  # fmt: skip

    assert result.code == 4, result.err
    assert "--batch-size 100" in result.err


def test_a_budget_of_the_file_does_not_keep_resolve_from_looking(
    cli: Cli, api: Api, folder: Path
) -> None:
    api()
    save(folder, "[tool.pubrio-async]\nmax-credits = 10\ntypes = 'phone'\nprogress = 'none'\n")
    assert cli("redeem", "in.csv", "-o", "out.csv", "--max-credits", 10_000).code == 0

    assert cli("resolve", "out.csv.journal").code == 0
    assert cli("resolve", "out.csv.journal", "--max-credits", 10).code == 2
