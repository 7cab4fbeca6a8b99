"""The pytest plugin as users have it: found by its entry point, in a pytest of its own."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytest_plugins = ["pytester"]

CODE = """
import asyncio
import sys

import pytest


def loop_is_virtual():
    return "Virtual" in type(asyncio.get_running_loop()).__name__


async def code_under_test(people):
    from pubrio_async import AsyncPubrio

    async with AsyncPubrio() as pubrio:
        async with pubrio.redeem.many(people, people_contact_types=["email-work"]) as run:
            return {outcome.person: str(outcome.status) async for outcome in run}
"""

SOCKET_AND_MEMORY = (
    CODE
    + """
class TestBoth:
    async def test_on_a_socket(self, pubrio_sandbox):
        ada, nobody = pubrio_sandbox.add_found(), pubrio_sandbox.add_empty()
        assert await code_under_test([ada, nobody]) == {ada: "found", nobody: "empty"}
        assert pubrio_sandbox.credits_charged == 5
        assert not loop_is_virtual()

    @pytest.mark.pubrio_sandbox(limits="3/hour")
    async def test_in_memory(self, client, pubrio_memory):
        pubrio, made_on = client
        await pubrio.profile.get()
        assert len(await code_under_test(pubrio_memory.people(1_000))) == 1_000
        assert made_on is asyncio.get_running_loop()
        assert loop_is_virtual()
        assert made_on.time() > 3_600
        assert pubrio_memory.regrets().double_charges == 0


async def test_time_is_real_where_nothing_else_is_said():
    assert not loop_is_virtual()


@pytest.mark.pubrio_virtual_time
@pytest.mark.parametrize("hours", [1, 1_000])
async def test_a_long_time_passes(hours):
    assert loop_is_virtual()
    await asyncio.sleep(3_600 * hours)


async def test_time_is_real_again():
    assert not loop_is_virtual()


@pytest.mark.pubrio_virtual_time
def test_a_mark_on_what_needs_none_does_no_harm():
    pass


@pytest.mark.pubrio_sandbox(credit=1)
class TestSettings:
    @pytest.mark.pubrio_sandbox(topup_credit=2)
    def test_come_from_all_marks(self, pubrio_sandbox):
        assert pubrio_sandbox.credits_left == 3
        [ada] = pubrio_sandbox.people(1)
        assert asyncio.run(code_under_test([ada])) == {ada: "failed"}  # e-mails cost 5
"""
)
KEPT_FIXTURE = """
@pytest.fixture(scope="session")
async def made_on():
    return asyncio.get_running_loop()


async def test_what_is_kept_is_made_on_the_loop_of_the_tests(made_on):
    assert made_on is asyncio.get_running_loop()


@pytest.mark.pubrio_virtual_time
async def test_and_made_anew_for_the_other_kind_of_loop(made_on):
    assert made_on is asyncio.get_running_loop()
    assert loop_is_virtual()


async def test_and_back(made_on):
    assert made_on is asyncio.get_running_loop()
    assert not loop_is_virtual()
"""
CLIENT = """
import asyncio

import {library}
from pubrio_async import AsyncPubrio


@{library}.fixture
async def client(pubrio_memory):
    async with AsyncPubrio() as pubrio:
        yield pubrio, asyncio.get_running_loop()
