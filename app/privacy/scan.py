"""Scans: what an extension sends becomes a snapshot, or confirms the last one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import strawberry

from app.core.device import Device, note_use, refuse_revoked, verify
from app.core.idempotency import claim, settle
from app.kit.context import Info
from app.kit.db import Db
from app.kit.edge import edge
from app.kit.errors import AppError, ErrorCode
from app.kit.graphql import mutation, parse_uuid
from app.kit.page import check_size
from app.kit.sql import File
from app.privacy import risk
from app.privacy.change import Change, changes_by_snapshot, delete_changes, keep_findings
from app.privacy.origin import Finding, Origin, Sight, compare
from app.privacy.platform_link import (
    PlatformLink,
    PlatformLinkStatus,
    lock_platform_link,
    no_link,
    update_latest_snapshot,
    update_link_signing,
    update_seen_until,
)
from app.privacy.snapshot import (
    ScanMethod,
    Snapshot,
    insert_snapshot,
    list_snapshot_after,
    list_snapshot_before,
    new_id,
    snapshots_by_id,
)
from app.privacy.template import TemplateSetting, settings_of, templates_by_id
from app.privacy.values import pack, unpack

CLOCK_TOLERANCE = timedelta(minutes=5)
EARLIEST = datetime(2015, 1, 1, tzinfo=UTC)
SIGNED_FORM = "recordSnapshot 1"
MAX_VALUES = 250
MAX_VALUE_LENGTH = 100
MAX_BATCH = 50
LOOK_BACK = 20
"""How many snapshots back a setting is searched that the last one did not see."""


@strawberry.input(description="A setting as it was read.")
class SettingValueInput:
    """A setting as it was read."""

    key: str
    value: str | None = strawberry.field(default=None, description="One of the options; null when it could not be read.")
    confidence: float | None = strawberry.field(default=None, description="0..1, 1 when left out.")
    user_action: bool = strawberry.field(
        default=False, description="The person was seen changing this setting since the last scan."
    )


@strawberry.input(description="One scan of one link.")
class RecordSnapshotInput:
    """One scan of one link."""

    link_id: strawberry.ID
    captured_at: datetime
    scan_method: ScanMethod
    template_hash: str = strawberry.field(description="Template.hash of the structure that was scanned.")
    values: list[SettingValueInput]
    idempotency_key: str
    device_id: strawberry.ID | None = strawberry.field(default=None, description="The device that signed it.")
    signature: str | None = strawberry.field(
        default=None,
        description="Ed25519 signature, 64 bytes as base64url without padding, of the line `fivefold recordSnapshot 1`, a line "
        "feed, and RFC 8785 JSON of this input without `signature` and without members that are null or false; capturedAt is "
        "in UTC with three digits of a second.",
    )


async def _changes(db: Db, payloads: Sequence[Any]) -> list[list[Change]]:
    """An unchanged scan brought none, whatever its snapshot brought when it was new."""
    found = await changes_by_snapshot.groups(db, snapshot_ids=[payload.snapshot.id for payload in payloads])
    return [[] if payload.unchanged else changes for payload, changes in zip(payloads, found, strict=True)]


@strawberry.type(description="What a scan led to.")
class RecordSnapshotPayload:
    """What a scan led to."""

    snapshot: Snapshot = strawberry.field(description="The new snapshot, or the one that still holds.")
    unchanged: bool = strawberry.field(description="True when nothing differs from the snapshot before: none was added.")
    changes: list[Change] = edge(_changes, description="What differs from the snapshot before.")


@dataclass(frozen=True)
class ScannedTemplate:
    """What a scan was taken against."""

    id: UUID
    structure_hash: bytes
    config_version: int


get_scanned_template = File("privacy/template").one("get_scanned_template", ScannedTemplate)


async def record(db: Db, given: RecordSnapshotInput) -> RecordSnapshotPayload:
    """Record one scan in the open transaction. Raises AppError, and then nothing is written."""
    device = await verify(db, SIGNED_FORM, given)
    # The signature is no part of what is compared: the same scan may be signed again.
    sent = {name: value for name, value in asdict(given).items() if name != "signature" and value is not None}
    done = await claim(db, "recordSnapshot", given.idempotency_key, sent)
    if done is not None:
        (snapshot,) = await snapshots_by_id(db, ids=[done.result_id])
        assert snapshot is not None
        return RecordSnapshotPayload(snapshot=snapshot, unchanged=not done.created)
    _check_moment(given.captured_at, signed=device is not None)
    if device is not None:
        refuse_revoked(device)
    link = await lock_platform_link(db, id=parse_uuid(given.link_id, "PlatformLink", field="linkId"))
    if link is None:
        raise no_link("linkId")
    if link.status is not PlatformLinkStatus.ACTIVE:
        raise AppError(ErrorCode.LINK_ENDED, "This link was ended. Link the platform again to go on.", field="linkId")
    await _check_signed(db, link, device)
    template = await _find_template(db, link.platform_id, given)
    settings = (await settings_of(db, [template.id]))[template.id]
    values = check_values(settings, given.values)
    snapshot, created = await _place(db, link, template, settings, values, given, device)
    await settle(db, "recordSnapshot", given.idempotency_key, snapshot.id, created=created)
    return RecordSnapshotPayload(snapshot=snapshot, unchanged=not created)


async def _check_signed(db: Db, link: PlatformLink, device: Device | None) -> None:
    """The first signed scan of a link closes it to unsigned ones. Callers hold the link's row. Raises SIGNATURE_REQUIRED."""
    if device is not None:
        if link.signed_since is None:
            await update_link_signing(db, id=link.id, required=True)
        await note_use(db, device)
    elif link.signed_since is not None:
        raise AppError(
            ErrorCode.SIGNATURE_REQUIRED,
            "This link takes signed scans only. Register a device and sign, or have a person call requireSignature.",
            field="signature",
        )


