"""A process with a warm start cannot be told from one that was started anew."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.cli.terminal import InTerminal
from tests.warm import COLD, Forge

pytestmark = [
    pytest.mark.usefixtures("warm_starts"),
    pytest.mark.skipif(not Forge.possible(), reason="there are no warm starts here"),
]

LOOK = """
import json, locale, os, resource, signal, subprocess, sys, threading
streams = [sys.stdin, sys.stdout, sys.stderr]
os.umask(umask := os.umask(0))
print(json.dumps({
    "argv": sys.argv, "orig_argv": sys.orig_argv, "path": sys.path, "flags": repr(sys.flags),
    "environ": dict(os.environ), "said": subprocess.getoutput("echo $SAID"),
    "folder": os.getcwd(), "umask": umask, "parent": os.getppid(),
    "group": [os.getpgrp() == os.getpid(), os.getpgrp() == os.getpgid(os.getppid())],
    "leads": os.getsid(0) == os.getpid(), "session": os.getsid(0) == os.getsid(os.getppid()),
    "files": [fd for fd in range(256) if os.path.exists(f"/proc/self/fd/{fd}")],
    "places": [os.readlink(f"/proc/self/fd/{fd}").split(":")[0] for fd in range(3)],
    "signals": {n: str(signal.getsignal(n)) for n in range(1, 32)},
    "mask": str(signal.pthread_sigmask(signal.SIG_BLOCK, [])),
    "streams": [
        (s.name, s.mode, s.encoding, s.errors, s.newlines, s.line_buffering, s.write_through,
         s.isatty(), type(s.buffer).__name__, s is t)
        for s, t in zip(streams, [sys.__stdin__, sys.__stdout__, sys.__stderr__])
    ],
    "limits": [resource.getrlimit(n) for n in range(resource.RLIMIT_NOFILE + 1)],
    "priority": os.getpriority(os.PRIO_PROCESS, 0), "locale": locale.setlocale(locale.LC_ALL),
    "main": [__name__, sys.modules["__main__"].__dict__ is globals()],
    "threads": [threading.active_count(), threading.current_thread() is threading.main_thread()],
    "native": threading.get_native_id() == os.getpid(), "package": "pubrio_async" in sys.modules,
}))
"""


def look(words: list[str], *, cold: bool, **given: Any) -> dict[str, Any]:
    env = {**os.environ, "SAID": "something", **({COLD: "1"} if cold else {})}
    out = subprocess.run(words, env=env, stdout=subprocess.PIPE, check=True, **given).stdout
    seen: dict[str, Any] = msgspec.json.decode(out)
    seen["environ"].pop(COLD, None)
    # What starts a process lets it know how it was called.
    seen["environ"].pop("_", None)
    assert seen.pop("package") is not cold
    return seen


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"stdin": subprocess.DEVNULL, "stderr": subprocess.DEVNULL},
        {"stderr": subprocess.STDOUT, "umask": 0o027, "start_new_session": True},
    ],
    ids=str,
)
@pytest.mark.parametrize("how", ["-c", "script"])
def test_it_finds_the_same_world(tmp_path: Path, how: str, given: dict[str, Any]) -> None:
    (tmp_path / "look.py").write_text(LOOK)
    words = [sys.executable, *(["-c", LOOK] if how == "-c" else ["-P", str(tmp_path / "look.py")])]
    words += ["a", "--b"]
    warm, cold = (look(words, cold=cold, cwd=tmp_path, **given) for cold in (False, True))
    if how == "script":  # the only thing that Python does not let be changed
        assert cold.pop("flags").replace("safe_path=False", "safe_path=True") == warm["flags"]
        cold["flags"] = warm["flags"]
        # A module of its own, which others do not see.
        assert warm.pop("main")[0] == cold.pop("main")[0] == "__main__"
    else:
        assert warm.pop("flags").replace("safe_path=True", "safe_path=False") == cold.pop("flags")
    assert warm == cold
    assert warm["parent"] == os.getpid()


ASK = "import sys; print('pubrio_async' in sys.modules)"
TOO_LONG = "x" * 100_000
ENDS = {
    "falls off the end": "print('done')",
    "says so": "raise SystemExit(3)",
    "gives a reason": "raise SystemExit('a reason')",
    "breaks": "1 / 0",
    "is interrupted": "raise KeyboardInterrupt",
    "leaves at once": "import os; print('lost', end=''); os._exit(7)",
    "has somebody to wait for": (
        "import atexit, threading, time; atexit.register(print, 'last')\n"
        "threading.Thread(target=lambda: (time.sleep(0.05), print('from a thread'))).start()"
    ),
    "kills itself": "import os, signal; os.kill(os.getpid(), signal.SIGKILL)",
}


@pytest.mark.parametrize("code", ENDS.values(), ids=ENDS)
async def test_it_ends_the_same_way(code: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def ended() -> tuple[int | None, bytes, bytes]:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", code, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        out, err = await process.communicate()
        return process.returncode, out, err.strip().rpartition(b"\n")[2]

    warm = await ended()
    monkeypatch.setenv(COLD, "1")
    assert warm == await ended()


def test_a_signal_reaches_it_and_nobody_else() -> None:
    code = "import time\nprint('there', flush=True)\ntime.sleep(60)"
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"there\n"
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=30)[1].endswith(b"KeyboardInterrupt\n")
    assert process.returncode == -signal.SIGINT
    again = subprocess.run([sys.executable, "-c", "print(1)"], stdout=subprocess.PIPE, check=True)
    assert again.stdout == b"1\n"


def test_a_terminal_is_its_own(tmp_path: Path) -> None:
    code = (
        "import os, sys, time; print(sys.stdin.isatty(), os.get_terminal_size().columns,"
        " os.tcgetpgrp(0) == os.getpgrp() == os.getsid(0));"
        "print('now', flush=True); time.sleep(60)"
    )
    program = (sys.executable, "-c", code)
    with InTerminal(folder=tmp_path, columns=77, program=program) as terminal:
        terminal.wait_for("now")
        assert terminal.lines()[0] == "True 77 True"
        terminal.type("\x03")
        assert terminal.end() == -signal.SIGINT


@pytest.mark.parametrize(
    ("words", "environ"),
    [
        (["-c", ASK], {"PYTHONHASHSEED": "5"}),
        (["-I", "-c", ASK], {}),
        (["-W", "error", "-c", ASK], {}),
        (
            ["-c", ASK],
            dict.fromkeys("ABC", TOO_LONG),
        ),
    ],
    ids=["the environment", "isolated", "warnings", "more than can be told"],
)
def test_what_cannot_be_had_is_started_anew(words: list[str], environ: dict[str, str]) -> None:
    done = subprocess.run(
        [sys.executable, *words], env={**os.environ, **environ}, capture_output=True, check=True
    )
    assert done.stdout == b"False\n"
