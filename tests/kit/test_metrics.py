"""Metrics: what an operator graphs, by names that clients cannot multiply."""

from __future__ import annotations

from tests.conftest import Api


async def test_metrics_tell_requests_errors_statements_connections_and_fallbacks(api: Api) -> None:
    ada = await api.person()
    await api("query Named { viewer { account { id } } }", token=ada.token)
    await api("{ gone }", token=ada.token)
    await api('{ platformLink(id: "bare") { id } }', token=ada.token)
    await api("{ __schema { queryType { name } } }", token=ada.token)
    text = (await api.http.get("/metrics")).text
    for line in (
        'fivefold_requests_total{operation="query",status="200"} 3.0',
        'fivefold_requests_total{operation="unknown",status="200"} 1.0',
        'fivefold_errors_total{code="BAD_DOCUMENT"} 1.0',
        'fivefold_errors_total{code="BAD_ID"} 1.0',
        'fivefold_statement_seconds_count{statement="core/account.get_account"} 1.0',
        'fivefold_fallbacks_total{cause="introspection"} 1.0',
        'fivefold_fallbacks_total{cause="BAD_ID"} 1.0',
        "fivefold_documents 3.0",
    ):
        assert line in text
    assert "Named" not in text
    assert 'fivefold_connections{state="idle"}' in text