def _check_moment(captured_at: datetime, *, signed: bool) -> None:
    if captured_at > datetime.now(UTC) + CLOCK_TOLERANCE:
        raise AppError(
            ErrorCode.CAPTURED_IN_FUTURE,
            "capturedAt is more than 5 minutes ahead of the server's clock. Set the device's clock, or send it later.",
            field="capturedAt",
        )
    if captured_at < EARLIEST:
        raise AppError(
            ErrorCode.BAD_INPUT,
            f"capturedAt lies before {EARLIEST.year}. Send the moment of the scan.",
            field="capturedAt",
        )
    if signed and captured_at.microsecond % 1000:
        raise AppError(
            ErrorCode.BAD_INPUT,
            "The capturedAt of a signed scan has whole milliseconds, as Date.toISOString() writes it.",
            field="capturedAt",
        )


async def _find_template(db: Db, platform_id: UUID, given: RecordSnapshotInput) -> ScannedTemplate:
    try:
        structure_hash = bytes.fromhex(given.template_hash)
    except ValueError:
        structure_hash = b""
    found = await get_scanned_template(
        db, platform_id=platform_id, structure_hash=structure_hash, captured_at=given.captured_at
    )
    if found is None or given.template_hash != found.structure_hash.hex():
        raise AppError(
            ErrorCode.UNKNOWN_TEMPLATE,
            "This platform has no template of this hash. Compute it as described for Template.hash, in lower-case hex, "
            "and compare it with platform.activeTemplate.hash.",
            field="templateHash",
        )
    return found


