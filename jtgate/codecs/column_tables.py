"""Tables of the columns of location reports: which item goes where, and what is counted on the way.

They belong to `codecs.twins.columns`, which is compiled, and stand here so that others can look at them too.
"""

from typing import NamedTuple

from jtgate.codecs import deviations as dev
from jtgate.codecs import header

LOCATION_REPORT = 0x0200  # 位置信息汇报
LOCATION_BATCH = 0x0704  # 定位数据批量上传

#: Items that have a column (§4.4): id, length, column. Those of tenths come first, they become doubles.
TENTHS_ITEMS = ((0x01, 4, "mileage_km"), (0x02, 2, "fuel_l"), (0x03, 2, "recorder_speed_kmh"))
INTEGER_ITEMS = (
    (0x04, 2, "alarm_event_id"),
    (0x14, 4, "video_alarm_flags"),
    (0x15, 4, "video_loss_channels"),
    (0x16, 4, "video_cover_channels"),
    (0x17, 2, "storage_fault_flags"),
    (0x18, 2, "abnormal_driving_flags"),  # 3 bytes long it also carries fatigue_degree
    (0x25, 4, "vehicle_signals"),
    (0x2A, 2, "io_status"),
    (0x2B, 4, "analog_0"),  # its high half is analog_1
    (0x30, 1, "signal_strength"),
    (0x31, 1, "satellites"),
)

#: Lengths of items without a column (§4.4); what JT/T 1078 and the active-safety dialects have is judged elsewhere.
OTHER_LENGTHS = ((0x05, 30), (0x06, 2), (0x11, 1), (0x12, 6), (0x13, 7))
#: 0x11 with a place is longer.
OVERSPEED_ITEM = 0x11
OVERSPEED_BYTES = 5
#: Alarm items that some senders announce a byte too long, and the lengths they announce (`items.ONE_BYTE_MORE`).
ONE_BYTE_MORE_ITEMS = (
    (0x64, 48, 72),
    (0x65, 48, 72),
    (0x67, 42, 66),
    (0x68, 48, 72),
    (0x70, 48, 72),
    (0x71, 45, 69),
)

#: Items that carry an alarm identification number 报警标识号: whoever makes events of alarms has to look at their row.
ALARM_ITEMS = (0x64, 0x65, 0x66, 0x67, 0x68, 0x70, 0x71)


class Field(NamedTuple):
    """A column of a row: its type in PostgreSQL, and where the compiled columns keep it.

    A row has a stripe of integers and one of reals (doubles). `bit` of the integer at PRESENT says that there is a
    value; None: there always is one. A timestamptz is kept in milliseconds since 1970.
    """

    name: str
    type_: str
    is_real: bool
    at: int
    bit: int | None = None


#: Integers and reals of a row.
INTEGERS = 32
REALS = 6
FIRST_ITEM = 14  # slot s of an item lies at FIRST_ITEM + s - 1; those of tenths lie in the reals
ANALOG_1 = 14
FATIGUE = 28
PRESENT = 29
TEXT_START = 30
TEXT_END = 31
FIRST_TENTHS = 3
#: Bits of PRESENT; bit s: the item of slot s is there.
HAS_ALARM = 28
HAS_FATIGUE = 29
HAS_LATITUDE = 30
HAS_LONGITUDE = 31

#: The columns of `storage.model.POSITION_COLUMNS`, in that order.
ROW = (
    Field("terminal_id", "integer", False, 0),
    Field("device_time_ms", "timestamptz", False, 1),
    Field("fingerprint", "bigint", False, 2),
    Field("received_ms", "timestamptz", False, 3),
    Field("time_state", "smallint", False, 4),
    Field("session_id", "bigint", False, 5),
    Field("spool_seq", "bigint", False, 6),
    Field("serial", "integer", False, 7),
    Field("msg_id", "integer", False, 8),
    Field("backfill", "smallint", False, 9),
    Field("alarm_flags", "bigint", False, 10),
    Field("status", "bigint", False, 11),
    Field("latitude", "double precision", True, 0, HAS_LATITUDE),
    Field("longitude", "double precision", True, 1, HAS_LONGITUDE),
    Field("altitude_m", "integer", False, 12),
    Field("speed_kmh", "double precision", True, 2),
    Field("heading_deg", "integer", False, 13),
    Field("mileage_km", "double precision", True, 3, 1),
    Field("fuel_l", "double precision", True, 4, 2),
    Field("recorder_speed_kmh", "double precision", True, 5, 3),
    Field("alarm_event_id", "integer", False, 17, 4),
    Field("video_alarm_flags", "bigint", False, 18, 5),
    Field("video_loss_channels", "bigint", False, 19, 6),
    Field("video_cover_channels", "bigint", False, 20, 7),
    Field("storage_fault_flags", "integer", False, 21, 8),
    Field("abnormal_driving_flags", "integer", False, 22, 9),
    Field("fatigue_degree", "smallint", False, FATIGUE, HAS_FATIGUE),
    Field("vehicle_signals", "bigint", False, 23, 10),
    Field("io_status", "integer", False, 24, 11),
    Field("analog_0", "integer", False, 25, 12),
    Field("analog_1", "integer", False, ANALOG_1, 12),
    Field("signal_strength", "smallint", False, 26, 13),
    Field("satellites", "smallint", False, 27, 14),
    Field("extra_items", "text", False, TEXT_START),
)
#: Bytes of a value in binary COPY; a text has its own length.
BYTES = {"smallint": 2, "integer": 4, "bigint": 8, "timestamptz": 8, "double precision": 8, "text": 0}
#: 2000-01-01 UTC in milliseconds since 1970: a timestamptz counts microseconds from there.
POSTGRES_EPOCH_MS = 946_684_800_000

#: What is counted, in the order of its bits: of a frame, then of a location.
NOTED = (
    header.DEV_VERSION_BIT_SET,
    header.DEV_VERSION_BIT_MISSING,
    header.DEV_PART_BIT_WRONG,
    header.DEV_LENGTH_MISMATCH,
    header.DEV_PHONE_NOT_BCD,
    dev.LOCATION_SIGNED_COORDINATE,
    dev.VALUE_OUT_OF_RANGE,
    dev.TIME_NOT_A_DATE,
    dev.ITEM_LENGTH_UNKNOWN,
    dev.LOCATION_ITEMS_OVERRUN,
)


def by_id(values: list[tuple[int, int]]) -> bytes:
    """A table of one byte for every id, 0 for those that are not named."""
    table = bytearray(256)
    for item_id, value in values:
        table[item_id] = value
    return bytes(table)
