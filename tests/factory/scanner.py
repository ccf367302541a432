"""A worker process that runs scans of this machine, for tests that end it: ``python -m tests.factory.scanner``."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from app import worker
from app.kit import log, runner
from app.scans.flow import find_neglected, run_scans
from app.settings import Settings

if __name__ == "__main__":
    runner.HEARTBEAT = timedelta(seconds=3)  # who is killed is missed soon, who is slow is not
    log.configure("json")
    asyncio.run(worker.run(Settings(), jobs=[run_scans, find_neglected]))
