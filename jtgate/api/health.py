"""Is what was promised being kept: does a gateway listen, and is what it spooled being stored in time?"""

from dataclasses import dataclass, field
from typing import Final

from jtgate import runfiles
from jtgate.api.metrics import children
from jtgate.codecs.timebase import now_us
from jtgate.pipeline import CONSUMER
from jtgate.settings import Settings
from jtgate.storage import open_spool_reader, open_store
from jtgate.storage.spool import SpoolError
from jtgate.storage.store import StoreError

#: Age of the oldest frame that is not stored yet, above which a supervisor of vehicles looks at the past.
LAG_SECONDS_MAX: Final = 30.0


@dataclass(frozen=True, slots=True)
class Lag:
    """How far the store is behind the spool."""

    spooled_seq: int
    stored_seq: int
    seconds: float  # age of the oldest group not yet stored; 0 when there is none

    @property
    def groups(self) -> int:
        """Group commits not yet stored."""
        return max(self.spooled_seq - self.stored_seq, 0)

    def as_json(self) -> dict[str, object]:
        """Facts for people and programs."""
        return {
            "spooled_seq": self.spooled_seq,
            "stored_seq": self.stored_seq,
            "lag_groups": self.groups,
            "lag_seconds": round(self.seconds, 3),
        }


@dataclass(slots=True)
class Health:
    """What /health answers."""

    problems: list[str] = field(default_factory=list)
    facts: dict[str, object] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """Nothing is wrong."""
        return not self.problems

    def as_json(self) -> dict[str, object]:
        """The body of /health."""
        return {"status": "ok" if self.ok else "failing", "problems": self.problems, **self.facts}


def pipeline_lag(settings: Settings) -> Lag:
    """Compare the spool with the cursor of the pipeline.

    Raises:
        SpoolError, StoreError: one of them cannot be read.
    """
    store = open_store(settings.store, settings.data)
    try:
        stored_seq = store.cursor(CONSUMER)
    finally:
        store.close()
    reader = open_spool_reader(settings.data)
    try:
        spooled_seq = reader.last_seq()
        waiting = reader.read(stored_seq, groups_max=1)
    finally:
        reader.close()
    seconds = max(now_us() - waiting[0].at_us, 0) / 1e6 if waiting else 0.0
    return Lag(spooled_seq, stored_seq, seconds)


def check(settings: Settings) -> Health:
    """Look at the gateway and at the pipeline."""
    health = Health()
    gateway = runfiles.running(settings.data, runfiles.GATEWAY)
    health.facts["gateway"] = gateway
    if gateway is None:
        health.problems.append("no gateway is listening")
    mqtt = gateway.get("mqtt") if gateway else None
    if isinstance(mqtt, dict) and mqtt.get("connected") != mqtt.get("subscribers"):
        health.problems.append(
            f"{mqtt.get('connected')} of {mqtt.get('subscribers')} connections to {mqtt.get('broker')} stand"
        )
    try:
        lag = pipeline_lag(settings)
    except (SpoolError, StoreError) as error:
        health.problems.append(f"spool or store cannot be read: {error}")
    else:
        health.facts["pipeline"] = lag.as_json()
        if lag.seconds > LAG_SECONDS_MAX:
            health.problems.append(f"the store is {lag.seconds:.0f} s behind (limit {LAG_SECONDS_MAX:.0f} s)")
    found = children(settings.data)
    health.facts["children"] = found
    health.problems += [f"{name} is {c.get('state')}" for name, c in found.items() if c.get("state") != "running"]
    return health
