"""Analyses of templates: what a settings page means for those who have it, worked out once and reviewed by a curator."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import Enum
from uuid import UUID

import strawberry
from pydantic import BaseModel

from app.core.plan import has_feature
from app.kit.context import Info
from app.kit.db import Db
from app.kit.edge import edge
from app.kit.errors import AppError, ErrorCode, constraint
from app.kit.graphql import BigInt, Node, field, global_id, mutation, parse_uuid, query
from app.kit.jobs import Work, enqueue, job
from app.kit.locale import DEFAULT
from app.kit.model import Spent
from app.kit.page import Page, page
from app.kit.sql import File
from app.privacy.analyzer import (
    MOST_TRIES,
    RULES_ANALYZER,
    TRIES,
    AnalysisFailed,
    AnalysisFailure,
    AnalysisSettings,
    Analyzer,
    Content,
    Subject,
    analyzer_of,
    by_rules,
    hash_of,
)
from app.privacy.template import AnalysisAvailability, Template, forget_settings, settings_of, templates_by_id

constraint(
    "template_analysis_review_reason_length", ErrorCode.BAD_INPUT, "A reason has at most 500 characters.", field="reason"
)

AFTER_WORDS = timedelta(minutes=10)
"""What is said of settings is changed in several steps: the analysis waits for the last."""
FEATURE = "privacy.analysis"
SWEPT = 100
"""So many templates get their job in one sweep."""


@strawberry.enum(description="How far an analysis has come.")
class AnalysisState(Enum):
    """Values as in the database."""

    PROPOSED = strawberry.enum_value("PROPOSED", description="Waits for a curator, or until autoApproveAt.")
    APPROVED = strawberry.enum_value("APPROVED", description="Shown to those whose plan has it.")
    VETOED = strawberry.enum_value("VETOED", description="Never shown.")
    FAILED = strawberry.enum_value("FAILED", description="The model gave nothing that could be kept; see failure.")


@strawberry.enum(description="What a curator says of an analysis.")
class AnalysisVerdict(Enum):
    """Values of the API; ``STATE_OF`` has the states that they lead to."""

    APPROVE = "APPROVE"
    VETO = "VETO"


STATE_OF = {AnalysisVerdict.APPROVE: AnalysisState.APPROVED, AnalysisVerdict.VETO: AnalysisState.VETOED}


@strawberry.type(description="What an analysis says of the settings of one category.")
class AnalyzedCategory:
    """At most one of each category."""

    category: str
    risk_score: int = strawberry.field(description="0..100, higher is riskier: as a new account has its settings.")
    insight: str


@strawberry.type(description="What an analysis says of one setting.")
class AnalyzedSetting:
    """At most one of each setting; a model may leave some out."""

    key: str = strawberry.field(description="As in the template's settings.")
    risk_score: int = strawberry.field(description="0..100, higher is riskier: as a new account has it.")
    impact: str = strawberry.field(description="What happens to a person's data while it is not as recommended.")
    recommendation: str


@strawberry.type(
    description="What a template's settings mean: made once, whoever has them, from the template alone. All texts are plain."
)
class TemplateAnalysis(Node):
    """Rows that the caller may not see are hidden by the table's policies."""

    node_statement = "privacy/template_analysis.edge_template_analysis"
    node_scopes = frozenset({"privacy:read"})

    template_id: strawberry.Private[UUID]
    reviewer_id: strawberry.Private[UUID | None]
    input_hash: strawberry.Private[bytes]

    model: str = strawberry.field(description="Who made it: a model's name, or rules-1, which is no model.")
    prompt_version: int = strawberry.field(description="Version of the model's instructions; 0 of the rules.")
    state: AnalysisState
    summary: str = strawberry.field(description="Empty when it failed.")
    risk_score: int | None = strawberry.field(
        description="0..100, higher is riskier: how exposed a new account is. Null when it failed."
    )
    recommendations: list[str] = strawberry.field(description="The most useful first.")
    input_tokens: BigInt | None = strawberry.field(
        description="Of all attempts, as are output, cost and time; null when not told."
    )
    output_tokens: BigInt | None
    cost_micros: BigInt | None = strawberry.field(description="Millionths of the currency; null when not known.")
    currency: str | None = strawberry.field(description="ISO 4217, such as USD.")
    duration_ms: BigInt = strawberry.field(description="Milliseconds.")
    attempts: int = strawberry.field(description="How often it was tried, failures included.")
    failure: AnalysisFailure | None = strawberry.field(description="Why the last attempt failed, if it did.")
    created_at: datetime
    auto_approve_at: datetime | None = strawberry.field(
        description="Approved then, unless a curator vetoes it; null for never."
    )
    reviewed_at: datetime | None
    review_reason: str | None

    template: Template = edge("privacy/template.edge_template", ids="template_id")
    categories: list[AnalyzedCategory] = edge("privacy/template_analysis.edge_analyzed_category", many=True, analysis_ids="id")
    settings: list[AnalyzedSetting] = edge("privacy/template_analysis.edge_analyzed_setting", many=True, analysis_ids="id")

    @field(name="inputHash", description="Lower-case hex SHA-256 of what was analyzed: another one, another analysis.")
    def input_hash_hex(self) -> str:
        """64 digits."""
        return self.input_hash.hex()

    @field(name="reviewerId", description="The curator who reviewed it; null where nobody objected in time.")
    def reviewer(self) -> strawberry.ID | None:
        """The id as the API writes it."""
        return global_id("Account", str(self.reviewer_id)) if self.reviewer_id else None


