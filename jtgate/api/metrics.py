"""Text for Prometheus: what every process of one `serve` counts, and how the processes themselves are."""

from collections.abc import Iterator
from pathlib import Path

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from jtgate import release, runfiles


class ChildrenCollector(Collector):
    """Metrics of the supervisor, read from its run file so that they outlive a restart of this process.

    Args:
        data: the data folder.
    """

    def __init__(self, data: Path) -> None:
        self._data = data

    def collect(self) -> Iterator[Metric]:
        """One sample per child."""
        about = InfoMetricFamily("jtgate", "The release that serves.")
        about.add_metric([], {"version": release()})
        yield about
        up = GaugeMetricFamily("jtgate_child_up", "1 while the child is running.", labels=["child"])
        restarts = CounterMetricFamily("jtgate_child_restarts", "Crashes since the start.", labels=["child"])
        for name, child in children(self._data).items():
            up.add_metric([name], 1 if child.get("state") == "running" else 0)
            count = child.get("restarts")
            restarts.add_metric([name], count if isinstance(count, int) else 0)
        yield up
        yield restarts


def children(data: Path) -> dict[str, dict[str, object]]:
    """State of every child as the supervisor last told it; empty when none runs."""
    facts = runfiles.running(data, runfiles.SUPERVISOR) or {}
    found = facts.get("children")
    return found if isinstance(found, dict) else {}


def exposition(data: Path) -> bytes:
    """The body of /metrics."""
    registry = CollectorRegistry()
    registry.register(ChildrenCollector(data))
    folder = runfiles.metrics_folder(data)
    if folder.is_dir():
        MultiProcessCollector(registry, path=str(folder))  # type: ignore[no-untyped-call]
    return generate_latest(registry)
