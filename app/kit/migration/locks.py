"""Which table locks a statement takes, read from its text: a table of statement kinds, no database is asked.

Known from the text alone: what a function or a DO block does inside is not, and says so as ``UNKNOWN``. Which tables
a dropped table's foreign keys point to, and which table an index belongs to, is looked up in the migrations.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from app.kit.migration.files import Migration, Script

MODES = (
    "ACCESS SHARE",
    "ROW SHARE",
    "ROW EXCLUSIVE",
    "SHARE UPDATE EXCLUSIVE",
    "SHARE",
    "SHARE ROW EXCLUSIVE",
    "EXCLUSIVE",
    "ACCESS EXCLUSIVE",
)  # weakest first
UNKNOWN = "UNKNOWN"

_PART = r'(?:"(?:[^"]|"")+"|[a-z_]\w*)'
NAME = rf"{_PART}(?:\.{_PART})*"
_FOREIGN_KEY = rf"(?:CONSTRAINT ({_PART}) (?:FOREIGN KEY ?\([^)]*\) )?)?REFERENCES ({NAME})"
_LIST = rf"{NAME}(?:\s*,\s*{NAME})*"


@dataclass(frozen=True)
class Lock:
    """A lock mode in PostgreSQL's words (or ``UNKNOWN``) and the relation it is taken on."""

    mode: str
    relation: str


@dataclass
class Catalog:
    """What the migrations say: the tables that a table refers to, by constraint, and what belongs to which table."""

    references: dict[str, dict[str, str]] = field(default_factory=dict)  # table -> constraint -> table
    indexed: dict[str, str] = field(default_factory=dict)  # index -> table
    parents: dict[str, str] = field(default_factory=dict)  # partition -> partitioned table

    @classmethod
    def of(cls, migrations: Iterable[Migration]) -> Catalog:
        """Collect it from the up files."""
        catalog = cls()
        for migration in migrations:
            for statement in migration.up.statements:
                text = mask(statement.code)
                if match := re.match(rf"(?:CREATE TABLE|ALTER TABLE)(?: IF (?:NOT )?EXISTS)?(?: ONLY)? ({NAME})", text, re.I):
                    known = catalog.references.setdefault(match[1], {})
                    for name, other in re.findall(_FOREIGN_KEY, text, re.I):
                        known[name or f"an unnamed one to {other}"] = other
                if match := re.match(rf"CREATE TABLE (?:IF NOT EXISTS )?({NAME}) PARTITION OF ({NAME})", text, re.I):
                    catalog.parents[match[1]] = match[2]
                if match := re.match(rf"ALTER TABLE ({NAME}) ATTACH PARTITION ({NAME})", text, re.I):
                    catalog.parents[match[2]] = match[1]
                if match := re.match(_CREATE_INDEX, text, re.I):
                    schema = match["table"].rpartition(".")[0]
                    catalog.indexed[f"{schema}.{match['index']}" if schema else match["index"]] = match["table"]
        return catalog


_CREATE_INDEX = (
    r"CREATE (?:UNIQUE )?INDEX (?P<concurrently>CONCURRENTLY )?(?:IF NOT EXISTS )?"
    rf"(?:(?P<index>(?!ON\b){NAME}) )?ON (?:ONLY )?(?P<table>{NAME})"
)

_NOT_TABLES = (
    r"(?:SCHEMA|FUNCTION|PROCEDURE|ROUTINE|SEQUENCE|DATABASE|TYPE|DOMAIN|LANGUAGE|ALL|FOREIGN|LARGE|PARAMETER|TABLESPACE)"
)

