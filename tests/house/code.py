"""The code as syntax trees: what binds a statement, what calls it with what, what leads to it as an edge."""

from __future__ import annotations

import ast
import pkgutil
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path

import app
from app.kit.house import root
from app.kit.sql import Statement, load

APP = Path(app.__file__).parent
BINDERS = ("one", "many", "page", "edge", "exec")
EDGE_OPTIONS = frozenset({"many", "scope", "size", "description"})
"""Keywords of ``edge`` and ``page_edge`` that are no columns."""


@dataclass(frozen=True)
class Binding:
    """``name = File(file).kind(statement, row)`` at the top of a module."""

    id: str
    kind: str
    module: str
    name: str


@dataclass(frozen=True)
class Use:
    """One place that runs a statement: ``given`` are the parameters that it passes, None where that cannot be told."""

    id: str
    where: str
    how: str
    given: frozenset[str] | None


@dataclass(frozen=True)
class EdgeField:
    """``field: Type = edge(id, parameter="column")`` in a class; ``type`` is the innermost class of the annotation."""

    id: str
    where: str
    module: str
    owner: str
    type: str
    many: bool
    paged: bool
    columns: dict[str, str]


@cache
def statements() -> dict[str, Statement]:
    """Every statement below sql/ by id, with all of app imported."""
    for module in trees():
        if module != "app.__main__":
            import_module(module)
    folder = root() / "sql"
    files = sorted(path.relative_to(folder).with_suffix("").as_posix() for path in folder.rglob("*.sql"))
    return {statement.id: statement for file in files for statement in load(file).values()}


@cache
def trees() -> dict[str, ast.Module]:
    """Every module of app by its dotted name."""
    names = ["app", *(found.name for found in pkgutil.walk_packages(app.__path__, "app."))]
    return {name: ast.parse(path_of(name).read_text(encoding="utf-8"), name) for name in names}


def path_of(module: str) -> Path:
    """The file of a module."""
    base = APP.parent.joinpath(*module.split("."))
    file = base.with_name(f"{base.name}.py")
    return file if file.exists() else base / "__init__.py"


def calls(tree: ast.AST) -> Iterator[ast.Call]:
    """Every call below a node."""
    return (node for node in ast.walk(tree) if isinstance(node, ast.Call))


def _text(node: ast.AST | None) -> str:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def _file_of(node: ast.AST, files: dict[str, str]) -> str:
    """The file of ``File("...")`` itself, or of a name that it was given."""
    if isinstance(node, ast.Call) and ast.unparse(node.func) == "File":
        return _text(node.args[0])
    return files.get(node.id, "") if isinstance(node, ast.Name) else ""


@cache
def bindings() -> list[Binding]:
    """Every binding of app, in the order of modules and lines."""
    found = []
    for module, tree in trees().items():
        files: dict[str, str] = {}
        for node in tree.body:
            if not (isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)):
                continue
            name, value = node.targets[0].id, node.value
            if file := _file_of(value, files):
                files[name] = file
                continue
            binder = value.func if isinstance(value, ast.Call) else None
            if isinstance(value, ast.Call) and isinstance(binder, ast.Attribute) and binder.attr in BINDERS:
                file = _file_of(binder.value, files)
                found += [Binding(f"{file}.{_text(value.args[0])}", binder.attr, module, name)] if file else []
    return found


def files_opened() -> Iterator[tuple[str, str]]:
    """Every ``File("...")`` with its module."""
    for module, tree in trees().items():
        for call in calls(tree):
            if ast.unparse(call.func) == "File" and call.args:
                yield _text(call.args[0]), module


def _names(module: str, tree: ast.Module) -> dict[str, str]:
    """What a module may write to mean a binding: its own names, those it imports, and ``module.name``."""
    own = {(b.module, b.name): b.id for b in bindings()}
    names = {b.name: b.id for b in bindings() if b.module == module}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                written = alias.asname or alias.name
                if (node.module, alias.name) in own:
                    names[written] = own[node.module, alias.name]
                for (home, name), id_ in own.items():
                    if home == f"{node.module}.{alias.name}":
                        names[f"{written}.{name}"] = id_
    return names


@cache
def uses() -> list[Use]:
    """Every place where a bound name is used, but for the binding itself."""
    found = []
    for module, tree in trees().items():
        names = _names(module, tree)
        parents = {child: node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)}
        for node in ast.walk(tree):
            if isinstance(node, ast.Name | ast.Attribute) and isinstance(node.ctx, ast.Load) and ast.unparse(node) in names:
                how, given = _use(node, parents)
                found.append(Use(names[ast.unparse(node)], f"{module}:{node.lineno}", how, given))
    return found


def _use(node: ast.AST, parents: dict[ast.AST, ast.AST]) -> tuple[str, frozenset[str] | None]:
    """How a bound name is used, and the parameters it is given."""
    parent, how = parents[node], "call"
    if isinstance(parent, ast.Attribute):
        how = parent.attr
        node, parent = parent, parents[parent]
    if not isinstance(parent, ast.Call):
        return how, None
    keywords = frozenset(keyword.arg or "**" for keyword in parent.keywords)
    if how == "statement" and node in parent.args[:-1]:  # handed on bare, its parameters behind it
        return how, _keys(parent.args[-1], parents)
    if how == "call" and ast.unparse(parent.func) == "page" and parent.args[0] is node:
        return "page", keywords
    return how, keywords if parent.func is node and "**" not in keywords else None


def _keys(given: ast.expr, parents: dict[ast.AST, ast.AST]) -> frozenset[str] | None:
    """The keys of a dictionary that is written there, or in the one assignment to that name."""
    if isinstance(given, ast.Name):
        made = [node.value for node in parents if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == given.id]
        given = made[0] if len(made) == 1 else given
    return frozenset(_text(key) for key in given.keys) if isinstance(given, ast.Dict) else None


@cache
def edge_fields() -> list[EdgeField]:
    """Every field made by ``edge`` or ``page_edge`` of a named statement."""
    found = []
    for module, tree in trees().items():
        for owner in (node for node in ast.walk(tree) if isinstance(node, ast.ClassDef)):
            for node in owner.body:
                if not (isinstance(node, ast.AnnAssign) and isinstance(node.value, ast.Call)):
                    continue
                call, annotation = node.value, ast.unparse(node.annotation)
                maker = ast.unparse(call.func)
                if maker not in ("edge", "page_edge") or not _text(call.args[0]):
                    continue
                inner = [n.id for n in ast.walk(node.annotation) if isinstance(n, ast.Name) and n.id[0].isupper()]
                found.append(
                    EdgeField(
                        id=_text(call.args[0]),
                        where=f"{module}.{owner.name}.{ast.unparse(node.target)}",
                        module=module,
                        owner=owner.name,
                        type=next((name for name in inner if name not in ("Page", "Annotated")), annotation),
                        many=any(k.arg == "many" and ast.unparse(k.value) == "True" for k in call.keywords),
                        paged=maker == "page_edge",
                        columns={k.arg: _text(k.value) for k in call.keywords if k.arg and k.arg not in EDGE_OPTIONS},
                    )
                )
    return found
