"""Virtual time: an event loop whose clock jumps to the next timer instead of waiting for it.

An hour of polling takes milliseconds, at the same instants every time. Time moves only when
nothing else can happen:

- something is ready (a callback, a socket): it runs, and no time passes;
- a thread of an executor is at work: the loop waits for it in real time, and no time passes;
- sockets are open: the kernel gets a moment of real time to hand over bytes under way;
- only then the clock jumps to the next timer. Without one nothing can ever happen again, and
  the loop raises `DeadlockError` instead of hanging.

What only the process itself sees is deterministic; a peer in another process is waited for
inside `VirtualTimeLoop.frozen`.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import selectors
from collections.abc import Callable, Coroutine, Generator, Mapping
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextvars import Context
from typing import TYPE_CHECKING, Any, TypeVar, TypeVarTuple

if TYPE_CHECKING:
    from _typeshed import FileDescriptorLike

_T = TypeVar("_T")
_Ts = TypeVarTuple("_Ts")
_Ready = list[tuple[selectors.SelectorKey, int]]

EPOCH = 1_735_689_600.0
"""The Unix time at which virtual time starts: 2025-01-01T00:00:00Z."""


class DeadlockError(RuntimeError):
    """Tasks are waiting, and nothing is left that could ever wake them."""


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """An event loop whose time starts at 0 and jumps from timer to timer.

    Args:
        grace: Seconds of real time given to open sockets before each jump.
        patience: Seconds of real time after which a thread, or a socket nobody has set a timer
            for, is held to be stuck.
    """

    def __init__(self, *, grace: float = 0.001, patience: float = 30.0) -> None:
        self._now = 0.0
        self._grace = grace
        self._patience = patience
        self._at_work = 0
        self._pool: ThreadPoolExecutor | None = None
        self._sockets = _Selector(self._wait)
        super().__init__(self._sockets)
        # The base class runs the timers due before now + resolution. One step of the float makes
        # that: due now. A fixed nanosecond would be early near 0, and far from it never come.
        self._clock_resolution = math.ulp(self._now)
        self._own_sockets = len(self._sockets.get_map())  # the loop's wake-up pipe

    def time(self) -> float:
        """Virtual seconds since the loop was made."""
        return self._now

    def call_at(
        self,
        when: float,
        callback: Callable[[*_Ts], object],
        *args: *_Ts,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        """Calls a function at a time; one that is set for ever after is nothing to wait for."""
        if when == math.inf:
            return asyncio.TimerHandle(when, callback, args, self, context)
        return super().call_at(when, callback, *args, context=context)

    @contextlib.contextmanager
    def frozen(self) -> Generator[None]:
        """Holds the clock: inside, the loop waits in real time for what it cannot see."""
        self._at_work += 1
        try:
            yield
        finally:
            self._at_work -= 1

    def set_default_executor(self, executor: ThreadPoolExecutor) -> None:  # type: ignore[override]
        """Sets the executor used where none is named."""
        super().set_default_executor(executor)
        self._pool = executor

    def run_in_executor(
        self,
        executor: Executor | None,
        func: Callable[[*_Ts], _T],
        *args: *_Ts,
    ) -> asyncio.Future[_T]:
        """Runs a function in a thread; time stands still until it has returned."""
        if self.is_closed():
            raise RuntimeError("Event loop is closed")
        if executor is None:
            executor = self._pool or ThreadPoolExecutor(thread_name_prefix="virtual-time")
            self.set_default_executor(executor)
        work = executor.submit(func, *args)
        future = asyncio.wrap_future(work, loop=self)
        self._at_work += 1
        # Added after wrap_future's own callback: the result is on its way before the clock is let
        # go. Cancelling `future` does not end the thread, so it is `work` that is watched.
        work.add_done_callback(self._work_done)
        return future

    def _work_done(self, _work: Future[Any]) -> None:
        with contextlib.suppress(RuntimeError):  # the loop was closed under the thread
            self.call_soon_threadsafe(self._let_go)

    def _let_go(self) -> None:
        self._at_work -= 1

    async def shutdown_default_executor(self, timeout: float | None = None) -> None:  # noqa: ARG002 - as the base class has it
        """Waits for the threads in real time, as long as they need; `timeout` is not used."""
        with self.frozen():
            await super().shutdown_default_executor()

    def _wait(self, select: Callable[[float], _Ready], timeout: float | None) -> _Ready:
        ready = select(0)
        if ready or timeout == 0:
            return ready
        if self._at_work:
            ready = select(self._patience)
            if not ready:
                raise DeadlockError(
                    f"deadlock: a thread has been at work for {self._patience:g} s of real time; "
                    + self._waiting()
                )
            return ready
        if len(self._sockets.get_map()) > self._own_sockets:
            ready = select(self._patience if timeout is None else self._grace)
            if ready:
                return ready
        if timeout is None:
            raise DeadlockError("deadlock: nothing left to wait for; " + self._waiting())
        # Asked to wait until the first timer, or for a day if that is nearer. Not by adding up: the
        # sum of two floats may lie beside the time that is meant.
        timers: list[asyncio.TimerHandle] = vars(self)["_scheduled"]
        first = timers[0].when()
        self._now = first if first - self._now <= timeout else self._now + timeout
        self._clock_resolution = math.ulp(self._now)
        return []

    def _waiting(self) -> str:
        names = sorted(
            f"{task.get_name()} ({getattr(task.get_coro(), '__qualname__', '?')})"
            for task in asyncio.all_tasks(self)
        )
        return "waiting: " + (", ".join(names) or "no task")


class _Selector(selectors.BaseSelector):
    """The machine's own selector, except that somebody else decides how long it waits."""

    def __init__(self, wait: Callable[[Callable[[float], _Ready], float | None], _Ready]) -> None:
        self._inner = selectors.DefaultSelector()
        self._wait = wait

    def register(
        self, fileobj: FileDescriptorLike, events: int, data: Any = None
    ) -> selectors.SelectorKey:
        return self._inner.register(fileobj, events, data)

    def unregister(self, fileobj: FileDescriptorLike) -> selectors.SelectorKey:
        return self._inner.unregister(fileobj)

    def modify(
        self, fileobj: FileDescriptorLike, events: int, data: Any = None
    ) -> selectors.SelectorKey:
        return self._inner.modify(fileobj, events, data)

    def select(self, timeout: float | None = None) -> _Ready:
        return self._wait(self._inner.select, timeout)

    def get_map(self) -> Mapping[FileDescriptorLike, selectors.SelectorKey]:
        return self._inner.get_map()

    def close(self) -> None:
        self._inner.close()


class VirtualClock:
    """The clock that goes with a `VirtualTimeLoop`.

    Args:
        loop: The loop whose time is told; None for the one that runs.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop | None = None) -> None:
        self._loop = loop

    def now(self) -> float:
        """Seconds of the loop's time."""
        return (self._loop or asyncio.get_running_loop()).time()

    def wall(self) -> float:
        """Seconds since the Unix epoch: the loop's time, counted from `EPOCH`."""
        return EPOCH + self.now()


def run_virtual(main: Coroutine[Any, Any, _T], *, debug: bool | None = None) -> _T:
    """Runs a coroutine to its end in virtual time, like `asyncio.run`.

    Args:
        main: The coroutine.
        debug: Whether to run the loop in debug mode; None for the environment's choice.

    Returns:
        What the coroutine returned.

    Raises:
        DeadlockError: Nothing was left that could have woken it.
    """
    with asyncio.Runner(debug=debug, loop_factory=VirtualTimeLoop) as runner:
        return runner.run(main)
