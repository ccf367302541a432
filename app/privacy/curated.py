"""The curated files of app/privacy/data/: read, checked, and loaded into the shared nouns. Loading again adds what is new."""

from __future__ import annotations

import hashlib
import tomllib
from collections import Counter
from pathlib import Path
from typing import Annotated, Any, TypeVar

import rfc8785
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from app.kit.db import Db
from app.kit.errors import SetupError
from app.privacy.platform import Platform, lock_platform, upsert_platform
from app.privacy.platform_config import ConfigContent, SettingKey, insert_platform_config, list_platform_config
from app.privacy.platform_contact import ContactContent, add_contact, list_platform_contact
from app.privacy.playbook import MOST_STEPS, insert_playbook, insert_playbook_step, list_playbook
from app.privacy.template import (
    CuratedRow,
    SettingType,
    Template,
    activate,
    insert_template,
    insert_template_setting,
    list_curated_template,
    list_template,
    retire_template,
    structure_hash,
)

DATA = Path(__file__).parent / "data"

Model = TypeVar("Model", bound=BaseModel)

Line = Annotated[str, StringConstraints(min_length=1, max_length=200)]
Name = Annotated[str, StringConstraints(min_length=1, max_length=100)]
Option = Annotated[str, StringConstraints(min_length=1, max_length=100)]
Link = Annotated[str, StringConstraints(pattern=r"^https://\S+$", max_length=500)]


class CuratedConfig(ConfigContent):
    """A ``[[config]]`` of platform.toml."""

    version: int = Field(ge=1)
    valid_from: AwareDatetime


class CuratedSetting(BaseModel):
    """A ``[[setting]]`` of template-<version>.toml."""

    model_config = ConfigDict(extra="forbid")

    key: SettingKey
    label: Line
    description: str = Field(max_length=1000)
    category: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z_]{0,39}$")]
    type: SettingType
    options: list[Option] = Field(min_length=2, max_length=20)
    default: str
    recommended: str
    risk: int = Field(ge=1, le=100)
    direct_link: Link

    @model_validator(mode="before")
    @classmethod
    def upper_type(cls, values: Any) -> Any:
        """Files say toggle, the API TOGGLE."""
        return values | {"type": str(values.get("type")).upper()} if isinstance(values, dict) else values

    @model_validator(mode="after")
    def fits(self) -> CuratedSetting:
        """Default and recommendation are options; a toggle is on or off."""
        if len(set(self.options)) != len(self.options):
            raise ValueError("options repeat")
        if self.default not in self.options or self.recommended not in self.options:
            raise ValueError("default and recommended must be options")
        if self.type is SettingType.TOGGLE and self.options != ["on", "off"]:
            raise ValueError('the options of a toggle are "on" and "off"')
        return self


class CuratedTemplate(BaseModel):
    """template-<version>.toml."""

    model_config = ConfigDict(extra="forbid")

    version: int = Field(ge=1)
    summary: str = Field(max_length=500)
    setting: list[CuratedSetting] = Field(min_length=1, max_length=250)

    @model_validator(mode="after")
    def distinct(self) -> CuratedTemplate:
        """No key twice."""
        repeated = [key for key, count in Counter(s.key for s in self.setting).items() if count > 1]
        if repeated:
            raise ValueError(f"keys repeat: {', '.join(repeated)}")
        return self

    def hash(self) -> bytes:
        """Of its structure, as in the database."""
        return structure_hash((s.key, s.type, s.options) for s in self.setting)


class CuratedStep(BaseModel):
    """A ``[[step]]`` of playbook-<slug>.toml."""

    model_config = ConfigDict(extra="forbid")

    text: Annotated[str, StringConstraints(min_length=1, max_length=500)]
    setting: SettingKey | None = None
    target: Option | None = None
    direct_link: Link

    @model_validator(mode="after")
    def whole(self) -> CuratedStep:
        """Setting and target come together."""
        if (self.setting is None) is not (self.target is None):
            raise ValueError("setting and target are given together, or neither is")
        return self


class CuratedPlaybook(BaseModel):
    """playbook-<slug>.toml."""

    model_config = ConfigDict(extra="forbid")

    slug: Annotated[str, StringConstraints(pattern=r"^[a-z0-9-]{1,50}$")]
    version: int = Field(ge=1)
    title: Name
    summary: str = Field(max_length=500)
    step: list[CuratedStep] = Field(min_length=1, max_length=MOST_STEPS)

    def digest(self) -> bytes:
        """Of all that it says."""
        return hashlib.sha256(rfc8785.dumps(self.model_dump(mode="json"))).digest()


