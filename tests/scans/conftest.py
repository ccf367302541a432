"""What the tests of scans share: one API for all tests of a file that leave no mark on each other."""

from tests.core.conftest import lines, shared

__all__ = ["lines", "shared"]
