"""A worker process that does what the payment provider told, for tests that kill it: ``python -m tests.factory.biller``."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from app import worker
from app.core.billing_event import apply_billing_event
from app.kit import log, runner
from app.settings import Settings

if __name__ == "__main__":
    runner.HEARTBEAT = timedelta(seconds=0.5)
    log.configure("json")
    asyncio.run(worker.run(Settings(), jobs=[apply_billing_event]))
