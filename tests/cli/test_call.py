from __future__ import annotations

import io
import json
import signal
import sys
from typing import Any

import msgspec
import pytest

from pubrio_async._phase import Phase
from pubrio_async._wire import WireReply, WireRequest
from pubrio_async.cli import _call
from pubrio_async.sandbox import SandboxTransport
from tests import catalogue
from tests.catalogue import ENDPOINTS, UUID, Endpoint
from tests.cli.conftest import Api, Cli

PERSON = {"people_search_id": UUID, "people_contact_types": ["email-work", "phone"]}
CREDITS = {True: "yes", False: "no", "unknown": "unknown"}


@pytest.fixture
def answered(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Lets the stand-in inside answer with `body`, and remembers the request in `sent`."""
    told: dict[str, Any] = {"status": 200, "body": b'{"data": {}}', "sent": []}

    async def send(
        self: SandboxTransport, request: WireRequest, *, timeout: float, phase: Phase
    ) -> WireReply:
        phase.sent += 1
        told["sent"].append(request)
        if told["status"] is None:
            signal.raise_signal(signal.SIGINT)
            told["status"] = 200
        return WireReply(told["status"], {}, told["body"])

    monkeypatch.setattr(SandboxTransport, "send", send)
    return told


def stdin(monkeypatch: pytest.MonkeyPatch, data: bytes) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))


# ------------------------------------------------------------------------------- what is printed


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=str)
def test_every_endpoint_can_be_called_by_its_name(
    endpoint: Endpoint, cli: Cli, answered: dict[str, Any]
) -> None:
    document = catalogue.reply(endpoint)
    answered["body"] = json.dumps(document).encode()
    body = catalogue.fullest(endpoint)

    result = cli("call", endpoint.name, "--sandbox", "--json", json.dumps(body))

    assert result.code == 0, result.err
    assert json.loads(result.out) == document["data"]
    (sent,) = answered["sent"]
    assert (sent.method, sent.path) == (endpoint.method, endpoint.path)
    if endpoint.method == "POST":
        assert json.loads(sent.body) == body


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=str)
def test_every_endpoint_is_answered_by_the_stand_in(endpoint: Endpoint, cli: Cli) -> None:
    body = json.dumps(catalogue.smallest(endpoint))
    result = cli("call", endpoint.name, "--sandbox", "--json", body)

    # The ids are made up: some of them the stand-in does not know.
    assert result.code in {0, 1}, result.err
    if result.code == 0:
        json.loads(result.out)
    else:
        assert result.err.startswith("pubrio-async: error: ")
        assert "404" in result.err or "400" in result.err


def test_nothing_is_lost_between_the_reply_and_stdout(cli: Cli, answered: dict[str, Any]) -> None:
    data = b'{"credit":12345678901234567890123,"new":[1.10,null],"name":"\xe2\x80\xa8\xc3\xa9"}'
    answered["body"] = b'{"metadata":{},"data":%s}' % data

    result = cli("call", "user.get", "--sandbox")

    assert result.code == 0, result.err
    assert json.loads(result.out) == json.loads(data)
    assert "12345678901234567890123" in result.out
    assert "1.10" in result.out
    assert "\\u2028" in result.out
    assert "é" in result.out


def test_what_a_terminal_would_obey_is_escaped(cli: Cli, answered: dict[str, Any]) -> None:
    answered["body"] = json.dumps({"data": "\x9b31m\x7f\u202e"}, ensure_ascii=False).encode()
    result = cli("call", "user.get", "--sandbox")
    assert result.out == '"\\u009b31m\\u007f\\u202e"\n'


@pytest.mark.parametrize(
    ("body", "out"),
    [
        (b'{"name": "whole"}', '{\n  "name": "whole"\n}\n'),
        (b"[1]", "[\n  1\n]\n"),
        (b'{"data": null}', "null\n"),
        (b'{"data": 7}', "7\n"),
    ],
)
def test_a_reply_without_an_envelope_is_printed_whole(
    body: bytes, out: str, cli: Cli, answered: dict[str, Any]
) -> None:
    answered["body"] = body
    assert cli("call", "user.get", "--sandbox").out == out


def test_the_body_may_come_from_stdin(
    cli: Cli, answered: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    stdin(monkeypatch, json.dumps(PERSON).encode())
    result = cli("call", "redeem.people", "--sandbox", "--json", "-")
    assert result.code == 0, result.err
    assert json.loads(answered["sent"][0].body) == PERSON


def test_a_call_goes_to_the_api_of_the_environment(cli: Cli, api: Api) -> None:
    sandbox = api(credit=123)
    result = cli("call", "profile.get")
    assert result.code == 0, result.err
    assert json.loads(result.out)["credit"] == 123
    assert result.err == ""
    assert sandbox.statistics().requests == 1


# ------------------------------------------------------------------------------- what was charged


def test_what_a_paid_call_has_cost_is_said(cli: Cli, answered: dict[str, Any]) -> None:
    answered["body"] = json.dumps(catalogue.sample("redeem_people.response.json")).encode()
    result = cli("call", "redeem.people", "--sandbox", "--json", json.dumps(PERSON))
    assert result.err == "pubrio-async: 45 made-up credits charged, as reported\n"


def test_what_a_paid_call_has_really_cost(cli: Cli, api: Api) -> None:
    sandbox = api(work_share=1.0, phone_share=1.0)
    result = cli("call", "redeem.people", "--json", json.dumps(PERSON))
    assert result.code == 0, result.err
    cost = json.loads(result.out)["profile"]["total_credit_cost"]
    assert cost == sandbox.statistics().credits_charged > 0
    assert result.err == f"pubrio-async: {cost} credits charged, as reported\n"


def test_what_a_job_has_cost_is_not_what_the_poll_has_cost(
    cli: Cli, answered: dict[str, Any]
) -> None:
    document = catalogue.sample("redeem_people_batch_query.response.json")
    answered["body"] = json.dumps(document).encode()
    result = cli("call", "redeem.query", "--sandbox", "--json", f'{{"redeem_query_id": "{UUID}"}}')
    assert result.err == (
        "pubrio-async: 465 made-up credits charged for the whole job, as reported\n"
    )


@pytest.mark.parametrize(
    "data",
    [[], {"profile": 5}, {"profile": {"total_credit_cost": "4"}}, {"profile": {"credit": 4}}, 7],
)
def test_a_reply_that_does_not_tell_is_not_asked_twice(
    data: Any, cli: Cli, answered: dict[str, Any]
) -> None:
    answered["body"] = json.dumps({"data": data}).encode()
    result = cli("call", "user.get", "--sandbox")
    assert (result.code, result.err) == (0, "")


# -------------------------------------------------------------------------------------- the list


def test_the_list_is_tab_separated_in_a_pipe(cli: Cli) -> None:
    result = cli("call", "--list")
    assert result.code == 0, result.err
    rows = [line.split("\t") for line in result.out.splitlines()]
    assert rows == sorted(
        [endpoint.name, endpoint.method, endpoint.path, CREDITS[endpoint.spends_credits]]
        for endpoint in ENDPOINTS
    )


def test_the_list_is_a_table_on_a_terminal(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setattr(type(sys.stdout), "isatty", lambda self: True)
    result = cli("call", "--list")
    assert result.code == 0, result.err
    assert "\t" not in result.out
    assert "credits" in result.out.splitlines()[0]
    rows = [line.split() for line in result.out.splitlines()[1:]]
    assert rows == sorted(
        [endpoint.name, endpoint.method, endpoint.path, CREDITS[endpoint.spends_credits]]
        for endpoint in ENDPOINTS
    )


# ---------------------------------------------------------------------------------- what is wrong


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["redeme.people"], "redeem.people"),
        (["people.serch"], "people.search"),
        (["zzzzzzz"], "--list"),
        ([], "--list"),
        (["user.get", "--json", "{"], "not JSON"),
        (["user.get", "--json", ""], "not JSON"),
        (["user.get", "--json", "[1]"], "an object"),
        (["user.get", "--json", "null"], "an object"),
        (["user.get", "--json", "[" * 50_000], "--json"),
        (["user.get", "--json", '{"id": 1}'], "takes none"),
        (["profile.get", "--json", '{"profil_id": 1}'], "Did you mean profile_id?"),
        (["redeem.people"], "people_contact_types"),
        (["redeem.people", "--json", '{"people_contact_types": ["phone"]}'], "exactly one"),
        (["people.search", "--json", '{"per_page": 26}'], "per_page"),
        (["people.search_iter"], "people.search"),
        (["redeem.many"], "no endpoint"),
    ],
)
def test_a_wrong_call_is_refused_before_anything_is_sent(
    words: list[str], said: str, cli: Cli, answered: dict[str, Any]
) -> None:
    result = cli("call", *words, "--sandbox")
    assert result.code == 2, result.err
    assert said in result.err
    assert result.err.startswith("pubrio-async: error: ")
    assert result.err.count("\n") == 1
    assert result.out == ""
    assert answered["sent"] == []


@pytest.mark.parametrize("body", [b"\xff", b"", b"{", b"[]", b'{"a": "\xff"}'])
def test_a_wrong_body_from_stdin(
    body: bytes, cli: Cli, answered: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    stdin(monkeypatch, body)
    result = cli("call", "user.get", "--sandbox", "--json", "-")
    assert result.code == 2, result.err
    assert "--json" in result.err
    assert answered["sent"] == []


def test_a_body_that_cannot_be_read(
    cli: Cli, answered: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Broken(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            raise OSError(5, "Input/output error")

    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(Broken()))
    result = cli("call", "user.get", "--sandbox", "--json", "-")
    assert result.code == 2, result.err
    assert "Input/output error" in result.err
    assert answered["sent"] == []


def test_without_a_key(cli: Cli) -> None:
    result = cli("call", "profile.get")
    assert result.code == 2, result.err
    assert "PUBRIO_API_KEY" in result.err


@pytest.mark.parametrize(
    ("status", "code"),
    [(400, 1), (401, 5), (402, 4), (403, 1), (404, 1), (418, 1), (302, 1)],
)
def test_the_exit_code_of_a_refusal(
    status: int, code: int, cli: Cli, answered: dict[str, Any]
) -> None:
    answered |= {"status": status, "body": b'{"error": "said\\nthe API"}'}
    result = cli("call", "profile.get", "--sandbox")
    assert result.code == code
    assert "said the API" in result.err
    assert str(status) in result.err
    assert result.out == ""


def test_a_success_that_is_not_understood_is_printed_all_the_same(
    cli: Cli, answered: dict[str, Any]
) -> None:
    answered["body"] = b'{"data": {"peoples": "none", "profile": {"total_credit_cost": 5}}}'
    result = cli("call", "redeem.people", "--sandbox", "--json", json.dumps(PERSON))
    assert result.code == 1
    assert json.loads(result.out)["peoples"] == "none"
    assert "5 made-up credits charged" in result.err
    assert "could not be read" in result.err


@pytest.mark.parametrize("body", [b"", b"<html>", b'{"data": "\xff"}', b"[" * 100_000])
def test_a_success_that_is_no_json_is_not(body: bytes, cli: Cli, answered: dict[str, Any]) -> None:
    answered["body"] = body
    result = cli("call", "redeem.people", "--sandbox", "--json", json.dumps(PERSON))
    assert result.code == 1, result.err
    assert "could not be read" in result.err


def test_a_reader_that_has_gone(
    cli: Cli, answered: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Gone(io.BytesIO):
        def flush(self) -> None:
            raise BrokenPipeError(32, "Broken pipe")

        def fileno(self) -> int:
            return nowhere.fileno()

    class Stdout:
        buffer = Gone()

    with open("/dev/null", "wb") as nowhere:
        monkeypatch.setattr(sys, "stdout", Stdout())
        assert _call.call("user.get", None, sandbox=True) == 1


def test_interrupted_while_the_api_works(cli: Cli, answered: dict[str, Any]) -> None:
    # The signal comes when the request is out; the paid call is then allowed to end.
    answered["status"] = None
    answered["body"] = json.dumps(catalogue.sample("redeem_people.response.json")).encode()
    result = cli("call", "redeem.people", "--sandbox", "--json", json.dumps(PERSON))
    assert result.code == 130, result.err
    assert json.loads(result.out)["profile"]["total_credit_cost"] == 45
    assert "interrupted" in result.err


def test_interrupted_while_the_body_is_typed(
    cli: Cli, answered: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Interrupted(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            signal.raise_signal(signal.SIGINT)
            return b""

    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(Interrupted()))
    result = cli("call", "user.get", "--sandbox", "--json", "-")
    assert result.code == 130, result.err
    assert result.err == "pubrio-async: interrupted; nothing was lost\n"
    assert answered["sent"] == []


def test_the_api_s_own_words_are_one_line(cli: Cli, answered: dict[str, Any]) -> None:
    answered |= {"status": 400, "body": msgspec.json.encode({"message": "\x1b[31m\nred"})}
    result = cli("call", "profile.get", "--sandbox")
    assert "\x1b" not in result.err
    assert result.err.count("\n") == 1
