"""A process that seals, for tests that kill it: ``python -m tests.factory.sealer STEP`` says the step and waits before it."""

from __future__ import annotations

import sys
import time
from typing import Any

import uvloop

from app.core import audit_block
from app.core.audit_block import Sealer, open_sealer, seal_all
from app.kit.db import Db
from app.kit.pool import open_pool
from app.settings import Settings


def stop_before(step: str) -> None:
    """Wait there for the end. A step is a statement, the sealer's export, or the transaction's COMMIT (``_end``)."""
    owner: Any = {"export": Sealer, "_end": Db}.get(step, audit_block)
    real = getattr(owner, step)

    def stop(*args: Any, **options: Any) -> Any:
        if step == "_end" and not (args[1] == "COMMIT" and args[0]._begun and "READ COMMITTED" in args[0]._begun):
            return real(*args, **options)
        sys.stdout.write(f"{step}\n")
        sys.stdout.flush()
        while True:
            time.sleep(60)

    setattr(owner, step, stop)


async def work() -> None:
    """As the worker's sealer, until it is killed."""
    settings = Settings()
    sealer = open_sealer(settings)
    assert sealer is not None
    pool = await open_pool(settings.require_database_url(), size=1, name="sealer", statement_seconds=10)
    await seal_all(sealer, pool)


if __name__ == "__main__":
    stop_before(sys.argv[1])
    uvloop.run(work())
