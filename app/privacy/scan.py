"""Scans: what an extension sends becomes a snapshot, or confirms the last one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol
from uuid import UUID

import strawberry

from app.core.device import Device, note_use, refuse_revoked, verify
from app.core.idempotency import claim, settle
from app.core.outbox import publish
from app.kit.context import Info
from app.kit.db import Db
from app.kit.edge import edge
from app.kit.errors import AppError, ErrorCode
from app.kit.graphql import mutation, parse_uuid
from app.kit.page import check_size
from app.privacy import risk
from app.privacy.acknowledgement import keep_acknowledged, reopened
from app.privacy.alert import alert
from app.privacy.change import CHANGE_DETECTED, Change, changes_by_snapshot, delete_changes, keep_findings, shown
from app.privacy.origin import Finding, Origin, Sight, compare
from app.privacy.platform_config import get_config_version
from app.privacy.platform_link import (
    PlatformLinkHealth,
    PlatformLinkStatus,
    ScannedLink,
    lock_scanned_link,
    no_link,
    update_link_signing,
    update_seen_until,
)
from app.privacy.schedule import recover
from app.privacy.snapshot import (
    ScanMethod,
    Snapshot,
    content,
    get_confirmation,
    insert_snapshot,
    list_snapshot_after,
    list_snapshot_before,
    new_id,
    snapshots_by_id,
    update_previous_seen_until,
)
from app.privacy.template import TemplateSetting, settings_of, templates_by_id
from app.privacy.values import pack, unpack

CLOCK_TOLERANCE = timedelta(minutes=5)
EARLIEST = datetime(2015, 1, 1, tzinfo=UTC)
SIGNED_FORM = "recordSnapshot 1"
LONGEST = 3_600_000
"""Milliseconds of a scan."""
MAX_VALUES = 250
MAX_VALUE_LENGTH = 100
MAX_BATCH = 50
LOOK_BACK = 20
"""How many snapshots back a setting is searched that the last one did not see."""


CONFIDENCE = {ScanMethod.EXTENSION: 1.0, ScanMethod.CRAWLER: 0.9, ScanMethod.OCR: 0.7}
"""How sure a reading is that does not say so itself."""


class ScanSettings(Protocol):
    """What of the operator's settings is meant for scans; see app/settings.py."""

    @property
    def setting_confidence(self) -> float:
        """0..1: what is read with less counts as not read."""

    @property
    def scan_confidence(self) -> float:
        """0..1: what is less on average is refused."""


@dataclass(frozen=True)
class AnyConfidence:
    """Every reading counts."""

    setting_confidence: float = 0.0
    scan_confidence: float = 0.0


@strawberry.input(description="A setting as it was read.")
class SettingValueInput:
    """A setting as it was read."""

    key: str
    value: str | None = strawberry.field(default=None, description="One of the options; null when it could not be read.")
    confidence: float | None = strawberry.field(
        default=None, description="0..1. When left out, what the method stands for: EXTENSION 1, CRAWLER 0.9, OCR 0.7."
    )
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
    duration_milliseconds: int | None = strawberry.field(default=None, description="How long the scan took: 0 to 3600000.")


async def _changes(db: Db, payloads: Sequence[Any]) -> list[list[Change]]:
    """What the scan has just written is known, unless it came late or earlier: then it is read."""
    unknown = [payload.snapshot.id for payload in payloads if payload.known is None]
    found = iter(await changes_by_snapshot.groups(db, snapshot_ids=unknown)) if unknown else iter(())
    return [next(found) if payload.known is None else payload.known for payload in payloads]


@strawberry.type(description="What a scan led to.")
class RecordSnapshotPayload:
    """``known`` are its changes, where they need not be read. An unchanged scan brought none, whatever its snapshot brought."""

    known: strawberry.Private[list[Change] | None]

    snapshot: Snapshot = strawberry.field(description="The new snapshot, or the one that still holds.")
    unchanged: bool = strawberry.field(description="True when nothing differs from the snapshot before: none was added.")
    changes: list[Change] = edge(_changes, description="What differs from the snapshot before.")