class CuratedContacts(BaseModel):
    """contact.toml: the newest contact under a law stands last."""

    model_config = ConfigDict(extra="forbid")

    contact: list[ContactContent] = Field(max_length=50)


class CuratedPlatform(BaseModel):
    """platform.toml, with its templates by version, its playbooks by slug, and its contacts."""

    model_config = ConfigDict(extra="forbid")

    slug: Annotated[str, StringConstraints(pattern=r"^[a-z0-9-]{1,50}$")]
    name: Name
    domain: Line
    website_url: Link
    privacy_url: Link
    config: list[CuratedConfig] = Field(min_length=1)
    template: list[CuratedTemplate] = Field(min_length=1)
    playbook: list[CuratedPlaybook] = []
    contact: list[ContactContent] = []

    @model_validator(mode="after")
    def leads_somewhere(self) -> CuratedPlatform:
        """Steps name settings and options of the newest template."""
        options = {s.key: s.options for s in self.template[-1].setting}
        for playbook in self.playbook:
            for number, step in enumerate(playbook.step, 1):
                if step.setting is not None and step.target not in options.get(step.setting, ()):
                    raise ValueError(
                        f"playbook {playbook.slug}, step {number}: the newest template has no setting {step.setting} "
                        f"with the option {step.target}"
                    )
        return self

    @model_validator(mode="after")
    def in_order(self) -> CuratedPlatform:
        """Versions count from 1 without a gap, and configs follow each other in time."""
        for versions in ([c.version for c in self.config], [t.version for t in self.template]):
            if versions != list(range(1, len(versions) + 1)):
                raise ValueError(f"versions are {versions}; they count from 1 without a gap")
        moments = [c.valid_from for c in self.config]
        if moments != sorted(set(moments)):
            raise ValueError("each config is valid from a later moment than the one before")
        return self


def read(data: Path = DATA) -> list[CuratedPlatform]:
    """All curated platforms, by slug. Raises SetupError, which names the file and what is wrong."""
    found = []
    for folder in sorted(path for path in data.iterdir() if path.is_dir()):
        templates = []
        for file in sorted(folder.glob("template-*.toml"), key=lambda path: (len(path.name), path.name)):
            template = _check(CuratedTemplate, file, _parse(file))
            if file.name != f"template-{template.version}.toml":
                raise SetupError(f"{file}: version is {template.version}; file name and version are one number")
            templates.append(template)
        playbooks = []
        for file in sorted(folder.glob("playbook-*.toml")):
            slug = file.stem.removeprefix("playbook-")
            playbooks.append(_check(CuratedPlaybook, file, _parse(file) | {"slug": slug}))
        contacts = []
        if (file := folder / "contact.toml").exists():
            contacts = _check(CuratedContacts, file, _parse(file)).contact
        file = folder / "platform.toml"
        more = {"template": templates, "playbook": playbooks, "contact": contacts}
        platform = _check(CuratedPlatform, file, _parse(file) | more)
        if platform.slug != folder.name:
            raise SetupError(f"{file}: its slug is {platform.slug}; folder and slug are one name")
        found.append(platform)
    return found


