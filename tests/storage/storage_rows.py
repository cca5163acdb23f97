"""Rows for tests of storage: everything but the key follows from the key, as it does in life."""

from typing import Any

from jtgate.storage.directory import LiveSession
from jtgate.storage.model import (
    POSITION_COLUMNS,
    AlarmEventRow,
    CardEventRow,
    MessageRow,
    PartRow,
    PositionRow,
    QuarantineRow,
)

#: A day of 2026 at which the tests play.
T0_MS = 1_790_000_000_000


def position(terminal_id: int = 1, device_time_ms: int = T0_MS, fingerprint: int = 7, **values: object) -> PositionRow:
    """A location report."""
    row: dict[str, object] = dict.fromkeys(POSITION_COLUMNS)
    row |= {
        "terminal_id": terminal_id,
        "device_time_ms": device_time_ms,
        "fingerprint": fingerprint,
        "received_ms": (device_time_ms or T0_MS) + 400,
        "time_state": 0 if device_time_ms else 1,
        "session_id": 11,
        "spool_seq": 3,
        "serial": 65535,
        "msg_id": 0x0200,
        "backfill": 0,
        "alarm_flags": 0xFFFFFFFF,
        "status": 3,
        "latitude": 41.123456,
        "longitude": -122.5,
        "altitude_m": -3,
        "speed_kmh": 60.5,
        "heading_deg": 359,
        "mileage_km": 6605.1,
        "extra_items": '[{"id": "0xe1", "raw": "00"}]',
    }
    row |= values
    assert len(row) == len(POSITION_COLUMNS)
    return tuple(row.values())


def alarm(terminal_id: int = 1, alarm_time_ms: int = T0_MS, fingerprint: int = 7, **values: Any) -> AlarmEventRow:
    """An alarm fact."""
    row = AlarmEventRow(
        terminal_id=terminal_id,
        source="jsatl12:0x65",
        alarm_time_ms=alarm_time_ms,
        fingerprint=fingerprint,
        received_ms=alarm_time_ms + 400,
        session_id=11,
        spool_seq=3,
        serial=5,
        alarm_type=1,
        phase="start",
        level=2,
        latitude=41.1,
        longitude=122.0,
        speed_kmh=60.0,
        alarm_number="00ff",
        attachment_count=3,
        body='{"fatigue": 5}',
    )
    return row._replace(**values)


def card(terminal_id: int = 1, device_time_ms: int = T0_MS, fingerprint: int = 7, **values: Any) -> CardEventRow:
    """A driver card event."""
    row = CardEventRow(
        terminal_id=terminal_id,
        device_time_ms=device_time_ms,
        fingerprint=fingerprint,
        received_ms=device_time_ms + 400,
        session_id=11,
        spool_seq=3,
        serial=6,
        status=1,
        read_result=0,
        driver_name="张三",
        certificate="210000000001",
        issuer="某市交通局",
        expiry="2030-12-31",
        id_number=None,
    )
    return row._replace(**values)


def message(terminal_id: int = 1, serial: int = 9, received_ms: int = T0_MS, **values: Any) -> MessageRow:
    """Any other message."""
    row = MessageRow(
        terminal_id=terminal_id,
        msg_id=0x0104,
        serial=serial,
        fingerprint=7,
        received_ms=received_ms,
        session_id=11,
        spool_seq=3,
        edition="2013",
        parts=1,
        name="query_parameters_response",
        body="{}",
        raw=b"\x00\x7e\xff",
    )
    return row._replace(**values)


def quarantined(received_us: int = T0_MS * 1000, fingerprint: int = 7, **values: Any) -> QuarantineRow:
    """A message that could not be decoded."""
    row = QuarantineRow(
        received_us=received_us,
        fingerprint=fingerprint,
        session_id=11,
        spool_seq=3,
        terminal="13800000001",
        msg_id=None,
        code="body.truncated",
        offset=4,
        field="latitude",
        message="needs 4 bytes, has 2",
        payload=b"\x02\x00\x00",
    )
    return row._replace(**values)


def part(terminal_id: int = 1, serial: int = 1, received_us: int = T0_MS * 1000, **values: Any) -> PartRow:
    """A sub-package."""
    row = PartRow(
        terminal_id=terminal_id,
        msg_id=0x0801,
        serial=serial,
        received_us=received_us,
        session_id=11,
        spool_seq=3,
        payload=b"part",
    )
    return row._replace(**values)


def live(session_id: int = 1, terminal: str = "13800000001", **values: Any) -> LiveSession:
    """A live session."""
    facts: dict[str, Any] = {
        "session_id": session_id,
        "terminal": terminal,
        "phone": terminal.rjust(12, "0"),
        "edition": "2013",
        "transport": "tcp",
        "peer": "192.0.2.1:4000",
        "state": "online",
        "how": "authenticated",
        "online_since_ms": T0_MS + session_id,
        "last_received_ms": T0_MS + session_id,
        "frames": 1,
        "bad_frames": 0,
        "bytes_in": 100,
        "last_msg_id": 0x0200,
    }
    return LiveSession(**(facts | values))
