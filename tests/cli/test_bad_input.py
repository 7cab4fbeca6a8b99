"""What is wrong is refused with exit code 2 and one line, before anything is sent."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from pubrio_async.cli import main
from tests.cli.conftest import Api, Cli, Result, ids, write_csv


def refused(result: Result, *words: str) -> None:
    assert result.code == 2, result.err
    assert "Traceback" not in result.err
    assert result.out == ""
    [line] = result.err.splitlines()
    assert line.startswith("pubrio-async: error: ")
    assert line.endswith("; nothing was charged")
    for word in words:
        assert word in line


@pytest.fixture
def source(tmp_path: Path) -> str:
    return write_csv(tmp_path / "in.csv", ids(3))


def test_no_key(cli: Cli, source: str) -> None:
    refused(cli("redeem", source, "--types", "phone"), "PUBRIO_API_KEY")


@pytest.mark.parametrize("key", [" ", "clé", "a b"])
def test_a_key_that_cannot_be_one_is_not_shown(
    cli: Cli, source: str, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PUBRIO_API_KEY", key)
    result = cli("redeem", source, "--types", "phone")

    refused(result, "PUBRIO_API_KEY")
    assert not key.strip() or key not in result.err


def test_a_foreign_host_without_tls(cli: Cli, source: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PUBRIO_API_KEY", "key")
    monkeypatch.setenv("PUBRIO_BASE_URL", "http://api.pubrio.example")

    refused(
        cli("redeem", source, "--types", "phone"),
        "PUBRIO_BASE_URL must start with https:// (got 'http')",
        "127.0.0.1",
    )


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("api.pubrio.com", "PUBRIO_BASE_URL is not a URL such as https://api.pubrio.com"),
        ("https://user:hunter2@", "PUBRIO_BASE_URL is not a URL"),
        ("https://user:hunter2@api.pubrio.com", "PUBRIO_BASE_URL must hold no user name"),
        ("http://hunter2@api.pubrio.com", "PUBRIO_BASE_URL must hold no user name"),
        ("https://api.pubrio.com?key=hunter2", "PUBRIO_BASE_URL must hold no user name"),
        ("https://exa<mple.com/hunter2", "PUBRIO_BASE_URL names 'exa<mple.com'"),
        ("https://api.pubrio.com/../hunter2", "The path of PUBRIO_BASE_URL holds"),
    ],
)
@pytest.mark.parametrize("command", ["redeem", "estimate", "doctor", "call"])
def test_the_variable_is_named_that_holds_a_wrong_url(  # noqa: PLR0917
    cli: Cli, source: str, command: str, url: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PUBRIO_API_KEY", "key")
    monkeypatch.setenv("PUBRIO_BASE_URL", url)
    rest = {"doctor": (), "call": ("profile.get",)}.get(command, (source, "--types", "phone"))
    result = cli(command, *rest)

    assert result.code == 2
    assert words in result.err
    assert "base_url" not in result.err
    assert "hunter2" not in result.err


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--types", "phone", "-o", "out.xlsx"], ["'out.xlsx'", "'CSV UTF-8'"]),
        (["--types", "fax"], ["'fax'", "email-personal, email-work, phone"]),
        (["--types", ""], ["email-personal, email-work, phone"]),
        (["--types", "phone,"], ["email-personal, email-work, phone"]),
        (["--types", "phone", "--rate", "lots"], ["'lots'", "300/minute"]),
        (["--types", "phone", "--rate", "5/fortnight"], ["300/minute"]),
        (["--types", "phone", "--column", "id"], ["'id'", "'name'", "'people_search_id'"]),
        (["--types", "phone", "--deadline", "0"], ["--deadline"]),
        (["--types", "phone", "--deadline", "nan"], ["--deadline"]),
        (["--types", "phone", "--journal", "j", "--no-journal"], ["--no-journal"]),
        (["--types", "phone", "-o", "none/out.csv"], ["output", "No such file or directory"]),
        (["--types", "phone", "-o", "dir.csv"], ["output", "directory"]),
        (["--types", "phone", "-o", "out.docx"], [".jsonl, .csv, .tsv or .parquet"]),
        (["--types", "phone", "-o", "in.csv"], ["output", "input", "one file"]),
        (["--types", "phone", "-o", "a.csv", "--report", "./a.csv"], ["report", "output"]),
        (["--types", "phone", "-o", "a.csv", "--report", "a.csv.journal"], ["report", "journal"]),
        (["--types", "phone", "--report", "none/report"], ["report", "No such file"]),
    ],
)
def test_options_that_are_wrong(  # noqa: PLR0917
    tmp_path: Path,
    cli: Cli,
    api: Api,
    monkeypatch: pytest.MonkeyPatch,
    source: str,
    options: list[str],
    words: list[str],
) -> None:
    sandbox = api()
    monkeypatch.chdir(tmp_path)
    (tmp_path / "dir.csv").mkdir()

    refused(cli("redeem", source, *options), *words)
    assert sandbox.statistics().requests == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["dir.csv", "in.csv"]


@pytest.mark.parametrize("sandbox", [True, False])
def test_a_rate_is_read_before_the_input(cli: Cli, api: Api, *, sandbox: bool) -> None:
    api()
    flags = ["--sandbox"] if sandbox else []

    refused(cli("redeem", "none.csv", "--types", "phone", "--rate", "x", *flags), "'x'")


@pytest.mark.parametrize(
    "options",
    [
        [],
        ["--types", "phone", "--batch-size", "0"],
        ["--types", "phone", "--max-concurrency", "0"],
        ["--types", "phone", "--max-credits", "-1"],
        ["--types", "phone", "--max-credits", "many"],
        ["--types", "phone", "--order", "random"],
        ["--types", "phone", "--progress", "loud"],
        ["--types", "phone", "--api-key", "secret"],
    ],
)
def test_options_that_do_not_parse(cli: Cli, api: Api, source: str, options: list[str]) -> None:
    sandbox = api()
    result = cli("redeem", source, *options)

    assert result.code == 2, result.err
    assert "Usage: pubrio-async redeem" in result.err
    assert sandbox.statistics().requests == 0


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("in.csv", None, ["No such file"]),
        ("in.csv", b"", ["in.csv is empty"]),
        ("in.csv", b"people_search_id\ncaf\xe9\n", ["not UTF-8", "line 2", "offset 20"]),
        ("in.csv", "people_search_id\n".encode("utf-16"), ["not UTF-8", "line 1"]),
        ("in.csv", b"who,what\n1,2\n", ["'who', 'what'", "--column"]),
        ("in.csv", b'people_search_id\n"x\n', ["line 2", "malformed"]),
        ("in.jsonl", b"[]\n", ["line 1", "JSON object"]),
        ("in.xlsx", b"PK", ["must end in .csv", "'CSV UTF-8'"]),
        ("in.csv.gz", b"\x1f\x8b", ["compressed: unpack it", "first, as gunzip -k does"]),
        ("in.csv.zip", b"PK", ["compressed: unpack it into such a file first"]),
        ("in.list", b"x", ["must end in .csv", "- reads stdin, one person a line"]),
        ("in.parquet", b"PAR1", ["not a Parquet file"]),
    ],
)
def test_inputs_that_cannot_be_used(  # noqa: PLR0917
    tmp_path: Path, cli: Cli, api: Api, name: str, content: bytes | None, words: list[str]
) -> None:
    sandbox = api()
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)

    result = cli("redeem", path, "-o", tmp_path / "out.csv", "--types", "phone")
    refused(result, str(path), *words)
    assert "stdin" not in result.err or "one person a line" in result.err
    assert sandbox.statistics().requests == 0
    assert not (tmp_path / "out.csv.part").exists()


def test_a_directory_as_input(tmp_path: Path, cli: Cli, api: Api) -> None:
    api()

    refused(cli("redeem", tmp_path, "--types", "phone"), "not a regular file", "one person a line")


def test_a_journal_that_is_none_or_of_other_types(
    tmp_path: Path, cli: Cli, api: Api, source: str
) -> None:
    sandbox = api()
    out = tmp_path / "out.csv"
    assert cli("redeem", source, "-o", out, "--types", "phone").code == 0
    requests = sandbox.statistics().requests
    before = out.read_bytes()

    refused(cli("redeem", source, "-o", out, "--types", "email-work"), "phone")
    (tmp_path / "text").write_text("no database" * 100)
    refused(cli("redeem", source, "--types", "phone", "--journal", tmp_path / "text"), "text")
    assert sandbox.statistics().requests == requests
    assert out.read_bytes() == before


def test_malformed_ids_are_rejected_row_by_row_and_never_sent(
    tmp_path: Path, cli: Cli, api: Api
) -> None:
    sandbox = api()
    bad = ["", " ", "x", "12345", "https://example.org/in/x", "=1+1", "e37ccf38-ea8f", "\u00e9"]
    source = write_csv(tmp_path / "in.csv", [*bad[:4], *ids(1), *bad[4:]])
    out = tmp_path / "out.csv"

    result = cli("redeem", source, "-o", out, "--types", "phone")

    assert result.code == 0, result.err
    statuses = [line.split(",")[2] for line in out.read_text().splitlines()[1:]]
    assert [status for row, status in enumerate(statuses) if row != 4] == ["rejected"] * 8
    assert statuses[4] in {"found", "empty"}
    assert sandbox.regrets().malformed_ids == 0
    assert sandbox.statistics().people == 1


@pytest.mark.parametrize("module", ["typer", "rich"])
def test_the_extra_is_named_where_it_is_missing(
    module: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(
        "pubrio_async.cli.find_spec", lambda name: None if name == module else object()
    )
    monkeypatch.setattr(sys, "argv", ["pubrio-async", "--help"])

    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert 'pip install "pubrio-async[cli]"' in capsys.readouterr().err


def test_help_needs_nothing_and_names_the_commands(cli: Cli) -> None:
    result = cli("--help")

    assert result.code == 0, result.err
    assert "redeem" in result.out
    assert "sandbox" in result.out
    assert cli("redeem", "--help").code == 0
    assert cli("nonsense").code == 2
