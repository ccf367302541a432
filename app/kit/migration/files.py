"""Migration files as they lie in the folder: their names, headers, statements and order, without a database.

``<id>.sql`` goes up, ``<id>.rollback.sql`` goes back, ``<id>.verify.sql`` (optional) asserts. An id is
``YYYYMMDD_NN_{pre|post}_<module>_<verb>_<object>``. The header of the up file is for the person who reads only that:

    -- Why: ...      -- Change: ...     -- Locks: ...
    -- Data: ...     -- Old code: ...   -- Rollback: ...
    -- Minimum release: 0.2.0          optional: an older release refuses to serve once this is applied
    -- depends: <ids>                  optional: yoyo's
    -- transactional: false            optional: yoyo's; then one IF [NOT] EXISTS statement, both ways

What is wrong with a file is a ``SetupError`` of one sentence that names it.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from datetime import datetime
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from yoyo import migrations as yoyo
from yoyo.topologicalsort import CycleError

from app.kit.errors import SetupError
from app.kit.house import root
from app.kit.migration.split import split, strip_comments

REQUIRED = ("Why", "Change", "Locks", "Data", "Old code", "Rollback")
_MINIMUM = "Minimum release"
_ID = re.compile(r"(\d{8})_\d{2}_(pre|post)_[a-z]+_[a-z]+_[a-z0-9_]+")
_DIRECTIVE = re.compile(r"^\s*--\s*(depends|transactional)\s*:", re.M)
_HEADER = re.compile(r"--\s{0,3}([A-Z][A-Za-z ]{0,24}):\s*(.*)")
_ALLOW = re.compile(r"^\s*--\s*allow\s+([a-z0-9-]+(?:\s*,\s*[a-z0-9-]+)*)\s*:\s*(\S.*)$")
_CONTROL = re.compile(r"(BEGIN|COMMIT|ROLLBACK|END|ABORT|SAVEPOINT|RELEASE|START\s+TRANSACTION|PREPARE\s+TRANSACTION)\b", re.I)


@dataclass(frozen=True)
class Statement:
    """One statement: its text with the comments before it, and the file's lines (from 1) that its code spans."""

    text: str
    first: int
    last: int
    allowed: dict[str, str]  # rule -> reason, from the ``-- allow <rule>: reason`` lines above or inside it

    @cached_property
    def code(self) -> str:
        """The text without comments outside of strings, white space squeezed."""
        return " ".join(strip_comments(self.text).split()).removesuffix(";").strip()


@dataclass(frozen=True)
class Script:
    """One file."""

    path: Path
    text: str
    statements: tuple[Statement, ...]

    @cached_property
    def sha256(self) -> bytes:
        """The digest of the file's bytes, as the ledger keeps it."""
        return hashlib.sha256(self.path.read_bytes()).digest()


class _Source(yoyo.Migration):  # type: ignore[misc]
    """yoyo's object for a migration, told what it would read and split the files again for."""

    def give(self, transactional: bool, depends: list[Any]) -> None:
        """What the files say; steps are given to it when it runs."""
        self.use_transactions, self._depends = transactional, set(depends)
        self.steps: list[Any] = []


@dataclass(frozen=True)
class Migration:
    """One migration with its files; ``source`` is yoyo's object for it."""

    id: str
    phase: str  # pre or post
    headers: dict[str, str]
    depends: tuple[str, ...]
    transactional: bool
    up: Script
    rollback: Script
    verify: Script | None
    source: Any

    @property
    def minimum_release(self) -> str | None:
        """The oldest release that may serve a database with this migration, if its header names one."""
        return self.headers.get(_MINIMUM)


def read(folder: Path | None = None) -> list[Migration]:
    """Every migration of the folder (default: the house's), in the order in which they are applied."""
    folder = folder or root() / "migrations"
    if not folder.is_dir():
        raise SetupError(f"There is no folder {folder} with migrations.")
    names = sorted(path.name for path in folder.iterdir() if path.suffix in (".sql", ".py"))
    for name in names:
        _check_name(name)
    ids = [name.removesuffix(".sql") for name in names if re.fullmatch(r"[^.]+\.sql", name)]
    for name in names:
        if name.split(".")[0] not in ids:
            raise SetupError(f"{name} has no {name.split('.')[0]}.sql beside it.")
    sources = {id_: _Source(id_, str(folder / f"{id_}.sql"), str(folder)) for id_ in ids}
    found = {id_: _read_migration(folder, id_, set(ids), source) for id_, source in sources.items()}
    for id_, migration in found.items():
        sources[id_].give(migration.transactional, [sources[other] for other in migration.depends])
    try:
        return [found[source.id] for source in yoyo.topological_sort(list(sources.values()))]
    except CycleError as error:
        raise SetupError(f"These depend on each other in a circle: {', '.join(each.id for each in error.args[1])}.") from None


def _check_name(name: str) -> None:
    match = re.fullmatch(_ID.pattern + r"(\.rollback|\.verify)?\.sql", name)
    if not match:
        raise SetupError(f"{name} is not named YYYYMMDD_NN_pre|post_<module>_<verb>_<object>[.rollback|.verify].sql.")
    try:
        datetime.strptime(match[1], "%Y%m%d")
    except ValueError:
        raise SetupError(f"{name} does not begin with a date.") from None


