"""Networks: which autonomous system announces an address, as a file says that the operator keeps.

Any MMDB file with numbers of networks will do, as DB-IP, IPinfo and MaxMind give them away. Without one no number is known,
and that is what is answered: none is guessed. A file that was replaced is read from then on. One that cannot be read is said
when the worker starts, and later in the log, and the last good one is asked on.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Any, Protocol

import maxminddb

from app.kit.egress import Address
from app.kit.errors import SetupError
from app.kit.log import log

MOST_BYTES = 512 * 1024 * 1024
MOST_NUMBER = 2**32 - 1
OLD = timedelta(days=60)
LOOK_SECONDS = 2.0
_UNREADABLE = (OSError, ValueError, maxminddb.InvalidDatabaseError)
_NUMBER = re.compile(r"(?:AS)?([0-9]{1,10})", re.IGNORECASE | re.ASCII)


class NetworkSettings(Protocol):
    """What the operator says of networks, see app/settings.py."""

    scan_networks: str


@dataclass
class Networks:
    """The numbers in one file, followed; without a file nothing is known."""

    file: Path | None = None
    _reader: maxminddb.Reader | None = field(default=None, repr=False)
    _mark: tuple[int, int, int] | None = field(default=None, repr=False)
    _looked: float = field(default=float("-inf"), repr=False)

    def is_due(self, now: float) -> bool:
        """Whether it is time to look at the file again; ``now`` is of a monotonic clock."""
        return self.file is not None and now - self._looked >= LOOK_SECONDS

    def refresh(self, now: float) -> None:
        """Read the file where it changed since. What cannot be read is said in the log, once for each time it changes."""
        if self.file is None or not self.is_due(now):
            return
        self._looked = now
        try:
            stat = os.stat(self.file)
            mark = stat.st_mtime_ns, stat.st_size, stat.st_ino
        except OSError:
            mark = (0, 0, 0)
        if mark == self._mark:
            return
        self._mark = mark
        try:
            self._reader = _read(self.file)
        except _UNREADABLE as error:
            log.warning("the file of networks could not be read", file=str(self.file), error=type(error).__name__)
            return
        log.info("the file of networks was read", as_of=str(self.as_of))

    @property
    def as_of(self) -> datetime | None:
        """When the file was made, as it says itself; None where none was read."""
        return None if self._reader is None else datetime.fromtimestamp(self._reader.metadata().build_epoch, UTC)

    def number_of(self, address: Address | None) -> int | None:
        """The number of the autonomous system, where the file knows it."""
        if self._reader is None or address is None:
            return None
        try:
            return _number(self._reader.get(address))
        except (*_UNREADABLE, UnicodeDecodeError):  # a file of IPv4 alone, or one that is broken further inside
            return None


NOT_KNOWN = Networks()


def networks_of(settings: NetworkSettings) -> Networks:
    """What the operator has set, one for the process. Raises SetupError for a file that cannot be read."""
    return _opened(settings.scan_networks) if settings.scan_networks else NOT_KNOWN


@lru_cache(maxsize=1)
def _opened(path: str) -> Networks:
    networks = Networks(Path(path))
    networks.refresh(0.0)
    if networks.as_of is None:
        raise SetupError(f"FIVEFOLD_SCAN_NETWORKS: {path} cannot be read as an MMDB file with numbers of networks.")
    return networks


def _read(file: Path) -> maxminddb.Reader:
    """The file as it is now, from a copy without a name: one that is written over while it is mapped would end the process."""
    if os.stat(file).st_size > MOST_BYTES:
        raise ValueError(f"the file has more than {MOST_BYTES} bytes")
    with tempfile.NamedTemporaryFile(prefix="fivefold-", suffix=".mmdb") as copy:
        with file.open("rb") as given:
            shutil.copyfileobj(given, copy, 1024 * 1024)
        copy.flush()
        reader = maxminddb.open_database(copy.name)
    if all(_number(record) is None for _, record in islice(reader, 1000)):  # the first may be announced by nobody
        reader.close()
        raise ValueError("the file has no numbers of networks")
    return reader


def _number(record: Any) -> int | None:
    """As MaxMind and DB-IP write it, or as IPinfo does: "AS13335"."""
    if not isinstance(record, dict):
        return None
    said = record.get("autonomous_system_number", record.get("asn"))
    if isinstance(said, str):
        match = _NUMBER.fullmatch(said)
        said = None if match is None else int(match[1])
    return said if isinstance(said, int) and not isinstance(said, bool) and 0 < said <= MOST_NUMBER else None
