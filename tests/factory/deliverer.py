"""A worker process that delivers webhooks, for tests that end it: ``python -m tests.factory.deliverer``."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from app import worker
from app.core.webhook_delivery import deliver_webhook
from app.kit import log, runner
from app.settings import Settings

if __name__ == "__main__":
    runner.HEARTBEAT = timedelta(seconds=1)
    log.configure("json")
    asyncio.run(worker.run(Settings(), jobs=[deliver_webhook]))