async def record(db: Db, given: RecordSnapshotInput, rule: ScanSettings) -> RecordSnapshotPayload:
    """Record one scan in the open transaction. Raises AppError, and then nothing is written."""
    device = await verify(db, SIGNED_FORM, given)
    # The signature is no part of what is compared: the same scan may be signed again.
    whole = vars(given) | {"values": [vars(value) for value in given.values]}  # as asdict() makes it, without copies
    sent = {name: value for name, value in whole.items() if name != "signature" and value is not None}
    foreseen = new_id(max(given.captured_at, EARLIEST))
    done = await claim(db, "recordSnapshot", given.idempotency_key, sent, result_id=foreseen)
    if done is not None:
        (snapshot,) = await snapshots_by_id(db, ids=[done.result_id])
        assert snapshot is not None
        return RecordSnapshotPayload(known=None if done.created else [], snapshot=snapshot, unchanged=not done.created)
    check_moment(given.captured_at)
    if device is not None:
        _check_signed_moment(given.captured_at)
        refuse_revoked(device)
    link_id = parse_uuid(given.link_id, "PlatformLink", field="linkId")
    structure_hash = _read_hash(given.template_hash)
    link = await lock_scanned_link(db, id=link_id, structure_hash=structure_hash, captured_at=given.captured_at)
    if link is None:
        raise no_link("linkId")
    if link.status is not PlatformLinkStatus.ACTIVE:
        raise AppError(ErrorCode.LINK_ENDED, "This link was ended. Link the platform again to go on.", field="linkId")
    await _check_signed(db, link, device)
    if link.template_id is None:
        raise AppError(
            ErrorCode.UNKNOWN_TEMPLATE,
            "This platform has no template of this hash. Compute it as described for Template.hash, in lower-case hex, "
            "and compare it with platform.activeTemplate.hash.",
            field="templateHash",
        )
    template = ScannedTemplate(link.template_id, structure_hash, (await settings_of(db, [link.template_id]))[link.template_id])
    values = check_values(template.settings, given.values)
    _check_duration(given.duration_milliseconds)
    confidence = _read_confidence(given, values, rule)
    values = {key: value for key, value in values.items() if key in confidence}
    if link.latest_snapshot_id is not None and link.latest_snapshot_id > foreseen:
        snapshot_id = new_id(given.captured_at)  # of captures of one moment, the one whose turn came first is the earlier
    else:
        snapshot_id = foreseen
    payload = await _place(db, link, template, snapshot_id, values, confidence, given, device)
    if payload.snapshot.id != foreseen:
        created, moment = not payload.unchanged, given.captured_at if payload.unchanged else None
        await settle(db, "recordSnapshot", given.idempotency_key, payload.snapshot.id, created=created, moment=moment)
    return payload


@dataclass(frozen=True)
class ScannedTemplate:
    """What a scan was taken against."""

    id: UUID
    structure_hash: bytes
    settings: list[TemplateSetting]


def _read_hash(text: str) -> bytes:
    """The bytes of a hash; none of what is not written as Template.hash is, so that no template has it."""
    try:
        found = bytes.fromhex(text)
    except ValueError:
        return b""
    return found if found.hex() == text else b""


async def _check_signed(db: Db, link: ScannedLink, device: Device | None) -> None:
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


def check_moment(moment: datetime, *, field: str = "capturedAt") -> None:
    """Whether a device's moment is one. Raises CAPTURED_IN_FUTURE, BAD_INPUT."""
    if moment > datetime.now(UTC) + CLOCK_TOLERANCE:
        raise AppError(
            ErrorCode.CAPTURED_IN_FUTURE,
            f"{field} is more than 5 minutes ahead of the server's clock. Set the device's clock, or send it later.",
            field=field,
        )
    if moment < EARLIEST:
        raise AppError(ErrorCode.BAD_INPUT, f"{field} lies before {EARLIEST.year}. Send the moment of the scan.", field=field)


def _check_signed_moment(captured_at: datetime) -> None:
    if captured_at.microsecond % 1000:
        raise AppError(
            ErrorCode.BAD_INPUT,
            "The capturedAt of a signed scan has whole milliseconds, as Date.toISOString() writes it.",
            field="capturedAt",
        )


def _check_duration(milliseconds: int | None) -> None:
    if milliseconds is not None and not 0 <= milliseconds <= LONGEST:
        raise AppError(
            ErrorCode.BAD_INPUT,
            f"durationMilliseconds is {milliseconds}; send 0 to {LONGEST}, or leave it out.",
            field="durationMilliseconds",
        )


