"""The pytest plugin of pubrio-async: two fixtures and two markers, see docs/testing.md.

It is loaded in every pytest run of everybody who has the package installed. So it lies outside
the package, whose import would cost each of them a fifth of a second, and imports nothing but
pytest: what a test needs is loaded by the first test that needs it.
"""

from __future__ import annotations

import inspect
from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pubrio_async.testing import PubrioMemory, PubrioSandbox

_VIRTUAL = "pubrio_virtual_time"
_SETTINGS = "pubrio_sandbox"
_MARKERS = (
    f"{_VIRTUAL}: run this async test on an event loop whose clock jumps to the next timer",
    f"{_SETTINGS}(**fields of SandboxConfig): settings of `pubrio_sandbox` or `pubrio_memory`",
)
_OLD_PYTEST_ASYNCIO = (
    "Virtual time needs pytest-asyncio 1.4 or newer. With an older one, write a test without "
    "`async` and call `pubrio_async.testing.run_virtual(scenario())` in it."
)


@pytest.fixture
def pubrio_sandbox(request: pytest.FixtureRequest) -> Iterator[PubrioSandbox]:
    """A `PubrioSandbox` that listens; `AsyncPubrio()` without arguments speaks to it."""
    from pubrio_async.testing import PubrioSandbox  # noqa: PLC0415 - see the top

    with PubrioSandbox(**_settings(request)) as sandbox, sandbox.installed():
        yield sandbox


@pytest.fixture
def pubrio_memory(request: pytest.FixtureRequest) -> Iterator[PubrioMemory]:
    """A `PubrioMemory`; async tests with it run in virtual time, and all clients speak to it."""
    from pubrio_async.testing import PubrioMemory  # noqa: PLC0415 - see the top

    with PubrioMemory(**_settings(request)).installed() as memory:
        yield memory


def pytest_configure(config: pytest.Config) -> None:
    """Makes the markers known."""
    for marker in _MARKERS:
        config.addinivalue_line("markers", marker)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_generate_tests(metafunc: pytest.Metafunc) -> Generator[None, Any, Any]:
    """Has pytest-asyncio and anyio run the tests in question on a `VirtualTimeLoop`."""
    if not _is_virtual(metafunc.definition, metafunc.fixturenames):
        return (yield)
    if "anyio_backend" in metafunc.fixturenames:
        from pubrio_async.testing import VirtualTimeLoop  # noqa: PLC0415 - see the top

        backend = ("asyncio", {"loop_factory": VirtualTimeLoop})
        metafunc.definition.add_marker(
            pytest.mark.parametrize("anyio_backend", [backend], ids=["virtual"], scope="module")
        )
        return (yield)
    # Only while it is asked about this test: once there is such a hook, pytest-asyncio wants an
    # answer from it for every test there is.
    manager = metafunc.config.pluginmanager
    manager.register(_LoopFactories, _LoopFactories.__name__)
    try:
        return (yield)
    finally:
        manager.unregister(_LoopFactories)


def pytest_collection_finish(session: pytest.Session) -> None:
    """Has pytest-asyncio look before each test whether a loop it has kept is of the right kind."""
    # It does so if there is such a hook, which nobody asks any more once all tests are there.
    if any(_is_virtual(item, getattr(item, "fixturenames", ())) for item in session.items):
        session.config.pluginmanager.register(_LoopFactories, _LoopFactories.__name__)


class _LoopFactories:
    """Says to pytest-asyncio which loop it is to make."""

    @staticmethod
    @pytest.hookimpl(optionalhook=True, tryfirst=True)
    def pytest_asyncio_loop_factories() -> dict[str, Any]:
        from pubrio_async.testing import VirtualTimeLoop  # noqa: PLC0415 - see the top

        return {"virtual": VirtualTimeLoop}


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Refuses what would run in real time, with all its waiting."""
    asked = getattr(item.config.hook, _LoopFactories.pytest_asyncio_loop_factories.__name__, None)
    if (
        _is_virtual(item, getattr(item, "fixturenames", ()))
        and type(item).__module__.partition(".")[0] == "pytest_asyncio"
        and not (asked is not None and asked.has_spec())
    ):
        pytest.fail(_OLD_PYTEST_ASYNCIO, pytrace=False)


def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Runs the async tests that nobody else runs."""
    if not (
        inspect.iscoroutinefunction(pyfuncitem.obj)
        and _is_virtual(pyfuncitem, pyfuncitem.fixturenames)
    ):
        return None
    from pubrio_async.testing import run_virtual  # noqa: PLC0415 - see the top

    given = pyfuncitem.funcargs
    names = given.keys() & inspect.signature(pyfuncitem.obj).parameters.keys()
    run_virtual(pyfuncitem.obj(**{name: given[name] for name in names}))
    return True


def _is_virtual(item: pytest.Item, fixtures: Any) -> bool:
    return "pubrio_memory" in fixtures or item.get_closest_marker(_VIRTUAL) is not None


def _settings(request: pytest.FixtureRequest) -> dict[str, Any]:
    """What the markers say; the closest one has the last word."""
    settings: dict[str, Any] = {}
    for marker in reversed(list(request.node.iter_markers(_SETTINGS))):
        if marker.args:
            raise pytest.UsageError(f"the marker {_SETTINGS} takes settings by name only")
        settings.update(marker.kwargs)
    return settings