# the first that matches decides; the group is the relation, or a list of them
_KINDS: tuple[tuple[str, str], ...] = (
    (rf"CREATE (?:OR REPLACE )?(?:CONSTRAINT )?TRIGGER .*? ON ({NAME})", "SHARE ROW EXCLUSIVE"),
    (rf"(?:DROP|ALTER) TRIGGER .*? ON ({NAME})", "ACCESS EXCLUSIVE"),
    (rf"(?:CREATE|ALTER|DROP) POLICY .*? ON ({NAME})", "ACCESS EXCLUSIVE"),
    (rf"CREATE (?:OR REPLACE )?RULE .*? TO ({NAME})", "ACCESS EXCLUSIVE"),
    (rf"DROP RULE .*? ON ({NAME})", "ACCESS EXCLUSIVE"),
    (rf"COMMENT ON (?:TABLE|VIEW|MATERIALIZED VIEW|SEQUENCE|INDEX) ({NAME}) IS", "SHARE UPDATE EXCLUSIVE"),
    (rf"COMMENT ON COLUMN ({_PART}(?:\.{_PART})?)\.{_PART} IS", "SHARE UPDATE EXCLUSIVE"),
    (rf"COMMENT ON (?:CONSTRAINT|TRIGGER|POLICY|RULE) .*? ON (?!DOMAIN)({NAME}) IS", "ACCESS SHARE"),
    (rf"INSERT INTO ({NAME})", "ROW EXCLUSIVE"),
    (rf"UPDATE (?:ONLY )?({NAME})", "ROW EXCLUSIVE"),
    (rf"DELETE FROM (?:ONLY )?({NAME})", "ROW EXCLUSIVE"),  # noqa: S608 - a pattern
    (rf"MERGE INTO (?:ONLY )?({NAME})", "ROW EXCLUSIVE"),
    (rf"TRUNCATE (?:TABLE )?(?:ONLY )?({_LIST})", "ACCESS EXCLUSIVE"),
    (rf"DROP (?:TABLE|VIEW|MATERIALIZED VIEW|SEQUENCE) (?:IF EXISTS )?({_LIST})", "ACCESS EXCLUSIVE"),
    (rf"ALTER (?:VIEW|MATERIALIZED VIEW) (?:IF EXISTS )?({NAME})", "ACCESS EXCLUSIVE"),
    (rf"ALTER SEQUENCE (?:IF EXISTS )?({NAME})", "SHARE ROW EXCLUSIVE"),
    (rf"(?:GRANT|REVOKE) .*? ON (?:TABLE )?(?!{_NOT_TABLES} )({_LIST}) (?:TO|FROM) ", "ACCESS SHARE"),
    (rf"CREATE STATISTICS .*? FROM ({NAME})", "SHARE UPDATE EXCLUSIVE"),
    (rf"REFRESH MATERIALIZED VIEW CONCURRENTLY ({NAME})", "EXCLUSIVE"),
    (rf"REFRESH MATERIALIZED VIEW ({NAME})", "ACCESS EXCLUSIVE"),
    (rf"(?:VACUUM \(?FULL\)?|CLUSTER) ({NAME})", "ACCESS EXCLUSIVE"),
    (rf"(?:VACUUM|ANALYZE) ({NAME})", "SHARE UPDATE EXCLUSIVE"),
    (rf"REINDEX (?:\(.*?\) )?TABLE CONCURRENTLY ({NAME})", "SHARE UPDATE EXCLUSIVE"),
    (rf"REINDEX (?:\(.*?\) )?TABLE ({NAME})", "SHARE"),
)

# of ALTER TABLE; the first that matches the sub-command decides, ACCESS EXCLUSIVE where none does
_SUBCOMMANDS: tuple[tuple[str, str], ...] = (
    (r"ADD (?:CONSTRAINT \S+ )?FOREIGN KEY", "SHARE ROW EXCLUSIVE"),
    (r"VALIDATE CONSTRAINT", "SHARE UPDATE EXCLUSIVE"),
    (r"(?:ENABLE|DISABLE) (?:ALWAYS |REPLICA )?TRIGGER", "SHARE ROW EXCLUSIVE"),
    (r"ALTER (?:COLUMN )?\S+ (?:SET STATISTICS|SET \(|RESET \()", "SHARE UPDATE EXCLUSIVE"),
    (r"(?:CLUSTER ON|SET WITHOUT CLUSTER|SET \(|RESET \()", "SHARE UPDATE EXCLUSIVE"),
    (r"ATTACH PARTITION", "SHARE UPDATE EXCLUSIVE"),
    (r"DETACH PARTITION .* (?:CONCURRENTLY|FINALIZE)$", "SHARE UPDATE EXCLUSIVE"),
)


