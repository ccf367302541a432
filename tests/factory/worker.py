"""A worker process with the tests' own job, for tests that end it: ``python -m tests.factory.worker [--heartbeat SECONDS]``."""

from __future__ import annotations

import argparse
import asyncio
from datetime import timedelta

from app import worker
from app.kit import log, runner
from app.settings import Settings
from tests.kit.test_jobs import tell

if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--heartbeat", type=float, default=30.0)
    runner.HEARTBEAT = timedelta(seconds=parser.parse_args().heartbeat)
    log.configure("json")
    asyncio.run(worker.run(Settings(), jobs=[tell]))