@dataclass(frozen=True)
class Found:
    """What there is already of a model and a prompt."""

    state: AnalysisState
    input_hash: bytes


@dataclass(frozen=True)
class Source:
    """A template that was active once, with its platform's name and domain."""

    id: UUID
    name: str
    domain: str


@dataclass(frozen=True)
class Key:
    """The id of a row."""

    id: UUID


@dataclass(frozen=True)
class WithheldWord:
    """A setting whose words an outside model may not read."""

    key: str


sql = File("privacy/template_analysis")
approved_by_template = sql.edge("edge_approved_analysis", TemplateAnalysis)
analyzed_categories = sql.edge("edge_analyzed_category", AnalyzedCategory)
analyzed_settings = sql.edge("edge_analyzed_setting", AnalyzedSetting)
analyses_by_id = sql.edge("edge_template_analysis", TemplateAnalysis)
get_analysis_state = sql.one("get_analysis_state", Found)
get_analysis_subject = sql.one("get_analysis_subject", Source)
list_withheld_word = sql.many("list_withheld_word", WithheldWord)
list_unanalyzed_template = sql.many("list_unanalyzed_template", Key)
page_template_analysis = sql.page("page_template_analysis", TemplateAnalysis)
update_analysis_review = sql.one("update_analysis_review", TemplateAnalysis)
update_due_analyses = sql.exec("update_due_analysis")
upsert_template_analysis = sql.one("upsert_template_analysis", Key)


# Making them


class AnalyzeTemplate(BaseModel):
    """Which template."""

    template_id: UUID


class Nothing(BaseModel):
    """A job that needs to be told nothing."""


async def request_analysis(db: Db, template_id: UUID, *, delay: timedelta = timedelta()) -> None:
    """Have a template analyzed, in the transaction that makes it active or changes what is said of it."""
    await enqueue(db, analyze_template, AnalyzeTemplate(template_id=template_id), dedupe=str(template_id), delay=delay)


@job("privacy.analyze_template", AnalyzeTemplate, attempts=MOST_TRIES, concurrency=2)
async def analyze_template(work: Work, payload: AnalyzeTemplate) -> None:
    """Analyze a template, unless that was done. Two at a time: a slow model leaves the worker free for other jobs."""
    analyzer = analyzer_of(work.settings)
    subject = await find_subject(work.db, payload.template_id)
    if subject is not None and analyzer is not RULES_ANALYZER:
        subject = await without_withheld_words(work.db, payload.template_id, subject)
    if subject is None or await _is_done(work.db, payload.template_id, analyzer, subject):
        return
    await work.db.restart()  # no transaction waits for a model
    try:
        content, spent = await analyzer.analyze(subject)
    except AnalysisFailed as failed:
        if work.attempt < TRIES.get(failed.failure, MOST_TRIES):
            async with work.db.transaction():
                await _keep_failure(work, payload.template_id, analyzer, subject, failed)
            raise
        async with work.once() as db:
            await _keep_failure(work, payload.template_id, analyzer, subject, failed)
            await keep_by_rules(db, payload.template_id, subject, approve_after=_delay(work.settings))
    else:
        async with work.once() as db:
            await _keep(db, payload.template_id, analyzer, subject, content, spent, _delay(work.settings))


