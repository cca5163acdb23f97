"""Further typical messages, each a change to the one that `chosen` makes: other branches of the same message."""

from collections.abc import Iterator
from typing import Any, NamedTuple

from jtgate.codecs.edition import ALL_EDITIONS, ONLY_2019, SINCE_2013, Edition

BEFORE_2019 = (Edition.V2011, Edition.V2013)


class Extra(NamedTuple):
    """A row of the table.

    Args:
        msg_id: 消息ID.
        suffix: of the id of the vector.
        note: what is special.
        fields: what is otherwise than in the typical message, as JSON has it.
        editions: for which it is made.
    """

    msg_id: int
    suffix: str
    note: str
    fields: dict[str, Any]
    editions: tuple[Edition, ...] = ALL_EDITIONS


_DRIVER = ("driver_name", "certificate", "issuer", "expiry", "id_number")
_NO_DRIVER: dict[str, Any] = dict.fromkeys(_DRIVER)

#: In the order of ids.
EXTRA = (
    Extra(0x0001, "refused", "The terminal does not support what it was asked.", {"answer_id": "0x8105", "result": 3}),
    Extra(
        0x0200,
        "southwest",
        "Hemisphere bits: both angles are negative.",
        {"status": 0x0F, "latitude": -22.906847, "longitude": -43.172897, "items": []},
    ),
    Extra(
        0x0200,
        "alarms",
        "Overspeed, fatigue and collision warnings.",
        {"alarm_flags": 1 << 1 | 1 << 2 | 1 << 29, "speed_kmh": 112.4},
    ),
    Extra(
        0x0702,
        "removed",
        "Card removed: nothing follows the time.",
        {"status": 2, "read_result": None, **_NO_DRIVER},
        SINCE_2013,
    ),
    Extra(
        0x0702,
        "unread",
        "The card could not be read: nothing follows that.",
        {"read_result": 1, **_NO_DRIVER},
        SINCE_2013,
    ),
    Extra(
        0x0702,
        "face",
        "Match of the face and an id behind the id number, as a draft had it.",
        {"face_match": 92, "uid": "U0001"},
        ONLY_2019,
    ),
    Extra(0x0805, "failed", "A failure has no ids.", {"result": 1, "media_ids": []}, SINCE_2013),
    Extra(0x8001, "alarm", "Result 4: the alarm was handled.", {"result": 4}, SINCE_2013),
    Extra(0x8100, "no-vehicle", "A failure has no code.", {"result": 2, "auth_code": None}),
    Extra(0x8105, "reset", "A command without parameters.", {"command": 4, "upgrade": None}),
    Extra(
        0x8105,
        "connect",
        "Connect to another platform for ten minutes.",
        {
            "command": 2,
            "upgrade": None,
            "connection": {
                "connect_control": 0,
                "auth_code": "AUTH-0001",
                "apn": "cmiot",
                "address": "192.0.2.10",
                "tcp_port": 6808,
                "udp_port": 0,
                "time_limit_min": 10,
            },
        },
    ),
    Extra(
        0x8105,
        "back",
        "Back to the platform of before: nothing follows.",
        {"command": 2, "upgrade": None, "connection": {"connect_control": 1}},
    ),
    Extra(0x8202, "stop", "Interval 0 stops the tracking; nothing follows.", {"interval_s": 0, "validity_s": None}),
    Extra(0x8300, "tts", "To be read aloud, in 2019 as a service message.", {"flags": 8, "text_type": 2}, ONLY_2019),
    Extra(0x8500, "unlock", "Unlock the doors: 0 before 2019.", {"flags": 0}, BEFORE_2019),
    Extra(
        0x8500,
        "lock",
        "Lock the doors: 0 in 2019.",
        {"controls": [{"control_type": "0x0001", "door": 0}]},
        ONLY_2019,
    ),
    Extra(0x8800, "complete", "Everything arrived: nothing follows the id.", {"part_numbers": []}),
    Extra(0x8801, "stop", "Stop the camera.", {"command": 0}),
    Extra(0x8801, "video", "Record a video.", {"command": 0xFFFF}),
)


def of(msg_id: int, edition: Edition) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Suffix, note and fields of the further messages of an id in an edition."""
    for row in EXTRA:
        if row.msg_id == msg_id and edition in row.editions:
            yield row.suffix, row.note, row.fields
