"""The loop of the simulated process: virtual time, counted turns, and an end in the middle."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from typing import Any, NoReturn, TypeVar, TypeVarTuple

from pubrio_async.testing import VirtualClock, VirtualTimeLoop
from tests.simulation.plan import Crash

_T = TypeVar("_T")
_Ts = TypeVarTuple("_Ts")

_MOST_TURNS = 150_000


class BrokenPromiseError(AssertionError):
    """The simulation has found a promise broken."""


def check(holds: object, promise: str) -> None:
    """Raises unless it holds."""
    if not holds:
        raise BrokenPromiseError(promise)


async def never() -> NoReturn:
    """Waits for what does not come: whoever is dead goes no further."""
    await asyncio.get_running_loop().create_future()
    raise AssertionError


class _Task(asyncio.Task[Any]):
    """A task that hashes by its number: sets of tasks have the same order every time."""

    number = 0

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        _Task.number += 1
        self._number = _Task.number
        super().__init__(*args, **kwargs)

    def __hash__(self) -> int:
        return self._number


class CountingLoop(VirtualTimeLoop):
    """A virtual loop that counts its turns, and can let everything on it die."""

    def __init__(self) -> None:
        super().__init__()
        self.turns = 0
        self.on_turn: Callable[[], None] | None = None
        self.noises: list[str] = []
        self._first_task = 0
        self.set_task_factory(lambda loop, coro, **kwargs: _Task(coro, loop=loop, **kwargs))
        self.set_exception_handler(self._heard)

    def run_in_executor(
        self, executor: Executor | None, func: Callable[[*_Ts], _T], *args: *_Ts
    ) -> asyncio.Future[_T]:
        """Runs a function in a thread, or where a stand-in for one says."""
        perform: Callable[..., asyncio.Future[_T]] | None = getattr(executor, "perform", None)
        if perform is not None:
            return perform(func, *args)
        return super().run_in_executor(executor, func, *args)

    def _run_once(self) -> None:
        self.turns += 1
        if self.turns > _MOST_TURNS:
            raise BrokenPromiseError("it does not come to an end")
        if self.on_turn is not None:
            self.on_turn()
        super()._run_once()  # type: ignore[misc] # the loop's one turn

    def forget_timers(self) -> None:
        """Nothing that was set to happen will happen."""
        for handle in self._scheduled:  # type: ignore[attr-defined]
            handle.cancel()

    def new_life(self) -> None:
        """What the tasks of earlier lives have left unsaid is heard no more."""
        self._first_task = _Task.number

    def _heard(self, _loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        task = context.get("task") or context.get("future")
        if isinstance(task, _Task) and hash(task) <= self._first_task:
            return
        self.noises.append(f"{context.get('message')}: {context.get('exception')!r}")


class WallClock(VirtualClock):
    """A clock whose date somebody sets forward and back; only `now` can be relied on."""

    offset = 0.0

    def wall(self) -> float:
        """The date, as far as this machine knows."""
        return super().wall() + self.offset


class Fate:
    """Whether the process of one life is still alive."""

    def __init__(self, crash: Crash | None, loop: CountingLoop) -> None:
        self.crash = crash
        self.dead = False
        self.died: asyncio.Future[None] = loop.create_future()
        self._loop = loop
        self._steps = 0
        self._writes = 0
        self.story: list[str] = []
        if crash is not None and crash.at == "instant":
            loop.call_later(crash.number, self.die)
        elif crash is not None and crash.at == "turn":
            self._last_turn = loop.turns + crash.number
            loop.on_turn = self._turn

    def die(self) -> None:
        """From now on nothing of this life has an effect."""
        if not self.dead:
            self.dead = True
            self.tell("the process dies")
            self._loop.on_turn = None
            self._loop.forget_timers()
            self.died.set_result(None)

    def over(self) -> None:
        """The life ended before its crash."""
        self._loop.on_turn = None
        self._loop.forget_timers()

    def tell(self, what: str) -> None:
        """Keeps what happened, for whoever looks at a seed."""
        self.story.append(f"{self._loop.time():10.3f} {what}")

    def steps_now(self, *, writes: bool) -> bool:
        """Counts a step of the journal; True if it is the fatal one."""
        self._steps += 1
        self._writes += writes
        crash = self.crash
        if crash is None or self.dead:
            return False
        if crash.at == "write":
            return writes and self._writes == crash.number
        return crash.at == "journal" and self._steps == crash.number

    def _turn(self) -> None:
        if self._loop.turns >= self._last_turn:
            self.die()
