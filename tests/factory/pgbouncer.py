"""PgBouncer in transaction mode, in front of a server that a test started."""

from __future__ import annotations

import os
import pwd
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from tests.factory.cluster import HOST, Cluster, free_port

ROLES = ("postgres", "fivefold_api", "fivefold_worker")


def need_pgbouncer() -> str:
    """The program; without it the test is skipped, but fails in CI."""
    found = shutil.which("pgbouncer", path=f"{os.environ['PATH']}:/usr/sbin")
    if found is None:
        if os.environ.get("FIVEFOLD_CI"):
            pytest.fail("no pgbouncer is on the PATH, and FIVEFOLD_CI says that there must be one")
        pytest.skip("no pgbouncer is on the PATH")
    return found


class PgBouncer:
    """One of them. ``statements``: it keeps prepared statements, where its version can."""

    def __init__(self, program: str, cluster: Cluster, folder: Path, *, size: int) -> None:
        self.program, self.port, self.folder = program, free_port(), folder
        said = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout
        version = tuple(map(int, re.findall(r"(\d+)\.(\d+)", said)[0]))
        self.keeps_statements = version >= (1, 21)
        settings = {
            "listen_addr": HOST,
            "listen_port": self.port,
            "unix_socket_dir": "",
            "auth_type": "trust",
            "auth_file": folder / "users",
            "pool_mode": "transaction",
            "default_pool_size": size,
            "logfile": folder / "log",
            "server_login_retry": 1,
        } | ({"max_prepared_statements": 1000} if self.keeps_statements else {})
        lines = [f"{name} = {value}" for name, value in settings.items()]
        databases = f"[databases]\n* = host={HOST} port={cluster.port}\n"
        (folder / "pgbouncer.ini").write_text(databases + "[pgbouncer]\n" + "\n".join(lines) + "\n")
        (folder / "users").write_text("".join(f'"{role}" ""\n' for role in ROLES))
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start, and wait until it listens."""
        who = {"user": "nobody", "extra_groups": []} if os.geteuid() == 0 else {}
        self._process = subprocess.Popen(
            [self.program, "-q", str(self.folder / "pgbouncer.ini")],
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            **who,  # type: ignore[call-overload]
        )
        for _ in range(500):
            try:
                psycopg.connect(self.url("postgres", "postgres"), connect_timeout=5).close()
            except psycopg.OperationalError:
                time.sleep(0.02)
            else:
                return
        raise AssertionError((self.folder / "log").read_text())

    def stop(self) -> None:
        """End it at once."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait(10)

    def url(self, database: str, user: str) -> str:
        """The address of a database through it."""
        return f"postgresql://{user}@{HOST}:{self.port}/{database}?sslmode=disable"


@contextmanager
def pgbouncer_to(cluster: Cluster, *, size: int = 2) -> Iterator[PgBouncer]:
    """A PgBouncer with so many sessions for each pair of role and database."""
    program = need_pgbouncer()
    folder = Path(tempfile.mkdtemp(prefix="pgbouncer-"))  # it does not run as root, and must reach its files
    try:
        if os.geteuid() == 0:
            os.chown(folder, pwd.getpwnam("nobody").pw_uid, -1)
        bouncer = PgBouncer(program, cluster, folder, size=size)
        for path in folder.iterdir():
            path.chmod(0o644)
        bouncer.start()
        try:
            yield bouncer
        finally:
            bouncer.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
