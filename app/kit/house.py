"""Where the SQL lies: beside the code in a wheel, one folder up in a checkout."""

from pathlib import Path

_APP = Path(__file__).resolve().parents[1]


def root() -> Path:
    """The folder that holds ``sql/`` and ``migrations/``."""
    return _APP if (_APP / "sql").is_dir() else _APP.parent
