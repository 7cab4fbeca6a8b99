from __future__ import annotations

import asyncio
import json
import signal
import socket
from typing import Any

import pytest

from pubrio_async.cli import _sandbox
from pubrio_async.sandbox import SandboxConfig, SandboxServer
from tests.cli.conftest import Cli


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> list[SandboxConfig]:
    """The configurations that were served; each is interrupted as soon as it listens."""
    configs: list[SandboxConfig] = []

    class Interrupted(SandboxServer):
        async def start(self) -> None:
            await super().start()
            configs.append(self.sandbox.config)
            asyncio.get_running_loop().call_soon(signal.raise_signal, signal.SIGINT)

    monkeypatch.setattr(_sandbox, "SandboxServer", Interrupted)
    return configs


def test_the_url_is_the_first_line_and_the_figures_come_at_the_end(
    cli: Cli, served: list[SandboxConfig]
) -> None:
    result = cli("sandbox")

    assert result.code == 0, result.err
    assert result.out.startswith("http://127.0.0.1:")
    assert result.out.count("\n") == 1
    told: dict[str, Any] = json.loads(result.err)
    assert told["regrets"]["refused_429"] == 0
    assert told["statistics"]["requests"] == 0
    assert len(served) == 1


def test_options_reach_the_sandbox(cli: Cli, served: list[SandboxConfig]) -> None:
    result = cli(
        "sandbox", "--host", "127.0.0.1", "--port", "0", "--seed", "9", "--limits", "5/second",
        "--credit", "3", "--latency", "0.5", "--time-scale", "2", "--max-batch", "50",
        "--fault", "429:/redeem:times=2", "--fault", "garbage",
    )  # fmt: skip

    assert result.code == 0, result.err
    assert served == [
        SandboxConfig(
            seed=9,
            limits="5/second",
            credit=3,
            latency=0.5,
            time_scale=2.0,
            max_batch=50,
            faults=("429:/redeem:times=2", "garbage"),
        )
    ]


@pytest.mark.parametrize(
    ("options", "word"),
    [
        (["--limits", "many"], "many"),
        (["--limits", "account"], "here there is none to ask. Write `300/minute`"),
        (["--limits", "5/second; Account"], "`business` are the limits of these plans"),
        (["--fault", "earthquake"], "earthquake"),
        (["--fault", "lost_after:/x:probability=7"], "probability must be between 0 and 1"),
        (["--host", "256.0.0.1"], "256.0.0.1"),
    ],
)
def test_what_cannot_be_served_is_refused(cli: Cli, options: list[str], word: str) -> None:
    result = cli("sandbox", *options)

    assert result.code == 2, result.err
    assert result.err.startswith("pubrio-async: error: ")
    assert word in result.err
    assert result.out == ""


def test_limits_are_not_recommended_that_it_refuses(cli: Cli) -> None:
    result = cli("sandbox", "--limits", "nope")

    assert result.code == 2, result.err
    assert "`free`, `growth` and `business`" in result.err
    assert "account" not in result.err


def test_a_port_that_is_taken(cli: Cli) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        result = cli("sandbox", "--port", taken.getsockname()[1])

    assert result.code == 2, result.err
    assert "cannot listen on 127.0.0.1" in result.err
