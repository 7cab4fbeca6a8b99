"""The command `worker`: one of many processes that redeem what is in the queue."""

from __future__ import annotations

from collections.abc import Coroutine
from contextlib import ExitStack
from typing import Any

from msgspec import Struct

from pubrio_async._errors import AuthenticationError, PermissionDeniedError
from pubrio_async.cli._database import need_extra
from pubrio_async.cli._exit import ExitCode
from pubrio_async.cli._figures import many
from pubrio_async.cli._messages import credits_of, say, why_stopped
from pubrio_async.cli._options import (
    DEFAULT_MAX_CONCURRENCY,
    DEFAULT_STALLED_S,
)
from pubrio_async.cli._runs import run_command
from pubrio_async.cli._signals import Signals
from pubrio_async.cli._verbose import observers

_HEARTBEATS = 4


class WorkerOptions(Struct, frozen=True, kw_only=True):
    """What `worker` was asked to do.

    Attributes:
        to: The database.
        concurrency: Chunks at once; None for as many as keep the limits busy.
        rate: Rate limits in words, where they were given.
        limit_name: What the shared limits are called; None for the API's URL.
        max_concurrency: Most requests in flight at once.
        until_done: Whether to end when nothing is left to do.
        stalled_after: Seconds after which a worker that is not heard of is taken for dead.
        verbose: Whether requests and batches are told of.
    """

    to: str
    concurrency: int | None = None
    rate: str | None = None
    limit_name: str | None = None
    max_concurrency: int = DEFAULT_MAX_CONCURRENCY
    until_done: bool = False
    stalled_after: float = DEFAULT_STALLED_S
    verbose: bool = False


def worker(options: WorkerOptions) -> ExitCode:
    """Runs the command: until a signal, which ends it in good order, or until all is done.

    Args:
        options: What was asked for.

    Returns:
        The exit code. Everything there is to say has been said on stderr.
    """

    def command(signals: Signals, stack: ExitStack) -> Coroutine[Any, Any, ExitCode]:
        del stack
        need_extra()
        return _work(options, signals)

    code = run_command(command, verbose=options.verbose)
    # A signal that comes before there is anything to end is one to end, too.
    return ExitCode.DONE if code is ExitCode.INTERRUPTED else code


async def _work(options: WorkerOptions, signals: Signals) -> ExitCode:
    from pubrio_async.distributed.worker import Worker  # noqa: PLC0415 - an extra

    working = Worker(
        options.to,
        rate_limit=options.rate,
        limit_name=options.limit_name,
        concurrency=options.concurrency,
        max_concurrency=options.max_concurrency,
        observers=observers(verbose=options.verbose),
        heartbeat_s=options.stalled_after / _HEARTBEATS,
        stalled_s=options.stalled_after,
    )

    def stop() -> None:
        say("ending, which takes a moment; once more ends at once")
        working.stop()

    signals.listen(first=stop)
    say(f"working on the queue, at most {working.concurrency:,} chunks of people at once")
    code = ExitCode.DONE
    try:
        await working.run(until_done=options.until_done)
    except (AuthenticationError, PermissionDeniedError) as error:
        say(why_stopped(error))
        code = ExitCode.KEY_REFUSED
    done = working.report
    figures = done.figures
    say(
        f"{many(done.done, 'chunk')} done, {done.given_back:,} given back, "
        f"{done.stopped:,} stopped: {figures.found:,} found, "
        f"{figures.empty:,} empty, {figures.rejected:,} rejected; "
        f"{credits_of(figures.credits_charged)} credits charged, as reported; "
        f"{many(figures.requests, 'request')} ({many(figures.batches, 'batch', 'es')}, "
        f"{many(figures.polls, 'poll')}, "
        f"{figures.rate_limited:,} refused by the rate limit)"
    )
    return code
