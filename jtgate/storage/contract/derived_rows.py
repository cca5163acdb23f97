"""Sample rows of what is derived, one function for each table that `Store.facts` reads."""

import json
from collections.abc import Callable, Mapping
from typing import Any, Final

from jtgate.storage.contract.rows import HOUR_MS, T0_MS, face
from jtgate.storage.model import (
    BindingConflictRow,
    BindingRow,
    CheckpointRow,
    DriverOverrideRow,
    EpisodeRow,
    EvidenceFileRow,
    PhoneFixRow,
    PointQualityRow,
    StopRow,
    TripRow,
    ZoneVisitRow,
)


def episode(terminal_id: int = 1, started_ms: int = T0_MS, alarm_type: int = 1, **values: Any) -> EpisodeRow:
    """An alarm from its beginning to its end."""
    row = EpisodeRow(
        terminal_id=terminal_id,
        source="jsatl12:0x65",
        alarm_type=alarm_type,
        started_ms=started_ms,
        ended_ms=started_ms + 60_000,
        last_ms=started_ms + 60_000,
        state="closed",
        ended_by="end",
        level=2,
        report_count=4,
        repeat_count=1,
        latitude=41.1,
        longitude=122.0,
        speed_max_kmh=71.5,
        peak_ms=started_ms + 30_000,
        places=f"[[{started_ms}, 41.1, 122.0, 71.5]]",
        risk_class="fatigue",
        risk_started_ms=started_ms,
        serial=0xFFFF,
        alarm_event_id=7,
        confirmed_ms=started_ms + 90_000,
        alarm_number="00ff",
        alarm_numbers='["00ff"]',
        evidence_state="complete",
        plate="辽A12345",
        plate_color=2,
        person="210000000001",
        person_confidence=0.82,
        waybill="W-1",
        updated_ms=started_ms + 60_000,
    )
    return row._replace(**values)


def evidence(terminal_id: int = 1, announced_ms: int = T0_MS, number: int = 0, **values: Any) -> EvidenceFileRow:
    """A file of evidence."""
    row = EvidenceFileRow(
        terminal_id=terminal_id,
        alarm_number="00ff",
        file_name=f"02_65_0000_{number}_{announced_ms}.mp4",
        file_type=2,
        channel=65,
        announced_bytes=0xFFFFFFFF,
        stored_bytes=5 << 30,
        sha256="cd" * 32,
        path="2026/09/21/2.mp4",
        state="complete",
        missing="[[0, 4294967295]]",
        announced_ms=announced_ms,
        completed_ms=announced_ms + 9000,
        updated_ms=announced_ms + 9000,
    )
    return row._replace(**values)


def binding(terminal_id: int | None = 1, started_ms: int = T0_MS, number: int = 0, **values: Any) -> BindingRow:
    """Somebody was on a vehicle."""
    row = BindingRow(
        plate=f"辽A0000{terminal_id or 0}",
        plate_color=2,
        role="driver",
        person=f"21000000000{number}",
        started_ms=started_ms,
        revision=1,
        ended_ms=started_ms + HOUR_MS,
        confidence=0.95,
        sources='[{"card": 0.95}]',
        conflict=None,
        terminal_id=terminal_id,
        corrects=json.dumps({"person": "", "started_ms": started_ms, "revision": 0}),
        reason="card",
        updated_ms=started_ms + HOUR_MS,
    )
    return row._replace(**values)


def trip(terminal_id: int = 1, started_ms: int = T0_MS, **values: Any) -> TripRow:
    """A run between two stops."""
    row = TripRow(
        terminal_id=terminal_id,
        started_ms=started_ms,
        ended_ms=started_ms + HOUR_MS,
        state="closed",
        plate="辽A12345",
        plate_color=2,
        start_latitude=41.1,
        start_longitude=122.0,
        end_latitude=-41.2,
        end_longitude=-122.3,
        distance_km=48.25,
        drive_s=3400,
        stop_s=200,
        speed_max_kmh=79.5,
        point_count=340,
        bad_point_count=2,
        inferred_s=400,
        laden=1,
        waybill="W-1",
        driver="210000000001",
        updated_ms=started_ms + HOUR_MS,
    )
    return row._replace(**values)


