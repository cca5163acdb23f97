"""What the pipeline counts, carried to Prometheus once per batch."""

from collections import Counter as Tally
from collections.abc import Mapping

from prometheus_client import Counter, Gauge, Histogram

from jtgate.storage.model import StoreBatch, Written

ROWS = Counter("jtgate_pipeline_rows_total", "Rows handed to the store", ["table"])
ROWS_WRITTEN = Counter("jtgate_pipeline_rows_written_total", "Rows by whether the store had them already", ["state"])
QUARANTINED = Counter("jtgate_pipeline_quarantined_total", "Messages that could not be decoded", ["code"])
DEVIATIONS = Counter(
    "jtgate_pipeline_deviations_total", "Tolerated deviations of terminals in everything they sent", ["name"]
)
SPOOL_DAMAGED = Counter("jtgate_pipeline_spool_damaged_total", "Segments of the spool left at a fault by the reader")
EVENTS = Counter("jtgate_pipeline_events_total", "What happened besides: sub-packages, records, upkeep", ["event"])
LAG_GROUPS = Gauge("jtgate_pipeline_lag_groups", "Groups of the spool not yet stored", multiprocess_mode="livemax")
LAG_SECONDS = Gauge(
    "jtgate_pipeline_lag_seconds",
    "Age of the last stored group when it was stored, 0 when no other waits; rises while the spool or the store fails",
    multiprocess_mode="livemax",
)
BATCH_ROWS = Histogram(
    "jtgate_pipeline_batch_rows", "Rows in one batch", buckets=(1, 10, 100, 1_000, 5_000, 10_000, 20_000, 50_000)
)
BATCH_SECONDS = Histogram(
    "jtgate_pipeline_batch_seconds",
    "Time of one batch by step: decode, write",
    ["step"],
    buckets=(0.001, 0.005, 0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0),
)
STORE_ERRORS = Counter("jtgate_pipeline_store_errors_total", "Times the store refused", ["code"])
UPKEEP_ERRORS = Counter(
    "jtgate_pipeline_upkeep_errors_total", "Failures of days ahead, hourly figures and deletion", ["task", "code"]
)


def count(metric: Counter, counts: Mapping[str, int]) -> None:
    """Add tallies to a counter with one label."""
    for label, number in counts.items():
        if number:
            metric.labels(label).inc(number)


def count_batch(batch: StoreBatch, written: Written) -> None:
    """Count the rows of a batch that was written."""
    tables = ("alarm_events", "card_events", "messages", "quarantine", "parts")
    count(ROWS, {"positions": batch.position_count} | {table: len(getattr(batch, table)) for table in tables})
    count(ROWS_WRITTEN, {"new": written.new, "repeated": written.repeated})
    count(QUARANTINED, Tally(row.code for row in batch.quarantine))
