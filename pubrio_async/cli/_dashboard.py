"""`--dashboard`: a page with live plots beside `redeem`, if it is asked for."""

from __future__ import annotations

from collections.abc import Coroutine, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, TypeVar

from pubrio_async._config import is_loopback
from pubrio_async.cli._help import HelpfulCommand
from pubrio_async.cli._messages import say
from pubrio_async.cli._options import RedeemOptions

if TYPE_CHECKING:
    # Not at run time: --help needs none of it.
    from pubrio_async._observe import Observer
    from pubrio_async.dashboard import Dashboard
    from pubrio_async.scheduler import Run

_T = TypeVar("_T")
_FLAG = "--dashboard"


class RedeemCommand(HelpfulCommand):
    """A command whose `--dashboard` may stand without a port."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Takes in the words of the command line."""
        parsed: list[str] = super().parse_args(ctx, with_port(args))
        return parsed


def with_port(words: Sequence[str]) -> list[str]:
    """A command line whose `--dashboard` has a port: 0, for any, where it had none."""
    given: list[str] = []
    for place, word in enumerate(words):
        if word == "--":
            return [*given, *words[place:]]
        following = words[place + 1] if place + 1 < len(words) else ""
        bare = word == _FLAG and not (following.isascii() and following.isdigit())
        given.append(f"{_FLAG}=0" if bare else word)
    return given


class Board:
    """The dashboard of a run of the command; does nothing where none was asked for.

    Args:
        options: What was asked for.
        stack: Lets go of the port when it is left.

    Raises:
        ConfigurationError: The port cannot be had.
    """

    def __init__(self, options: RedeemOptions, stack: ExitStack) -> None:
        self._dashboard: Dashboard | None = None
        self._trouble: str | None = None
        self._is_open = False
        if options.dashboard is None:
            return
        # Only here: it brings a web server along.
        from pubrio_async.dashboard import Dashboard  # noqa: PLC0415

        host = options.dashboard_host or "127.0.0.1"
        dashboard = Dashboard(
            max_credits=options.max_credits,
            rate_limit=options.rate,
            title="Redeem run (sandbox)" if options.sandbox else "Redeem run",
            host=host,
            port=options.dashboard,
        )
        dashboard.bind()
        stack.callback(dashboard.unbind)
        self._dashboard = dashboard
        self._is_open = not is_loopback(host)

    @property
    def observers(self) -> tuple[Observer, ...]:
        """Who is to be told of requests and batches."""
        return () if self._dashboard is None else (self._dashboard,)

    def watch(self, run: Run, total: int | None) -> None:
        """Shows this run.

        Args:
            run: The run.
            total: Rows of its input, where that is known.
        """
        if self._dashboard is not None:
            self._dashboard.watch(run, total_rows=total)

    def wrote(self, failure: str | None) -> None:
        """Takes in how the writing of files ended; what failed has been said on stderr."""
        if failure is not None:
            self._trouble = "The input, the output or the report failed. The terminal says which."

    async def beside(self, work: Coroutine[Any, Any, _T]) -> _T:
        """Serves the page while something is done.

        Args:
            work: What.

        Returns:
            What it returned.
        """
        if self._dashboard is None:
            return await work
        try:
            await self._dashboard.start()
        except BaseException:
            work.close()
            raise
        say(f"dashboard at {self._dashboard.url}")
        if self._is_open:
            say(
                "warning: whoever has this URL, or listens on the way, can watch the figures of "
                "the run; what is sent is not encrypted"
            )
        try:
            done = await work
        except BaseException as error:
            await self._dashboard.aclose(f"The program ended with {type(error).__name__}.")
            raise
        await self._dashboard.aclose(self._trouble)
        return done
