"""A worker process that delivers webhooks, for tests that end it: ``python -m tests.factory.deliverer``."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from app import worker
from app.core.webhook_delivery import deliver_webhook
from app.kit import jobs, log
from app.settings import Settings

if __name__ == "__main__":
    jobs.HEARTBEAT = timedelta(seconds=1)
    log.configure("json")
    asyncio.run(worker.run(Settings(), jobs=[deliver_webhook]))
