"""What a reviewer sees of a migration before it runs: the SQL, the locks, and what the linters say of both directions.

Two linters: squawk, where it is installed, and our own textual rules for what it does not see:

| rule                 | finds |
|----------------------|-------|
| always-true-policy   | a policy USING (true) or WITH CHECK (true) |
| disable-trigger      | ALTER TABLE ... DISABLE TRIGGER, in the body of a function or DO block as well |
| drop-trigger         | DROP TRIGGER |
| definer-search-path  | SECURITY DEFINER without SET search_path |
| grant-to-public      | GRANT ... TO PUBLIC |
| missing-timeout      | no SET LOCAL lock_timeout and statement_timeout before anything else |
| missing-header       | a field of the header that is not there |
| unqualified-name     | a relation or function made or changed without its schema |

``-- allow <rule>: reason`` above a statement (or inside it) explains its findings of that rule. One thing needs no
such line: a rollback that drops exactly what the up file of its own migration made (tables, columns, functions,
triggers, indexes, schemas ...) is what a rollback is for; a rollback that drops anything else is found.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from app.kit.errors import SetupError
from app.kit.migration.files import REQUIRED, Migration, Script, Statement
from app.kit.migration.locks import NAME, Catalog, Lock, locks, mask

_SQUAWK = ("--pg-version", "18", "--reporter", "json", "--exclude", "require-timeout-settings")
_REVERSING = ("ban-drop", "require-concurrent-index-deletion", "drop-trigger")
_REVERSES = "reverses its own migration"
_OBJECT = r"(?:(?:UNIQUE|UNLOGGED|MATERIALIZED|OR REPLACE|CONSTRAINT|EVENT|CONCURRENTLY|IF EXISTS|IF NOT EXISTS|RECURSIVE) )*"
_KIND = r"(TABLE|VIEW|INDEX|SCHEMA|FUNCTION|PROCEDURE|TRIGGER|TYPE|DOMAIN|SEQUENCE|POLICY|EXTENSION|STATISTICS|RULE)"


@dataclass(frozen=True)
class Finding:
    """One remark; ``explained`` is the reason why it stands, or None where nobody gave one."""

    rule: str
    file: str
    line: int
    message: str
    explained: str | None = None


@dataclass(frozen=True)
class StatementReview:
    """One statement with the locks it takes on relations that existed before its file, strongest first."""

    line: int
    text: str
    locks: tuple[Lock, ...]


@dataclass(frozen=True)
class FileReview:
    """One direction of a migration."""

    file: str
    sql: str
    statements: tuple[StatementReview, ...]
    findings: tuple[Finding, ...]


@dataclass(frozen=True)
class Review:
    """One migration, both directions."""

    id: str
    phase: str
    headers: dict[str, str]
    up: FileReview
    rollback: FileReview

    @property
    def unexplained(self) -> list[Finding]:
        """The findings that nobody explained."""
        return [finding for finding in (*self.up.findings, *self.rollback.findings) if finding.explained is None]


def show(review: Review) -> str:
    """The review as text for a terminal: each file, the locks of its statements, the findings."""
    lines = [f"=== {review.id} ({review.phase})"]
    for side in (review.up, review.rollback):
        lines += ["", f"--- {side.file}", "", side.sql.rstrip(), ""]
        taken = [(statement.line, lock) for statement in side.statements for lock in statement.locks]
        lines += [f"    lock     line {line}: {lock.mode} on {lock.relation}" for line, lock in taken]
        lines += [] if taken else ["    lock     none on what exists before it"]
        for finding in side.findings:
            word, text = ("FINDING", finding.message) if finding.explained is None else ("allowed", finding.explained)
            lines.append(f"    {word}  line {finding.line}: {finding.rule}: {text}")
    if squawk() is None:
        lines.append("    squawk is not installed: only the house's own rules were checked")
    return "\n".join([*lines, ""])


def squawk() -> str | None:
    """The path of squawk, beside this Python or on the PATH; None where it is not installed."""
    beside = Path(sys.executable).with_name("squawk")
    return str(beside) if beside.exists() else shutil.which("squawk")


def review_files(chosen: list[Migration], migrations: list[Migration]) -> list[Review]:
    """Review the chosen ones; all migrations are read to know which tables refer to which."""
    catalog = Catalog.of(migrations)
    heard = _ask_squawk(chosen)
    return [
        Review(
            id=migration.id,
            phase=migration.phase,
            headers=migration.headers,
            up=_review_file(migration, migration.up, catalog, heard),
            rollback=_review_file(migration, migration.rollback, catalog, heard),
        )
        for migration in chosen
    ]


def _review_file(migration: Migration, script: Script, catalog: Catalog, heard: list[Finding]) -> FileReview:
    found = [*_lint(migration, script), *(finding for finding in heard if finding.file == script.path.name)]
    made = _made(migration.up) if script is migration.rollback else set()
    return FileReview(
        file=script.path.name,
        sql=script.text,
        statements=tuple(
            StatementReview(statement.first, statement.text, tuple(taken))
            for statement, taken in zip(script.statements, locks(script, catalog), strict=True)
        ),
        findings=tuple(_explain(finding, script, made) for finding in sorted(found, key=lambda f: (f.line, f.rule))),
    )


def _explain(finding: Finding, script: Script, made: set[tuple[str, str]]) -> Finding:
    statement = next((s for s in script.statements if s.first <= finding.line <= s.last), script.statements[0])
    if reason := statement.allowed.get(finding.rule):
        return replace(finding, explained=reason)
    dropped = _dropped(statement)
    if finding.rule.startswith(_REVERSING) and dropped and dropped <= made:
        return replace(finding, explained=_REVERSES)
    return finding


def _made(up: Script) -> set[tuple[str, str]]:
    """The (kind, name) of everything that the up file makes; a column or trigger is named with its table."""
    made: set[tuple[str, str]] = set()
    for statement in up.statements:
        code = mask(statement.code)
        if match := re.match(rf"CREATE {_OBJECT}{_KIND} {_OBJECT}({NAME})(?: (?:.*? )?ON ({NAME}))?", code, re.I | re.S):
            kind, name, table = match[1].upper(), match[2], match[3]
            if kind == "INDEX" and table and "." in table:
                name = f"{table.rpartition('.')[0]}.{name}"
            made.add((kind, f"{name} ON {table}" if kind in ("TRIGGER", "POLICY", "RULE") else name))
        if match := re.match(rf"ALTER TABLE (?:IF EXISTS )?(?:ONLY )?({NAME}) ", code, re.I):
            for column in re.findall(rf"\bADD COLUMN (?:IF NOT EXISTS )?({NAME})", code, re.I):
                made.add(("COLUMN", f"{match[1]}.{column}"))
            for name in re.findall(rf"\bADD CONSTRAINT ({NAME})", code, re.I):
                made.add(("CONSTRAINT", f"{match[1]}.{name}"))
    return made


def _dropped(statement: Statement) -> set[tuple[str, str]]:
    """The same of what a statement drops; empty where it is not understood, and then nothing is explained."""
    code = mask(statement.code)
    if match := re.match(rf"DROP {_OBJECT}{_KIND} {_OBJECT}({NAME}) ON ({NAME})", code, re.I):
        return {(match[1].upper(), f"{match[2]} ON {match[3]}")}
    if match := re.match(rf"DROP {_OBJECT}{_KIND} {_OBJECT}(.*?)(?: CASCADE| RESTRICT)?$", code, re.I):
        names = re.sub(r"\([^)]*\)", "", match[2])
        return {(match[1].upper(), name.strip()) for name in names.split(",")}
    if match := re.match(rf"ALTER TABLE (?:IF EXISTS )?(?:ONLY )?({NAME}) (.*)", code, re.I):
        drops = re.findall(rf"\bDROP (COLUMN|CONSTRAINT) (?:IF EXISTS )?({NAME})", match[2], re.I)
        return {(kind.upper(), f"{match[1]}.{name}") for kind, name in drops}
    return set()


def _lint(migration: Migration, script: Script) -> Iterator[Finding]:
    def found(rule: str, statement: Statement, message: str) -> Finding:
        return Finding(rule, script.path.name, statement.first, message)

    if script is migration.up:
        for missing in (name for name in REQUIRED if not migration.headers.get(name)):
            yield Finding("missing-header", script.path.name, 1, f"The header does not say '{missing}'.")
    if migration.transactional:
        first = " ; ".join(statement.code.lower() for statement in script.statements[:2])
        for setting in ("lock_timeout", "statement_timeout"):
            if not re.search(rf"set local {setting}\b", first):
                yield found("missing-timeout", script.statements[0], f"SET LOCAL {setting} must come before anything else.")
    for statement in script.statements:
        code, inside = mask(statement.code), re.sub(r"--[^\n]*", " ", statement.text)
        if re.match(r"(?:CREATE|ALTER) POLICY\b", code, re.I) and re.search(
            r"\b(?:USING|WITH CHECK)\s*\((?:\s|\()*true(?:\s|\))*\)", code, re.I
        ):
            yield found("always-true-policy", statement, "The policy lets every row through.")
        if re.search(r"\bDISABLE\s+TRIGGER\b", inside, re.I):
            yield found("disable-trigger", statement, "Rules and audit that live in triggers stop working.")
        if re.search(r"\bDROP\s+TRIGGER\b", inside, re.I):
            yield found("drop-trigger", statement, "Rules and audit that live in triggers stop working.")
        if re.search(r"\bGRANT\b[^;]*\bTO\b[^;]*\bPUBLIC\b", inside, re.I):
            yield found("grant-to-public", statement, "Every role of the cluster gets this right.")
        if re.search(r"\bSECURITY DEFINER\b", code, re.I) and not re.search(r"\bSET search_path\b", code, re.I):
            yield found("definer-search-path", statement, "Whoever calls it decides which objects its names mean.")
        for name in _unqualified(code):
            yield found("unqualified-name", statement, f"{name} has no schema.")


def _unqualified(code: str) -> list[str]:
    """Relations and functions that the statement makes, changes or writes, named without a schema."""
    named = rf"(?:TABLE|VIEW|SEQUENCE|FUNCTION|PROCEDURE|TYPE|DOMAIN) {_OBJECT}(?:ONLY )?({NAME})"
    patterns = (
        rf"(?:CREATE|ALTER|DROP|COMMENT ON|TRUNCATE|LOCK) {_OBJECT}{named}",
        rf"(?:CREATE|ALTER|DROP|COMMENT ON) {_OBJECT}(?:TRIGGER|POLICY|RULE|INDEX)\b.*? ON (?:ONLY )?({NAME})",
        rf"(?:INSERT INTO|UPDATE|DELETE FROM|MERGE INTO) (?:ONLY )?({NAME})",
        rf"DROP INDEX {_OBJECT}({NAME})",
        rf".*\bREFERENCES ({NAME})",
    )
    names = [match[1] for pattern in patterns if (match := re.match(pattern, code, re.I))]
    return [name for name in dict.fromkeys(names) if "." not in name]


def _ask_squawk(migrations: list[Migration]) -> list[Finding]:
    program = squawk()
    findings = []
    for transactional in (True, False):
        chosen = [migration for migration in migrations if migration.transactional is transactional]
        if not program or not chosen:
            continue
        scripts = [script.path for migration in chosen for script in (migration.up, migration.rollback)]
        words = [program, *_SQUAWK, *(["--assume-in-transaction"] if transactional else [])]
        # bare names: it takes a path for a pattern, and finds nothing below a folder with a bracket in its name
        words += [path.name for path in scripts]
        said = subprocess.run(words, capture_output=True, text=True, cwd=scripts[0].parent)  # noqa: S603 - our own words
        try:
            told = json.loads(said.stdout or "[]")
        except json.JSONDecodeError:
            reason = (said.stderr or said.stdout).strip().splitlines() or ["no reason given"]
            raise SetupError(f"squawk failed: {reason[0]}.") from None
        for each in told:
            message = " ".join(filter(None, (each["message"], each["help"])))
            findings.append(Finding(each["rule_name"], Path(each["file"]).name, each["line"] + 1, message))
    return findings
