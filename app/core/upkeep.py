"""Upkeep: what must be done every day: partitions ahead of the clock, and away with what is past its time."""

from __future__ import annotations

from pydantic import BaseModel

from app.kit.db import Db
from app.kit.jobs import Work, delete_effects, delete_job_log, delete_job_statistics, job
from app.kit.sql import File

MONTHS_AHEAD = 12

sql = File("core/across")
create_audit_partitions = sql.exec("create_audit_partition")
delete_old_billing_events = sql.exec("delete_billing_event")
"""Long after the provider sends an event again (3 days; by hand 30), and longer than a year that somebody may ask about."""
delete_old_erased = sql.exec("delete_erased_identity")
delete_old_email_tokens = sql.exec("delete_email_token")
delete_old_exports = sql.exec("delete_data_export")
delete_old_keys = sql.exec("delete_idempotency")
delete_old_networks = sql.exec("delete_api_key_network")
delete_old_alerts = sql.exec("delete_security_alert")
delete_old_deliveries = sql.exec("delete_webhook_delivery")
delete_old_notifications = sql.exec("delete_notification")
delete_old_invitations = sql.exec("delete_invitation")
delete_old_outbox = sql.exec("delete_outbox")
delete_old_buckets = sql.exec("delete_rate_bucket")
delete_old_sessions = sql.exec("delete_session")
delete_old_sign_ins = sql.exec("delete_sign_in")
delete_old_sign_ups = sql.exec("delete_sign_up")


async def run(db: Db) -> None:
    """All of it, each in its own transaction; running it twice does no harm."""
    async with db.transaction():
        await create_audit_partitions(db, months_ahead=MONTHS_AHEAD)
    async with db.transaction():
        await delete_old_keys(db)
    async with db.transaction():
        await delete_old_exports(db)
    async with db.transaction():
        await delete_old_outbox(db)
    async with db.transaction():
        await delete_old_notifications(db)
    async with db.transaction():
        await delete_old_invitations(db)
    async with db.transaction():
        await delete_old_sessions(db)
    async with db.transaction():
        await delete_old_sign_ins(db)
    async with db.transaction():
        await delete_old_billing_events(db)
    async with db.transaction():
        await delete_old_sign_ups(db)
        await delete_old_email_tokens(db)
        await delete_old_erased(db)
    async with db.transaction():
        await delete_old_buckets(db)
    async with db.transaction():
        await delete_old_alerts(db)
        await delete_old_networks(db)
    async with db.transaction():
        await delete_old_deliveries(db)
    async with db.transaction():
        await delete_job_log(db)
        await delete_job_statistics(db)
        await delete_effects(db)


class Nothing(BaseModel):
    """A job that needs to be told nothing."""


@job("core.upkeep", Nothing, cron="17 3 * * *")
async def nightly_upkeep(work: Work, payload: Nothing) -> None:
    """Every night."""
    await run(work.db)