def check_values(settings: Sequence[TemplateSetting], given: Sequence[SettingValueInput]) -> dict[str, str]:
    """The values by key of what was seen. Raises an error that names the first wrong setting and what to change."""
    if len(given) > MAX_VALUES:
        raise AppError(
            ErrorCode.BAD_INPUT,
            f"values has {len(given)} entries; a template has {MAX_VALUES} at most.",
            field="values",
        )
    known = {s.key: s for s in settings}
    seen: set[str] = set()
    values = {}
    for entry in given:
        key = entry.key[:64]
        setting = known.get(entry.key)
        if setting is None:
            raise AppError(
                ErrorCode.UNKNOWN_SETTING,
                f"The template has no setting {key!r}. Send keys of template.settings.",
                field="values",
            )
        if entry.key in seen:
            raise AppError(ErrorCode.DUPLICATE_SETTING, f"{key!r} is given twice. Send each setting once.", field="values")
        seen.add(entry.key)
        if entry.confidence is not None and not 0 <= entry.confidence <= 1:
            raise AppError(ErrorCode.BAD_INPUT, f"The confidence of {key!r} is not between 0 and 1.", field="values")
        if entry.value is None:
            continue
        if len(entry.value) > MAX_VALUE_LENGTH:
            raise AppError(
                ErrorCode.VALUE_TOO_LONG,
                f"The value of {key!r} has {len(entry.value)} characters; an option has {MAX_VALUE_LENGTH} at most. "
                "Send the option, not the text around it.",
                field="values",
            )
        if entry.value not in setting.options:
            options = ", ".join(repr(option) for option in setting.options)
            raise AppError(ErrorCode.UNKNOWN_OPTION, f"{key!r} has no such option. Send one of {options}.", field="values")
        values[entry.key] = entry.value
    return values


async def _place(
    db: Db,
    link: PlatformLink,
    template: ScannedTemplate,
    settings: list[TemplateSetting],
    values: dict[str, str],
    given: RecordSnapshotInput,
    device: Device | None,
) -> tuple[Snapshot, bool]:
    """The snapshot of the values and whether it is new. Callers hold the link's row.

    A capture that comes late is inserted at its place, and the changes of those behind it are computed again. A signed one
    says for ever what was seen at its moment: sent again when its key is forgotten, it finds just that and changes nothing.
    So that this holds, two signed scans of one moment that contradict each other are not taken.
    """
    snapshot_id = new_id(given.captured_at)
    before, behind = await _neighbors(db, link, snapshot_id)
    packed, observed = pack(settings, values)
    if before is not None and (before.template_id, before.packed, before.observed) == (template.id, packed, observed):
        if not behind:
            await update_seen_until(db, id=link.id, seen_until=given.captured_at)
        return before, False
    if device is not None and before is not None and before.captured_at == given.captured_at:
        raise AppError(
            ErrorCode.BAD_INPUT,
            "Another scan of this link at this very moment saw something else. Scan again.",
            field="capturedAt",
        )
    confidence = {v.key: 1.0 if v.confidence is None else v.confidence for v in given.values if v.key in values}
    snapshot = await insert_snapshot(
        db,
        id=snapshot_id,
        link_id=link.id,
        template_id=template.id,
        captured_at=given.captured_at,
        scan_method=given.scan_method.value,
        config_version=template.config_version,
        risk_score=risk.assess(settings, values).score,
        risk_formula=risk.FORMULA,
        confidence=round(sum(confidence.values()) / len(confidence), 4) if confidence else 0.0,
        packed=packed,
        observed=observed,
        device_id=device.id if device else None,
    )
    assert snapshot is not None
    if before is not None:
        acted = frozenset(v.key for v in given.values if v.user_action)
        sights = await _sights(db, before, snapshot)
        findings = compare(*sights, acted=acted, confidence=confidence, otherwise=snapshot.confidence)
        await keep_findings(db, snapshot.id, findings)
    if before is not None and not behind and link.seen_until is not None and link.seen_until > given.captured_at:
        behind = [await _see_again(db, before, link.seen_until, template.config_version)]
        await update_latest_snapshot(db, id=link.id, latest_snapshot_id=behind[0].id, seen_until=link.seen_until)
    elif not behind:
        await update_latest_snapshot(db, id=link.id, latest_snapshot_id=snapshot.id, seen_until=given.captured_at)
    await _compare_again(db, snapshot, behind)
    return snapshot, True


async def _neighbors(db: Db, link: PlatformLink, snapshot_id: UUID) -> tuple[Snapshot | None, list[Snapshot]]:
    """The snapshot before one that is to be, and those behind it whose changes may depend on it, the next first."""
    if link.latest_snapshot_id is None:
        return None, []
    if link.latest_snapshot_id < snapshot_id:
        return (await snapshots_by_id(db, ids=[link.latest_snapshot_id]))[0], []
    earlier = await list_snapshot_before(db, link_id=link.id, id=snapshot_id, limit=1)
    behind = await list_snapshot_after(db, link_id=link.id, id=snapshot_id, limit=LOOK_BACK + 1)
    return (earlier[0] if earlier else None), behind


