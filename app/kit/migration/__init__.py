"""The parts of the migration wrapper; its front is ``app.kit.migrate``."""