async def find_subject(db: Db, template_id: UUID) -> Subject | None:
    """What is to be analyzed; None where the template was never active."""
    source = await get_analysis_subject(db, template_id=template_id)
    if source is None:
        return None
    forget_settings(template_id)  # another process may have changed what is said of them
    settings = await settings_of(db, [template_id], DEFAULT)
    return Subject(source.name, source.domain, settings[template_id])


async def without_withheld_words(db: Db, template_id: UUID, subject: Subject) -> Subject:
    """What an outside model may read: words that people sent only where one of them consents to it (``model_analysis``)."""
    withheld = {word.key for word in await list_withheld_word(db, template_id=template_id)}
    settings = [replace(each, label=each.key, description="") if each.key in withheld else each for each in subject.settings]
    return replace(subject, settings=settings)


async def _is_done(db: Db, template_id: UUID, analyzer: Analyzer, subject: Subject) -> bool:
    found = await get_analysis_state(db, template_id=template_id, model=analyzer.model, prompt_version=analyzer.prompt_version)
    return found is not None and found.state is not AnalysisState.FAILED and found.input_hash == hash_of(subject)


def _delay(settings: AnalysisSettings) -> timedelta | None:
    """How long curators have to object; None for ever."""
    return timedelta(hours=settings.analysis_auto_approve_hours) or None


async def keep_by_rules(db: Db, template_id: UUID, subject: Subject, *, approve_after: timedelta | None) -> None:
    """Analyze by rules, which cost nothing and always have an answer. Nothing happens where that was done."""
    free = Spent(0, 0, 0, 0, "USD")
    await _keep(db, template_id, RULES_ANALYZER, subject, by_rules(subject), free, approve_after)


async def _keep(
    db: Db,
    template_id: UUID,
    analyzer: Analyzer,
    subject: Subject,
    content: Content,
    spent: Spent,
    approve_after: timedelta | None,
) -> None:
    told = content.model_dump()
    await upsert_template_analysis(
        db,
        template_id=template_id,
        model=analyzer.model,
        prompt_version=analyzer.prompt_version,
        input_hash=hash_of(subject),
        state=AnalysisState.PROPOSED.value,
        failure=None,
        risk_score=content.risk_score,
        summary=content.summary,
        recommendations=content.recommendations,
        categories=told["categories"],
        settings=told["settings"],
        duration_ms=spent.duration_ms,
        input_tokens=spent.input_tokens,
        output_tokens=spent.output_tokens,
        cost_micros=spent.cost_micros,
        currency=spent.currency,
        approve_after=approve_after,
    )


async def _keep_failure(work: Work, template_id: UUID, analyzer: Analyzer, subject: Subject, failed: AnalysisFailed) -> None:
    spent = failed.spent
    await upsert_template_analysis(
        work.db,
        template_id=template_id,
        model=analyzer.model,
        prompt_version=analyzer.prompt_version,
        input_hash=hash_of(subject),
        state=AnalysisState.FAILED.value,
        failure=failed.failure.value,
        risk_score=None,
        summary="",
        recommendations=[],
        categories=[],
        settings=[],
        duration_ms=spent.duration_ms,
        input_tokens=spent.input_tokens,
        output_tokens=spent.output_tokens,
        cost_micros=spent.cost_micros,
        currency=spent.currency,
        approve_after=None,
    )


@job("privacy.analyze_templates", Nothing, cron="*/5 * * * *")
async def analyze_templates(work: Work, payload: Nothing) -> None:
    """See to it that every active template has an analysis, or a job that makes one."""
    async with work.once() as db:
        for template in await list_unanalyzed_template(db, limit=SWEPT):
            await request_analysis(db, template.id)