async def _see_again(db: Db, latest: Snapshot, seen_until: datetime, config_version: int) -> Snapshot:
    """The latest snapshot once more, where an unchanged scan confirmed it: a late capture saw something else in between."""
    again = await insert_snapshot(
        db,
        id=new_id(seen_until),
        link_id=latest.link_id,
        template_id=latest.template_id,
        captured_at=seen_until,
        scan_method=latest.scan_method.value,
        config_version=config_version,
        risk_score=latest.risk_score,
        risk_formula=latest.risk_formula,
        confidence=latest.confidence,
        packed=latest.packed,
        observed=latest.observed,
        device_id=None,
    )
    assert again is not None
    return again


async def _compare_again(db: Db, late: Snapshot, behind: Sequence[Snapshot]) -> None:
    """The changes of those behind a late capture: of the next, and of each one behind a scan that did not see everything."""
    before = late
    for after in behind:
        if before is late or before.observed is not None:
            (old,) = await changes_by_snapshot.groups(db, snapshot_ids=[after.id])
            acted = frozenset(c.setting for c in old if c.origin is Origin.USER and c.confidence == 1)
            findings = compare(*await _sights(db, before, after), acted=acted, confidence={}, otherwise=after.confidence)
            if [_essence(c) for c in old] != [_essence(f) for f in findings]:
                await delete_changes(db, snapshot_id=after.id)
                await keep_findings(db, after.id, findings)
        before = after


def _essence(change: Change | Finding) -> tuple[Any, ...]:
    """What a change says, but for how sure it is: that is known best at the scan itself."""
    return change.setting, change.old_value, change.new_value, change.origin, change.significance


async def _sights(db: Db, before: Snapshot, after: Snapshot) -> tuple[Sight, Sight]:
    """What was known at two captures. What the earlier one did not see is taken from those before it."""
    earlier = []
    if before.observed is not None:
        earlier = await list_snapshot_before(db, link_id=before.link_id, id=before.id, limit=LOOK_BACK)
    snapshots = [after, before, *earlier]
    ids = list(dict.fromkeys(s.template_id for s in snapshots))
    templates = {t.id: t for t in await templates_by_id(db, ids=ids) if t is not None}
    settings = await settings_of(db, ids)

    def sight(snapshot: Snapshot, fallback: Sequence[Snapshot]) -> Sight:
        own = {s.key: s for s in settings[snapshot.template_id]}
        values: dict[str, str] = {}
        for older in (*reversed(fallback), snapshot):
            values |= unpack(settings[older.template_id], older.packed, older.observed)
        return Sight(
            templates[snapshot.template_id].structure_hash,
            snapshot.config_version,
            own,
            {key: value for key, value in values.items() if key in own},
        )

    return sight(before, earlier), sight(after, ())


@strawberry.type
class ScanMutation:
    """Root fields by which extensions send what they read."""

    @mutation("snapshots:write")
    async def record_snapshot(self, info: Info, input: RecordSnapshotInput) -> RecordSnapshotPayload | None:
        """Record a scan. The same key again is answered the same and changes nothing."""
        async with info.context.db.transaction():
            return await record(info.context.db, input)

    @mutation("snapshots:write")
    async def record_snapshots(
        self, info: Info, inputs: list[RecordSnapshotInput]
    ) -> list[RecordSnapshotPayload | None] | None:
        """Record 1 to 50 scans, each in its own transaction: null, with an error at its place, for each that failed."""
        check_size(len(inputs), field="inputs", most=MAX_BATCH)
        answers: list[Any] = []
        for given in inputs:
            try:
                async with info.context.db.transaction():
                    answers.append(await record(info.context.db, given))
            except Exception as error:  # noqa: BLE001 - an item that is an exception becomes the error of that item
                answers.append(error)
        return answers
