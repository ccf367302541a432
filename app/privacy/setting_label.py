"""Labels: settings in the words of a language, and what curators judge of them after their template was known.

A template's settings never change, because snapshots are packed against them. What may be put right later lies beside them.
"""

from __future__ import annotations

from collections import Counter

import strawberry

from app.kit.context import Info
from app.kit.db import Db
from app.kit.errors import AppError, ErrorCode, constraint
from app.kit.graphql import mutation, parse_uuid
from app.kit.locale import DEFAULT, parse_locale
from app.kit.page import check_size
from app.kit.sql import File
from app.privacy.template import Template, TemplateSetting, forget_settings, lock_template, settings_of
from app.privacy.template_analysis import AFTER_WORDS, request_analysis

constraint("setting_label_label_length", ErrorCode.BAD_INPUT, "A label has 1 to 200 characters.", field="settings")
constraint(
    "setting_label_description_length", ErrorCode.BAD_INPUT, "A description has 1000 characters at most.", field="settings"
)
constraint("setting_advice_risk_range", ErrorCode.BAD_INPUT, "A risk is 0 to 100.", field="settings")
constraint(
    "setting_advice_category_form",
    ErrorCode.BAD_INPUT,
    "A category is 1 to 40 lower-case letters and _, such as ads.",
    field="settings",
)
constraint("setting_advice_direct_link_form", ErrorCode.BAD_INPUT, "A direct link begins with https://.", field="settings")

MAX_SETTINGS = 250


@strawberry.input(description="What is to be said of one setting; what is left out stays.")
class SettingDescriptionInput:
    """``label`` and ``description`` are words of one language, the rest is not."""

    key: str
    label: str | None = None
    description: str | None = None
    category: str | None = None
    recommended: str | None = strawberry.field(default=None, description="One of its options.")
    risk: int | None = strawberry.field(default=None, description="0..100; 0 says that it is not judged.")
    direct_link: str | None = None


@strawberry.input(description="What is to be said of a template's settings, in one language.")
class DescribeTemplateInput:
    """1 to 250 settings."""

    template_id: strawberry.ID
    settings: list[SettingDescriptionInput]
    locale: str = strawberry.field(default=DEFAULT, description="BCP 47 tag of the language of labels and descriptions.")


@strawberry.type(description="The template.")
class DescribeTemplatePayload:
    """The template."""

    template: Template


sql = File("privacy/setting_label")
upsert_setting_advice = sql.exec("upsert_setting_advice")
upsert_setting_label = sql.exec("upsert_setting_label")


async def describe(db: Db, template: Template, setting: TemplateSetting, given: SettingDescriptionInput, locale: str) -> None:
    """Write what is given of one setting, in the open transaction. Raises UNKNOWN_OPTION, BAD_INPUT."""
    if given.label is not None or given.description is not None:
        await upsert_setting_label(
            db,
            template_id=template.id,
            key=setting.key,
            locale=locale,
            label=setting.label if given.label is None else given.label.strip(),
            description=setting.description if given.description is None else given.description.strip(),
        )
    judged = (given.category, given.recommended, given.risk, given.direct_link)
    if any(value is not None for value in judged):
        if given.recommended is not None and given.recommended not in setting.options:
            raise AppError(ErrorCode.UNKNOWN_OPTION, f"{setting.key!r} has no such option.", field="settings")
        if given.risk is not None and not 0 <= given.risk <= 100:
            raise AppError(ErrorCode.BAD_INPUT, "A risk is 0 to 100.", field="settings")
        await upsert_setting_advice(
            db,
            template_id=template.id,
            key=setting.key,
            risk=setting.risk if given.risk is None else given.risk,
            recommended=setting.recommended if given.recommended is None else given.recommended,
            category=setting.category if given.category is None else given.category,
            direct_link=setting.direct_link if given.direct_link is None else given.direct_link,
        )


@strawberry.type
class SettingLabelMutation:
    """The root field by which curators describe settings."""

    @mutation(curator=True)
    async def describe_template(self, info: Info, input: DescribeTemplateInput) -> DescribeTemplatePayload | None:
        """Say what settings are called in a language, what is recommended, how much is at stake, and where to change them.

        Snapshots that are there keep their scores: these say what was known at the capture.
        """
        template_id = parse_uuid(input.template_id, "Template", field="templateId")
        locale = parse_locale(input.locale, field="locale")
        check_size(len(input.settings), field="settings", most=MAX_SETTINGS)
        repeated = [key for key, count in Counter(one.key for one in input.settings).items() if count > 1]
        if repeated:
            message = f"{repeated[0][:64]!r} is given twice. Send each setting once."
            raise AppError(ErrorCode.DUPLICATE_SETTING, message, field="settings")
        db = info.context.db
        async with db.transaction():
            template = await lock_template(db, template_id, field="templateId")
            forget_settings(template_id)
            known = {s.key: s for s in (await settings_of(db, [template_id], locale))[template_id]}
            for one in input.settings:
                if one.key not in known:
                    message = f"The template has no setting {one.key[:64]!r}."
                    raise AppError(ErrorCode.UNKNOWN_SETTING, message, field="settings")
                await describe(db, template, known[one.key], one, locale)
            if template.activated_at is not None:
                await request_analysis(db, template_id, delay=AFTER_WORDS)
        forget_settings(template_id)
        return DescribeTemplatePayload(template=template)