def _read_confidence(given: RecordSnapshotInput, values: Mapping[str, str], rule: ScanSettings) -> dict[str, float]:
    """How sure each value is; those that are not sure enough count as not read. Raises UNSURE_SCAN."""
    usual = CONFIDENCE[given.scan_method]
    read = {v.key: usual if v.confidence is None else v.confidence for v in given.values if v.key in values}
    if read and (mean := sum(read.values()) / len(read)) < rule.scan_confidence:
        raise AppError(
            ErrorCode.UNSURE_SCAN,
            f"The confidence of this scan is {mean:.2f}; {rule.scan_confidence} is the least that is taken here. Scan again.",
            field="values",
        )
    return {key: confidence for key, confidence in read.items() if confidence >= rule.setting_confidence}


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
    link: ScannedLink,
    template: ScannedTemplate,
    snapshot_id: UUID,
    values: dict[str, str],
    confidence: dict[str, float],
    given: RecordSnapshotInput,
    device: Device | None,
) -> RecordSnapshotPayload:
    """The snapshot of the values, new or not. Callers hold the link's row.

    A capture that comes late is inserted at its place, and the changes of those behind it are computed again. A signed one
    says for ever what was seen at its moment: sent again when its key is forgotten, it finds just that and changes nothing.
    So that this holds, two signed scans of one moment that contradict each other are not taken.
    """
    before, behind = await _neighbors(db, link, snapshot_id)
    packed, observed = pack(template.settings, values)
    if before is not None and content(before) == (template.id, packed, observed):
        await _confirm(db, link, before, behind, given, link.config_version)
        return RecordSnapshotPayload(known=[], snapshot=before, unchanged=True)
    if device is not None and before is not None and before.captured_at == given.captured_at:
        raise AppError(
            ErrorCode.BAD_INPUT,
            "Another scan of this link at this very moment saw something else. Scan again.",
            field="capturedAt",
        )
    held = await _find_stretch(db, link, before, behind, given.captured_at) if before is not None else Stretch(None, None)
    snapshot = Snapshot(
        id=snapshot_id,
        link_id=link.id,
        template_id=template.id,
        captured_at=given.captured_at.astimezone(UTC),
        scan_method=given.scan_method,
        config_version=link.config_version,
        risk_score=risk.assess(template.settings, values).score,
        risk_formula=risk.FORMULA,
        confidence=round(sum(confidence.values()) / len(confidence), 4) if confidence else 0.0,
        completion_rate=len(values) / len(template.settings),
        packed=packed,
        observed=observed,
        previous_seen_until=held.until,
    )
    findings: list[Finding] = []
    if before is not None:
        acted = frozenset(v.key for v in given.values if v.user_action)
        sights = await _sights(db, link, before, snapshot, {template.id: template.structure_hash})
        findings = compare(*sights, acted=acted, confidence=confidence, otherwise=snapshot.confidence)
    latest_until = given.captured_at if not behind and held.again_at is None else None
    milliseconds = given.duration_milliseconds
    await _insert(db, snapshot, findings, device=device, latest_until=latest_until, scan_milliseconds=milliseconds)
    db.news = db.news or bool(findings)
    await alert(db, snapshot, findings)
    if before is not None and held.again_at is not None:
        again = await _see_again(db, link, before, held.again_at)
        latest_until = link.seen_until if not behind else None
        await _insert(db, again, [], device=None, latest_until=latest_until, scan_milliseconds=milliseconds)
        behind = [again, *behind]
    elif behind:
        await _hold(db, snapshot, behind[0])
    else:
        await _recover(db, link)
    await _compare_again(db, link, snapshot, behind, findings)
    # Those behind a late one may have changed what is said of its changes.
    return RecordSnapshotPayload(known=None if behind else shown(snapshot, findings), snapshot=snapshot, unchanged=False)


async def _insert(
    db: Db,
    snapshot: Snapshot,
    findings: Sequence[Finding],
    *,
    device: Device | None,
    latest_until: datetime | None,
    scan_milliseconds: int | None,
) -> None:
    """Write a snapshot and its changes. ``latest_until``: up to when it is known to hold, where it is its link's latest."""
    await insert_snapshot(
        db,
        id=snapshot.id,
        link_id=snapshot.link_id,
        template_id=snapshot.template_id,
        captured_at=snapshot.captured_at,
        scan_method=snapshot.scan_method.value,
        config_version=snapshot.config_version,
        risk_score=snapshot.risk_score,
        risk_formula=snapshot.risk_formula,
        confidence=snapshot.confidence,
        packed=snapshot.packed,
        observed=snapshot.observed,
        previous_seen_until=snapshot.previous_seen_until,
        device_id=device.id if device else None,
        settings=[f.setting for f in findings],
        old_values=[f.old_value for f in findings],
        new_values=[f.new_value for f in findings],
        origins=[f.origin.value for f in findings],
        significances=[f.significance.value for f in findings],
        confidences=[f.confidence for f in findings],
        reopened=reopened(findings),
        kind=CHANGE_DETECTED,
        latest_until=latest_until,
        scan_milliseconds=scan_milliseconds,
    )