def _read_migration(folder: Path, id_: str, known: set[str], source: Any) -> Migration:
    up = _read_script(folder / f"{id_}.sql")
    if not (folder / f"{id_}.rollback.sql").exists():
        raise SetupError(f"{id_}.sql has no {id_}.rollback.sql beside it.")
    rollback = _read_script(folder / f"{id_}.rollback.sql")
    verify = folder / f"{id_}.verify.sql"
    directives, _, _ = yoyo.parse_metadata_from_sql_comments(up.text)
    if len(_DIRECTIVE.findall(up.text)) != len(_DIRECTIVE.findall(_leading_comments(up.text))):
        raise SetupError(f"{up.path.name}: depends and transactional count only in the comments before any statement.")
    if directives.get("transactional", "true").lower() not in ("true", "false"):
        raise SetupError(f"{up.path.name}: transactional is either true or false.")
    depends = tuple(dict.fromkeys(directives.get("depends", "").split()))
    for other in depends:
        if other not in known:
            raise SetupError(f"{up.path.name} depends on {other}, which does not exist.")
    transactional = directives.get("transactional", "true").lower() == "true"
    if not transactional:
        for script in (up, rollback):
            only = script.statements[0].code if len(script.statements) == 1 else ""
            if not re.search(r"\bIF\s+(NOT\s+)?EXISTS\b", only, re.I):
                raise SetupError(
                    f"{script.path.name} is not transactional, so it must hold exactly one statement, "
                    "and that with IF EXISTS or IF NOT EXISTS."
                )
    phase = _ID.fullmatch(id_)
    assert phase is not None
    return Migration(
        id=id_,
        phase=phase[2],
        headers=_headers(up),
        depends=depends,
        transactional=transactional,
        up=up,
        rollback=rollback,
        verify=_read_script(verify) if verify.exists() else None,
        source=source,
    )


def _read_script(path: Path) -> Script:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SetupError(f"{path.name} cannot be read: {error}.") from None
    statements = _statements(text)
    if not statements:
        raise SetupError(f"{path.name} holds no statement; one that cannot be undone says so with RAISE.")
    for statement in statements:
        if _CONTROL.match(statement.code):
            word = statement.code.split()[0].upper()
            raise SetupError(f"{path.name}, line {statement.first}: {word} is not for a migration, which is one transaction.")
    return Script(path, text, statements)


@cache  # who goes up and down reads the same files each time
def _statements(text: str) -> tuple[Statement, ...]:
    """Split, and give each ``-- allow`` to the statement around it or else to the next one."""
    spans: list[tuple[str, int, int]] = []
    for start, end in split(text):
        part = text[start:end].rstrip()
        code = start + len(_leading_comments(part))
        spans.append((part.lstrip(), text.count("\n", 0, code) + 1, text.count("\n", 0, start + len(part)) + 1))
    allowed: list[dict[str, str]] = [{} for _ in spans]
    for number, line in enumerate(text.splitlines(), start=1):
        if match := _ALLOW.match(line):
            after = [i for i, (_, first, _) in enumerate(spans) if first > number][:1]
            around = [i for i, (_, first, last) in enumerate(spans) if first <= number <= last]
            for i in after if after and _only_comments(text, number, spans[after[0]][1]) else around:
                allowed[i] |= dict.fromkeys(re.split(r"\s*,\s*", match[1]), match[2].strip())
    return tuple(Statement(part, first, last, reasons) for (part, first, last), reasons in zip(spans, allowed, strict=True))


def _only_comments(text: str, after: int, before: int) -> bool:
    """Whether nothing but comments and empty lines stands between two lines of the text."""
    return all(line.strip().startswith("--") or not line.strip() for line in text.splitlines()[after : before - 1])


def _leading_comments(text: str) -> str:
    match = re.match(r"(?:\s+|--[^\n]*(?:\n|$)|/\*.*?\*/)*", text, re.S)
    return match[0] if match else ""


def _headers(up: Script) -> dict[str, str]:
    """The header's fields; a line indented by four blanks or more goes on with the field above it."""
    headers: dict[str, str] = {}
    field = ""
    for line in up.text.splitlines():
        if not line.startswith("--"):
            break
        if _DIRECTIVE.match(line):
            field = ""
        elif match := _HEADER.fullmatch(line.rstrip()):
            field = match[1]
            if field not in (*REQUIRED, _MINIMUM):
                known = ", ".join((*REQUIRED, _MINIMUM))
                raise SetupError(f"{up.path.name}: '{field}' is no field of the header; there are {known}.")
            if field in headers:
                raise SetupError(f"{up.path.name}: the header says '{field}' twice.")
            headers[field] = match[2].strip()
        elif field:
            headers[field] = f"{headers[field]} {line.lstrip('-').strip()}".strip()
    if _MINIMUM in headers and not re.fullmatch(r"\d+\.\d+\.\d+", headers[_MINIMUM]):
        raise SetupError(f"{up.path.name}: the minimum release is a number like 0.2.0.")
    return headers
