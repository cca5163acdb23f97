"""What the deriver counts."""

from prometheus_client import Counter, Gauge

EVENTS = Counter(
    "jtgate_derive_facts_total",
    "Facts by what became of them: folded, repeated, late; anew: terminals folded anew",
    ["what"],
)
LIMITS = Counter("jtgate_derive_limits_total", "Times a fold came to a limit of what it remembers", ["limit"])
ROWS = Counter("jtgate_derive_rows_total", "Derived rows written", ["table"])
MISSED = Counter("jtgate_derive_missed_groups_total", "Groups of the spool that retention took before they were read")
ERRORS = Counter("jtgate_derive_errors_total", "Failures, by what was being done and why", ["what", "code"])
LAG_GROUPS = Gauge(
    "jtgate_derive_lag_groups", "Groups that are stored and not yet worked through", multiprocess_mode="livemax"
)
TERMINALS = Gauge("jtgate_derive_terminals", "Terminals in memory", multiprocess_mode="livemax")
CHECKPOINTS = Counter("jtgate_derive_checkpoints_total", "States of terminals kept to fold from")
VEHICLES_WAITING = Gauge(
    "jtgate_derive_vehicles_waiting", "Vehicles whose bindings are to be worked out anew", multiprocess_mode="livemax"
)