@job("privacy.approve_analyses", Nothing, cron="*/5 * * * *")
async def approve_analyses(work: Work, payload: Nothing) -> None:
    """Approve what nobody objected to in time."""
    async with work.once() as db:
        await update_due_analyses(db)


# Reading and reviewing them


async def list_availability(db: Db, templates: Sequence[Template]) -> list[AnalysisAvailability]:
    """Of each template."""
    groups = await approved_by_template.groups(db, template_ids=[template.id for template in templates])
    missing = AnalysisAvailability.IN_PREPARATION
    if not all(groups) and not db.actor.curator and not await has_feature(db, FEATURE):
        missing = AnalysisAvailability.NOT_IN_PLAN
    return [AnalysisAvailability.AVAILABLE if group else missing for group in groups]


@strawberry.input(description="A curator's word on an analysis.")
class ReviewTemplateAnalysisInput:
    """``reason`` is shown with the analysis."""

    id: strawberry.ID
    verdict: AnalysisVerdict
    reason: str | None = None


@strawberry.type(description="The analysis as it is now.")
class ReviewTemplateAnalysisPayload:
    """The analysis as it is now."""

    analysis: TemplateAnalysis


@strawberry.type(description="The template whose analysis was asked for.")
class RefreshTemplateAnalysisPayload:
    """The template whose analysis was asked for."""

    template: Template


@strawberry.type
class TemplateAnalysisQuery:
    """Root fields that read analyses."""

    @query(curator=True)
    async def template_analyses(
        self,
        info: Info,
        template_id: strawberry.ID | None = None,
        state: AnalysisState | None = None,
        first: int = 20,
        after: str | None = None,
    ) -> Page[TemplateAnalysis] | None:
        """All analyses for curators, the newest first; of one template, or in one state."""
        of = None if template_id is None else parse_uuid(template_id, "Template", field="templateId")
        wanted = None if state is None else state.value
        return await page(page_template_analysis, info.context.db, first, after, template_id=of, state=wanted)


@strawberry.type
class TemplateAnalysisMutation:
    """Root fields by which curators review analyses."""

    @mutation(curator=True)
    async def review_template_analysis(
        self, info: Info, input: ReviewTemplateAnalysisInput
    ) -> ReviewTemplateAnalysisPayload | None:
        """Approve an analysis, or veto it for good; one that was approved can still be vetoed."""
        analysis_id = parse_uuid(input.id, "TemplateAnalysis", field="id")
        state, db = STATE_OF[input.verdict], info.context.db
        async with db.transaction():
            found = await update_analysis_review(db, id=analysis_id, state=state.value, reason=input.reason)
            if found is None:  # there is none, or nothing to change
                (found,) = await analyses_by_id(db, ids=[analysis_id])
                if found is None:
                    raise AppError(ErrorCode.NOT_FOUND, "There is no such analysis.", field="id")
                if found.state is AnalysisState.FAILED:
                    again = "Have the template analyzed again with refreshTemplateAnalysis."
                    raise AppError(
                        ErrorCode.BAD_INPUT, f"This analysis failed, there is nothing to review. {again}", field="id"
                    )
                if found.state is not state:
                    other = "Another one comes of another model, another prompt, or other words on the settings."
                    raise AppError(ErrorCode.BAD_INPUT, f"This analysis was vetoed and stays so. {other}", field="verdict")
        return ReviewTemplateAnalysisPayload(analysis=found)

    @mutation(curator=True)
    async def refresh_template_analysis(self, info: Info, template_id: strawberry.ID) -> RefreshTemplateAnalysisPayload | None:
        """Have a template analyzed again. Nothing comes of it unless the model, its prompt or what is said of the settings is
        another than last time, or the last time failed."""
        of = parse_uuid(template_id, "Template", field="templateId")
        db = info.context.db
        async with db.transaction():
            if await get_analysis_subject(db, template_id=of) is None:
                raise AppError(ErrorCode.NOT_FOUND, "There is no such template, or it was never active.", field="templateId")
            await request_analysis(db, of)
            (template,) = await templates_by_id(db, ids=[of])
        assert template is not None
        return RefreshTemplateAnalysisPayload(template=template)
