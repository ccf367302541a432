"""Idempotency: the same mutation sent twice is one effect and two equal answers."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson

from app.kit.db import Db
from app.kit.errors import AppError, ErrorCode, constraint
from app.kit.sql import File

constraint("idempotency_key_length", ErrorCode.BAD_INPUT, "An idempotency key has 1 to 200 characters.", field="idempotencyKey")


@dataclass(frozen=True)
class Idempotency:
    """What an earlier request with the same key led to."""

    input_hash: bytes
    result_id: UUID | None
    created: bool | None


@dataclass(frozen=True)
class IdempotencyKey:
    """A key that was not there before."""

    key: str


sql = File("core/idempotency")
get_idempotency = sql.one("get_idempotency", Idempotency)
insert_idempotency = sql.one("insert_idempotency", IdempotencyKey)
update_idempotency = sql.exec("update_idempotency")


async def claim(db: Db, field: str, key: str, given: Any, *, result_id: UUID | None = None) -> Idempotency | None:
    """None when the caller is the first and must do the work; otherwise what the first one did.

    Call it first in the mutation's transaction: a second request waits here until the first has ended. Raises
    IDEMPOTENCY_CONFLICT when the key came with other input. ``given`` is the input, without the key. ``result_id``: what the
    caller is about to make; it calls ``settle`` only where it came otherwise.
    """
    if not 1 <= len(key) <= 200:
        raise AppError(ErrorCode.BAD_INPUT, "An idempotency key has 1 to 200 characters.", field="idempotencyKey")
    try:
        input_hash = hashlib.sha256(orjson.dumps(given, option=orjson.OPT_SORT_KEYS | orjson.OPT_UTC_Z)).digest()
    except TypeError:
        message = "The input holds a number of more than 64 bits, or is nested too deeply. Send something simpler."
        raise AppError(ErrorCode.BAD_INPUT, message) from None
    created = None if result_id is None else True
    if await insert_idempotency(db, field=field, key=key, input_hash=input_hash, result_id=result_id, created=created):
        return None
    found = await get_idempotency(db, field=field, key=key)
    if found is None or found.input_hash != input_hash:
        raise AppError(
            ErrorCode.IDEMPOTENCY_CONFLICT,
            "This idempotency key was used with other input. Use a new key for new input.",
            field="idempotencyKey",
        )
    return found


async def settle(
    db: Db, field: str, key: str, result_id: UUID, *, created: bool = True, moment: datetime | None = None
) -> None:
    """Keep what the mutation led to, in its transaction: a failure keeps nothing and may be tried again.

    ``moment`` is what the mutation told and no row holds, for as long as the key is kept.
    """
    await update_idempotency(db, field=field, key=key, result_id=result_id, created=created, moment=moment)
