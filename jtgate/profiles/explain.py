"""What each setting of a profile means and which point of the standards it answers, for people."""

from collections.abc import Mapping
from typing import Final, NamedTuple

from jtgate.codecs.profile import AUTO, CHOICES


class SettingRow(NamedTuple):
    """A setting of a profile.

    Args:
        name: field of codecs.profile.Profile.
        answers: the point it answers: a row of "where sources disagree" or of "what real terminals do wrong".
        meaning: in a sentence or two.
        values: what it can be, when that is not a list of words.
    """

    name: str
    answers: str
    meaning: str
    values: str = ""

    @property
    def possible(self) -> str:
        """What it can be, for people."""
        return self.values or ", ".join(_shown(self.name, value) for value in CHOICES.get(self.name, ()))

    @property
    def default(self) -> str:
        """The recommended reading, for people."""
        return shown(self.name, getattr(AUTO, self.name))


def shown(name: str, value: object) -> str:
    """A value of a setting as a file has it."""
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{code} = {_quoted(item)}" for code, item in value.items()) + " }" if value else "{}"
    return _shown(name, value)


def _quoted(value: object) -> str:
    return f'"{value}"' if isinstance(value, str) else str(value)


def _shown(name: str, value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if name == "logout_id" and isinstance(value, int):
        return f"0x{value:04x}"
    return str(value)


_STEP: Final = "a number above 0, at most 100"

#: In the order of the dataclass; a test compares the two.
SETTINGS: Final = (
    SettingRow(
        "edition",
        "808 §13 items 1, 7, 9 and 29; §2.4",
        "Edition whose layouts bodies have; auto lets header and body decide. For a listener it holds for headers too.",
    ),
    SettingRow(
        "dialect",
        "active-safety §0.2, §1.6, §1.9, §4.7; §8 items 5, 7, 12, 15, 16",
        "Provincial dialect: codes of alarms, items and messages that only some have. auto finds what lengths tell.",
    ),
    SettingRow(
        "manufacturer_bytes",
        "808 §13 items 2 and 3; §11 item 25",
        "Width of the maker's id in 0x0107 and 0x8108 of 2019; 0 finds the width with which the rest makes sense.",
    ),
    SettingRow(
        "parts_count",
        "808 §13 item 5; §11 item 48",
        "Width of the count in 0x8003 and 0x0005; auto follows the edition and accepts both.",
    ),
    SettingRow("control_count", "808 §13 item 6", "The number of items in 0x8500 of 2019: a WORD, a BYTE or none."),
    SettingRow(
        "area_answer",
        "808 §13 item 10",
        "What DATA of 0x0608 is: bodies of the setting messages or their items; auto tries bodies, then items.",
    ),
    SettingRow(
        "area_fields",
        "808 §13 item 12",
        "Whether times and speeds of areas and routes are there only with their attribute bit, or always.",
    ),
    SettingRow(
        "analog_order",
        "808 §13 item 13; §11 item 43",
        "Item 0x2B: which input the first WORD is. Bits 0-15 of the DWORD are AD0, so AD1 comes first.",
    ),
    SettingRow(
        "temperature",
        "808 §13 item 14",
        "Negative values of item 0x06; auto takes sign and magnitude down to -2000 and two's complement beyond.",
    ),
    SettingRow(
        "upload_answer_complete",
        "808 §13 item 19; §11 item 46",
        "How 0x8800 says that all of an upload came: the media id alone, or with a count of 0.",
    ),
    SettingRow("control_numbers", "808 §13 item 21", "Numeric parameters of 0x8105: decimal text or binary words."),
    SettingRow(
        "time_answer",
        "808 §13 item 24",
        "Time in 0x8004: UTC, or that of the terminal's own clock (time_zone_minutes).",
    ),
    SettingRow("logout_id", "808 §13 item 25", "The id that a terminal of 2011 logs out with; both are understood."),
    SettingRow(
        "part_serials",
        "808 §13 item 30; §11 item 45",
        "Serials of the parts of a message we send: one after the other, or the same for all.",
    ),
    SettingRow(
        "signal_bits",
        "808 §13 item 31; §11 item 42",
        "Item 0x25: whether signal 0 is the least or the most significant bit.",
    ),
    SettingRow(
        "encryption_bits",
        "808 §11 item 16; §13 item 33",
        "Whether bits 10-12 of the header are believed, or ignored because the bodies behind them are plain.",
    ),
    SettingRow(
        "time_zone_minutes",
        "808 §11 item 34",
        "Minutes east of UTC of the terminal's clock; it holds for every BCD time but that of 0x8004.",
        "a whole number, -840 to 840",
    ),
    SettingRow("speed_step_kmh", "808 §11 item 39", "Unit of the speed of a location, in km/h.", _STEP),
    SettingRow("mileage_step_km", "808 §11 item 39", "Unit of item 0x01, in km.", _STEP),
    SettingRow(
        "hemisphere",
        "808 §11 item 36",
        "Whether status bits 2 and 3 say south and west, or nothing; two's complement is understood in both.",
    ),
    SettingRow(
        "datum",
        "808 §11 item 37",
        "Datum of the terminal's coordinates; GCJ-02 inside China is converted to WGS-84 and, when we send, back.",
    ),
    SettingRow(
        "bad_checksum",
        "808 §11 item 9",
        "Whether a frame whose check byte is wrong is refused, or taken because this terminal cannot compute it.",
    ),
    SettingRow(
        "item_shape",
        "808 §4.6; §11 item 29",
        "Bytes of id and length of additional items. Only for a terminal whose every item has that shape.",
    ),
    SettingRow(
        "text_encoding",
        "808 §11 item 51",
        "Encoding of text; auto is GBK, and UTF-8 where GBK cannot be or yields rare characters.",
    ),
    SettingRow(
        "alarm_bits",
        "808 §11 item 40",
        "Alarm flag bits: bit on the wire = bit of the standard, or -1 for one it has no word for.",
        "a table of bits 0-31",
    ),
    SettingRow(
        "dsm_types",
        "active-safety §1.6, §4.8; §8 item 7",
        "Names of alarm codes of item 0x65 where a model has its own.",
        "a table of code = name",
    ),
    SettingRow(
        "tyre_item_bytes",
        "active-safety §1.7; §8 item 2",
        "Bytes of an item of the tyre list 0x66; 0 computes it from the length.",
    ),
    SettingRow("comparison_count", "active-safety §8 item 19", "Width of the count in 0x8E10."),
    SettingRow(
        "address_nul",
        "active-safety §4.8",
        "Whether the address in 0x9208 ends with a NUL that its length counts.",
        "true, false",
    ),
)
