"""Documents: parsed, weighed and validated once, then known by their text; trusted ones by their id as well."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
from graphql import (
    DirectiveNode,
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    GraphQLSchema,
    InlineFragmentNode,
    OperationDefinitionNode,
    VariableNode,
    Visitor,
    parse,
    validate,
    visit,
)
from graphql.execution.collect_fields import FragmentDetails

from app.kit.errors import AppError, ErrorCode, SetupError
from app.kit.limits import MAX_TOKENS, Scale
from app.kit.plan import Plan, Unplannable

MAX_DOCUMENTS = 1000
MAX_KEPT_COSTS = 64


class Invalid(Exception):
    """The document does not parse or does not fit the schema, or its variables do not fit their types."""

    def __init__(self, errors: list[GraphQLError], code: ErrorCode = ErrorCode.BAD_DOCUMENT) -> None:
        super().__init__(errors[0].message)
        self.errors, self.code = errors, code


@dataclass(slots=True)
class Document:
    """A valid document. ``switches`` are the variables of @skip and @include; ``plans`` and ``costs`` are kept here."""

    text: str
    ast: DocumentNode
    operations: dict[str | None, OperationDefinitionNode]
    fragments: dict[str, FragmentDetails]
    switches: tuple[str, ...]
    plans: dict[tuple[Any, ...], Plan | Unplannable] = field(default_factory=dict)
    costs: dict[tuple[Any, ...], int] = field(default_factory=dict)
    sizes: tuple[str, ...] | None = None
    root_names: dict[str | None, frozenset[str]] = field(default_factory=dict)

    def choose(self, name: str | None) -> OperationDefinitionNode:
        """The operation to run. Raises BAD_REQUEST when the name is missing or wrong."""
        if name is None and len(self.operations) == 1:
            return next(iter(self.operations.values()))
        found = self.operations.get(name)
        if name is None or found is None:
            known = ", ".join(sorted(str(n) for n in self.operations))[:200]
            raise AppError(ErrorCode.BAD_REQUEST, f"Say in `operationName` which operation to run: {known}.")
        return found

    def roots(self, operation: OperationDefinitionNode) -> frozenset[str]:
        """The names of the root fields that an operation may run."""
        name = operation.name.value if operation.name else None
        if name not in self.root_names:
            self.root_names[name] = frozenset(self._find_roots(operation))
        return self.root_names[name]

    def _find_roots(self, operation: OperationDefinitionNode) -> set[str]:
        found: set[str] = set()
        seen: set[str] = set()
        waiting = [operation.selection_set]
        while waiting:
            for selection in waiting.pop().selections:
                if isinstance(selection, FieldNode):
                    found.add(selection.name.value)
                elif isinstance(selection, InlineFragmentNode):
                    waiting.append(selection.selection_set)
                elif isinstance(selection, FragmentSpreadNode) and (name := selection.name.value) not in seen:
                    seen.add(name)
                    waiting.append(self.fragments[name].definition.selection_set)
        return found

    def cost(self, schema: GraphQLSchema, operation: OperationDefinitionNode, variables: Mapping[str, Any]) -> int:
        """The objects that an operation asks for. Raises TOO_COMPLEX."""
        name = operation.name.value if operation.name else None
        key = (name, *(_figure(variables.get(size)) for size in self.sizes)) if self.sizes is not None else None
        found = self.costs.get(key) if key is not None else None
        if found is None:
            scale = Scale(schema, self.ast, variables)
            found = scale.check(operation)
            self.sizes = tuple(sorted(scale.sizes | set(self.sizes or ())))
            if len(self.costs) < MAX_KEPT_COSTS:
                self.costs[name, *(_figure(variables.get(size)) for size in self.sizes)] = found
        return found


def _figure(value: Any) -> Any:
    """What the cost depends on of a variable: a number, or the length of a list."""
    return len(value) if isinstance(value, list) else value if isinstance(value, int) else None


class Documents:
    """The documents of one schema: the latest thousand by text, the trusted ones for ever."""

    def __init__(self, schema: GraphQLSchema, trusted: Mapping[str, str] | None = None, *, trusted_only: bool = False) -> None:
        self._schema = schema
        self._trusted_only = trusted_only
        self._known: OrderedDict[str, Document] = OrderedDict()
        self._trusted_texts: dict[str, Document] = {}
        self._trusted_ids: dict[str, Document] = {}
        for id_, text in (trusted or {}).items():
            try:
                found = self._trusted_texts.get(text) or self._read(text)
            except (Invalid, AppError) as error:
                raise SetupError(f"trusted document {id_[:80]}: {error}") from error
            self._trusted_texts[text] = self._trusted_ids[id_] = found

    def __len__(self) -> int:
        return len(self._known) + len(self._trusted_texts)

    def __iter__(self) -> Iterator[Document]:
        """The trusted ones."""
        return iter(self._trusted_texts.values())

    def label(self, document: Document, operation: OperationDefinitionNode) -> str:
        """What an operation is called in logs and metrics: by its own name only where we registered it."""
        trusted = document.text in self._trusted_texts
        return operation.name.value if trusted and operation.name else operation.operation.value

    def find(self, text: str | None, id_: str | None) -> Document:
        """The document of a text or an id. Raises Invalid, TOO_COMPLEX, UNTRUSTED_DOCUMENT."""
        if text is None:
            found = self._trusted_ids.get(id_ or "")
            if found is None:
                raise AppError(ErrorCode.UNTRUSTED_DOCUMENT, "No document is registered under this id.")
            return found
        found = self._trusted_texts.get(text)
        if found is None and self._trusted_only:
            raise AppError(ErrorCode.UNTRUSTED_DOCUMENT, "Only registered documents run here; send a `documentId`.")
        if found is None:
            found = self._known.get(text)
            if found is not None:
                self._known.move_to_end(text)
        if found is None:
            found = self._known[text] = self._read(text)
            if len(self._known) > MAX_DOCUMENTS:
                self._known.popitem(last=False)
        return found

    def _read(self, text: str) -> Document:
        """Weighed before it is validated: validation may take long over what is refused anyway."""
        try:
            ast = parse(text, max_tokens=MAX_TOKENS, allow_empty_selection_sets=False)
            document = _collect(text, ast)
            for operation in document.operations.values():
                Scale(self._schema, ast, {}).check(operation)
            errors = validate(self._schema, ast, hide_suggestions=True)
        except GraphQLError as error:
            if isinstance(error, AppError):
                raise
            raise Invalid([error]) from None
        except RecursionError:
            raise AppError(ErrorCode.TOO_COMPLEX, "The document is nested too deeply.") from None
        if errors:
            raise Invalid(errors)
        return document


def _collect(text: str, ast: DocumentNode) -> Document:
    operations: dict[str | None, OperationDefinitionNode] = {}
    fragments = {}
    for definition in ast.definitions:
        if isinstance(definition, OperationDefinitionNode):
            operations[definition.name.value if definition.name else None] = definition
        elif isinstance(definition, FragmentDefinitionNode):
            fragments[definition.name.value] = FragmentDetails(definition)
    switches = _Switches()
    visit(ast, switches)
    return Document(text, ast, operations, fragments, tuple(sorted(switches.names)))


class _Switches(Visitor):
    """Finds the variables of @skip and @include."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()

    def enter_directive(self, node: DirectiveNode, *_: Any) -> None:
        """Any directive's variables: there are no others."""
        for argument in node.arguments or ():
            if isinstance(argument.value, VariableNode):
                self.names.add(argument.value.name.value)


def read_trusted(path: Path) -> dict[str, str]:
    """Trusted documents by id: a JSON object of id -> text, or a folder of .graphql files. Raises SetupError.

    Every document is known by ``sha256:<hex of its text>`` too; an id of that form must be true.
    """
    try:
        if path.is_dir():
            texts: dict[str, str] = {p.stem: p.read_text(encoding="utf-8") for p in sorted(path.glob("*.graphql"))}
        else:
            texts = orjson.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise SetupError(f"FIVEFOLD_TRUSTED_DOCUMENTS: cannot read {path}: {error}") from error
    if not isinstance(texts, dict) or not all(isinstance(text, str) for text in texts.values()):
        raise SetupError(f"FIVEFOLD_TRUSTED_DOCUMENTS: {path} is no JSON object of id -> document")
    found: dict[str, str] = {}
    for id_, text in texts.items():
        digest = f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"
        if id_.startswith("sha256:") and id_ != digest:
            raise SetupError(f"FIVEFOLD_TRUSTED_DOCUMENTS: the text of {id_} has another hash, {digest}")
        found |= {id_: text, digest: text}
    return found
