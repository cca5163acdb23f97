"""Tables of the columns of location reports: which item goes where, and what is counted on the way.

They belong to `codecs.twins.columns`, which is compiled, and stand here so that others can look at them too.
"""

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
