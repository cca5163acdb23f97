"""The registries 档案, declared once: what a vehicle, a person, a waybill or a zone consists of, and what may be wrong
with a row of it. Tables, import, export, templates and the page in docs/ follow the declarations.
"""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from jtgate.codecs.timebase import iso_ms
from jtgate.storage.registry.fields import Field, Kind, RegistryFault
from jtgate.storage.registry.geometry import shifted_place
from jtgate.storage.registry.kinds import ENTERPRISES, PERSONS, POLICIES, TANKS, VEHICLES
from jtgate.storage.registry.movements import WAYBILLS, ZONES
from jtgate.storage.registry.rules import broken, doubtful
from jtgate.storage.registry.values import Reader
from jtgate.storage.store import Row, StoreError

__all__ = [
    "KINDS",
    "Checked",
    "Field",
    "Kind",
    "RegistryFault",
    "checked",
    "heading_fault",
    "kind_named",
    "written",
]

#: Name -> registry; the name is that of its table.
KINDS: Final = {kind.name: kind for kind in (VEHICLES, PERSONS, ENTERPRISES, TANKS, POLICIES, WAYBILLS, ZONES)}

_SHIFTED: Final = "GCJ-02"
_PLAIN: Final = "WGS-84"


class Checked(NamedTuple):
    """What was read of a row.

    Args:
        row: for the store; None when there are faults.
        faults: everything that is wrong with it.
        warnings: what it is stored with all the same.
    """

    row: Row | None
    faults: tuple[RegistryFault, ...]
    warnings: tuple[RegistryFault, ...]


def kind_named(name: str) -> Kind:
    """The registry of a name.

    Raises:
        StoreError: there is none.
    """
    try:
        return KINDS[name]
    except KeyError:
        raise StoreError(f"there is no registry {name}; there are {', '.join(KINDS)}") from None


def checked(kind: str, raw: Mapping[str, object], *, now_ms: int, source: str | None = None) -> Checked:
    """Read and check a row of a file.

    Args:
        kind: one of KINDS.
        raw: name of a field, its heading or its Chinese term -> value, as text or as JSON has it.
        now_ms: time of the import; the row holds from then on when it does not say since when.
        source: where the row comes from, when it does not say itself.

    Raises:
        StoreError: there is no such registry.
    """
    declared = kind_named(kind)
    reader = Reader(shifted=_datum(declared, raw) == _SHIFTED)
    values = reader.read_object(declared.fields, raw, "")
    if values["valid_from_ms"] is None:
        values["valid_from_ms"] = now_ms
    values["source"] = values["source"] or source
    if reader.shifted:
        _shift_places(values)
    if "datum" in values:
        told = values.pop("datum")
        if told != _PLAIN:
            values["source_datum"] = values["source_datum"] or told
    faulty = {fault.field for fault in reader.faults}
    told_by_rules = [fault for fault in broken(declared, values) if fault.field not in faulty]
    faults = (*reader.faults, *told_by_rules)
    warnings = (*reader.warnings, *doubtful(declared, values))
    return Checked(None if faults else values, faults, warnings)


def written(kind: Kind, row: Row) -> dict[str, object]:
    """A row of the store by heading, as a file has it: times written out; `checked` reads it back unchanged."""
    told: dict[str, object] = {}
    for field in kind.stored:
        value = row[field.name]
        told[field.heading] = iso_ms(value) if field.kind == "time" and isinstance(value, int) else value
        if field.name == "source_datum":
            told["datum"] = _PLAIN
    return told


def heading_fault(kind: Kind, heading: str) -> str:
    """What is wrong with the heading of a column; "" for nothing."""
    if heading.strip() in kind.by_heading:
        return ""
    return f"is no field of {kind.name}"


def _datum(kind: Kind, raw: Mapping[str, object]) -> object:
    """The datum of the coordinates of a row: what it says of itself, else what map they came from."""
    fields = {field.name: field for field in kind.facts if field.name in ("datum", "source_datum")}
    for name in ("datum", "source_datum"):
        if name in fields:
            field = fields[name]
            given = next((raw[heading] for heading in (field.name, field.term) if raw.get(heading)), None)
            found = Reader().read(field, given, name)
            if found is not None:
                return found
    return _PLAIN


def _shift_places(values: dict[str, Any]) -> None:
    """Bring pairs of latitude and longitude from GCJ-02 to WGS-84."""
    for name in [name for name in values if name.endswith("_latitude")]:
        other = name.replace("_latitude", "_longitude")
        if values[name] is not None and values[other] is not None:
            values[name], values[other] = shifted_place(values[name], values[other])
