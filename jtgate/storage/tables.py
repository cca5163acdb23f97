"""The tables of facts: name, row, natural key, time, and what a repeated key means; one place for every back end."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final, Literal

from jtgate.storage.model import (
    POSITION_COLUMNS,
    AlarmEventRow,
    BindingConflictRow,
    BindingRow,
    CardEventRow,
    CheckpointRow,
    DriverOverrideRow,
    EpisodeRow,
    EvidenceFileRow,
    FaceEventRow,
    MessageRow,
    PhoneFixRow,
    PointQualityRow,
    QuarantineRow,
    StopRow,
    TripRow,
    ZoneVisitRow,
)
from jtgate.storage.store import StoreError

#: "keep": the first row of a key stands. "newer": a row replaces one whose `updated_ms` is not later.
Repeats = Literal["keep", "newer"]


@dataclass(frozen=True, slots=True)
class Table:
    """One table of facts.

    Args:
        name: of the table, and of the field of StoreBatch that fills it.
        columns: of its rows, in the order of their tuples.
        key: natural key; writing a row again leaves one.
        time: the column its rows are found by.
        repeats: what becomes of a row whose key is there already.
    """

    name: str
    columns: tuple[str, ...]
    key: tuple[str, ...]
    time: str
    repeats: Repeats = "keep"

    @property
    def has_terminal(self) -> bool:
        """Whether its rows belong to a terminal; others are of persons and plates."""
        return "terminal_id" in self.columns


POSITIONS: Final = Table("positions", POSITION_COLUMNS, POSITION_COLUMNS[:3], "device_time_ms")
ALARM_EVENTS: Final = Table(
    "alarm_events",
    AlarmEventRow._fields,
    ("terminal_id", "alarm_time_ms", "source", "fingerprint"),
    "alarm_time_ms",
)
CARD_EVENTS: Final = Table("card_events", CardEventRow._fields, CardEventRow._fields[:3], "device_time_ms")
MESSAGES: Final = Table("messages", MessageRow._fields, MessageRow._fields[:5], "received_ms")
QUARANTINE: Final = Table("quarantine", QuarantineRow._fields, QuarantineRow._fields[:2], "received_us")
FACE_EVENTS: Final = Table("face_events", FaceEventRow._fields, FaceEventRow._fields[:3], "event_time_ms", "newer")
EPISODES: Final = Table("episodes", EpisodeRow._fields, EpisodeRow._fields[:4], "started_ms", "newer")
EVIDENCE_FILES: Final = Table(
    "evidence_files", EvidenceFileRow._fields, EvidenceFileRow._fields[:3], "announced_ms", "newer"
)
BINDINGS: Final = Table("bindings", BindingRow._fields, BindingRow._fields[:6], "started_ms", "newer")
BINDING_CONFLICTS: Final = Table(
    "binding_conflicts", BindingConflictRow._fields, BindingConflictRow._fields[:7], "started_ms", "newer"
)
PHONE_FIXES: Final = Table("phone_fixes", PhoneFixRow._fields, PhoneFixRow._fields[:3], "fix_time_ms", "newer")
DRIVER_OVERRIDES: Final = Table(
    "driver_overrides", DriverOverrideRow._fields, DriverOverrideRow._fields[:5], "started_ms", "newer"
)
TRIPS: Final = Table("trips", TripRow._fields, TripRow._fields[:2], "started_ms", "newer")
STOPS: Final = Table("stops", StopRow._fields, StopRow._fields[:2], "started_ms", "newer")
ZONE_VISITS: Final = Table("zone_visits", ZoneVisitRow._fields, ZoneVisitRow._fields[:3], "entered_ms", "newer")
POINT_QUALITY: Final = Table("point_quality", PointQualityRow._fields, PointQualityRow._fields[:2], "day_ms", "newer")
CHECKPOINTS: Final = Table("checkpoints", CheckpointRow._fields, CheckpointRow._fields[:2], "at_ms", "newer")

#: Written row by row; positions have a way of their own, messages a window in which a repetition is recognised.
FACTS: Final = (
    ALARM_EVENTS,
    CARD_EVENTS,
    QUARANTINE,
    FACE_EVENTS,
    EPISODES,
    EVIDENCE_FILES,
    BINDINGS,
    BINDING_CONFLICTS,
    PHONE_FIXES,
    DRIVER_OVERRIDES,
    TRIPS,
    STOPS,
    ZONE_VISITS,
    POINT_QUALITY,
    CHECKPOINTS,
)
#: Violations and how they were handled are kept for three years (dynamic supervision measures), and so is what they are
#: judged by. Whoever keeps positions for longer keeps these as long; rows that have not ended stay.
KEPT_LONG: Final = (
    FACE_EVENTS,
    EPISODES,
    EVIDENCE_FILES,
    BINDINGS,
    BINDING_CONFLICTS,
    DRIVER_OVERRIDES,
    TRIPS,
    STOPS,
    ZONE_VISITS,
    POINT_QUALITY,
)
KEPT_LONG_DAYS: Final = 3 * 366
#: Fields that say when something ended.
ENDS: Final = ("ended_ms", "exited_ms")
#: From a checkpoint the derivation begins anew for facts that come late; for those that come later than this it begins
#: at the first position that is kept.
CHECKPOINT_DAYS: Final = 3
#: Tables whose rows replace one another: they grow, so they are told neither as new nor as there already.
REPLACED: Final = frozenset(table.name for table in FACTS if table.repeats == "newer")
#: Tables whose rows are asked for by natural key (`Store.stored`).
BY_KEY: Final = {table.name: table for table in (POSITIONS, ALARM_EVENTS, CARD_EVENTS, MESSAGES, QUARANTINE)}
#: Tables read with `Store.facts`.
READABLE: Final = {
    table.name: table
    for table in (
        FACE_EVENTS,
        EPISODES,
        EVIDENCE_FILES,
        BINDINGS,
        BINDING_CONFLICTS,
        PHONE_FIXES,
        DRIVER_OVERRIDES,
        TRIPS,
        STOPS,
        ZONE_VISITS,
        POINT_QUALITY,
        CHECKPOINTS,
    )
}
#: Tables read with `Store.page`.
PAGED: Final = {table.name: table for table in (ALARM_EVENTS, CARD_EVENTS)} | READABLE


def readable(name: str) -> Table:
    """A table of READABLE.

    Raises:
        StoreError: there is no such table.
    """
    known = READABLE.get(name)
    if known is None:
        raise StoreError(f"{name} is not read this way")
    return known


def paged(name: str, columns: Collection[str]) -> Table:
    """A table of PAGED that has these columns, among which may be "id".

    Raises:
        StoreError: there is no such table, or it lacks one of them.
    """
    known = PAGED.get(name)
    if known is None:
        raise StoreError(f"{name} is not read page by page")
    if missing := sorted(set(columns) - {*known.columns, "id"}):
        raise StoreError(f"{name} has no column {', '.join(missing)}")
    return known
