"""Metrics for Prometheus: what an operator wants to see on a graph, by names that cannot grow without bound."""

from __future__ import annotations

from functools import cache

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

__all__ = ["CONTENT_TYPE_LATEST", "Metrics"]

SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Metrics:
    """The figures of one process."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        # Operation names come from clients: only those of trusted documents become labels.
        self.requests = Counter(
            "fivefold_requests", "Requests by operation and HTTP status", ["operation", "status"], registry=self._registry
        )
        self.request_seconds = Histogram(
            "fivefold_request_seconds", "Time of a request", ["operation"], buckets=SECONDS, registry=self._registry
        )
        self.errors = Counter("fivefold_errors", "Errors in answers by code", ["code"], registry=self._registry)
        self.statement_seconds = Histogram(
            "fivefold_statement_seconds", "Time of a statement by name", ["statement"], buckets=SECONDS, registry=self._registry
        )
        self.fallbacks = Counter(
            "fivefold_fallbacks", "Operations left to the stock executor, by cause", ["cause"], registry=self._registry
        )
        self.sockets = Gauge("fivefold_sockets", "Open WebSocket connections", registry=self._registry)
        self.subscriptions = Gauge("fivefold_subscriptions", "Open subscriptions", ["kind"], registry=self._registry)
        self.events = Counter("fivefold_events", "Events that were sent to subscribers", ["kind"], registry=self._registry)
        self.documents = Gauge("fivefold_documents", "Documents whose plans are kept", registry=self._registry)
        self.connections = Gauge("fivefold_connections", "Database connections", ["state"], registry=self._registry)
        self.reads = Counter(
            "fivefold_reads", "Queries by where they read, where there is a replica", ["pool"], registry=self._registry
        )
        self.replica_lag = Gauge(
            "fivefold_replica_lag_seconds", "How far behind the replica is; -1 while it is not used", registry=self._registry
        )
        self.replica_connections = Gauge(
            "fivefold_replica_connections", "Connections to the replica", ["state"], registry=self._registry
        )
        self.waiting = Gauge("fivefold_waiting", "Operations that wait for a database connection", registry=self._registry)
        self.rounds = Gauge("fivefold_failovers", "How often all connections were given up as lost", registry=self._registry)
        self.retries = Counter(
            "fivefold_retries", "Operations that ran once more after their connection was lost", registry=self._registry
        )
        self.audit_lag = Gauge(
            "fivefold_audit_sealing_lag_seconds",
            "Age of the oldest audit event that waits to be sealed",
            registry=self._registry,
        )
        self.audit_unsealed = Gauge(
            "fivefold_audit_unsealed_events", "Audit events that wait to be sealed, 100,000 at most", registry=self._registry
        )

        # Finding a label's figure takes longer than counting does.
        self._of_request = cache(lambda name, status: (self.requests.labels(name, status), self.request_seconds.labels(name)))
        self._of_statement = cache(self.statement_seconds.labels)

    def count_request(self, name: str, status: int, seconds: float) -> None:
        """A request was answered."""
        count, times = self._of_request(name, status)
        count.inc()
        times.observe(seconds)

    def time_statement(self, name: str, seconds: float) -> None:
        """A statement took so long."""
        self._of_statement(name).observe(seconds)

    def text(self) -> bytes:
        """In Prometheus' text format."""
        return generate_latest(self._registry)
