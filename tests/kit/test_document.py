"""Documents: known by text, trusted ones by id; what is not registered can be refused."""

from __future__ import annotations

import hashlib
from pathlib import Path

import httpx
import orjson
import pytest

from app.kit.document import MAX_DOCUMENTS, Documents, read_trusted
from app.kit.errors import AppError, ErrorCode, SetupError
from app.schema import schema
from app.serve import check_documents
from app.server import create_app
from app.settings import Settings
from tests.conftest import Api, Database

GRAPHQL = schema._schema
QUERY = "query Who { viewer { role } }"
SHA = f"sha256:{hashlib.sha256(QUERY.encode()).hexdigest()}"


def test_a_document_is_read_once_and_old_ones_are_forgotten() -> None:
    documents = Documents(GRAPHQL)
    first = documents.find(QUERY, None)
    assert documents.find(QUERY, None) is first
    for number in range(MAX_DOCUMENTS):
        documents.find(f"query Q{number} {{ __typename }}", None)
    assert len(documents) == MAX_DOCUMENTS
    assert documents.find(QUERY, None) is not first


def test_trusted_documents_come_from_a_file_or_a_folder(tmp_path: Path) -> None:
    file = tmp_path / "documents.json"
    file.write_bytes(orjson.dumps({"who": QUERY}))
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "who.graphql").write_text(QUERY)
    assert read_trusted(file) == read_trusted(folder) == {"who": QUERY, SHA: QUERY}


@pytest.mark.parametrize("content", [b"[]", b"{", b'{"a": 1}', orjson.dumps({"sha256:" + "0" * 64: QUERY})])
def test_a_wrong_file_is_refused_with_a_sentence(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "documents.json"
    file.write_bytes(content)
    with pytest.raises(SetupError, match="FIVEFOLD_TRUSTED_DOCUMENTS"):
        read_trusted(file)


def test_a_trusted_document_that_does_not_fit_the_schema_stops_the_start() -> None:
    with pytest.raises(SetupError, match="trusted document old"):
        Documents(GRAPHQL, {"old": "{ gone }"})


def test_serve_refuses_them_before_anything_is_opened(tmp_path: Path) -> None:
    """In one sentence: what fails while a server opens ends in a traceback."""
    file = tmp_path / "documents.json"
    for text, problem in (("{", "cannot read"), ('{"old": "{ gone }"}', "trusted document old")):
        file.write_text(text)
        with pytest.raises(SetupError, match=problem):
            check_documents(Settings(trusted_documents=file))
    file.write_text('{"who": "{ viewer { role } }"}')
    check_documents(Settings(trusted_documents=file))
    check_documents(Settings())


def test_others_are_refused_where_only_trusted_ones_run() -> None:
    documents = Documents(GRAPHQL, {"who": QUERY}, trusted_only=True)
    assert documents.find(None, "who") is documents.find(QUERY, None)
    for text, id_ in (("{ viewer { role } }", None), (None, "other"), (None, None)):
        with pytest.raises(AppError) as caught:
            documents.find(text, id_)
        assert caught.value.code is ErrorCode.UNTRUSTED_DOCUMENT


async def test_trusted_only_over_http(database: Database, api: Api, jwt_key: Path, tmp_path: Path) -> None:
    ada = await api.person()
    file = tmp_path / "documents.json"
    file.write_bytes(orjson.dumps({"who": QUERY}))
    settings = Settings(
        database_url=database.url("fivefold_api"), jwt_keys=[jwt_key], trusted_documents=file, trusted_only=True
    )
    app = create_app(settings)
    headers = {"Authorization": f"Bearer {ada.token}"}
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://api", headers=headers) as http,
    ):
        for body in (
            {"documentId": "who"},
            {"documentId": SHA},
            {"extensions": {"persistedQuery": {"version": 1, "sha256Hash": SHA.removeprefix("sha256:")}}},
            {"query": QUERY},
        ):
            answer = await http.post("/graphql", json=body)
            assert answer.json()["data"] == {"viewer": {"role": "OWNER"}}, body
        assert (await http.get("/graphql", params={"documentId": "who"})).json()["data"] == {"viewer": {"role": "OWNER"}}
        refused = await http.post("/graphql", json={"query": "{ __schema { types { name } } }"})
        assert refused.json()["errors"][0]["extensions"]["code"] == "UNTRUSTED_DOCUMENT"
        metrics = (await http.get("/metrics")).text
        assert 'fivefold_requests_total{operation="Who",status="200"} 5.0' in metrics
