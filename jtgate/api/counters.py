"""What the api process counts."""

from prometheus_client import Counter, Gauge, Histogram

REQUESTS = Counter("jtgate_api_requests_total", "Requests answered", ["operation", "status"])
SECONDS = Histogram(
    "jtgate_api_seconds",
    "Time of one request, without what it was told to wait",
    ["operation"],
    buckets=(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 2.0, 10.0),
)
BUSY = Counter("jtgate_api_busy_total", "Requests answered with 503 because a limit was reached", ["limit"])
WAITING = Gauge("jtgate_api_waiting_requests", "Requests that wait for a command", multiprocess_mode="livesum")
LAST_USE_LOST = Counter("jtgate_api_last_use_lost_total", "Times of last use of a token that could not be written")
