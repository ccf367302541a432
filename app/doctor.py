"""doctor: everything an operator would check first, in one list."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from asyncpg import InsufficientPrivilegeError

from app.core.audit_block import fetch_lag
from app.core.data_key import fetch_key_use, lacking
from app.core.health import MAX_CLOCK_SECONDS, MIN_MONTHS_AHEAD, Health, clock_skew, fetch_health, fetch_login
from app.core.wallet import check_books
from app.kit import migrate
from app.kit.bootstrap import EVENT_TRIGGERS, connect
from app.kit.errors import AppError, SetupError
from app.kit.jobs import fetch_queue
from app.kit.mail import outgoing
from app.kit.pool import Pool, open_pool
from app.kit.replica import fetch_position
from app.kit.vault import UNSET, vault_of
from app.scans.engine.feed import OLD, open_feed
from app.scans.network import OLD as NETWORKS_OLD
from app.scans.network import networks_of
from app.settings import Settings

MAX_LAG_SECONDS = 60
MAX_WAIT_SECONDS = 300
MAX_HORIZON_SECONDS = 600


@dataclass(frozen=True)
class Check:
    """``state`` is ok, warning or failed."""

    name: str
    state: str
    found: str


async def examine(url: str, settings: Settings) -> list[Check]:
    """The checks, in the order in which one needs the other; it stops at the first that leaves nothing to ask."""
    try:
        with connect(url) as connection:
            version = connection.info.parameter_status("server_version")
        pool = await open_pool(url, size=1, name="fivefold-doctor", statement_seconds=10)
    except SetupError as error:
        return [Check("connection", "failed", str(error))]
    try:
        found = [*await _examine(url, pool, version or "unknown", settings), _examine_mail(settings)]
        found += [_examine_feed(settings), _examine_networks(settings)]
        return [*found, *_examine_pooler(pool), *await _examine_replica(pool, settings)]
    except AppError as error:
        return [Check("connection", "failed", error.message)]
    finally:
        await pool.close()


async def _examine(url: str, pool: Pool, version: str, settings: Settings) -> list[Check]:
    login = await fetch_login(pool)
    missing = ", ".join(login.missing_roles)
    checks = [
        Check("connection", "ok", f"as {login.name}"),
        Check("version", "ok", f"PostgreSQL {version}"),
        Check("roles", "failed" if missing else "ok", f"missing: {missing}" if missing else "all there"),
    ]
    if missing:
        return checks
    try:
        status = migrate.releases(url)
    except SetupError as error:
        return [*checks, Check("migrations", "failed", str(error))]
    pending = [*status.pending_pre, *status.pending_post]
    state = "failed" if status.pending_pre else "warning" if pending else "ok"
    checks.append(Check("migrations", state, f"pending: {', '.join(pending)}" if pending else "none pending"))
    if status.pending_pre:
        return checks
    health = await fetch_health(pool)
    return [
        *checks,
        *_examine_health(health),
        await _examine_seals(pool),
        await _examine_queue(pool),
        await _examine_vault(pool, settings),
        await _examine_books(pool),
    ]


async def _examine_seals(pool: Pool) -> Check:
    try:
        lag = await fetch_lag(pool)
    except InsufficientPrivilegeError:
        return Check("audit seals", "warning", "only servers, workers and administrators see how far they lag behind")
    found = f"{lag.blocks} blocks, {lag.unsealed} events wait, the oldest for {lag.seconds:.0f} seconds"
    if lag.seconds <= MAX_LAG_SECONDS:
        return Check("audit seals", "ok", found)
    help_ = "let the worker have FIVEFOLD_AUDIT_KEY" if not lag.blocks else "run `fivefold worker` with FIVEFOLD_AUDIT_KEY"
    return Check("audit seals", "warning", f"{found}: {help_}")


async def _examine_queue(pool: Pool) -> Check:
    try:
        queue = await fetch_queue(pool)
    except InsufficientPrivilegeError:
        return Check("queue", "warning", "only the worker and administrators see it")
    found = f"{queue.due} due, {queue.running} running, {queue.held} held after their last attempt"
    if queue.oldest_seconds > MAX_WAIT_SECONDS:
        return Check(
            "queue", "failed", f"{found}; the oldest waits for {queue.oldest_seconds:.0f} seconds: run `fivefold worker`"
        )
    if queue.horizon_seconds > MAX_HORIZON_SECONDS:
        return Check("queue", "warning", f"{found}; a transaction is open since {queue.horizon_seconds:.0f} seconds")
    return Check("queue", "warning" if queue.held else "ok", found)


async def _examine_vault(pool: Pool, settings: Settings) -> Check:
    try:
        vault, uses = vault_of(settings), await fetch_key_use(pool)
    except SetupError as error:
        return Check("vault", "failed", str(error))
    except InsufficientPrivilegeError:
        return Check("vault", "warning", "only server, worker and administrators see which keys are in use")
    if vault.first is None:
        return Check("vault", "failed", UNSET)
    missing = [use for use in uses if use.kek_id not in vault.key_ids]
    if missing:
        return Check("vault", "failed", lacking(missing))
    old = [str(use.kek_id) for use in uses if use.kek_id != vault.first]
    if old:
        return Check("vault", "warning", f"still in use: {', '.join(old)}: run `fivefold vault rotate`")
    return Check("vault", "ok", f"{sum(use.data_keys for use in uses)} data keys, all with key {vault.first}")


async def _examine_books(pool: Pool) -> Check:
    try:
        found = await check_books(pool)
    except InsufficientPrivilegeError:
        return Check("ledger", "warning", "only the worker and administrators add up the books")
    if not found.wrong:
        return Check("ledger", "ok", f"{found.accounts} accounts add up")
    wrong = f"{found.wrong_balances} balances, {found.wrong_transfers} transfers and {found.wrong_reserves} reserves"
    return Check("ledger", "failed", f"{wrong} do not add up: somebody altered the books; the audit says who moved what")


def _examine_pooler(pool: Pool) -> list[Check]:
    if pool.pooler is None:
        return []
    if pool.pooler.keeps_statements:
        return [Check("pooler", "ok", "between us and PostgreSQL; it keeps prepared statements")]
    return [
        Check(
            "pooler",
            "warning",
            "between us and PostgreSQL, and each statement is prepared anew: take PgBouncer 1.21 or newer with "
            "max_prepared_statements of 1000",
        )
    ]


async def _examine_replica(pool: Pool, settings: Settings) -> list[Check]:
    """Whether queries can read from FIVEFOLD_READ_URL, if that is set."""
    if not settings.read_url:
        return []
    try:
        reading = await open_pool(settings.read_url, size=1, name="fivefold-doctor", statement_seconds=10, patient=False)
    except SetupError as error:
        return [Check("replica", "failed", str(error).replace("DATABASE_URL", "FIVEFOLD_READ_URL"))]
    try:
        here, there = await fetch_position(pool), await fetch_position(reading)
    finally:
        await reading.close()
    if here.cluster != there.cluster:
        return [Check("replica", "failed", "FIVEFOLD_READ_URL is another database cluster, not a replica: nobody reads there")]
    behind = max(0, here.position - there.position)
    found = f"{behind} bytes of write-ahead log behind"
    return [Check("replica", "ok" if there.standby else "warning", found if there.standby else "is no standby")]


def _examine_mail(settings: Settings) -> Check:
    try:
        to = outgoing(settings)
    except SetupError as error:
        return Check("mail", "failed", str(error))
    return Check("mail", "ok" if to.chosen else "warning", str(to))


def _examine_feed(settings: Settings) -> Check:
    """The list of known addresses that scans are compared with: how many, and how old."""
    try:
        listed = open_feed(settings.scan_feed).listed
    except SetupError as error:
        return Check("feed", "failed", str(error))
    assert listed is not None
    age = datetime.now(UTC) - listed.as_of
    told = (
        f"{len(listed)} addresses, {max(age.days, 0)} days old{f', {listed.skipped} lines skipped' if listed.skipped else ''}"
    )
    if not settings.scan_feed:
        return Check("feed", "warning", f"{told}: test addresses only, FIVEFOLD_SCAN_FEED is not set")
    return Check("feed", "warning" if age > OLD or listed.skipped else "ok", told)


def _examine_networks(settings: Settings) -> Check:
    """The file that tells networks of addresses: whether there is one, and how old."""
    try:
        as_of = networks_of(settings).as_of
    except SetupError as error:
        return Check("networks", "failed", str(error))
    if as_of is None:
        return Check("networks", "ok", "not known: FIVEFOLD_SCAN_NETWORKS is not set")
    age = datetime.now(UTC) - as_of
    return Check("networks", "warning" if age > NETWORKS_OLD else "ok", f"{max(age.days, 0)} days old")


def _examine_health(health: Health) -> list[Check]:
    skew = clock_skew(health)
    return [
        Check(
            "audit partitions",
            "ok" if health.audit_months_ahead >= MIN_MONTHS_AHEAD else "failed",
            f"{health.audit_months_ahead} months ahead",
        ),
        Check(
            "audit triggers",
            "failed" if health.audit_triggers_off else "ok",
            f"{health.audit_triggers_off} are missing or do not always fire"
            if health.audit_triggers_off
            else "all always fire",
        ),
        Check(
            "event triggers",
            "ok" if health.event_triggers == len(EVENT_TRIGGERS) else "warning",
            "in place"
            if health.event_triggers == len(EVENT_TRIGGERS)
            else "missing: only a superuser can create them; run `fivefold bootstrap` as one",
        ),
        Check("clock", "ok" if skew <= MAX_CLOCK_SECONDS else "failed", f"{skew:.1f} seconds apart"),
    ]