def _parse(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise SetupError(f"{file}: cannot be read as TOML: {error}") from error


def _check(model: type[Model], file: Path, document: dict[str, Any]) -> Model:
    try:
        return model.model_validate(document)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "the file"
        raise SetupError(f"{file}: {place}: {first['msg']}") from error


async def load(db: Db, data: Path = DATA) -> list[str]:
    """Add what the files have and the database has not; one line for each thing added. Raises SetupError.

    A platform without an active template gets its newest; a later version waits for a curator's activateTemplate.
    """
    added = []
    for platform in read(data):
        async with db.transaction():
            added += await load_platform(db, platform)
    return added


async def load_platform(db: Db, curated: CuratedPlatform) -> list[str]:
    """One platform, in the open transaction, as the owner of the tables."""
    platform = await upsert_platform(
        db,
        slug=curated.slug,
        name=curated.name,
        domain=curated.domain,
        website_url=curated.website_url,
        privacy_url=curated.privacy_url,
    )
    assert platform is not None
    await lock_platform(db, id=platform.id)
    added = await _load_configs(db, platform, curated.config)
    added += await _load_playbooks(db, platform, curated.playbook)
    added += await _load_contacts(db, platform, curated.contact)
    for template in curated.template:
        if await _load_template(db, platform, template):
            added.append(f"{curated.slug}: template {template.version}, {len(template.setting)} settings")
    templates = await list_curated_template(db, platform_id=platform.id)
    published = {t.file_version: t.structure_hash for t in templates}
    for template in curated.template:
        if published[template.version] != template.hash():
            raise SetupError(
                f"{curated.slug}/template-{template.version}.toml differs from what was published as version "
                f"{template.version}; leave it as it was and add another version"
            )
    if all(t.activated_at is None for t in await list_template(db, platform_id=platform.id)):
        await activate_version(db, templates[0])
        added.append(f"{curated.slug}: template {templates[0].file_version} is active")
    return added


async def _load_playbooks(db: Db, platform: Platform, playbooks: list[CuratedPlaybook]) -> list[str]:
    """A version that is there stays; one that says something else now is an error."""
    known = {(p.slug, p.version): p.digest for p in await list_playbook(db, platform_id=platform.id)}
    added = []
    for curated in playbooks:
        digest = known.get((curated.slug, curated.version))
        if digest is not None:
            if digest != curated.digest():
                raise SetupError(
                    f"{platform.slug}/playbook-{curated.slug}.toml differs from what was published as version "
                    f"{curated.version}; give it another version"
                )
            continue
        made = await insert_playbook(
            db,
            platform_id=platform.id,
            slug=curated.slug,
            version=curated.version,
            title=curated.title,
            summary=curated.summary,
            digest=curated.digest(),
        )
        assert made is not None  # callers hold the platform's row
        for number, step in enumerate(curated.step, 1):
            await insert_playbook_step(
                db,
                playbook_id=made.id,
                number=number,
                text=step.text,
                setting=step.setting,
                target=step.target,
                direct_link=step.direct_link,
            )
        added.append(f"{platform.slug}: playbook {curated.slug} {curated.version}, {len(curated.step)} steps")
    return added


async def _load_contacts(db: Db, platform: Platform, contacts: list[ContactContent]) -> list[str]:
    """Known by what they say: curators publish versions too, so the numbers of a file may be taken."""
    known = {contact.digest for contact in await list_platform_contact(db, platform_id=platform.id)}
    added = []
    for content in contacts:
        if content.digest() not in known:
            made = await add_contact(db, platform.id, content)
            added.append(f"{platform.slug}: contact {made.regime.name} {made.version}")
    return added


async def _load_configs(db: Db, platform: Platform, configs: list[CuratedConfig]) -> list[str]:
    """Known by the moment they begin: curators publish versions too, so the numbers of a file may be taken."""
    known = {config.valid_from for config in await list_platform_config(db, platform_id=platform.id)}
    added = []
    for config in configs:
        if config.valid_from not in known:
            made = await insert_platform_config(
                db,
                platform_id=platform.id,
                valid_from=config.valid_from,
                url_patterns=config.url_patterns,
                selectors=config.selectors,
                requests_per_minute=config.rate_limit.requests_per_minute,
                cooldown_minutes=config.rate_limit.cooldown_minutes,
            )
            assert made is not None
            added.append(f"{platform.slug}: config {made.version}")
    return added


async def _load_template(db: Db, platform: Platform, curated: CuratedTemplate) -> bool:
    template = await insert_template(
        db,
        platform_id=platform.id,
        file_version=curated.version,
        structure_hash=curated.hash(),
        setting_count=len(curated.setting),
        summary=curated.summary,
    )
    if template is None:
        return False
    for place, setting in enumerate(curated.setting):
        await insert_template_setting(
            db,
            template_id=template.id,
            place=place,
            key=setting.key,
            label=setting.label,
            description=setting.description,
            category=setting.category,
            type=setting.type.value,
            options=setting.options,
            default_value=setting.default,
            recommended=setting.recommended,
            risk=setting.risk,
            direct_link=setting.direct_link,
        )
    return True


async def activate_version(db: Db, template: Template | CuratedRow) -> None:
    """Make a template the active one, as the owner of the tables; callers hold the platform's row."""
    await retire_template(db, platform_id=template.platform_id, but_id=template.id)
    await activate(db, id=template.id)
