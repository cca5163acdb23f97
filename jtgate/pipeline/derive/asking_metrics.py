"""What is counted while evidence is asked for and while what came of it is noted."""

from prometheus_client import Counter, Gauge

EVENTS = Counter(
    "jtgate_evidence_asking_total",
    "noted: evidence to be asked for; unwanted: by the rules; unreadable: an identification number of no dialect; "
    "held: the vehicle has enough asks open; left_out: too many of those; too_late: held for too long; "
    "sent: 0x9208 handed to the bus; not_taken: the bus was full; given_up: asks ended without all files; "
    "trimmed: old asks forgotten",
    ["what"],
)
HELD = Gauge("jtgate_evidence_held", "Alarms whose vehicles have enough asks open already", multiprocess_mode="livemax")
ASKS = Gauge("jtgate_evidence_asks", "Asks by state", ["state"], multiprocess_mode="livemax")
MIRRORED = Counter("jtgate_evidence_mirrored_total", "Rows written to the store", ["table"])
