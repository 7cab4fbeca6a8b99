"""Many small cases in few tests: what pytest does for one test takes longer than most cases do.

`@together` above `@pytest.mark.parametrize` makes one test of all the cases of a group: those of
the endpoints that have their group in common. Each case that is `async` has a wire, or a mocked
network, and a client of its own; all are carried out whatever becomes of the others, and what went
wrong is raised at the end, with the name of its case on each error.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence, Sized
from contextlib import AsyncExitStack, contextmanager
from itertools import product
from typing import Any, Self

import pytest

from tests.aiomock import mocked_api, on_mocked_api
from tests.catalogue import Endpoint
from tests.memory_wire import MemoryWire, connected

_NEW_FOR_EACH = {"api", "wire", "pubrio"}


class CaseError(AssertionError):
    """What pytest raises is no `Exception`, and so in no group of them."""

    @classmethod
    def like(cls, error: BaseException) -> Self:
        """The same, with its traceback and notes."""
        failed = cls(str(error)).with_traceback(error.__traceback__)
        for note in error.__notes__:
            failed.add_note(note)
        return failed


def together(function: Callable[..., Any]) -> Callable[..., Any]:
    """Makes few tests of many: `-k` knows the groups, and errors name their cases."""
    marks: list[pytest.Mark] = vars(function).pop("pytestmark")
    groups: dict[str, dict[str, dict[str, Any]]] = {}
    for name, given in _cases([mark for mark in marks if mark.name == "parametrize"]):
        endpoint = given.get("endpoint")
        group = groups.setdefault(endpoint.group if isinstance(endpoint, Endpoint) else "all", {})
        group[f"{name}-{len(group)}" if name in group else name] = given
    wanted = _NEW_FOR_EACH & inspect.signature(function).parameters.keys()

    async def test_async(group: str) -> None:
        with _Collected(groups[group]) as collected:
            for name, given in groups[group].items():
                with collected.of(name):
                    await _carry_out(function, given, wanted)

    def test_sync(group: str) -> None:
        with _Collected(groups[group]) as collected:
            for name, given in groups[group].items():
                with collected.of(name):
                    function(**given)

    test: Callable[..., Any] = test_async if inspect.iscoroutinefunction(function) else test_sync
    for name in ("__name__", "__qualname__", "__module__", "__doc__"):
        setattr(test, name, getattr(function, name))
    vars(test)["pytestmark"] = [mark for mark in marks if mark.name != "parametrize"]
    return pytest.mark.parametrize("group", groups)(test)


async def _carry_out(
    function: Callable[..., Any], given: Mapping[str, Any], wanted: set[str]
) -> None:
    async with AsyncExitStack() as stack:
        new: dict[str, Any] = {}
        if "api" in wanted:
            new["api"] = stack.enter_context(mocked_api())
            client = on_mocked_api() if "pubrio" in wanted else None
        elif wanted:
            new["wire"] = MemoryWire()
            client = connected(new["wire"])
        if wanted and client is not None:
            new["pubrio"] = await stack.enter_async_context(client)
        await function(**given, **{name: new[name] for name in wanted})


class _Collected:
    """What goes wrong in some cases, until all of them have been carried out."""

    def __init__(self, cases: Sized) -> None:
        self._cases = len(cases)
        self._errors: list[Exception] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if self._errors and kind is None:
            raise ExceptionGroup(f"{len(self._errors)} of {self._cases} cases failed", self._errors)

    @contextmanager
    def of(self, name: str) -> Iterator[None]:
        try:
            yield
        except (Exception, pytest.fail.Exception) as error:  # noqa: BLE001 - raised at the end
            error.add_note(f"in the case {name}")
            self._errors.append(error if isinstance(error, Exception) else CaseError.like(error))


def _cases(marks: Sequence[pytest.Mark]) -> Iterator[tuple[str, dict[str, Any]]]:
    """The name and the arguments of each case that some marks make together."""
    for parts in product(*map(_of_one_mark, marks)):
        given = {name: value for _, values in parts for name, value in values.items()}
        yield "-".join(name for name, _ in parts), given


def _of_one_mark(mark: pytest.Mark) -> list[tuple[str, dict[str, Any]]]:
    names, rows = mark.args
    names = [names] if isinstance(names, str) else list(names)
    cases: list[tuple[str, dict[str, Any]]] = []
    for number, row in enumerate(rows):
        told = getattr(row, "id", None) if type(row) is type(pytest.param()) else None
        if type(row) is type(pytest.param()):
            values = row.values
        else:
            values = [row] if len(names) == 1 else row
        named = [_name(value) or str(number) for value in values]
        cases.append((told or "-".join(named), dict(zip(names, values, strict=True))))
    return cases


def _name(value: object) -> str | None:
    """What a value may be called; None for what is long, or has no short way to say it."""
    if isinstance(value, type):
        return value.__name__
    if value is None or isinstance(value, str | int | float | Endpoint):
        return f"{value}"[:60]
    return None
