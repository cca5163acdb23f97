"""Rows to try a store with: everything but the key follows from the key, as it does in life."""

from collections.abc import Mapping
from typing import Any, Final

from jtgate.storage.model import (
    POSITION_COLUMNS,
    AlarmEventRow,
    CardEventRow,
    FaceEventRow,
    MessageRow,
    PartRow,
    PositionRow,
    QuarantineRow,
    SessionClosed,
    SessionOpened,
    StoreBatch,
    Written,
)
from jtgate.storage.store import Store

#: A day of 2026 at which it all plays: 21 September, 14:13:20 UTC.
T0_MS: Final = 1_790_000_000_000
HOUR_MS: Final = 3_600_000
DAY_MS: Final = 24 * HOUR_MS
#: The last second that a terminal can say: 2099-12-31 23:59:59 in GMT+8.
LAST_TIME_MS: Final = 4_102_415_999_000

ONE: Final = "13800000001"
TWO: Final = "13800000002"
THREE: Final = "13800000003"
#: Terminals that a fresh store is given as 1, 2 and 3.
FIRST_TERMINALS: Final = (ONE, TWO, THREE)


def write(store: Store, seq: Any = 1, /, **rows: Any) -> Written:
    """Write a batch of the named rows as the pipeline does."""
    return store.write(StoreBatch(**rows), consumer="pipeline", seq=seq)


def counts(store: Store) -> Mapping[str, int]:
    """Rows per table, as the store tells."""
    rows = store.info()["rows"]
    return dict(rows) if isinstance(rows, Mapping) else {}


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
    if not values.keys() <= row.keys():
        raise TypeError(f"a position has no {values.keys() - row.keys()}")
    return tuple((row | values).values())


def as_row(values: PositionRow, terminal: str = ONE) -> dict[str, object]:
    """A position as a store gives it back."""
    return {"terminal": terminal, **dict(zip(POSITION_COLUMNS, values, strict=True))}


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
        terminal=ONE,
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


def opened(session_id: int = 100, terminal_id: int = 1, online_ms: int = T0_MS) -> SessionOpened:
    """A session comes online."""
    return SessionOpened(session_id, terminal_id, online_ms, "tcp", "192.0.2.1:4000", "2013", "authenticated")


def closed(session_id: int = 100, closed_ms: int = T0_MS + 5000, reason: str = "peer_closed") -> SessionClosed:
    """A session ends."""
    return SessionClosed(session_id, closed_ms, reason, 12, 1, 3400, T0_MS + 4000)


def face(terminal_id: int = 1, event_time_ms: int = T0_MS, fingerprint: int = 7, **values: Any) -> FaceEventRow:
    """A picture of the driver."""
    row = FaceEventRow(
        terminal_id=terminal_id,
        event_time_ms=event_time_ms,
        fingerprint=fingerprint,
        received_ms=event_time_ms + 400,
        session_id=11,
        spool_seq=3,
        serial=8,
        kind="capture",
        alarm_number="00ff",
        image_sha256="ab" * 32,
        image_path="2026/09/21/1.jpg",
        engine="engine 1.0",
        score=0.91,
        threshold=0.6,
        result="match",
        person="210000000001",
        updated_ms=event_time_ms + 900,
    )
    return row._replace(**values)