@dataclass(frozen=True)
class Stretch:
    """How far the snapshot before a capture holds: ``until`` is None when nothing confirmed it, ``again_at`` unless it was
    seen once more behind the capture."""

    until: datetime | None
    again_at: datetime | None


async def _find_stretch(
    db: Db, link: ScannedLink, before: Snapshot, behind: Sequence[Snapshot], captured_at: datetime
) -> Stretch:
    """What is known of the snapshot before a capture that saw something else.

    Where it was confirmed behind the capture, the stretch is cut in two. The scans next to the cut are known while the keys
    of unchanged scans are kept; later, only its beginning and its end are.
    """
    until = behind[0].previous_seen_until if behind else link.seen_until
    if until is None or until <= before.captured_at:
        return Stretch(None, None)
    if until <= captured_at:
        return Stretch(until, None)
    found = await get_confirmation(
        db,
        link_id=link.id,
        template_id=before.template_id,
        packed=before.packed,
        observed=before.observed,
        since=before.captured_at,
        until=until,
        captured_at=captured_at,
    )
    assert found is not None  # an aggregate always has a row
    again_at = found.first_behind or until
    seen_there = bool(behind) and again_at >= behind[0].captured_at
    return Stretch(found.last_before, None if seen_there else again_at)


async def _confirm(
    db: Db, link: ScannedLink, held: Snapshot, behind: Sequence[Snapshot], given: RecordSnapshotInput, config_version: int
) -> None:
    """An unchanged scan: the snapshot holds until there. The link says so of the latest, the next snapshot of all others."""
    captured_at = given.captured_at
    if not behind:
        await update_seen_until(db, id=link.id, seen_until=captured_at, scan_milliseconds=given.duration_milliseconds)
        await _recover(db, link)
    elif captured_at > (behind[0].previous_seen_until or held.captured_at):
        await _teach(db, behind[0], captured_at)
        if config_version != held.config_version:
            await _compare_again(db, link, held, behind, ())


async def _hold(db: Db, snapshot: Snapshot, after: Snapshot) -> None:
    """A snapshot was put before another: it holds until the other where that saw the same, and nothing else confirmed it."""
    same = content(after) == content(snapshot) and after.captured_at > snapshot.captured_at
    await _teach(db, after, after.captured_at if same else None)


async def _teach(db: Db, after: Snapshot, until: datetime | None) -> None:
    """A snapshot learns until when the one before it held."""
    if after.previous_seen_until != until:
        await update_previous_seen_until(db, id=after.id, previous_seen_until=until)
        after.previous_seen_until = until


async def _config_at(db: Db, link: ScannedLink, snapshot: Snapshot, moment: datetime) -> int:
    """By which version of the config an unchanged scan read the same as the snapshot."""
    found = await get_config_version(db, platform_id=link.platform_id, moment=moment)
    return found.version if found is not None else snapshot.config_version


async def _recover(db: Db, link: ScannedLink) -> None:
    """After failures the schedule goes on; a link that is well needs nothing."""
    if link.health is not PlatformLinkHealth.HEALTHY:
        await recover(db, link.id, datetime.now(UTC))


async def _neighbors(db: Db, link: ScannedLink, snapshot_id: UUID) -> tuple[Snapshot | None, list[Snapshot]]:
    """The snapshot before one that is to be, and those behind it whose changes may depend on it, the next first."""
    if link.latest_snapshot_id is None:
        return None, []
    if link.latest_snapshot_id < snapshot_id:
        return (await snapshots_by_id(db, ids=[link.latest_snapshot_id]))[0], []
    earlier = await list_snapshot_before(db, link_id=link.id, id=snapshot_id, limit=1)
    behind = await list_snapshot_after(db, link_id=link.id, id=snapshot_id, limit=LOOK_BACK + 1)
    return (earlier[0] if earlier else None), behind


