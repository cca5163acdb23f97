"""What the publisher counts, by outlet."""

from prometheus_client import Counter, Gauge

PUBLISHED = Counter("jtgate_publish_messages_total", "Messages that the broker has acknowledged", ["outlet", "kind"])
UNACKNOWLEDGED = Gauge(
    "jtgate_publish_unacknowledged", "Messages on their way to the broker", ["outlet"], multiprocess_mode="livesum"
)
LAG_GROUPS = Gauge(
    "jtgate_publish_lag_groups", "Stored groups of the spool not published yet", ["outlet"], multiprocess_mode="livemax"
)
LAG_SECONDS = Gauge("jtgate_publish_lag_seconds", "Age of the first of them", ["outlet"], multiprocess_mode="livemax")
MISSED = Counter("jtgate_publish_missed_groups_total", "Groups deleted before they were published", ["outlet"])
LOST = Counter("jtgate_publish_connections_lost_total", "Connections that failed or were lost", ["outlet", "code"])
ERRORS = Counter("jtgate_publish_store_errors_total", "Times store or spool could not be read or written", ["outlet"])
TOO_LONG = Counter("jtgate_publish_too_long_total", "Messages longer than the broker takes, left out", ["outlet"])
