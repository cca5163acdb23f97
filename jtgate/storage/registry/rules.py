"""What must hold between the fields of a row."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from jtgate.storage.registry.codes import birth_of
from jtgate.storage.registry.fields import Kind, RegistryFault

Values = Mapping[str, Any]
Rule = Callable[[Values], Iterator[RegistryFault]]

#: Which size a shape of a zone needs; the others must not have it.
_SIZES: Final = {"radius_m": "Point", "width_m": "LineString"}


def broken(kind: Kind, values: Values) -> list[RegistryFault]:
    """What does not hold in a row whose values are good each by itself."""
    found = [
        fault
        for first, second in (*kind.orders, ("valid_from_ms", "valid_to_ms"))
        for fault in _order(values, first, second)
    ]
    if values.get("valid_to_ms") is not None and values["valid_to_ms"] == values.get("valid_from_ms"):
        found.append(RegistryFault("valid_to", "is not later than valid_from"))
    for plate in ("plate", "trailer_plate"):
        if plate in kind.columns:
            found += _coloured(values, plate)
    return found + [fault for rule in _RULES.get(kind.name, ()) for fault in rule(values)]


def doubtful(kind: Kind, values: Values) -> list[RegistryFault]:
    """What is stored all the same, but ought to be looked at."""
    return [fault for rule in _DOUBTS.get(kind.name, ()) for fault in rule(values)]


def _order(values: Values, first: str, second: str) -> Iterator[RegistryFault]:
    low, high = values.get(first), values.get(second)
    if low is not None and high is not None and high < low:
        yield RegistryFault(second.removesuffix("_ms"), f"is before {first.removesuffix('_ms')}")


def _coloured(values: Values, plate: str) -> Iterator[RegistryFault]:
    if values[plate] is not None and values[f"{plate}_color"] is None:
        yield RegistryFault(f"{plate}_color", f"is missing, and {plate} without it names no vehicle")
    if values[plate] is None and values[f"{plate}_color"] is not None:
        yield RegistryFault(plate, f"is missing, though {plate}_color is given")


def _born(values: Values) -> Iterator[RegistryFault]:
    told = values["id_number"]
    if told is not None and values["born_on"] not in (None, birth_of(told)):
        yield RegistryFault("born_on", "is another day than in id_number")


def _sized(values: Values) -> Iterator[RegistryFault]:
    shape = values["geometry"]["type"] if values["geometry"] else None
    for size, wanted in _SIZES.items():
        if shape == wanted and values[size] is None:
            yield RegistryFault(size, f"is missing, and a {wanted} without it has no inside")
        if shape not in (None, wanted) and values[size] is not None:
            yield RegistryFault(size, f"is for a {wanted} only")


def _limited(values: Values) -> Iterator[RegistryFault]:
    if values["zone_kind"] == "SPEED" and values["speed_limit_kmh"] is None:
        yield RegistryFault("speed_limit_kmh", "is missing in a zone of kind SPEED")


def _windows(values: Values) -> Iterator[RegistryFault]:
    for at, window in enumerate(values["windows"] or (), 1):
        if ("time_from" in window) != ("time_to" in window):
            yield RegistryFault(f"windows[{at}]", "has one of time_from and time_to, and needs both or none")
        if window.get("date_from", "") > window.get("date_to", "9999"):
            yield RegistryFault(f"windows[{at}].date_to", "is before date_from")


def _surrendered(values: Values) -> Iterator[RegistryFault]:
    if values["state"] == "SURRENDERED" and values["surrendered_on"] is None:
        yield RegistryFault("surrendered_on", "is missing, though the policy was given back")


def _carries(values: Values) -> Iterator[RegistryFault]:
    if values["vehicle_kind"] in ("TRUCK", "TRAILER") and values["rated_load_kg"] is None:
        yield RegistryFault("rated_load_kg", "is missing: an overload cannot be told")


def _placed(values: Values) -> Iterator[RegistryFault]:
    for place in ("load", "unload"):
        if (values[f"{place}_latitude"] is None) != (values[f"{place}_longitude"] is None):
            yield RegistryFault(f"{place}_latitude", f"and {place}_longitude are given both or not at all")


_RULES: Final[Mapping[str, tuple[Rule, ...]]] = {
    "persons": (_born,),
    "waybills": (_placed,),
    "zones": (_sized, _limited, _windows),
}
_DOUBTS: Final[Mapping[str, tuple[Rule, ...]]] = {
    "vehicles": (_carries,),
    "policies": (_surrendered,),
}
