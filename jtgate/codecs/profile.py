"""Profiles: how one kind of terminal reads the points that its standard leaves open or that it got wrong (design D11).

The default, AUTO, is the recommended reading of every disagreement between sources. A profile names another
reading for some of them; the codecs take it from `Run.profile`. Profiles are data: the files of `jtgate.profiles`
are read into `profile_from`, and nothing here knows a model of a terminal.
"""

import dataclasses
from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from jtgate.codecs.edition import Edition


class Dialect(StrEnum):
    """A provincial variant of the active-safety extensions (active-safety §0.1)."""

    AUTO = "auto"  # told by lengths, §1.9 and §4.7
    SU = "su"  # 苏标 T/JSATL 12-2017
    DB32 = "db32"  # DB32/T 3610.3
    GD = "gd"  # 粤标 T/GDRTA 002-2020
    SC = "sc"  # 川标
    CQ = "cq"  # 渝标
    HN = "hn"  # 湘标
    SD = "sd"  # 鲁标 T/SDIE 14
    JL = "jl"  # 吉标 T/JLYSXH 1.3-2019
    HLJ = "hlj"  # 黑标
    ZJ = "zj"  # 浙标 T/ZJRTA 03-2018
    SH = "sh"  # 沪标 DB31/T 1409.3-2023
    GX = "gx"  # 桂标 DB45/T 2634.3-2023


