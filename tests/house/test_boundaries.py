"""Who may know whom: kit knows no noun, the core no product, no product another, and SQL lies in sql/."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from app.core.api_key import ApiKey
from app.kit.graphql import Node
from app.kit.house import root
from app.schema import PRODUCTS, SCOPES
from tests.house.code import APP, calls, files_opened, path_of, trees

TESTS = Path(__file__).parents[1]
MODULES = [product.name for product in PRODUCTS]

MAY_KNOW = {"kit": {"kit"}, **{name: {"kit", "core", name} for name in MODULES}}
"""What each ring may import; what lies at the top of app puts everything together and may import all."""

SQL_ALLOWED = {
    "app.kit.bootstrap": "roles and grants: before there is a database to name statements for",
    "app.kit.db": "the frame of a transaction and the identity in it, which travel with BEGIN",
    "app.kit.pool": "settings of a session, and who is at the other end",
    "app.kit.migrate": "locks and assertions of migrations",
    "app.kit.migration.ledger": "the ledger's own table",
    "app.kit.migration.locks": "patterns that read SQL",
    "app.kit.migration.review": "patterns that read SQL",
}
"""Modules with SQL text in them, and why it cannot lie in sql/."""

FRAME = re.compile(
    r"BEGIN ISOLATION LEVEL [A-Z ]+|SELECT 1|set_config\('gap', 'gap', true\)|SET LOCAL fivefold\.gap = 'gap'"
    r"|SELECT pg_backend_pid\(\)|SELECT name FROM pg_prepared_statements"  # who is at the other end
    r"|[^;]*'fivefold\.behind'[^;]*|gap gap; SELECT FROM generate_series\(1, current_setting\('fivefold\.behind'\)::int\)"
)
"""All that app.kit.db and app.kit.pool say to PostgreSQL by themselves."""
FRAMED = ("app.kit.db", "app.kit.pool")

SQL = re.compile(
    r"\b(SELECT|INSERT INTO|DELETE FROM|MERGE INTO|TRUNCATE|CALL)\s+[\w*(\"]"
    r"|\bUPDATE\s+[\w.]+\s+(AS\s+\w+\s+)?SET\b"
    r"|\b(CREATE|ALTER|DROP)\s+(OR REPLACE\s+)?(TABLE|INDEX|SCHEMA|ROLE|DATABASE|FUNCTION|TRIGGER|POLICY|VIEW|EXTENSION)\b"
    r"|\b(GRANT|REVOKE)\s+[A-Z]|\bSET (LOCAL|ROLE|SESSION)\b|\bBEGIN ISOLATION|\bset_config\("
)


def test_imports_point_inward() -> None:
    problems = []
    for module, tree in trees().items():
        ring = module.split(".")[1] if "." in module else ""
        for name in _imported(tree):
            if ring in MAY_KNOW and name.split(".")[1] not in MAY_KNOW[ring]:
                problems.append(f"{module} imports {name}")
    assert problems == []


def _imported(tree: ast.Module) -> Iterator[str]:
    """Every module of app that is imported, for types or lazily by its name too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            if node.module == "app":
                yield from (f"app.{alias.name}" for alias in node.names)
            elif node.module and node.module.startswith("app."):
                yield node.module
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.startswith("app."))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and re.fullmatch(r"app(\.\w+)+", node.value):
            yield node.value


def test_no_import_is_hidden() -> None:
    """A module named at run time would pass the test above unseen."""
    allowed = {"app.kit.embedded": "importlib.util", "app.kit.sql": "sys.modules"}
    for module, tree in trees().items():
        text = ast.unparse(tree)
        for way in ("importlib.util", "import_module", "__import__", "sys.modules"):
            assert way not in text or allowed.get(module) == way, f"{module}: {way}"


def test_sql_lies_in_sql() -> None:
    problems = []
    for module, tree in trees().items():
        for line, text in _strings(tree):
            framed = module in FRAMED and FRAME.fullmatch(text)
            if SQL.search(text) and not framed and (module in FRAMED or module not in SQL_ALLOWED):
                problems.append(f"{module}:{line}: {text[:80]}")
    assert problems == []


def test_exceptions_are_in_use() -> None:
    with_sql = {module for module, tree in trees().items() for _, text in _strings(tree) if SQL.search(text)}
    assert with_sql == set(SQL_ALLOWED)


