"""Strategies for the kinds and structures of control, attributes, satellites and vendor messages."""

from collections.abc import Callable
from typing import Any

import declared_strategies as base
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from jtgate.codecs.declare import Structure
from jtgate.codecs.edition import Edition
from jtgate.codecs.jt808.attributes import (
    WIDTHS,
    AttributesAnswer,
    FoundWidths,
    IdentityText,
    find_widths,
    standard_widths,
)
from jtgate.codecs.jt808.control import (
    CONNECT_SERVER,
    DOOR,
    VENDOR_TEXT,
    WIRELESS_UPGRADE,
    ControlItem,
    ServerConnection,
    TerminalControl,
    UpgradeUrl,
    VehicleControl,
    WirelessUpgrade,
)
from jtgate.codecs.jt808.joined import FieldCount, JoinedFields, JoinedNumber, JoinedText
from jtgate.codecs.jt808.location import LocationBase
from jtgate.codecs.jt808.satellites import SatelliteSignal, SatelliteStatus
from jtgate.codecs.jt808.vendor import Utf16Text
from jtgate.codecs.profile import AUTO
from jtgate.codecs.profiled import LimitedText

#: Narrowest widths of the three texts of 0x0107, so that every width takes them.
_NARROW = tuple(min(widths[index] for widths in WIDTHS) for index in range(3))


def _joined_texts(_kind: JoinedText, _edition: Edition) -> SearchStrategy[str]:
    return base.texts(20).map(lambda text: text.replace(";", "").strip())


def _joined_numbers(kind: JoinedNumber, _edition: Edition) -> SearchStrategy[int]:
    return st.integers(0, (1 << 8 * kind.width) - 1)


def _utf16(_kind: Utf16Text, _edition: Edition) -> SearchStrategy[str]:
    return base.texts(40)


def _joined(cls: type[Structure], edition: Edition) -> SearchStrategy[Any]:
    """Complete lists, any number left out, and lists that end early."""

    @st.composite
    def draw_one(draw: st.DrawFn) -> Structure:
        assert issubclass(cls, JoinedFields)
        specs = [spec for spec in cls.LAYOUTS[edition] if not isinstance(spec.kind, FieldCount)]
        count = draw(st.none() | st.integers(1, len(specs)))
        fields: dict[str, Any] = {}
        for spec in specs[:count]:
            drawn = base.values(spec.kind, edition)
            fields[spec.name] = draw(drawn | st.none() if spec.optional else drawn)
        if not any(value or value == 0 for value in fields.values()):
            fields[specs[0].name] = 0 if specs[0].optional else "x"
        one = cls(**fields)
        written = cls(**fields, field_count=count)
        # The count is only told when it is not the one that goes without saying.
        usual = 1 if one.is_short() else len(specs)
        return one if count is None or count == usual else written

    return draw_one()


@st.composite
def _control(draw: st.DrawFn, cls: type[Structure], edition: Edition) -> Structure:
    """Parameters of the command, or bytes under a command that has none."""
    forms: list[SearchStrategy[dict[str, Any]]] = [
        st.fixed_dictionaries(
            {"command": st.just(WIRELESS_UPGRADE), "upgrade": base.structures(WirelessUpgrade, edition)}
        ),
        st.fixed_dictionaries(
            {"command": st.just(CONNECT_SERVER), "connection": base.structures(ServerConnection, edition)}
        ),
        st.fixed_dictionaries({"command": st.just(VENDOR_TEXT), "text": st.sampled_from(["0;1", "0;0", "9"])}),
        st.fixed_dictionaries(
            {"command": st.integers(3, 0x22) | st.integers(0x24, 0xFF), "parameters": st.binary(min_size=1)}
        ),
        st.fixed_dictionaries({"command": st.integers(0, 255)}),
    ]
    return cls(**draw(st.one_of(forms)))


@st.composite
def _vehicle_control(draw: st.DrawFn, _cls: type[Structure], edition: Edition) -> Structure:
    """Doors, and at the end perhaps something of a vendor, which goes as far as the body."""
    if edition is not Edition.V2019:
        return VehicleControl(flags=draw(st.integers(0, 255)))
    doors = st.builds(ControlItem, control_type=st.just(DOOR), door=st.integers(0, 255))
    vendor = st.builds(ControlItem, control_type=st.integers(2, 0xFFFF), parameter=st.binary(max_size=8))
    controls = draw(st.lists(doors, max_size=3)) + draw(st.lists(vendor, max_size=1))
    return VehicleControl(controls=tuple(controls), count=len(controls))


def _attributes(cls: type[Structure], edition: Edition) -> SearchStrategy[Any]:
    """Every combination of widths, as long as the lengths of the texts leave no doubt about it."""
    standard = standard_widths(edition, AUTO)

    @st.composite
    def draw_one(draw: st.DrawFn) -> Any:
        one = draw(base.declared(cls, edition))
        fields = {spec.name: getattr(one, spec.name) for spec in cls.SPECS}
        others = [str(widths) for widths in WIDTHS if widths != standard]
        fields["widths"] = draw(st.none() | st.sampled_from(others))
        return cls(**fields)

    def is_clear(one: AttributesAnswer) -> bool:
        found = str(find_widths(one.encode(edition)[2:], edition, AUTO))
        return found == (one.widths or str(standard))

    return draw_one().filter(is_clear)


@st.composite
def _satellites(draw: st.DrawFn, cls: type[Structure], edition: Edition) -> Structure:
    """The lists, or before 2019 something that is too short for them."""
    if edition is not Edition.V2019 and draw(st.booleans()):
        return SatelliteStatus(other_data=draw(st.binary(max_size=31)))
    signals = st.lists(base.declared(SatelliteSignal, edition), max_size=3).map(tuple)
    fields: dict[str, Any] = {"location": draw(base.structures(LocationBase, edition))}
    for system in ("beidou", "gps", "glonass", "galileo"):
        fields[system] = draw(signals)
        fields[f"{system}_count"] = len(fields[system])
    return cls(**fields)


_Special = Callable[[type[Structure], Edition], SearchStrategy[Any]]

base.KINDS.update(
    {
        JoinedText: _joined_texts,
        UpgradeUrl: _joined_texts,
        JoinedNumber: _joined_numbers,
        FoundWidths: lambda _kind, _edition: st.none(),
        FieldCount: lambda _kind, _edition: st.none(),
        Utf16Text: _utf16,
        LimitedText: lambda kind, _edition: base.texts(kind.bytes_max),
        IdentityText: lambda kind, _edition: base.texts(_NARROW[kind.index]),
    }
)
_SPECIAL: dict[type[Structure], _Special] = {
    WirelessUpgrade: _joined,
    ServerConnection: _joined,
    TerminalControl: _control,
    VehicleControl: _vehicle_control,
    AttributesAnswer: _attributes,
    SatelliteStatus: _satellites,
}
base.SPECIAL.update(_SPECIAL)
