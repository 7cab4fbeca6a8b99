"""Processes of Python that begin where the package is loaded: warm starts.

Loading the package takes a command longer than most commands take. With the fixture `warm_starts`
a process is forked off one that has loaded it, instead of being started anew. For the test that
is the same: the process is a child of the test's own, with the arguments, environment, folder,
files, terminal, session and umask it was given, and nothing else; it ends as Python ends. Whatever
cannot be had that way is started as ever: another program, other options of Python, another
environment of Python itself.

What is about the start itself does not use this.
"""

from __future__ import annotations

import ctypes
import fcntl
import gc
import importlib
import io
import os
import pickle
import pkgutil
import runpy
import signal
import socket
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, NamedTuple, TextIO

COLD = "PUBRIO_TESTS_COLD_START"
"""A process with this in its environment is started anew all the same."""

# What is looked at while modules are loaded: a process with another value is started anew.
_READ_BY_PYTHON = ("PYTHON", "LANG", "LC_", "TZ")
_READ_WHILE_LOADING = ("FORCE_COLOR", "GITHUB_ACTIONS", "PY_COLORS", "TERMINAL_WIDTH", "_TYPER_")
_LOOKED_AT = _READ_BY_PYTHON + _READ_WHILE_LOADING
# Loaded by commands while they run.
_LOADED_LATER = (
    "aiohttp.web", "asyncio", "coverage", "csv", "psycopg_pool", "rich.live", "rich.markdown",
    "rich.progress", "rich.table", "rich.traceback", "sqlite3", "typer.rich_utils", "uvloop",
    "webbrowser",
)  # fmt: skip
_PR_SET_CHILD_SUBREAPER = 36
_SIZE = 1 << 17
# What `_fork_exec` is given in all versions of Python that are known here.
_FIELDS = 23


class Wanted(NamedTuple):
    """What is to be done in the new process."""

    words: list[str]
    environ: dict[bytes, bytes]
    folder: str
    umask: int
    session: bool
    terminal: bool


def take_terminal() -> None:
    """Makes stdin the terminal of this session; what `preexec_fn` may be beside nothing."""
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


# ------------------------------------------------------------------------- who asks for processes


class Forge:
    """Starts processes of Python the quick way, where there is one."""

    def __init__(self) -> None:
        self._cold: Callable[..., int] = vars(subprocess)["_fork_exec"]
        self._server: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()
        # Not that of the test which happens to be the first to start something.
        self._environ = dict(os.environb)

    @staticmethod
    def possible() -> bool:
        """Whether this system, and this Python, have what it takes."""
        return sys.platform == "linux" and "_fork_exec" in vars(subprocess)

    def fork_exec(self, *given: Any) -> int:
        """Stands for the function of that name, which all of `subprocess` and `asyncio` use."""
        wanted = _wanted(given) if len(given) == _FIELDS else None
        if wanted is None:
            return self._cold(*given)
        # What is not given is inherited.
        files = enumerate((given[6], given[9], given[11]))
        pid = self.begin(wanted, [number if fd == -1 else fd for number, fd in files])
        return self._cold(*given) if pid is None else pid

    def begin(self, wanted: Wanted, files: Sequence[int]) -> int | None:
        """A child of this process, with these as stdin, stdout and stderr; None if it cannot be."""
        with self._lock:
            if self._server is None:
                self._start()
            if _looked_at(wanted.environ) != _looked_at(self._environ):
                return None
            return self._fork(wanted, files)

    def close(self) -> None:
        """Ends the process that has everything loaded."""
        if self._server is not None:
            self._requests.close()
            self._server.wait()

    def _start(self) -> None:
        self._requests, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        # Nobody there is trusted anyway, and reading all those certificates takes long.
        environ = {**self._environ, b"SSL_CERT_FILE": os.fsencode(os.devnull)}
        environ.pop(b"COVERAGE_PROCESS_CONFIG", None)
        with there:
            self._server = subprocess.Popen(
                # -P: the folder of this file has a `typing` that is none.
                [sys.executable, "-P", __file__, str(there.fileno())],
                pass_fds=[there.fileno()],
                env=environ,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )

    def _fork(self, wanted: Wanted, files: Sequence[int]) -> int | None:
        # The child of a child that ends comes to the next one above who takes in such orphans.
        prctl = ctypes.CDLL(None, use_errno=True).prctl
        prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        try:
            socket.send_fds(self._requests, [pickle.dumps(tuple(wanted))], files)
            if not (pid := self._requests.recv(_SIZE)):
                return None
            self._requests.recv(_SIZE)
        except OSError:  # there is nobody, or too much was asked of it
            return None
        finally:
            prctl(_PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)
        return int(pid)