class BadProfile(ValueError):
    """A profile names a setting that does not exist, or gives it a value it cannot have."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """Readings of one kind of terminal; every default is the recommended one.

    Numbers in brackets are items of jt808 §13, "§11" is "what real terminals do wrong", "AS" the active-safety
    document. Where a setting has the value auto, the bytes decide.

    Args:
        name: of the profile.
        edition: layout of bodies, whatever they look like [1, 7, 29].
        dialect: active-safety dialect (AS §0.2).
        manufacturer_bytes: width of the maker's id in 0x0107 and 0x8108 of 2019 [2, 3].
        parts_count: width of the count of 0x8003 and 0x0005 [5].
        control_count: width of the number of items in 0x8500 of 2019, "none" without it [6].
        area_answer: what DATA of 0x0608 is [10].
        area_fields: whether the times and speeds of areas and routes are there without their attribute bit [12].
        analog_order: which half of item 0x2B comes first on the wire [13].
        temperature: negative values of item 0x06 [14].
        upload_answer_complete: how 0x8800 says that everything arrived, 4 bytes or a count of 0 [19].
        control_numbers: numeric parameters of 0x8105, decimal text or binary words [21].
        time_answer: zone of 0x8004 [24].
        logout_id: id that a terminal of 2011 logs out with [25].
        part_serials: serials of the parts of a message we send, consecutive or all the same [30].
        signal_bits: which end of item 0x25 is bit 0 [31].
        encryption_bits: "believe", or "ignore" for a terminal that sets them before plain bodies (§11 item 16).
        time_zone_minutes: east of UTC of the terminal's clock (§11 item 34).
        speed_step_kmh: unit of the speed of a location (§11 item 39).
        mileage_step_km: unit of item 0x01 (§11 item 39).
        hemisphere: whether status bits 2 and 3 count (§11 item 36).
        datum: coordinates of the positions, WGS-84 or the GCJ-02 of consumer maps (§11 item 37).
        bad_checksum: "refuse", or "accept" for a terminal whose check byte is always wrong (§11 item 9).
        item_shape: widths of id and length of additional items in bytes, as "1+1", "2+1", "2+2" or "1+4" (§11 item 29).
        text_encoding: of STRING fields, "auto" is GBK and, where that fails, UTF-8 (§11 item 51).
        alarm_bits: alarm bit on the wire -> bit of the standard, or -1 to drop it (§11 item 40).
        dsm_types: code of item 0x65 -> name, where a model has its own (AS §1.6).
        tyre_item_bytes: width of an item of the tyre list of 0x66, 0 to compute it (AS §1.7).
        comparison_count: width of the count of 0x8E10 (AS §8 item 19).
        address_nul: whether the address of 0x9208 ends with a NUL that its length counts (AS §4.8).
    """

    name: str = "auto"
    edition: str = "auto"
    dialect: Dialect = Dialect.AUTO
    manufacturer_bytes: int = 0
    parts_count: str = "auto"
    control_count: str = "word"
    area_answer: str = "auto"
    area_fields: str = "conditional"
    analog_order: str = "ad1_first"
    temperature: str = "auto"
    upload_answer_complete: str = "bare"
    control_numbers: str = "text"
    time_answer: str = "utc"
    logout_id: int = 0x0003
    part_serials: str = "consecutive"
    signal_bits: str = "lsb"
    encryption_bits: str = "believe"
    time_zone_minutes: int = 480
    speed_step_kmh: float = 0.1
    mileage_step_km: float = 0.1
    hemisphere: str = "status"
    datum: str = "wgs84"
    bad_checksum: str = "refuse"
    item_shape: str = "1+1"
    text_encoding: str = "auto"
    alarm_bits: Mapping[int, int] = dataclasses.field(default_factory=dict)
    dsm_types: Mapping[int, str] = dataclasses.field(default_factory=dict)
    tyre_item_bytes: int = 0
    comparison_count: str = "word"
    address_nul: bool = False

    @property
    def rereads_locations(self) -> bool:
        """Whether a location report says something else than by the recommended readings."""
        return any(getattr(self, name) != getattr(AUTO, name) for name in LOCATION_SETTINGS)

    @property
    def forced_edition(self) -> Edition | None:
        """The edition whose layouts bodies have, None when the bytes decide."""
        return None if self.edition == "auto" else Edition(self.edition)


AUTO = Profile()

#: Settings that change what the columns of a location report say (its compiled twin knows the defaults only).
LOCATION_SETTINGS = (
    "analog_order",
    "signal_bits",
    "time_zone_minutes",
    "speed_step_kmh",
    "mileage_step_km",
    "hemisphere",
    "datum",
    "item_shape",
    "alarm_bits",
)

#: Setting -> the values it can have, for those that are words.
CHOICES: dict[str, tuple[str | int, ...]] = {
    "edition": ("auto", *(str(edition) for edition in Edition)),
    "dialect": tuple(str(dialect) for dialect in Dialect),
    "manufacturer_bytes": (0, 5, 11),
    "parts_count": ("auto", "byte", "word"),
    "control_count": ("word", "byte", "none"),
    "area_answer": ("auto", "bodies", "items"),
    "area_fields": ("conditional", "always"),
    "analog_order": ("ad1_first", "ad0_first"),
    "temperature": ("auto", "sign_magnitude", "twos_complement"),
    "upload_answer_complete": ("bare", "zero"),
    "control_numbers": ("text", "binary"),
    "time_answer": ("utc", "local"),
    "logout_id": (0x0003, 0x0101),
    "part_serials": ("consecutive", "same"),
    "signal_bits": ("lsb", "msb"),
    "encryption_bits": ("believe", "ignore"),
    "hemisphere": ("status", "none"),
    "datum": ("wgs84", "gcj02"),
    "bad_checksum": ("refuse", "accept"),
    "item_shape": ("1+1", "2+1", "2+2", "1+4"),
    "text_encoding": ("auto", "gbk", "utf8"),
    "tyre_item_bytes": (0, 9, 10),
    "comparison_count": ("word", "byte"),
}


def profile_from(name: str, settings: Mapping[str, Any], base: Profile = AUTO) -> Profile:
    """Make a profile of settings as a file has them.

    Args:
        name: of the profile.
        settings: setting -> value; those not named are as in `base`.
        base: the profile it builds on.

    Raises:
        BadProfile: a setting is unknown, or its value is not one it can have.
    """
    changes: dict[str, Any] = {"name": name}
    for key, value in settings.items():
        if key == "name" or key not in _FIELDS:
            raise BadProfile(f"profile {name}: there is no setting {key!r}; it is one of {', '.join(sorted(_FIELDS))}")
        changes[key] = _value(name, key, value)
    return dataclasses.replace(base, **changes)


_FIELDS = frozenset(field.name for field in dataclasses.fields(Profile)) - {"name"}


def _value(profile: str, key: str, value: Any) -> Any:
    default: object = getattr(AUTO, key)
    if isinstance(default, Mapping):
        return _table(profile, key, value)
    is_kind = type(value) in (int, float) if isinstance(default, float) else _same_kind(value, default)
    if not is_kind:
        raise BadProfile(f"profile {profile}: {key} cannot be {value!r}")
    allowed = CHOICES.get(key)
    if allowed is not None and value not in allowed:
        raise BadProfile(f"profile {profile}: {key} is one of {', '.join(map(str, allowed))}, not {value!r}")
    if key == "time_zone_minutes" and not -14 * 60 <= value <= 14 * 60:
        raise BadProfile(f"profile {profile}: time_zone_minutes is between -840 and 840, not {value!r}")
    if key.endswith(("_step_kmh", "_step_km")) and not 0 < value <= 100:
        raise BadProfile(f"profile {profile}: {key} is above 0 and at most 100, not {value!r}")
    return Dialect(value) if key == "dialect" else value


def _same_kind(value: object, default: object) -> bool:
    return isinstance(value, str) if isinstance(default, str) else type(value) is type(default)


def _table(profile: str, key: str, value: Any) -> Mapping[int, Any]:
    """A table whose keys are numbers: alarm bit -> bit, or code -> name."""
    wanted = int if key == "alarm_bits" else str
    if not isinstance(value, Mapping) or not all(type(item) is wanted for item in value.values()):
        raise BadProfile(f"profile {profile}: {key} is a table of {wanted.__name__}, not {value!r}")
    try:
        table = {int(str(code), 0): item for code, item in value.items()}
    except ValueError:
        raise BadProfile(f"profile {profile}: the keys of {key} are numbers") from None
    if key == "alarm_bits" and not all(0 <= old <= 31 and -1 <= new <= 31 for old, new in table.items()):
        raise BadProfile(f"profile {profile}: alarm_bits maps bits 0 to 31 to bits 0 to 31, or to -1")
    return table
