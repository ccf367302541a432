"""Sets that were written before their authors looked at what engines make of them, and measured so.

``halves`` is the first set, over layouts that hostile and honest pages share; it was halved by a hash of the cases' names at
once, and the sealed half was looked at, case by case, only when the other was done. ``fresh`` are later sets, each written in
another style and first measured untouched; what was measured then, for SUSPICIOUS or MALICIOUS, and for MALICIOUS alone:

    last    60 cases   precision 0.92         recall 0.77, 0.67
    whole  100 cases   precision 0.93, 0.94   recall 0.82, 0.61   8 UNKNOWN, one of them harmful
    later   68 cases   precision 1.00, 1.00   recall 0.84, 0.72   4 UNKNOWN, two of them harmful
    third   50 cases   precision 1.00, 1.00   recall 0.76, 0.48   none UNKNOWN
    fourth  48 cases   precision 1.00, 1.00   recall 0.83, 0.75   none UNKNOWN
    fifth   36 cases   precision 0.82, 0.78   recall 0.75, 0.58   none UNKNOWN; two thirds honest, near to what deceives
    sixth   22 cases   precision 1.00, 1.00   recall 0.70, 0.70   none UNKNOWN

Once measured, all may be learned from: the next figure to believe is that of
cases that nobody has written yet.
"""

from __future__ import annotations

from tests.scans.labelled.blind.case import Blind, read


def halves() -> list[Blind]:
    """The first set."""
    return read("hostile", harmful=True) + read("honest", harmful=False)


def fresh(name: str) -> list[Blind]:
    """A later set: of SETS in test_blind.py."""
    return read(f"{name}_hostile", harmful=True) + read(f"{name}_honest", harmful=False)
