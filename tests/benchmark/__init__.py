"""How fast, beside what: run ``python -m tests.benchmark``."""
