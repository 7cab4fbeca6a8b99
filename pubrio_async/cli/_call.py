"""The command `call`: any endpoint by its name, and its reply as JSON.

What is printed is the `data` of the reply as it came, so that no field is lost, known or not.
"""

from __future__ import annotations

import asyncio
import difflib
import inspect
import sys
from collections.abc import Sequence
from operator import attrgetter
from typing import Any, get_type_hints

import msgspec
from msgspec import UNSET, Raw

from pubrio_async._capture import ResponseInfo
from pubrio_async._errors import ConfigurationError, PubrioError
from pubrio_async._observe import Observer
from pubrio_async._routes import ROUTES, Route
from pubrio_async.cli._exit import ExitCode, exit_code_of
from pubrio_async.cli._figures import print_out
from pubrio_async.cli._messages import harmless_json, say
from pubrio_async.cli._signals import Signals
from pubrio_async.cli._verbose import logged, observers
from pubrio_async.client import AsyncPubrio

_CREDITS = {True: "yes", False: "no", None: "unknown"}


def routes() -> dict[str, Route[Any]]:
    """Every endpoint by its name, in alphabetical order."""
    return dict(sorted(ROUTES.items()))


def show_endpoints() -> ExitCode:
    """Prints name, verb, path and whether it spends credits, of every endpoint."""
    rows = [
        (route.name, route.method, route.path, _CREDITS[route.spends_credits])
        for route in routes().values()
    ]
    if not sys.stdout.isatty():
        lines = "".join("\t".join(row) + "\n" for row in rows)
        return ExitCode.DONE if print_out(lines, "the endpoints") else ExitCode.UNEXPECTED
    # Only here: a fifth of a second that a pipe need not wait for.
    from rich.console import Console  # noqa: PLC0415
    from rich.table import Column, Table  # noqa: PLC0415

    path = Column("path", overflow="fold")  # a path that is cut cannot be read
    table = Table("name", "method", path, "credits", box=None, padding=(0, 1, 0, 0), pad_edge=False)
    for row in rows:
        table.add_row(*row)
    Console().print(table)
    return ExitCode.DONE


def call(name: str | None, body: str | None, *, sandbox: bool, verbose: bool = False) -> ExitCode:
    """Runs the command.

    Args:
        name: The endpoint, such as `people.search`.
        body: The fields of the request as a JSON object; `-` reads them from stdin.
        sandbox: Whether the local stand-in takes the place of the API.
        verbose: Whether requests are told of.

    Returns:
        The exit code. What there is to say has been said on stderr.
    """
    answers: list[ResponseInfo] = []
    route: Route[Any] | None = None
    failure: PubrioError | None = None
    interrupted = False
    with logged(verbose=verbose), Signals() as signals:
        try:
            route = _route(name)
            fields = _fields(route, body)
            asyncio.run(_call(route, fields, answers, signals, sandbox=sandbox, verbose=verbose))
        except (KeyboardInterrupt, asyncio.CancelledError):
            interrupted = True
        except PubrioError as error:
            failure = error
    answer = answers[-1] if answers else None
    # A success is printed whatever came after it: it may have been paid for.
    data = _data_of(answer)
    written = data is None or print_out(f"{harmless_json(data)}\n", "the reply")
    if data is not None:
        _tell_charge(data, made_up=sandbox)
    if failure is not None:
        say(f"error: {failure}")
        return exit_code_of(failure)
    if interrupted:
        lost = data is None and answer is not None and answer.attempts > 0
        charged = lost and route is not None and route.paid and not sandbox
        say(f"interrupted; {'it may have cost credits' if charged else 'nothing was lost'}")
        return ExitCode.INTERRUPTED
    return ExitCode.DONE if written else ExitCode.UNEXPECTED


async def _call(
    route: Route[Any],
    fields: dict[str, Any],
    answers: list[ResponseInfo],
    signals: Signals,
    *,
    sandbox: bool,
    verbose: bool,
) -> None:
    """Makes the call; what came back is in `answers` afterwards, even if it is interrupted."""
    task = asyncio.current_task()
    assert task is not None  # noqa: S101 - a coroutine runs in one
    signals.listen(first=task.cancel)
    told = observers(verbose=verbose)
    client = _sandbox_client(told) if sandbox else AsyncPubrio(observers=told)
    captured: list[ResponseInfo] = []
    try:
        async with client:
            method = attrgetter(route.name)(client)
            with client.capture() as captured:
                await method(**fields)
    finally:
        # Not before the client is closed: until then a call that was paid for may still end.
        answers += captured


