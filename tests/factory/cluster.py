"""PostgreSQL servers that a test may stop, kill, promote and silence: copies of the tests' own, on TCP ports of loopback."""

from __future__ import annotations

import asyncio
import atexit
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path

import psycopg

from app.kit.embedded import Embedded, _as_user, _environment, _server_user, program

HOST = "127.0.0.1"
HBA = f"host all all {HOST}/32 trust\nhost replication all {HOST}/32 trust\n"


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as opened:
        opened.bind((HOST, 0))
        return int(opened.getsockname()[1])


class Cluster:
    """One server. ``of`` makes a primary from the tests' server, ``standby`` a streaming standby of this one."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @classmethod
    def of(cls, server: Embedded, folder: Path) -> Cluster:
        """A copy of all databases of the tests' server, as a primary of its own. Started."""
        cluster = cls(folder)
        cluster._copy(["-d", server.url()])
        cluster.start()
        return cluster

    def standby(self, folder: Path) -> Cluster:
        """A streaming standby. Started, and connected to this one."""
        cluster = Cluster(folder)
        cluster._copy(["-R", "-d", self.url("postgres")])
        cluster.start()
        with psycopg.connect(self.url("postgres"), autocommit=True) as admin:
            _until(lambda: bool(admin.execute("SELECT 1 FROM pg_stat_replication WHERE state = 'streaming'").fetchone()))
        return cluster

    def _copy(self, source: list[str]) -> None:
        made = subprocess.run(
            [str(program("pg_basebackup")), "-D", str(self.folder), "-c", "fast", "-X", "stream", "--no-sync", *source],
            env=_environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        assert made.returncode == 0, made.stderr
        (self.folder / "pg_hba.conf").write_text(HBA)
        user = _server_user(self.folder)
        if user:
            for path in [self.folder, *self.folder.rglob("*")]:
                os.chown(path, *user, follow_symlinks=False)

    def url(self, database: str = "postgres", user: str = "postgres") -> str:
        """The address of one of its databases."""
        return f"postgresql://{user}@{HOST}:{self.port}/{database}?sslmode=disable"

    def start(self) -> None:
        """Start, and wait until it answers."""
        words, arguments = _as_user(_server_user(self.folder))
        settings = {
            "listen_addresses": HOST,
            "port": str(self.port),
            "unix_socket_directories": "",
            "cluster_name": f"test-{self.port}",
            "fsync": "off",
            "max_connections": "100",
            "wal_receiver_status_interval": "1s",
            "wal_retrieve_retry_interval": "100ms",
        }
        words += [str(program("postgres")), "-D", str(self.folder)]
        words += [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        with (self.folder.parent / f"{self.folder.name}.log").open("ab") as log:
            self._process = subprocess.Popen(
                words, cwd="/", env=_environment(), stdin=subprocess.DEVNULL, stdout=log, stderr=log, **arguments
            )
        atexit.register(self.stop)
        _until(self.answers)

    def answers(self) -> bool:
        """Whether one can log in."""
        try:
            psycopg.connect(self.url("postgres"), connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True

    def stop(self, how: signal.Signals = signal.SIGQUIT) -> None:
        """Stop; SIGQUIT is pg_ctl's immediate: no checkpoint, no farewell."""
        process, self._process = self._process, None
        if process is not None:
            process.send_signal(how)
            process.wait(30)

    def promote(self) -> None:
        """Make a standby the primary."""
        self.execute("SELECT pg_promote(true, 30)")

    def execute(self, text: str, database: str = "postgres") -> list[tuple[object, ...]]:
        """Run a statement as the administrator."""
        with psycopg.connect(self.url(database), autocommit=True) as admin:
            cursor = admin.execute(text.encode())
            return cursor.fetchall() if cursor.description else []


@contextmanager
def cluster_of(server: Embedded, folder: Path) -> Iterator[Cluster]:
    """A primary for a while."""
    cluster = Cluster.of(server, folder)
    try:
        yield cluster
    finally:
        cluster.stop()
        shutil.rmtree(folder, ignore_errors=True)


class Wire:
    """A TCP proxy to a server. ``silent``: it takes bytes and passes none on, as a machine that is gone without a word.

    ``silent_back``: only what the server answers is kept; ``answered`` says that it did.
    """

    def __init__(self, target: int) -> None:
        self.target, self.port, self.silent, self.silent_back = target, 0, False, False
        self.answered = asyncio.Event()
        self._writers: set[asyncio.StreamWriter] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, until either side ends it."""
        self._writers.add(writer)
        try:
            far_reader, far_writer = await asyncio.open_connection(HOST, self.target)
        except OSError:
            writer.transport.abort()
            return
        self._writers.add(far_writer)
        await asyncio.gather(self._pass(reader, far_writer), self._pass(far_reader, writer, back=True), return_exceptions=True)

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, back: bool = False) -> None:
        while data := await reader.read(65536):
            if back and self.silent_back:
                self.answered.set()
            elif not self.silent:
                writer.write(data)
        if not self.silent:
            writer.close()

    def cut(self) -> None:
        """Reset all connections."""
        for writer in self._writers:
            writer.transport.abort()
        self._writers.clear()


@asynccontextmanager
async def wire_to(cluster: Cluster) -> AsyncIterator[Wire]:
    """A proxy in front of a server."""
    wire = Wire(cluster.port)
    listening = await asyncio.start_server(wire.serve, HOST, 0)
    wire.port = listening.sockets[0].getsockname()[1]
    try:
        yield wire
    finally:
        listening.close()
        wire.cut()
        with suppress(TimeoutError):
            await asyncio.wait_for(listening.wait_closed(), 2)


def _until(holds: object, seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    assert callable(holds)
    while not holds():
        assert time.monotonic() < end, "it never came"
        time.sleep(0.02)