def conflict(number: int = 1, started_ms: int = T0_MS, **values: Any) -> BindingConflictRow:
    """Two persons were named for one seat."""
    row = BindingConflictRow(
        plate=f"辽A0000{number}",
        plate_color=2,
        role="driver",
        kind="presence",
        person="210000000001",
        other="210000000002",
        started_ms=started_ms,
        ended_ms=started_ms + HOUR_MS,
        facts='{"face": 0.95, "card": 0.7}',
        state="closed",
        updated_ms=started_ms + HOUR_MS,
    )
    return row._replace(**values)


def phone_fix(number: int = 1, fix_time_ms: int = T0_MS, **values: Any) -> PhoneFixRow:
    """Where the phone of a person was."""
    row = PhoneFixRow(
        person=f"21000000000{number}",
        fix_time_ms=fix_time_ms,
        fingerprint=-(1 << 63),
        received_ms=fix_time_ms + 5000,
        latitude=41.1,
        longitude=-122.0,
        accuracy_m=12.5,
        speed_kmh=61.0,
        heading_deg=359.5,
        source="phones",
        updated_ms=fix_time_ms + 5000,
    )
    return row._replace(**values)


def override(number: int = 1, started_ms: int = T0_MS, **values: Any) -> DriverOverrideRow:
    """Who drove by the word of an inspector."""
    row = DriverOverrideRow(
        plate=f"辽A0000{number}",
        plate_color=2,
        role="driver",
        started_ms=started_ms,
        made_ms=started_ms + HOUR_MS,
        ended_ms=started_ms + 1000,
        person="210000000001",
        made_by="county",
        evidence="roadside check",
        updated_ms=started_ms + HOUR_MS,
    )
    return row._replace(**values)


def stop(terminal_id: int = 1, started_ms: int = T0_MS, **values: Any) -> StopRow:
    """A stop."""
    row = StopRow(
        terminal_id=terminal_id,
        started_ms=started_ms,
        ended_ms=started_ms + HOUR_MS,
        state="closed",
        latitude=41.1,
        longitude=122.0,
        is_rest=1,
        acc_off_ms=started_ms + 60_000,
        point_count=120,
        inferred_s=0,
        updated_ms=started_ms + HOUR_MS,
    )
    return row._replace(**values)


def visit(terminal_id: int = 1, entered_ms: int = T0_MS, **values: Any) -> ZoneVisitRow:
    """A vehicle in a zone."""
    row = ZoneVisitRow(
        terminal_id=terminal_id,
        zone="Z001",
        entered_ms=entered_ms,
        exited_ms=entered_ms + HOUR_MS,
        zone_kind="PARK",
        state="closed",
        uncertain=1,
        enter_latitude=41.1,
        enter_longitude=122.0,
        speed_max_kmh=29.5,
        stop_s=3000,
        plate="辽A12345",
        plate_color=2,
        person="210000000001",
        waybill="W-1",
        laden=0,
        updated_ms=entered_ms + HOUR_MS,
    )
    return row._replace(**values)


def quality(terminal_id: int = 1, day_ms: int = T0_MS, **values: Any) -> PointQualityRow:
    """How good the reports of a day were."""
    row = PointQualityRow(terminal_id, day_ms, 2880, 2875, '{"not_located": 5}', day_ms + HOUR_MS)
    return row._replace(**values)


def checkpoint(terminal_id: int = 1, at_ms: int = T0_MS, **values: Any) -> CheckpointRow:
    """What the derivation knows of a terminal."""
    row = CheckpointRow(terminal_id, at_ms, bytes(range(256)), at_ms + 1000)
    return row._replace(**values)


#: A row of each table of `tables.READABLE`, of a terminal (or person or plate) by number, and a time.
READABLE_ROWS: Final[Mapping[str, Callable[..., Any]]] = {
    "face_events": face,
    "episodes": episode,
    "evidence_files": evidence,
    "bindings": binding,
    "binding_conflicts": conflict,
    "phone_fixes": phone_fix,
    "driver_overrides": override,
    "trips": trip,
    "stops": stop,
    "zone_visits": visit,
    "point_quality": quality,
    "checkpoints": checkpoint,
}
