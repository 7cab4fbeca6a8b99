"""The command `export`: the rows of a run, with what the workers have found so far."""

from __future__ import annotations

from collections.abc import Coroutine
from contextlib import ExitStack
from typing import Any

from pubrio_async._errors import ConfigurationError
from pubrio_async.cli._database import need_extra
from pubrio_async.cli._exit import ExitCode, exit_code
from pubrio_async.cli._messages import by_status, rows_in_words, say
from pubrio_async.cli._runs import cancel_at_signal, run_command
from pubrio_async.cli._signals import Signals
from pubrio_async.tables import open_sink


def export(run: str, output: str | None, url: str) -> ExitCode:
    """Runs the command.

    Args:
        run: What the run is called.
        output: The output; None for stdout.
        url: The database.

    Returns:
        The exit code. What is not the output itself has been said on stderr.
    """

    def command(signals: Signals, stack: ExitStack) -> Coroutine[Any, Any, ExitCode]:
        need_extra()
        return _export(run, output, url, signals, stack)

    return run_command(command)


async def _export(
    run: str, output: str | None, url: str, signals: Signals, stack: ExitStack
) -> ExitCode:
    from pubrio_async.distributed import results  # noqa: PLC0415 - an extra
    from pubrio_async.distributed.store import Store  # noqa: PLC0415 - likewise

    cancel_at_signal(signals)
    async with Store(url, connections=1) as store:
        opened = await results.open_export(store, run)
        sink = open_sink(output, opened.source, opened.contact_types)
        stack.callback(sink.discard)
        try:
            async for outcome in results.export(store, opened):
                sink.write(outcome)
            sink.close()
        except (OSError, ConfigurationError) as error:
            say(f"error: the output could not be written: {error}")
            return ExitCode.UNEXPECTED
    report = opened.report
    if not opened.is_whole:
        say("the input of the run is not read to its end: the same enqueue goes on with it")
    say(f"{rows_in_words(report.rows)}: {by_status(report)}")
    if output is not None:
        say(f"output: {output}")
    return exit_code(report, None, interrupted=False)
