"""Waybills 电子运单: make one, and ask whether a vehicle has one that fits."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from jtgate.api.areas.registries import may_see, put_rows
from jtgate.api.context import Api
from jtgate.api.operations import Asked, Call, Caller, Moment, ProblemError, Scope, Terminal, operation
from jtgate.api.times import FromTime
from jtgate.codecs.timebase import iso_ms, now_ms
from jtgate.storage.registry import KINDS
from jtgate.storage.registry.rules import doubtful
from jtgate.storage.store import Row, Store

#: A waybill covers a run from so long before its departure to so long after its planned arrival (HZ21, HZ25).
BEFORE_MS: Final = 2 * 3_600_000
AFTER_MS: Final = 12 * 3_600_000
#: Waybills of one vehicle that are looked at.
WAYBILLS_MAX: Final = 5000

HIT, CLEAR, UNKNOWN = "HIT", "CLEAR", "UNKNOWN"


class Finding(msgspec.Struct):
    """What one check has found.

    Args:
        item: number of the supervised item it belongs to.
        result: HIT, CLEAR, or UNKNOWN where what is needed is not on file.
        about: what was found, without personal data.
        rows: registry and key of the rows that were looked at.
    """

    item: str
    result: str
    about: str
    rows: list[str]


class CheckQuery(Asked):
    """Which vehicle, and when."""

    terminal: Annotated[Terminal | None, Meta(description="Its terminal; or its plate.")] = None
    plate: Annotated[str, Meta(max_length=20, description="车牌号 of the tractor, truck or trailer.")] = ""
    plate_color: Annotated[
        Annotated[int, Meta(ge=0, le=255)] | None, Meta(description="车牌颜色 by JT/T 697.7; 2, yellow, when left out.")
    ] = None
    at: Annotated[FromTime | None, Meta(description="When; without it: now.")] = None


class Checked(msgspec.Struct):
    """Whether a vehicle has a waybill that fits.

    Args:
        waybill: number of the waybill that covers the time; null for none.
        ok: nothing was hit.
    """

    plate: str
    plate_color: int
    at: Moment
    waybill: str | None
    state: str | None
    ok: bool
    findings: list[Finding]


class WaybillBody(Asked):
    """A waybill as a row of the registry `waybills`."""

    waybill: Annotated[dict[str, Any], Meta(description="Fields as GET /v1/registries tells them.")]


class WaybillTaken(msgspec.Struct):
    """What became of a waybill.

    Args:
        outcome: new, changed or unchanged.
        warnings: what is missing or doubtful.
    """

    outcome: str
    warnings: list[str]


@operation("POST", "/v1/waybills", scope=Scope.ADMIN, body=WaybillBody, answer=WaybillTaken, is_whole=True)
def put_waybill(call: Call[None, WaybillBody]) -> WaybillTaken:
    """Make a waybill, or a new version of one.

    What is missing is told as a warning and left to supervision (HZ22): a waybill with holes is better than none.
    """
    done = put_rows(call.api, call.caller, KINDS["waybills"], [call.body.waybill], "$.waybill", dry_run=False)
    return WaybillTaken(done.outcomes[0], [warning.partition(": ")[2] for warning in done.warnings])


@operation(
    "GET", "/v1/waybills/check", scope=Scope.READ, query=CheckQuery, answer=Checked, problems=(404,), personal=True
)
def check_waybill(call: Call[CheckQuery, None]) -> Checked:
    """Whether a vehicle has a waybill at a time, and what does not fit.

    Vehicle, tank, crew and goods of the waybill are compared with the registries as they were in force then. What needs
    positions (the way, who really drove, the load) is not looked at here.
    """
    query, api = call.query, call.api
    at_ms = query.at if query.at is not None else now_ms()
    with api.store() as store:
        plate, color = _vehicle(api, call.caller, store, query, at_ms)
        found = list(_Check(store, plate, color, at_ms).run())
        waybill = _covering(store, plate, color, at_ms)
    api.note(call.caller, "check_waybill", plate, 1)
    return Checked(
        plate,
        color,
        iso_ms(at_ms),
        str(waybill["waybill"]) if waybill else None,
        str(waybill["state"]) if waybill else None,
        all(one.result != HIT for one in found),
        found,
    )


def _vehicle(api: Api, caller: Caller, store: Store, query: CheckQuery, at_ms: int) -> tuple[str, int]:
    """Plate and colour of the vehicle that is meant.

    Raises:
        ProblemError: neither is given; no vehicle has this terminal; the caller may not see it.
    """
    if query.terminal is not None:
        matching: dict[str, object] = {"terminal": query.terminal.lstrip("0")}
    elif query.plate:
        color = query.plate_color if query.plate_color is not None else 2
        matching = {"plate": query.plate, "plate_color": color}
    else:
        raise ProblemError(400, "bad-parameter", "A parameter is missing", "give terminal or plate", "$.terminal")
    rows = store.registry_rows("vehicles", at_ms=at_ms, matching=matching, limit=1)
    if not rows or not may_see(api, caller, "vehicles", rows[0]):
        if not rows and query.terminal is None and not caller.is_limited:
            return str(matching["plate"]), int(str(matching["plate_color"]))  # it may be on a waybill all the same
        raise ProblemError(404, "vehicle-not-found", "There is no such vehicle in the registry")
    return str(rows[0]["plate"]), int(str(rows[0]["plate_color"]))


def _covering(store: Store, plate: str, color: int, at_ms: int) -> Row | None:
    """The waybill of a vehicle, as tractor or as trailer, that covers a time; of several the one that departs last."""
    found = []
    for name in ("plate", "trailer_plate"):
        matching: dict[str, object] = {name: plate, f"{name}_color": color}
        found += store.registry_rows("waybills", at_ms=at_ms, matching=matching, limit=WAYBILLS_MAX)
    covering = [row for row in found if row["state"] != "CANCELLED" and _covers(row, at_ms)]
    return max(covering, key=_departure, default=None)


def _departure(row: Row) -> int:
    return _ms(row, "depart_ms") or _ms(row, "plan_depart_ms")


def _covers(row: Row, at_ms: int) -> bool:
    begin = _departure(row)
    planned_end = _ms(row, "plan_arrive_ms")
    end = _ms(row, "arrive_ms") or (planned_end + AFTER_MS if planned_end else 0)
    return bool(begin) and begin - BEFORE_MS <= at_ms and (not end or at_ms <= end)


def _ms(row: Row, name: str) -> int:
    value = row[name]
    return value if isinstance(value, int) else 0


class _Check:
    """The checks of one vehicle at one time.

    Args:
        store: where the registries are.
        plate: of the vehicle.
        color: of the plate.
        at_ms: when.
    """

    def __init__(self, store: Store, plate: str, color: int, at_ms: int) -> None:
        self._store = store
        self._plate = plate
        self._color = color
        self._at_ms = at_ms
        self._day = iso_ms(at_ms)[:10]

    def run(self) -> Iterator[Finding]:
        """Every finding."""
        waybill = _covering(self._store, self._plate, self._color, self._at_ms)
        if waybill is None:
            yield Finding("HZ21", HIT, "no waybill covers this time; it is a fault when the vehicle is laden", [])
            return
        own = f"waybills/{waybill['waybill']}"
        yield Finding("HZ21", CLEAR, "a waybill covers this time", [own])
        doubts = [str(fault) for fault in doubtful(KINDS["waybills"], dict(waybill))]
        missing = [
            field.heading
            for field in KINDS["waybills"].facts
            if field.need == "should" and waybill.get(field.name) is None and field.stored
        ]
        told = "; ".join([*(f"{name} is missing" for name in missing), *doubts])
        yield Finding("HZ22", HIT if told else CLEAR, told or "nothing is missing", [own])
        vehicle = self._one("vehicles", str(waybill["plate"]), waybill["plate_color"])
        enterprise = self._one("enterprises", waybill["enterprise"] or (vehicle or {}).get("enterprise"))
        tank = self._one("tanks", waybill["tank"]) if waybill["tank"] else None
        yield self._vehicle_valid(vehicle, f"vehicles/{waybill['plate']}")
        if waybill["tank"]:
            yield self._tank_valid(tank, f"tanks/{waybill['tank']}")
        yield self._goods(waybill, enterprise, vehicle, tank, own)
        yield self._load(waybill, vehicle, own)
        yield from self._crew(waybill, own)

    def _one(self, kind: str, *key: object) -> Row | None:
        if not key or key[0] is None:
            return None
        found = self._store.registry_rows(kind, key=key, at_ms=self._at_ms, limit=1)
        return found[0] if found else None

    def _ended(self, row: Row, names: Sequence[str]) -> tuple[list[str], list[str]]:
        """Dates that have passed, and dates that are not on file."""
        passed = [name for name in names if row[name] is not None and str(row[name]) < self._day]
        return passed, [name for name in names if row[name] is None]

    def _valid(self, item: str, row: Row | None, names: Sequence[str], key: str) -> Finding:
        if row is None:
            return Finding(item, UNKNOWN, "it is not in the registry", [key])
        passed, absent = self._ended(row, names)
        if passed:
            return Finding(item, HIT, f"{', '.join(passed)} has passed", [key])
        return Finding(item, UNKNOWN if absent else CLEAR, f"not on file: {', '.join(absent)}" if absent else "", [key])

    def _vehicle_valid(self, vehicle: Row | None, key: str) -> Finding:
        return self._valid("HZ14", vehicle, ("certificate_valid_to", "review_valid_to", "inspection_valid_to"), key)

    def _tank_valid(self, tank: Row | None, key: str) -> Finding:
        if tank is None or tank["report"] is None:
            return Finding("HZ15", HIT, "no report of inspection is on file", [key])
        return self._valid("HZ15", tank, ("report_valid_to",), key)

    def _goods(self, waybill: Row, enterprise: Row | None, vehicle: Row | None, tank: Row | None, own: str) -> Finding:
        """HZ23: every line of goods within permit, certificate and list of media, as far as these say anything."""
        goods = [one for one in _list(waybill["goods"]) if one.get("un")]
        if not goods:
            return Finding("HZ23", UNKNOWN, "no goods with a UN number are on the waybill", [own])
        outside, known = [], False
        for name, row, column in (
            ("permit", enterprise, "permitted_un"),
            ("certificate", vehicle, "permitted_un"),
            ("tank", tank, "media_un"),
        ):
            allowed = set(_list(row[column])) if row is not None else set()
            known = known or bool(allowed)
            outside += [f"UN {one['un']} ({name})" for one in goods if allowed and one["un"] not in allowed]
        if outside:
            return Finding("HZ23", HIT, f"outside: {', '.join(outside)}", [own])
        return Finding("HZ23", CLEAR if known else UNKNOWN, "" if known else "no list of goods is on file", [own])

    def _load(self, waybill: Row, vehicle: Row | None, own: str) -> Finding:
        """HZ24: declared mass against the rated load of the carrying unit."""
        unit = vehicle
        if waybill["trailer_plate"]:
            unit = self._one("vehicles", waybill["trailer_plate"], waybill["trailer_plate_color"])
        masses = [_mass_kg(one) for one in _list(waybill["goods"])]
        if unit is None or not unit["rated_load_kg"] or not masses or None in masses:
            return Finding("HZ24", UNKNOWN, "the rated load or a mass is not on file", [own])
        total, rated = sum(mass or 0.0 for mass in masses), float(str(unit["rated_load_kg"]))
        return Finding("HZ24", HIT if total > rated else CLEAR, f"{total:g} kg of {rated:g} kg", [own])

    def _crew(self, waybill: Row, own: str) -> Iterator[Finding]:
        """HZ12 and HZ27: drivers and escorts that are named, and their papers."""
        for item, name, papers in (
            ("HZ12", "drivers", ("driver_valid_to", "licence_valid_to")),
            ("HZ27", "escorts", ("escort_valid_to",)),
        ):
            named = _list(waybill[name])
            if not named:
                yield Finding(item, HIT, f"no {name} are named", [own])
            for one in named:
                person = self._one("persons", one.get("person"))
                yield self._valid(item, person, papers, f"persons/{one.get('person') or '?'}")


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _mass_kg(goods: Mapping[str, Any]) -> float | None:
    """Mass of a line of goods; None when it is not told."""
    if goods.get("mass_kg") is not None:
        return float(goods["mass_kg"])
    factor = {"kg": 1.0, "t": 1000.0}.get(str(goods.get("unit")))
    quantity = goods.get("quantity")
    return None if factor is None or quantity is None else float(quantity) * factor
