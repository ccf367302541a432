"""What the schema is made of: global ids, scalars, and who may call a root field."""

from __future__ import annotations

import base64
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.kit.context import Actor
from app.kit.errors import AppError
from app.kit.graphql import SCALARS, BigInt, global_id, may, parse_global_id, parse_uuid

NAMES = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,30}", fullmatch=True)
parse_datetime: Any = SCALARS[datetime].parse_value
show_datetime: Any = SCALARS[datetime].serialize
parse_big_int: Any = SCALARS[BigInt].parse_value
show_big_int: Any = SCALARS[BigInt].serialize


def refusal(parse: Callable[[], Any]) -> AppError | None:
    """The error that parsing ends in, if it does."""
    try:
        parse()
    except AppError as error:
        return error
    return None


# Global ids


@given(name=NAMES, key=st.text(st.characters(exclude_categories=["Cs"]), max_size=80))
def test_a_global_id_comes_back_as_it_went(name: str, key: str) -> None:
    assert parse_global_id(global_id(name, key), field="id") == (name, key)


@given(name=NAMES, id_=st.uuids())
def test_a_uuid_comes_back_for_its_type_alone(name: str, id_: UUID) -> None:
    given_ = global_id(name, str(id_))
    assert parse_uuid(given_, name, field="id") == id_
    with pytest.raises(AppError) as refused:
        parse_uuid(given_, f"{name}X", field="linkId")
    assert (refused.value.code_name, (refused.value.extensions or {})["field"]) == ("BAD_ID", "linkId")


@given(st.one_of(st.text(max_size=100), st.binary(max_size=60).map(lambda b: base64.b64encode(b).decode())))
def test_noise_is_no_id_and_no_accident(value: str) -> None:
    for parse in (lambda: parse_uuid(value, "PlatformLink", field="id"), lambda: parse_global_id(value, field="id")):
        told = refusal(parse)
        assert told is None or (told.code_name == "BAD_ID" and len(told.message) < 300)


def test_a_bare_uuid_is_no_id() -> None:
    for value in (str(uuid4()), uuid4().hex, "", ":", "x" * 1_000_000):
        with pytest.raises(AppError):
            parse_global_id(value, field="id")


def test_types_share_no_id() -> None:
    id_ = str(uuid4())
    assert len({global_id(name, id_) for name in ("Snapshot", "Snapshots", "Link", "PlatformLink")}) == 4


# DateTime


@given(st.datetimes(min_value=datetime(1900, 1, 1), max_value=datetime(9000, 1, 1), timezones=st.timezones() | st.just(UTC)))
def test_a_moment_comes_back_in_utc(moment: datetime) -> None:
    shown = show_datetime(moment)
    assert shown.endswith("Z")
    assert "+" not in shown
    assert parse_datetime(shown) == moment.astimezone(UTC)
    assert parse_datetime(shown).tzinfo is UTC


@pytest.mark.parametrize(
    ("given_", "expected"),
    [
        ("2026-03-01T09:30:00Z", "2026-03-01T09:30:00Z"),
        ("2026-03-01T09:30:00+02:00", "2026-03-01T07:30:00Z"),
        ("2026-03-01T09:30:00-09:30", "2026-03-01T19:00:00Z"),
        ("2026-03-01T09:30:00.123456Z", "2026-03-01T09:30:00.123456Z"),
        ("2026-03-01T09:30:00.1Z", "2026-03-01T09:30:00.100000Z"),
        ("2024-02-29T00:00:00Z", "2024-02-29T00:00:00Z"),
        ("2026-03-01 09:30:00Z", "2026-03-01T09:30:00Z"),
        ("2026-03-01t09:30:00z", "2026-03-01T09:30:00Z"),
        ("2026-03-01T09:30:00.123456789Z", "2026-03-01T09:30:00.123456Z"),
    ],
)
def test_moments_of_rfc_3339_are_read(given_: str, expected: str) -> None:
    assert show_datetime(parse_datetime(given_)) == expected


@pytest.mark.parametrize(
    "given_",
    [
        "",
        "now",
        "2026-03-01",
        "2026-03-01T09:30:00",
        "2026-02-29T00:00:00Z",
        "2026-13-01T00:00:00Z",
        "2026-03-01T25:00:00Z",
        "2026-03-01T09:30:00+99:00",
        "0001-01-01T00:00:00Z",
        "0001-01-01T00:00:00+01:00",
        "9999-12-31T23:59:59.999999Z",
        "9999-12-31T23:59:59-01:00",
        "infinity",
        "1772357400",
        "2026-03-01T09:30:00Z\0",
        "2026-03-01T09:30:00Z'",
        "9" * 5000,
        1772357400,
        1.5,
        None,
        True,
        [],
        {},
    ],
)
def test_what_is_no_moment_is_refused(given_: Any) -> None:
    with pytest.raises(ValueError, match="DateTime"):
        parse_datetime(given_)


@given(st.text(max_size=40))
def test_noise_is_no_moment_and_no_accident(value: str) -> None:
    with suppress(ValueError):
        assert parse_datetime(value).tzinfo is UTC


def test_a_moment_of_any_zone_is_shown_in_utc() -> None:
    assert show_datetime(datetime(2026, 3, 1, 9, 30, tzinfo=timezone(timedelta(hours=5, minutes=45)))) == "2026-03-01T03:45:00Z"


# BigInt


@given(st.integers(-(2**63), 2**63 - 1))
def test_a_big_int_comes_back_as_it_went(number: int) -> None:
    assert show_big_int(number) == str(number)
    assert parse_big_int(show_big_int(number)) == number
    assert parse_big_int(number) == number


@pytest.mark.parametrize(
    "given_",
    [2**63, -(2**63) - 1, "9223372036854775808", "", "-", "--5", "1.0", "1e3", "0x10", " 1", "1\n", "5-", "1_000", "9" * 5000],
)
def test_what_is_no_big_int_is_refused(given_: Any) -> None:
    with pytest.raises(ValueError, match="BigInt"):
        parse_big_int(given_)


@pytest.mark.parametrize("given_", [1.0, 1.5, True, None, [], {}, b"1", float("nan"), "\u0663", "\uff11"])
def test_what_is_no_number_is_no_big_int(given_: Any) -> None:
    with pytest.raises(ValueError, match="BigInt"):
        parse_big_int(given_)


# Who may


def actor(role: str, scopes: frozenset[str] | None) -> Actor:
    return Actor(uuid4(), uuid4(), role, scopes=scopes)


def test_a_person_may_by_role_and_a_key_by_role_and_scope() -> None:
    reads, writes = frozenset({"privacy:read"}), frozenset({"snapshots:write"})
    owners = frozenset({"owner"})
    assert may(actor("owner", None), reads, None)
    assert may(actor("owner", None), frozenset(), owners)
    assert not may(actor("viewer", None), reads, owners)
    assert may(actor("owner", reads), reads, owners)
    assert may(actor("owner", reads | writes), writes, None)
    assert not may(actor("owner", writes), reads, None)
    assert not may(actor("owner", reads), frozenset(), None), "a field without scopes is for people"
    assert not may(actor("owner", frozenset()), reads, None)
    assert not may(actor("viewer", reads), reads, owners)