def _strings(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Every string but docstrings; a formatted one as a whole, with a word for each gap."""
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    documentation = {ast.get_docstring(node, clean=False) for node in ast.walk(tree) if isinstance(node, documented)}
    inside: set[ast.AST] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            inside |= set(node.values)
            yield node.lineno, "".join(str(part.value) if isinstance(part, ast.Constant) else "gap" for part in node.values)
        elif isinstance(node, ast.Constant) and node not in inside and isinstance(node.value, str):
            yield from ((node.lineno, text) for text in (node.value,) if text not in documentation)


def test_one_noun_one_word() -> None:
    """A file of sql/ is opened by the module of its name, and by nobody else."""
    problems = []
    opened = set(files_opened())
    files = {path.relative_to(root() / "sql").with_suffix("").as_posix() for path in (root() / "sql").rglob("*.sql")}
    for file in files:
        homes = {module for name, module in opened if name == file}
        expected = {f"app.{file.replace('/', '.')}"}
        if file.endswith("/across"):  # of several nouns, each of which opens it for its own
            expected = {home for home in homes if home.startswith(f"app.{file.split('/')[0]}.")}
        if homes != expected:
            problems.append(f"sql/{file}.sql is opened by {sorted(homes)}, expected {sorted(expected)}")
    assert problems == []


def test_each_module_has_its_test() -> None:
    missing = []
    for module in trees():
        parts = module.split(".")
        if len(parts) == 3 and parts[1] in MODULES:
            file = TESTS / parts[1] / f"test_{parts[2]}.py"
            if not file.exists():
                missing.append(file.relative_to(TESTS.parent).as_posix())
    assert missing == []


def test_each_test_has_its_module() -> None:
    """Where a test of a noun is looked for, nothing else is found."""
    allowed = {
        "tests/core/test_account_restore.py": "deletions that are undone by a sign-in at a provider",
        "tests/core/test_audit_restore.py": "the seals of the audit, after a dump was restored",
        "tests/core/test_audit_written.py": "functions of the database alone: both forms of the audit side by side",
        "tests/core/test_isolation.py": "every noun, seen from another workspace",
        "tests/core/test_organization.py": "organizations: who may what, over all nouns that they have",
        "tests/core/test_kill.py": "servers and workers that are killed in the middle of exports, erasures and payments",
        "tests/core/test_sign_in_link.py": "sign-ins that add a way in, core's identities",
        "tests/core/test_sign_in_provider.py": "what providers answer to sign-ins, app/kit/oidc.py behind the API",
        "tests/core/test_workspace_delete.py": "workspaces that are deleted, restored and erased, over all ways into them",
        "tests/scans/test_no_content.py": "every noun of scans, and what a worker leaves behind",
        "tests/scans/test_scale.py": "the lists of all nouns of scans, where there is much of each",
        "tests/scans/test_told.py": "who is told of scans: outside models with consent, webhooks, people as they prefer",
        "tests/privacy/test_data.py": "the files of app/privacy/data",
        "tests/privacy/test_extension.py": "the extension of tests/privacy/extension, in a browser",
        "tests/privacy/test_frontend.py": "the front end of tests/privacy/frontend, in a browser",
        "tests/core/test_issuer.py": "identities of other issuers' tokens, app/kit/jwks.py behind the API",
        "tests/privacy/test_signature.py": "signed scans: core's devices, privacy's scans and links",
    }
    for name in MODULES:
        for file in (TESTS / name).glob("test_*.py"):
            path = APP / name / f"{file.stem.removeprefix('test_')}.py"
            assert path.exists() or path.with_suffix("").is_dir() or file.relative_to(TESTS.parent).as_posix() in allowed, file


def test_the_front_door_tells_all() -> None:
    """What a module adds to the system stands in its Product: nodes, queries, mutations, subscriptions, jobs."""
    for product in PRODUCTS:
        found: dict[str, set[str]] = {"queries": set(), "mutations": set(), "subscriptions": set()}
        jobs = set()
        for module, tree in trees().items():
            if module.startswith(f"app.{product.name}."):
                functions = (each for each in tree.body if isinstance(each, ast.AsyncFunctionDef))
                jobs |= {each.name for each in functions if any(_maker(line) == "job" for line in each.decorator_list)}
                for node in (each for each in ast.walk(tree) if isinstance(each, ast.ClassDef)):
                    words = {_maker(line) for method in node.body if isinstance(method, ast.AsyncFunctionDef)
                             for line in method.decorator_list}  # fmt: skip
                    found["queries"] |= {node.name} if words & {"query", "public_query"} else set()
                    found["mutations"] |= {node.name} if words & {"mutation", "public_mutation"} else set()
                    found["subscriptions"] |= {node.name} if "subscription" in words else set()
        assert {each.__name__ for each in product.queries} == found["queries"], product.name
        assert {each.__name__ for each in product.mutations} == found["mutations"], product.name
        assert {each.__name__ for each in product.subscriptions} == found["subscriptions"], product.name
        assert {each.run.__name__ for each in product.jobs} == jobs, product.name
        nodes = {each for each in Node.__subclasses__() if each.__module__.startswith(f"app.{product.name}.")}
        assert set(product.nodes) == nodes, product.name
        for names in (product.queries, product.mutations, product.nodes):
            assert len(set(names)) == len(names), product.name
    assert ApiKey in PRODUCTS[0].nodes, "the test sees subclasses of Node"


def _maker(decorator: ast.expr) -> str:
    return ast.unparse(decorator.func) if isinstance(decorator, ast.Call) else ""


def test_the_front_door_is_short() -> None:
    for product in PRODUCTS:
        text = path_of(f"app.{product.name}").read_text(encoding="utf-8")
        assert len(text.splitlines()) <= 200, product.name
        assert ast.get_docstring(trees()[f"app.{product.name}"])


def test_scopes_are_those_that_fields_ask_for() -> None:
    asked: set[str] = set()
    for tree in trees().values():
        for call in calls(tree):
            given = [*call.args, *(k.value for k in call.keywords if k.arg == "scope")]
            if ast.unparse(call.func) in ("query", "mutation", "edge", "page_edge", "frozenset"):
                asked |= {value for arg in given for value in _texts(arg) if re.fullmatch(r"[a-z]+:[a-z]+", value)}
    assert asked == SCOPES


def _texts(node: ast.AST) -> Iterator[str]:
    return (each.value for each in ast.walk(node) if isinstance(each, ast.Constant) and isinstance(each.value, str))


def test_transactions_end_where_they_begin() -> None:
    """``Db.transaction`` commits or rolls back; nobody else says so, but for what is left open by those who have read."""
    said = {module for module, tree in trees().items() for _, text in _strings(tree) if text in ("COMMIT", "ROLLBACK")}
    assert said == {"app.kit.db", "app.kit.pool"}
