"""Gateways for tests, forked off a process that has imported what they import: most of a start is that.

Beyond the imports they are as any other: a process of their own, with its own environment, folder and log.
"""

import atexit
import contextlib
import functools
import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NoReturn


class Forked:
    """A process as `subprocess.Popen` shows one."""

    def __init__(self, pid: int, ended: int) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._ended = ended
        """A pipe that its exit code comes by."""

    def poll(self) -> int | None:
        """Its exit code, if it has ended."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.wait(0)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Its exit code, once it has ended. Raises TimeoutExpired after so many seconds."""
        if self.returncode is None:
            readable, _, _ = select.select([self._ended], [], [], timeout)
            if not readable:
                raise subprocess.TimeoutExpired(f"gateway {self.pid}", timeout or 0.0)
            self.returncode = int(os.read(self._ended, 100))
            os.close(self._ended)
        return self.returncode

    def send_signal(self, signum: int) -> None:
        """Sends a signal, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, signum)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


class _Parent:
    """The process that gateways are forked off."""

    def __init__(self) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-P", __file__, str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
            )
        self._socket = ours
        atexit.register(self._close)

    def fork(self, environment: Mapping[str, str], folder: Path, log: int) -> Forked:
        ended, tells = os.pipe()
        with contextlib.ExitStack() as given:
            given.callback(os.close, tells)
            what = json.dumps({"environment": dict(environment), "folder": str(folder)}).encode()
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 * len(what))
            socket.send_fds(self._socket, [what], [log, tells])
        return Forked(int(self._socket.recv(100)), ended)

    def _close(self) -> None:
        self._socket.close()
        self._process.wait(10)


_parent = functools.cache(_Parent)
_one_at_a_time = threading.Lock()


def alike(environment: Mapping[str, str]) -> bool:
    """Whether a process with an environment would have been started as this one was. A fork is not started anew, so what
    Python and the linker read then says nothing to it."""
    names = {name for name in {*environment, *os.environ} if name.startswith(("PYTHON", "LD_"))}
    return all(environment.get(name) == os.environ.get(name) for name in names)


def gateway(environment: Mapping[str, str], folder: Path, log: int) -> Forked:
    """`gateway serve` with an environment, in a folder, that says what it says to an open file."""
    with _one_at_a_time:
        return _parent().fork(environment, folder, log)


# What follows runs in that process.


@contextlib.contextmanager
def _woken_by_ends() -> Iterator[int]:
    """A descriptor that can be read when a child has ended."""
    woken, wakes = os.pipe()
    for each in (woken, wakes):
        os.set_blocking(each, False)
    signal.set_wakeup_fd(wakes)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    yield woken
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.close(woken)
    os.close(wakes)


def _become(what: bytes, log: int) -> None:
    """Makes this process one that was asked for."""
    told = json.loads(what)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.chdir(told["folder"])
    os.environ.clear()
    os.environ.update(told["environment"])
    sys.argv = ["gateway", "serve"]


def _serve(asked: socket.socket) -> bool:
    """Forks who is asked for, and tells how each ended, until nobody can ask any more. True: this is one of them."""
    tells: dict[int, int] = {}
    with _woken_by_ends() as woken:
        while True:
            readable, _, _ = select.select([asked, woken], [], [])
            if woken in readable:
                with contextlib.suppress(BlockingIOError):
                    while os.read(woken, 1000):
                        pass
                with contextlib.suppress(ChildProcessError):
                    while (found := os.waitpid(-1, os.WNOHANG))[0]:
                        tell = tells.pop(found[0])
                        with contextlib.suppress(BrokenPipeError):  # nobody wants to know
                            os.write(tell, str(os.waitstatus_to_exitcode(found[1])).encode())
                        os.close(tell)
            if asked in readable:
                what, files, _, _ = socket.recv_fds(asked, 4_000_000, 2)
                if not what:
                    return False
                log, tell = files
                if pid := os.fork():
                    tells[pid] = tell
                    os.close(log)
                    asked.send(str(pid).encode())
                else:
                    break
    for each in (*tells.values(), tell):
        os.close(each)
    asked.close()
    _become(what, log)
    os.close(log)
    return True


def _main() -> NoReturn:
    import gc

    import gateway.app
    import gateway.cli.serve  # noqa: F401
    from gateway.cli import main

    assert threading.active_count() == 1  # a thread would not come along
    gc.collect()
    gc.freeze()
    if _serve(socket.socket(fileno=int(sys.argv[1]))):
        gc.unfreeze()
        main()
    sys.exit()


if __name__ == "__main__":
    _main()