def locks(script: Script, catalog: Catalog) -> list[list[Lock]]:
    """For each statement of the file, the locks on relations that existed before it, strongest first."""
    made: set[str] = set()
    answer = []
    for statement in script.statements:
        text = mask(statement.code)
        strongest: dict[str, str] = {}
        for lock in _locks(text, catalog):
            if lock.relation not in made and _rank(lock.mode) >= _rank(strongest.get(lock.relation, MODES[0])):
                strongest[lock.relation] = lock.mode
        found = [Lock(mode, relation) for relation, mode in strongest.items()]
        answer.append(sorted(found, key=lambda lock: (-_rank(lock.mode), lock.relation)))
        if match := re.match(
            rf"CREATE (?:UNLOGGED |OR REPLACE |TEMP(?:ORARY)? )*(?:TABLE|(?:MATERIALIZED )?VIEW|SEQUENCE)"
            rf"(?: IF NOT EXISTS)? ({NAME})",
            text,
            re.I,
        ):
            made.add(match[1])
        if (match := re.match(_CREATE_INDEX, text, re.I)) and match["index"] and match["table"] in made:
            schema = match["table"].rpartition(".")[0]
            made.add(f"{schema}.{match['index']}" if schema else match["index"])
    return answer


def mask(code: str) -> str:
    """The code with the insides of its strings and dollar quotes taken out, so that words in them do not count."""
    return re.sub(r"\$(\w*)\$.*?\$\1\$|'(?:[^']|'')*'", "''", code, flags=re.S)


def _rank(mode: str) -> int:
    return MODES.index(mode) if mode in MODES else len(MODES)


def _locks(text: str, catalog: Catalog) -> Iterator[Lock]:
    if match := re.match(rf"ALTER TABLE (?:IF EXISTS )?(?:ONLY )?({NAME})(?: \*)? (.*)", text, re.I):
        yield from _alter_table(match[1], match[2], catalog)
    elif re.match(r"CREATE (?:UNLOGGED |TEMP(?:ORARY)? )*TABLE\b", text, re.I):
        yield from _create_table(text)
    elif match := re.match(_CREATE_INDEX, text, re.I):
        yield Lock("SHARE UPDATE EXCLUSIVE" if match["concurrently"] else "SHARE", match["table"])
    elif match := re.match(rf"DROP INDEX (CONCURRENTLY )?(?:IF EXISTS )?({_LIST})", text, re.I):
        for index in _names(match[2]):
            mode = "SHARE UPDATE EXCLUSIVE" if match[1] else "ACCESS EXCLUSIVE"
            yield Lock(mode, catalog.indexed.get(index, f"the table of {index}"))
    elif match := re.match(rf"LOCK (?:TABLE )?(?:ONLY )?({_LIST})(?: IN ([A-Z ]+) MODE)?", text, re.I):
        for name in _names(match[1]):
            yield Lock((match[2] or "ACCESS EXCLUSIVE").upper(), name)
    elif re.match(r"(?:DO|CALL)\b", text, re.I):
        yield Lock(UNKNOWN, "what its code touches")
    else:
        yield from _by_kind(text, catalog)


def _by_kind(text: str, catalog: Catalog) -> Iterator[Lock]:
    for pattern, mode in _KINDS:
        if match := re.match(pattern, text, re.I):
            for name in _names(match[1]):
                yield Lock(mode, name)
                if re.match(r"DROP TABLE", text, re.I):
                    others = {*catalog.references.get(name, {}).values(), catalog.parents.get(name, name)}
                    yield from (Lock("ACCESS EXCLUSIVE", other) for other in sorted(others - {name}))
            break
    if re.match(r"(?:SELECT|WITH|INSERT|UPDATE|DELETE|MERGE|CREATE (?:OR REPLACE )?(?:MATERIALIZED )?VIEW)\b", text, re.I):
        yield from _sources(text)


