"""Every code block of the README and of the pages does what it says, against the sandbox."""

from __future__ import annotations

import logging
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import ModuleType

import pytest

from pubrio_async.testing import PubrioSandbox
from tests.docs.blocks import RUN, SHOWN, Block, BlockError, Page, blocks_of
from tests.docs.commands import quick_command
from tests.warm import Forge

ROOT = Path(__file__).parents[2]
# Of the generated pages each block is a signature.
GENERATED = {*ROOT.glob("docs/api/*.md")}
PAGES = [*sorted({*ROOT.glob("docs/**/*.md")} - GENERATED), ROOT / "README.md"]
PLUGINS_WITHOUT_PAGE = (
    *("anyio", "faker", "hypothesispytest", "pytest_cov", "randomly", "timeout", "xdist"),
    "xdist.looponfail",
)
BLOCKS = {path: [*blocks_of(path)] for path in PAGES}


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


@contextmanager
def logging_as_before() -> Iterator[None]:
    """A page may show how to listen to the log: the next one hears nothing of it."""
    before = {one: (one.level, one.propagate, [*one.handlers]) for one in loggers()}
    try:
        yield
    finally:
        for one in loggers():
            level, one.propagate, one.handlers[:] = before.get(one, (logging.NOTSET, True, []))
            one.setLevel(level)


def loggers() -> list[logging.Logger]:
    known = logging.root.manager.loggerDict.values()
    return [logging.root, *(one for one in known if isinstance(one, logging.Logger))]


@pytest.fixture
def page(
    forge: Forge,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Page]:
    """A folder with `people.csv` in it, and a stand-in for the API that is found without a word."""
    module = ModuleType("__main__")
    shutil.copy(ROOT / "examples" / "people.csv", tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "__main__", module)
    monkeypatch.setenv("PUBRIO_API_KEY", "a-key-for-the-sandbox")
    # `pubrio-async` and `python` are those of this environment.
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent), prepend=os.pathsep)
    monkeypatch.setenv("COLUMNS", "100")
    # Of the plugins beside ours, no page has any but pytest-asyncio: loading them takes longest.
    monkeypatch.setenv("PYTEST_ADDOPTS", " ".join(f"-p no:{name}" for name in PLUGINS_WITHOUT_PAGE))
    monkeypatch.syspath_prepend(str(tmp_path))
    with ExitStack() as running:
        running.enter_context(logging_as_before())
        sandbox = running.enter_context(PubrioSandbox())
        if forge.possible():
            programs = tmp_path_factory.mktemp("bin")
            running.enter_context(quick_command(forge, programs))
            monkeypatch.setenv("PATH", str(programs), prepend=os.pathsep)
        # Its rate limit is not set: a page may show that of everybody who sets none.
        monkeypatch.setenv("PUBRIO_BASE_URL", sandbox.url)
        yield Page(vars(module))


@pytest.mark.parametrize("path", [path for path in PAGES if BLOCKS[path]], ids=name)
def test_the_blocks_do_what_the_page_says(path: Path, page: Page) -> None:
    for block in BLOCKS[path]:
        page.run(block)


def test_every_block_is_run_or_says_why_not() -> None:
    for block in (block for blocks in BLOCKS.values() for block in blocks):
        assert block.language in RUN | SHOWN, f"{block.place}: name its language"
        if block.not_run is not None:
            assert len(block.not_run) > 10, f"{block.place}: say why it is not run"


def block(language: str, source: str, title: str = "") -> Block:
    return Block(Path("page.md"), 10, language, title, source, None)


def test_blocks_are_found_with_their_lines_and_marks(tmp_path: Path) -> None:
    path = tmp_path / "page.md"
    path.write_text(
        "# Page\n\n```python\nx = 1\n```\n\n<!-- not run: it never ends -->\n"
        '```sh title="a shell"\nsleep inf\n```\n\n'
        '=== "Tab"\n\n    ```console\n    $ true\n    ```\n'
    )
    assert [*blocks_of(path)] == [
        Block(path, 3, "python", "", "x = 1\n", None),
        Block(path, 8, "sh", "a shell", "sleep inf\n", "it never ends"),
        Block(path, 14, "console", "", "$ true\n", None),
    ]


def test_blocks_share_what_they_define_and_find_a_client(page: Page) -> None:
    page.run(block("python", "first = 2"))
    page.run(block("python", "import asyncio\nawait asyncio.sleep(0)\nprint(first, pubrio)"))
    page.run(block("text", "2 <AsyncPubrio ...>\n", "Output"))


def test_a_block_is_saved_under_its_title(page: Page) -> None:
    page.run(block("python", "value = 3", "made/module.py"))
    page.run(block("sh", "python -c 'from made import module; print(module.value)'"))
    page.run(block("text", "3", "Output"))


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (block("python", "x = 1\n\n1 / 0"), "page.md:13: ZeroDivisionError"),
        (block("python", "x = "), "page.md:10: SyntaxError"),
        (block("python", "import sys\nsys.exit(3)"), "page.md:12: SystemExit: 3"),
        (block("sh", "false\ntrue"), "page.md:10: exit code 1"),
        (block("sh", "false | true"), "page.md:10: exit code 1"),
        (block("console", "$ echo a\nb\n"), "page.md:11: this was expected"),
        (block("console", "$ true\n$ (exit 3)\n"), "page.md:12: exit code 3"),
        (block("console", "output of nothing\n"), "page.md:10: a console block begins"),
        (block("console", "$ exit 3\n"), "page.md:10: the shell ended early"),
        (block("text", "a", "Output"), "page.md:10: the output of nothing"),
    ],
)
def test_what_a_block_does_wrong_is_told_with_its_place(
    wrong: Block, said: str, page: Page
) -> None:
    with pytest.raises(BlockError) as error:
        page.run(wrong)
    assert str(error.value).startswith(said)


def test_a_console_shows_codes_and_parts_of_outputs(page: Page) -> None:
    page.run(
        block(
            "console",
            "$ word=hello\n$ echo $word \\\n> you >&2; (exit 3)\nhello you\n$ echo $?\n3\n"
            "$ printf 'took 1.7 s\\nin all\\n'\ntook ... s\nin all\n",
        )
    )


def test_what_a_page_does_to_the_log_ends_with_it(page: Page) -> None:
    before = {one: (one.level, [*one.handlers]) for one in loggers()}
    with logging_as_before():
        page.run(
            block(
                "python",
                "import logging\n"
                "logging.basicConfig(level=1, force=True)\n"
                "logging.getLogger('pubrio_async').addHandler(logging.NullHandler())\n"
                "logging.getLogger('of.the.page').setLevel(logging.DEBUG)\n",
            )
        )
        assert logging.getLogger("of.the.page").level == logging.DEBUG
    after = {one: (one.level, one.handlers) for one in loggers()}
    assert after.pop(logging.getLogger("of.the.page")) == (logging.NOTSET, [])
    assert after == before


def test_what_a_block_leaves_running_is_ended(page: Page) -> None:
    os.mkfifo("alive")
    reader = os.open("alive", os.O_RDONLY | os.O_NONBLOCK)
    page.run(block("sh", "sleep 1000 >alive &"))
    os.set_blocking(reader, True)
    assert os.read(reader, 1) == b""  # once the last writer is gone
    os.close(reader)
