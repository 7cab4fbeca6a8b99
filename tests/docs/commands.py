"""`pubrio-async` as a shell finds it, begun where the package is loaded: see `tests.warm`.

What is on the path is a small program. It hands over what it was started with, waits, and ends as
the command ends; whoever ends it ends the command. The command is a process of its own with these
words, files, folder and environment, and nothing else.
"""

from __future__ import annotations

import marshal
import os
import select
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.warm import Forge, Wanted

_SIZE = 1 << 17
_COLD = b"start it yourself"
_COMMAND = "import sys; del sys.path[0]; from pubrio_async.cli import main; main()"
# Nothing is imported that takes long: this is all that a shell starts.
_PROGRAM = """\
#!{python} -IS
import _socket, marshal, os, sys
try:
    there = _socket.socket(_socket.AF_UNIX, _socket.SOCK_SEQPACKET)
    there.connect({address!r})
    os.umask(umask := os.umask(0o77))
    said = marshal.dumps((sys.argv[1:], os.getcwd(), umask, dict(os.environb)))
    files = b"".join(file.to_bytes(4, sys.byteorder) for file in (0, 1, 2))
    there.sendmsg([said], [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, files)])
    end = there.recv(100)
except OSError:
    end = {cold!r}
if end in (b"", {cold!r}):
    os.execv({real!r}, [{real!r}, *sys.argv[1:]])
if int(end) < 0:
    os.kill(os.getpid(), -int(end))
os._exit(int(end))
"""


@contextmanager
def quick_command(forge: Forge, folder: Path) -> Iterator[None]:
    """Makes the program in a folder; it does what it should while the block runs."""
    address = str(folder / "socket")
    real = str(Path(sys.executable).with_name("pubrio-async"))
    program = folder / "pubrio-async"
    program.write_text(
        _PROGRAM.format(python=sys.executable, address=address, cold=_COLD, real=real)
    )
    program.chmod(0o755)
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        listener.bind(address)
        listener.listen(100)
        accepting = threading.Thread(target=_accept, args=(listener, forge))
        accepting.start()
        try:
            yield
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            accepting.join()


def _accept(listener: socket.socket, forge: Forge) -> None:
    serving: list[threading.Thread] = []
    with suppress(OSError):  # it was shut down
        while True:
            asked, _ = listener.accept()
            serving.append(threading.Thread(target=_serve, args=(asked, forge)))
            serving[-1].start()
    for thread in serving:
        thread.join()


def _serve(asked: socket.socket, forge: Forge) -> None:
    with asked, suppress(ConnectionError):
        said, files, _, _ = socket.recv_fds(asked, _SIZE, 3)
        if not said:
            return
        words, folder, umask, environ = marshal.loads(said)
        wanted = Wanted(
            [sys.executable, "-c", _COMMAND, *words], environ, folder, umask,
            session=False, terminal=False,
        )  # fmt: skip
        try:
            pid = forge.begin(wanted, files)
        finally:
            for file in files:
                os.close(file)
        asked.send(_COLD if pid is None else str(_end_of(pid, asked)).encode())


def _end_of(pid: int, asked: socket.socket) -> int:
    """Waits for a process, and ends it if nobody waits for it any more; how it ended."""
    process = os.pidfd_open(pid)
    try:
        ready, _, _ = select.select([process, asked], [], [])
        if process not in ready:
            signal.pidfd_send_signal(process, signal.SIGKILL)
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    finally:
        os.close(process)