def _sources(text: str) -> Iterator[Lock]:
    """What a query reads, and the functions it calls, whose locks are theirs."""
    mode = "ROW SHARE" if re.search(r"\bFOR (?:NO KEY UPDATE|UPDATE|SHARE|KEY SHARE)\b", text, re.I) else "ACCESS SHARE"
    local = {name.lower() for name in re.findall(rf"(?:WITH|,) (?:RECURSIVE )?({_PART}) (?:\([^)]*\) )?AS\b", text, re.I)}
    for match in re.finditer(rf"\b(?:FROM|JOIN|USING) (?:ONLY )?(?!LATERAL\b|SELECT\b)({NAME})(?! ?\()", text, re.I):
        if match[1].lower() not in local and "." in match[1]:
            yield Lock(mode, match[1])
    for match in re.finditer(r"\bINSERT INTO (\S+)|\bUPDATE (\S+) SET|\bDELETE FROM (\S+)", text, re.I):
        yield Lock("ROW EXCLUSIVE", next(name for name in match.groups() if name))
    for match in re.finditer(rf"(?<!INTO )\b({_PART}\.{_PART})\(", text):
        if not match[1].startswith("pg_catalog."):
            yield Lock(UNKNOWN, f"what {match[1]}() touches")


def _alter_table(table: str, rest: str, catalog: Catalog) -> Iterator[Lock]:
    for command in _split(rest):
        yield Lock(next((mode for p, mode in _SUBCOMMANDS if re.match(p, command, re.I)), "ACCESS EXCLUSIVE"), table)
        for other in _references(command):
            yield Lock("SHARE ROW EXCLUSIVE", other)
        if match := re.match(rf"(?:DROP|ALTER) CONSTRAINT (?:IF EXISTS )?({_PART})", command, re.I):
            other = catalog.references.get(table, {}).get(match[1], table)
            enforced = re.search(r"(?<!NOT) ENFORCED", command, re.I)  # it gets triggers, on both sides; else it loses them
            yield Lock("SHARE ROW EXCLUSIVE" if enforced else "ACCESS EXCLUSIVE", other)
        if match := re.match(rf"(?:ATTACH|DETACH) PARTITION ({NAME})", command, re.I):
            yield Lock("ACCESS EXCLUSIVE", match[1])
        if match := re.match(rf"(?:NO )?INHERIT ({NAME})", command, re.I):
            yield Lock("SHARE UPDATE EXCLUSIVE", match[1])


def _create_table(text: str) -> Iterator[Lock]:
    for other in _references(text):
        yield Lock("SHARE ROW EXCLUSIVE", other)
    if match := re.search(rf"\bPARTITION OF ({NAME})", text, re.I):
        yield Lock("ACCESS EXCLUSIVE", match[1])
    for match in re.finditer(rf"[(,] ?LIKE ({NAME})", text, re.I):
        yield Lock("ACCESS SHARE", match[1])
    if match := re.search(rf"\bINHERITS \(({_LIST})\)", text, re.I):
        for name in _names(match[1]):
            yield Lock("SHARE UPDATE EXCLUSIVE", name)
    if re.search(r"\bAS (?:WITH|SELECT)\b", text, re.I):
        yield from _sources(text)


def _references(text: str) -> list[str]:
    return re.findall(rf"\bREFERENCES ({NAME})", text, re.I)


def _names(text: str) -> list[str]:
    return re.findall(NAME, text, re.I)


def _split(text: str) -> list[str]:
    """The parts between the commas that stand outside of parentheses."""
    parts, depth = [""], 0
    for letter in text:
        depth += (letter == "(") - (letter == ")")
        if letter == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += letter
    return [part.strip() for part in parts]