"""


def run(pytester: pytest.Pytester, *plugins: str) -> pytest.RunResult:
    """Runs pytest with these plugins only, each found by the name it has as an entry point."""
    with pytest.MonkeyPatch.context() as patch:
        # All that is installed beside it would take longer to load than the tests to run.
        patch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
        # And nothing of it runs in this process.
        patch.delenv("COVERAGE_PROCESS_CONFIG", raising=False)
        return pytester.runpytest_subprocess(
            "-Werror",
            "--strict-markers",
            "-pno:cacheprovider",
            *(f"-p{name}" for name in ("pubrio_async", *plugins)),
            *(["-n1"] if "xdist" in plugins else []),
            timeout=60,
        )


def test_with_pytest_asyncio_in_auto_mode(pytester: pytest.Pytester) -> None:
    """One loop for the whole session, with tests of both kinds in turn."""
    pytester.makeini(
        "[pytest]\nasyncio_mode = auto\n"
        "asyncio_default_test_loop_scope = session\n"
        "asyncio_default_fixture_loop_scope = session\n"
    )
    pytester.makepyfile(CLIENT.format(library="pytest") + SOCKET_AND_MEMORY + KEPT_FIXTURE)
    run(pytester, "asyncio").assert_outcomes(passed=11)


def test_with_pytest_asyncio_in_strict_mode(pytester: pytest.Pytester) -> None:
    """A hook of the user's own goes on to say what other tests run on."""
    pytester.makeini("[pytest]\nasyncio_default_fixture_loop_scope = function")
    pytester.makeconftest(
        "import asyncio\n"
        "class Own(asyncio.SelectorEventLoop): pass\n"
        "def pytest_asyncio_loop_factories(): return {'own': Own}\n"
    )
    tests = SOCKET_AND_MEMORY + (
        "\nasync def test_the_hook_of_the_user_is_heard():\n"
        "    assert type(asyncio.get_running_loop()).__name__ == 'Own'\n"
    )
    marked = tests.replace("    async def", "    @pytest.mark.asyncio\n    async def")
    marked = marked.replace("\nasync def test", "\n@pytest.mark.asyncio\nasync def test")
    pytester.makepyfile(CLIENT.format(library="pytest_asyncio") + marked)
    run(pytester, "asyncio", "xdist").assert_outcomes(passed=9)


def test_with_anyio(pytester: pytest.Pytester) -> None:
    pytester.makeini("[pytest]\nanyio_mode = auto")
    pytester.makeconftest(
        "import pytest\n@pytest.fixture(scope='module')\ndef anyio_backend(): return 'asyncio'\n"
    )
    pytester.makepyfile(CLIENT.format(library="pytest") + SOCKET_AND_MEMORY)
    run(pytester, "anyio").assert_outcomes(passed=8)


def test_with_nothing_that_runs_async_tests(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        CODE
        + """
async def test_in_memory(pubrio_memory):
    ada = pubrio_memory.add_found()
    assert await code_under_test([ada]) == {ada: "found"}
    assert loop_is_virtual()


@pytest.mark.pubrio_virtual_time
class TestTime:
    async def test_passes(self, tmp_path, hours=1):
        await asyncio.sleep(3_600 * hours)


def test_plainly(pubrio_memory):
    from pubrio_async.testing import run_virtual

    assert len(run_virtual(code_under_test(pubrio_memory.people(500)))) == 500


@pytest.mark.pubrio_sandbox("credit")
def test_settings_have_names(pubrio_sandbox):
    pass


@pytest.mark.pubrio_virtual_time
async def test_what_can_never_happen_fails():
    await asyncio.Event().wait()
"""
    )
    result = run(pytester)
    result.assert_outcomes(passed=3, failed=1, errors=1)
    result.stdout.fnmatch_lines(["*takes settings by name only*", "*DeadlockError*"])


def test_whoever_does_not_use_it_pays_next_to_nothing(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import sys

        def test_nothing_was_loaded(pytestconfig):
            assert pytestconfig.pluginmanager.has_plugin("pubrio_async")
            assert "pytest_pubrio_async" in sys.modules
            for name in ("aiohttp", "anyio", "asyncio", "msgspec", "pubrio_async"):
                assert name not in sys.modules, name
        """
    )
    run(pytester).assert_outcomes(passed=1)


def test_its_import_is_no_work() -> None:
    program = (
        "import sys, pytest; before = {*sys.modules}\n"
        "import pytest_pubrio_async; print(*{*sys.modules} - before)"
    )
    told = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    )
    assert told.stdout.split() == ["pytest_pubrio_async"]
