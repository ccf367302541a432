"""Analyses to test with, asked for and reviewed by curators."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from app.settings import Settings
from tests.factory.jobs import run_jobs

if TYPE_CHECKING:
    from tests.conftest import Answer, Api, Database

REFRESH = """
mutation Refresh($id: ID!) { refreshTemplateAnalysis(templateId: $id) { template { id } } }
"""
REVIEW = """
mutation Review($input: ReviewTemplateAnalysisInput!) {
  reviewTemplateAnalysis(input: $input) { analysis { id state reviewedAt reviewerId reviewReason autoApproveAt } }
}
"""
WHOLE = """
  id model promptVersion inputHash state summary riskScore recommendations failure attempts inputTokens outputTokens
  costMicros currency durationMs createdAt autoApproveAt reviewedAt reviewerId reviewReason
  template { id } categories { category riskScore insight } settings { key riskScore impact recommendation }
"""
ANALYSES = f"""
query Analyses($templateId: ID, $state: AnalysisState, $first: Int! = 100, $after: String) {{
  templateAnalyses(templateId: $templateId, state: $state, first: $first, after: $after) {{
    edges {{ node {{ {WHOLE} }} }} pageInfo {{ hasNextPage endCursor }}
  }}
}}
"""


async def refresh(api: Api, token: str, template_id: str) -> Answer:
    """Ask for an analysis."""
    return await api(REFRESH, {"id": template_id}, token=token)


async def review(api: Api, token: str, analysis_id: str, verdict: str = "APPROVE", reason: str | None = None) -> Answer:
    """Say something of an analysis."""
    return await api(REVIEW, {"input": {"id": analysis_id, "verdict": verdict, "reason": reason}}, token=token)


async def analyses_of(api: Api, token: str, template_id: str | None = None, state: str | None = None) -> list[dict[str, Any]]:
    """All analyses that a curator sees, the newest first."""
    answer = await api(ANALYSES, {"templateId": template_id, "state": state}, token=token)
    return [edge["node"] for edge in answer.data["templateAnalyses"]["edges"]]


async def analyze(api: Api, token: str, template_id: str, settings: Settings | None = None) -> dict[str, Any]:
    """Have a template analyzed, as far as it goes at once; the newest analysis as a curator sees it."""
    assert (await refresh(api, token, template_id)).data
    await run_jobs(api, settings=settings)
    return (await analyses_of(api, token, template_id))[0]


async def hurry(database: Database) -> None:
    """Let jobs that wait for another attempt be due."""
    async with database.connect() as connection:
        await connection.execute("UPDATE jobs.pgqueuer SET execute_after = now() WHERE status = 'queued'")
