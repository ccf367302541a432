"""Health: what makes a server unfit to take requests, found before a mutation fails of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from app.kit.db import look_up
from app.kit.errors import AppError
from app.kit.pool import Pool
from app.kit.sql import File, make

MIN_MONTHS_AHEAD = 2
MAX_CLOCK_SECONDS = 30


@dataclass(frozen=True)
class Health:
    """What the database says of itself."""

    audit_months_ahead: int
    audit_triggers_off: int
    event_triggers: int
    database_clock: datetime


@dataclass(frozen=True)
class Login:
    """Who we are to the database. ``passes_policies``: a superuser, or one who is the owner without saying so."""

    name: str
    passes_policies: bool
    missing_roles: list[str]


sql = File("core/health")
get_health = sql.one("get_health", Health)
get_login = sql.one("get_login", Login)


async def fetch_login(pool: Pool) -> Login:
    """Works on a database without our roles too. Raises UNAVAILABLE or TIMED_OUT."""
    (record,) = await look_up(pool, get_login.statement, {})
    return make(Login, record)


async def fetch_health(pool: Pool) -> Health:
    """The figures. Raises UNAVAILABLE or TIMED_OUT."""
    (record,) = await look_up(pool, get_health.statement, {})
    return make(Health, record)


def clock_skew(health: Health) -> float:
    """Seconds between the database's clock and ours."""
    return abs((health.database_clock - datetime.now(UTC)).total_seconds())


async def find_problems(pool: Pool) -> list[str]:
    """One sentence for each reason not to send requests here; none when it is ready."""
    try:
        health = await fetch_health(pool)
    except AppError as error:
        return [error.message]
    problems = []
    if health.audit_months_ahead < MIN_MONTHS_AHEAD:
        problems.append(
            f"The audit has partitions for {health.audit_months_ahead} months ahead; without the next every mutation fails. "
            "Run `fivefold upkeep`."
        )
    if health.audit_triggers_off:
        problems.append(
            f"{health.audit_triggers_off} triggers of the audit are missing or do not always fire. Someone altered them."
        )
    skew = clock_skew(health)
    if skew > MAX_CLOCK_SECONDS:
        problems.append(f"The clocks of server and database differ by {skew:.0f} seconds.")
    return problems