def _sandbox_client(told: Sequence[Observer]) -> AsyncPubrio:
    # Only here: nobody else needs the stand-in.
    from pubrio_async.sandbox import Sandbox, SandboxConfig, SandboxTransport  # noqa: PLC0415

    transport = SandboxTransport(Sandbox(SandboxConfig()), latency=0.0)
    return AsyncPubrio("sandbox", transport=transport, observers=told)


# ---------------------------------------------------------------------------------- the request


def _route(name: str | None) -> Route[Any]:
    known = routes()
    if name is None:
        raise ConfigurationError("Name an endpoint, such as profile.get; --list shows them all.")
    route = known.get(name)
    if route is None:
        close = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
        meant = f" Did you mean {' or '.join(close)}?" if close else ""
        raise ConfigurationError(
            f"{name[:60]!r} is no endpoint.{meant} pubrio-async call --list shows them all."
        )
    return route


def _fields(route: Route[Any], body: str | None) -> dict[str, Any]:
    """The arguments of the method that are in a body."""
    fields = {} if body is None else _members(route, body)
    group, _, method = route.name.partition(".")
    taken = dict(inspect.signature(getattr(get_type_hints(AsyncPubrio)[group], method)).parameters)
    del taken["self"]
    for name in fields:
        if name not in taken:
            close = difflib.get_close_matches(name, taken, n=1)
            meant = (
                f"Did you mean {close[0]}?" if close else f"It takes {', '.join(taken) or 'none'}."
            )
            raise ConfigurationError(f"{route.name} has no field {name[:60]!r}. {meant}")
    # The rules of the request name what is missing better than Python would.
    missing = [one.name for one in taken.values() if one.default is inspect.Parameter.empty]
    return dict.fromkeys(missing, UNSET) | fields


def _members(route: Route[Any], body: str) -> dict[str, Any]:
    try:
        text = sys.stdin.buffer.read() if body == "-" else body.encode(errors="surrogateescape")
        return msgspec.json.decode(text, type=dict[str, Any])
    except OSError as error:
        msg = f"stdin cannot be read: {error.strerror or error}."
    except msgspec.ValidationError:
        msg = f"--json: the fields of {route.name} are given as an object, such as {{}}."
    except (ValueError, RecursionError) as error:
        problem = "it is not valid UTF-8" if isinstance(error, UnicodeError) else error
        msg = f"--json is not JSON: {problem}."
    raise ConfigurationError(msg)


# ------------------------------------------------------------------------------------ the reply


def _data_of(answer: ResponseInfo | None) -> str | None:
    """The `data` of a success, made readable, or all of it where there is none; else None."""
    if answer is None or answer.status is None or not 200 <= answer.status < 300:
        return None
    whole = answer.body or b"null"
    try:
        data: bytes | Raw = msgspec.json.decode(whole, type=dict[str, Raw]).get("data", whole)
    except (ValueError, RecursionError):
        data = whole  # no object, perhaps no JSON at all
    try:
        return msgspec.json.format(bytes(data)).decode()
    except (ValueError, RecursionError):
        return None


class _Charge(msgspec.Struct):
    total_credit_cost: int | float | None = None
    total_charged_credit: int | float | None = None


class _Charged(msgspec.Struct):
    profile: _Charge | None = None


def _tell_charge(data: str, *, made_up: bool) -> None:
    """Says what the call has cost, where the reply tells."""
    try:
        charge = msgspec.json.decode(data, type=_Charged).profile
    except msgspec.ValidationError:
        return
    if charge is None:
        return
    what = "made-up credits" if made_up else "credits"
    if charge.total_credit_cost is not None:
        say(f"{charge.total_credit_cost:,g} {what} charged, as reported")
    elif charge.total_charged_credit is not None:
        say(f"{charge.total_charged_credit:,g} {what} charged for the whole job, as reported")