async def _see_again(db: Db, link: ScannedLink, held: Snapshot, seen_at: datetime) -> Snapshot:
    """A snapshot once more, where an unchanged scan confirmed it: a late capture saw something else in between."""
    version = await _config_at(db, link, held, seen_at)
    return replace(held, id=new_id(seen_at), captured_at=seen_at, config_version=version, previous_seen_until=None)


async def _compare_again(
    db: Db, link: ScannedLink, late: Snapshot, behind: Sequence[Snapshot], late_findings: Sequence[Finding]
) -> None:
    """The changes of those behind a late capture: of the next, and of each one behind a scan that did not see everything.

    ``late_findings`` are the late capture's own, where it is new.
    """
    before = late
    for after in behind:
        if before is late or before.observed is not None:
            (old,) = await changes_by_snapshot.groups(db, snapshot_ids=[after.id])
            acted = frozenset(c.setting for c in old if c.origin is Origin.USER and c.confidence == 1)
            sights = await _sights(db, link, before, after)
            findings = compare(*sights, acted=acted, confidence={}, otherwise=after.confidence)
            findings = [_as_proven(finding, old) for finding in findings]
            if [_essence(c) for c in old] != [_essence(f) for f in findings]:
                await delete_changes(db, snapshot_id=after.id)
                await keep_findings(db, after.id, findings)
                known = {_essence(change) for change in old}
                if fresh := [finding.setting for finding in findings if _essence(finding) not in known]:
                    await publish(db, CHANGE_DETECTED, after.id, {"settings": fresh})
                await keep_acknowledged(db, after.id, old, findings, late_id=late.id, late=late_findings)
        before = after


def _as_proven(finding: Finding, old: Sequence[Change]) -> Finding:
    """A change that a crowd has proven the platform's stays so while it is the same."""
    for change in old:
        same = (change.setting, change.old_value, change.new_value) == (finding.setting, finding.old_value, finding.new_value)
        if same and change.origin is Origin.PLATFORM_CROWD and finding.origin is Origin.USER:
            return replace(finding, origin=change.origin, confidence=change.confidence)
    return finding


def _essence(change: Change | Finding) -> tuple[Any, ...]:
    """What a change says, but for how sure it is: that is known best at the scan itself."""
    return change.setting, change.old_value, change.new_value, change.origin, change.significance


async def _sights(
    db: Db, link: ScannedLink, before: Snapshot, after: Snapshot, hashes: Mapping[UUID, bytes] | None = None
) -> tuple[Sight, Sight]:
    """What was known at two captures. What the earlier one did not see is taken from those before it.

    ``hashes`` are those of templates that are known already.

    The earlier one was read as by the scan that confirmed it last: if that was by the config of the later one already, the
    config explains no difference.
    """
    config_version = before.config_version
    if after.previous_seen_until is not None and config_version != after.config_version:
        config_version = await _config_at(db, link, before, after.previous_seen_until)
    earlier = []
    if before.observed is not None:
        earlier = await list_snapshot_before(db, link_id=before.link_id, id=before.id, limit=LOOK_BACK)
    snapshots = [after, before, *earlier]
    ids = list(dict.fromkeys(s.template_id for s in snapshots))
    hashes = dict(hashes or {})
    if unknown := [id_ for id_ in ids if id_ not in hashes]:
        hashes |= {t.id: t.structure_hash for t in await templates_by_id(db, ids=unknown) if t is not None}
    settings = await settings_of(db, ids)

    def sight(snapshot: Snapshot, config_version: int, fallback: Sequence[Snapshot]) -> Sight:
        own = {s.key: s for s in settings[snapshot.template_id]}
        values: dict[str, str] = {}
        for older in (*reversed(fallback), snapshot):
            values |= unpack(settings[older.template_id], older.packed, older.observed)
        return Sight(
            hashes[snapshot.template_id],
            config_version,
            own,
            {key: value for key, value in values.items() if key in own},
        )

    return sight(before, config_version, earlier), sight(after, after.config_version, ())


@strawberry.type
class ScanMutation:
    """Root fields by which extensions send what they read."""

    @mutation("snapshots:write")
    async def record_snapshot(self, info: Info, input: RecordSnapshotInput) -> RecordSnapshotPayload | None:
        """Record a scan. The same key again is answered the same and changes nothing."""
        async with info.context.db.transaction():
            return await record(info.context.db, input, info.context.settings)

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
                    answers.append(await record(info.context.db, given, info.context.settings))
            except Exception as error:  # noqa: BLE001 - an item that is an exception becomes the error of that item
                answers.append(error)
        return answers