def _wanted(given: Sequence[Any]) -> Wanted | None:
    """What is wanted, if it can be had."""
    (
        words, programs, close_others, kept, folder, environ, *_, error_pipe, _restore_signals,
        session, group, gid, gids, uid, umask, before, _,
    ) = given  # fmt: skip
    told = [os.fsdecode(word) for word in words]
    known = (
        [os.fsdecode(name) for name in programs] == [sys.executable]
        and (told[1:2] in (["-m"], ["-c"]) or _is_script(told))
        and close_others
        and set(kept) <= {error_pipe}
        and (group, gid, gids, uid) == (-1, None, None, None)
        and before in {None, take_terminal}
    )
    pairs = os.environb if environ is None else dict(pair.split(b"=", 1) for pair in environ)
    path = os.path.abspath(os.fsdecode(folder) if folder is not None else os.curdir)
    if not known or os.fsencode(COLD) in pairs or not os.path.isdir(path):
        return None
    if umask == -1:
        os.umask(umask := os.umask(0o077))
    return Wanted(told, dict(pairs), path, umask, bool(session), before is take_terminal)


def _is_script(words: Sequence[str]) -> bool:
    return words[1:2] == ["-P"] and words[2].endswith(".py")


def _looked_at(environ: Mapping[bytes, bytes]) -> dict[bytes, bytes]:
    names = tuple(map(os.fsencode, _LOOKED_AT))
    return {name: value for name, value in environ.items() if name.startswith(names)}


# --------------------------------------------------------------------- the process that is forked


def _load() -> None:
    """Loads whatever a command may need."""
    package = importlib.import_module("pubrio_async")
    modules = [each.name for each in pkgutil.walk_packages(package.__path__, "pubrio_async.")]
    for name in [*modules, *_LOADED_LATER]:
        if not name.endswith("__main__"):
            with suppress(ImportError):  # an extra that is not installed
                importlib.import_module(name)
    # A thread would not be there after a fork.
    assert len(os.listdir("/proc/self/task")) == 1
    gc.collect()
    gc.freeze()


def _serve(requests: socket.socket) -> Wanted:
    """Forks a process for each request; returns in that process."""
    on_interrupt = signal.signal(signal.SIGINT, signal.SIG_IGN)  # it ends with who started it
    while True:
        said, files, _, _ = socket.recv_fds(requests, _SIZE, 3)
        if not said:
            os._exit(0)
        between = os.fork()
        if between == 0:
            between = os.getpid()
            if pid := os.fork():
                requests.send(str(pid).encode())
                os._exit(0)
            while os.getppid() == between:
                os.sched_yield()
            signal.signal(signal.SIGINT, on_interrupt)
            wanted = Wanted(*pickle.loads(said))
            _become(wanted, files)
            return wanted
        os.waitpid(between, 0)
        requests.send(b"it has a new parent")
        for file in files:
            os.close(file)


def _become(wanted: Wanted, files: Sequence[int]) -> None:
    """Takes on what a new process is given."""
    if wanted.session:
        os.setsid()
    for number, file in enumerate(files):
        os.dup2(file, number)
    os.closerange(3, os.sysconf("SC_OPEN_MAX") if sys.platform != "linux" else 4_096)
    if wanted.terminal:
        take_terminal()
    os.chdir(wanted.folder)
    os.umask(wanted.umask)
    os.environb.clear()
    os.environb.update(wanted.environ)
    time.tzset()
    sys.stdin = sys.__stdin__ = _stream(0, sys.stdin)  # type: ignore[assignment,misc]
    sys.stdout = sys.__stdout__ = _stream(1, sys.stdout)  # type: ignore[assignment,misc]
    sys.stderr = sys.__stderr__ = _stream(2, sys.stderr)  # type: ignore[assignment,misc]
    sys.orig_argv[:] = wanted.words
    if "COVERAGE_PROCESS_CONFIG" in os.environ:
        importlib.import_module("coverage").process_startup()


def _stream(number: int, like: TextIO) -> TextIO:
    """A standard stream as Python makes it."""
    reads = number == 0
    unbuffered = bool(os.environ.get("PYTHONUNBUFFERED"))
    straight = unbuffered and not reads
    buffer: Any = open(  # noqa: SIM115 - open to the end
        number, "rb" if reads else "wb", buffering=0 if straight else -1, closefd=False
    )
    raw = buffer if straight else buffer.raw
    raw.name = like.name
    stream = io.TextIOWrapper(
        buffer, like.encoding, like.errors, newline="\n",
        line_buffering=not unbuffered and (raw.isatty() or number == 2), write_through=unbuffered,
    )  # fmt: skip
    stream.mode = "r" if reads else "w"  # type: ignore[misc]
    return stream


def _run(wanted: Wanted) -> None:
    """Runs what the words say, at the top: what it raises ends the process."""
    first, second, *others = wanted.words[1:]
    if first == "-m":
        sys.path.insert(0, wanted.folder)
        sys.argv[:] = ["-m", *others]
        runpy._run_module_as_main(second)  # type: ignore[attr-defined]
    elif first == "-c":
        sys.path.insert(0, "")
        sys.argv[:] = ["-c", *others]
        code = compile(second, "<string>", "exec", dont_inherit=True)
        exec(code, vars(sys.modules["__main__"]))
    else:
        sys.argv[:] = [second, *others]
        runpy.run_path(second, run_name="__main__")


if __name__ == "__main__":
    _load()
    _run(_serve(socket.socket(fileno=int(sys.argv[1]))))
