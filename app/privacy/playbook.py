"""Playbooks: ordered steps that lead to better settings on one platform, and how far a link has come with them.

They are curated files, read and never run: a step says what to do and where, and the person does it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from enum import Enum
from typing import Any
from uuid import UUID

import strawberry

from app.kit.context import Info
from app.kit.db import Db
from app.kit.edge import edge
from app.kit.errors import AppError, ErrorCode
from app.kit.graphql import Node, query
from app.kit.page import Page, page
from app.kit.sql import File
from app.privacy.platform import Platform, get_platform_by_slug
from app.privacy.score import values_by_link
from app.privacy.template import SettingType, TemplateSetting, settings_of
from app.privacy.values import unpack

MOST_STEPS = 30
FEW = 6
"""About how many steps a playbook has, and playbooks a platform: for the cost of a document."""


@strawberry.type(description="One thing to do.")
class PlaybookStep:
    """``number`` counts from 1."""

    number: int
    text: str
    setting: str | None = strawberry.field(description="Key of the setting; null for a step that no scan can see.")
    target: str | None = strawberry.field(description="The option to choose; null without a setting.")
    direct_link: str = strawberry.field(description="Where to do it.")


@strawberry.type(description="Ordered steps that lead to better settings on one platform.")
class Playbook(Node):
    """Found by its platform and slug; a change is a new version."""

    node_statement = "privacy/playbook.edge_playbook"
    node_scopes = frozenset({"privacy:read"})

    platform_id: strawberry.Private[UUID]
    digest: strawberry.Private[bytes]

    slug: str
    version: int
    title: str
    summary: str
    created_at: datetime

    platform: Platform = edge("privacy/platform.edge_platform", ids="platform_id")
    steps: list[PlaybookStep] = edge("privacy/playbook.edge_playbook_step", many=True, size=FEW, playbook_ids="id")


@strawberry.enum(description="Whether a step is done, by the link's latest snapshot.")
class StepState(Enum):
    """A step without a setting is never known to be done."""

    DONE = strawberry.enum_value("DONE", description="The setting is at the target, or exposes less.")
    TO_DO = strawberry.enum_value("TO_DO", description="The setting exposes more than the target.")
    UNKNOWN = strawberry.enum_value("UNKNOWN", description="The latest snapshot does not show it.")


@strawberry.type(description="A step of a playbook, on one link.")
class LinkPlaybookStep:
    """By the latest snapshot."""

    number: int
    text: str
    setting: str | None
    target: str | None
    direct_link: str
    current_value: str | None = strawberry.field(description="Null when the latest snapshot does not show it.")
    state: StepState


@strawberry.type(description="How far a link has come with a playbook.")
class LinkPlaybook:
    """By the latest snapshot; before the first nothing is known to be done."""

    done: int = strawberry.field(description="How many steps are done.")
    to_do: int = strawberry.field(description="How many steps are known not to be done.")
    playbook: Playbook
    steps: list[LinkPlaybookStep] = strawberry.field(metadata={"size": FEW})


sql = File("privacy/playbook")
playbooks_by_id = sql.edge("edge_playbook", Playbook)
playbooks_by_platform = sql.edge("edge_playbook_of_platform", Playbook)
steps_by_playbook = sql.edge("edge_playbook_step", PlaybookStep)
insert_playbook = sql.one("insert_playbook", Playbook)
insert_playbook_step = sql.exec("insert_playbook_step")
list_playbook = sql.many("list_playbook", Playbook)
page_playbook = sql.page("page_playbook", Playbook, keyset=(("slug", ""),))


def state_of(step: PlaybookStep, setting: TemplateSetting | None, value: str | None) -> StepState:
    """Whether a step is done where its setting has this value."""
    if setting is None or value is None or step.target not in setting.options:
        return StepState.UNKNOWN
    if setting.type is SettingType.TOGGLE:
        done = value == step.target
    else:
        done = setting.options.index(value) >= setting.options.index(step.target)
    return StepState.DONE if done else StepState.TO_DO


async def playbooks_of_links(db: Db, links: Sequence[Any]) -> list[list[LinkPlaybook]]:
    """The playbooks of each link's platform, with what its latest snapshot says of each step."""
    platform_ids = list(dict.fromkeys(link.platform_id for link in links))
    found = await playbooks_by_platform.groups(db, platform_ids=platform_ids)
    of_platform = dict(zip(platform_ids, found, strict=True))
    playbooks = [playbook for some in found for playbook in some]
    if not playbooks:
        return [[] for _ in links]
    playbook_ids = [playbook.id for playbook in playbooks]
    steps = dict(zip(playbook_ids, await steps_by_playbook.groups(db, playbook_ids=playbook_ids), strict=True))
    latest = await values_by_link(db, link_ids=[link.id for link in links])
    templates = await settings_of(db, [values.template_id for values in latest if values is not None])
    answers = []
    for link, values in zip(links, latest, strict=True):
        settings: dict[str, TemplateSetting] = {}
        seen: dict[str, str] = {}
        if values is not None:
            template = templates[values.template_id]
            settings = {s.key: s for s in template}
            seen = unpack(template, values.packed, values.observed)
        answers.append([_progress(playbook, steps[playbook.id], settings, seen) for playbook in of_platform[link.platform_id]])
    return answers


def _progress(
    playbook: Playbook, steps: Sequence[PlaybookStep], settings: dict[str, TemplateSetting], seen: dict[str, str]
) -> LinkPlaybook:
    shown = []
    for step in steps:
        value = seen.get(step.setting) if step.setting else None
        setting = settings.get(step.setting) if step.setting else None
        shown.append(
            LinkPlaybookStep(
                number=step.number,
                text=step.text,
                setting=step.setting,
                target=step.target,
                direct_link=step.direct_link,
                current_value=value,
                state=state_of(step, setting, value),
            )
        )
    states = [step.state for step in shown]
    return LinkPlaybook(playbook=playbook, done=states.count(StepState.DONE), to_do=states.count(StepState.TO_DO), steps=shown)


@strawberry.type
class PlaybookQuery:
    """The root field of playbooks."""

    @query("privacy:read")
    async def playbooks(
        self, info: Info, platform_slug: str, first: int = 20, after: str | None = None
    ) -> Page[Playbook] | None:
        """The playbooks of a platform, by slug, each in its newest version."""
        platform = await get_platform_by_slug(info.context.db, slug=platform_slug)
        if platform is None:
            raise AppError(
                ErrorCode.NOT_FOUND,
                "There is no platform of this slug; the query platforms lists them.",
                field="platformSlug",
            )
        return await page(page_playbook, info.context.db, first, after, platform_id=platform.id)
