"""What the binding of a vehicle is worked out from, read out of the store: evidence about persons, and its motion."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Final

from jtgate.pipeline.derive import evidence_of_persons as persons
from jtgate.pipeline.derive import phones, points
from jtgate.pipeline.derive.binding import Motion, Rest, Run
from jtgate.pipeline.derive.binding_limits import CUT
from jtgate.pipeline.derive.evidence_of_persons import DRIVER, ESCORT, Evidence, Rank, facts_of
from jtgate.pipeline.derive.facts import second_of
from jtgate.storage.model import POSITION_COLUMNS
from jtgate.storage.store import Row, Store, TimedKey

#: How far back evidence is read before what has changed.
LOOK_BACK_MS: Final = 48 * 3_600_000
#: Rows of bindings are read so far back: only decisions of inspectors, and vehicles that never rest, last longer.
LONGEST_MS: Final = 31 * 86_400_000
#: Motion is read so far before evidence: a stop or trip may have begun long before.
_MOTION_BACK_MS: Final = 5 * 86_400_000
#: Most rows of a table that are read for one vehicle, most waybills, and most persons whose phones are compared.
ROWS_MAX: Final = 50_000
WAYBILLS_MAX: Final = 5_000
PERSONS_MAX: Final = 500
_PAGE_ROWS: Final = 2_000
#: How `source` of a fix begins that a driver made on purpose, beside the vehicle 打卡.
CHECK_IN: Final = "check_in:"
_FOREVER_MS: Final = 1 << 62


@dataclass(frozen=True, slots=True)
class Vehicle:
    """A number plate 车牌号 and its colour."""

    plate: str
    color: int

    @property
    def matching(self) -> dict[str, object]:
        """Columns that rows of it have."""
        return {"plate": self.plate, "plate_color": self.color}


@dataclass(frozen=True, slots=True)
class Fitted:
    """A terminal, and when it was in a vehicle."""

    terminal: str
    from_ms: int
    until_ms: int


@dataclass(frozen=True, slots=True)
class Inputs:
    """Everything that the binding of one vehicle is worked out from."""

    evidence: tuple[Evidence, ...]
    motion: Motion
    fitted: tuple[Fitted, ...]
    terminal_id: int | None


def read_inputs(store: Store, vehicle: Vehicle, from_ms: int, now_ms: int, terminals: Collection[str] = ()) -> Inputs:
    """Read what speaks for whom on a vehicle, and how it moved.

    Args:
        store: where it is.
        vehicle: which one.
        from_ms: first time of evidence.
        now_ms: the present.
        terminals: in it now, beside those that the registry tells.

    Raises:
        StoreError: the store cannot be read now.
    """
    fitted = terminals_of(store, vehicle, terminals)
    registry = Registry(store)
    overrides = all_rows(store, "driver_overrides", 0, now_ms, vehicle.matching)
    cards = [row for one in fitted for row in _cards(store, one, from_ms, now_ms)]
    faces = [row for one in fitted for row in _of_terminal(store, "face_events", one, from_ms, now_ms)]
    waybills = store.registry_rows("waybills", matching=vehicle.matching, at_ms=now_ms, limit=WAYBILLS_MAX)
    if len(waybills) == WAYBILLS_MAX:
        CUT.labels("waybills").inc()
    trips = motion_rows(store, "trips", fitted, from_ms, now_ms)
    motion = motion_of(trips, motion_rows(store, "stops", fitted, from_ms, now_ms), now_ms)
    evidence = [
        *persons.of_overrides(overrides),
        *persons.of_faces(faces),
        *persons.of_cards(cards, registry.find),
        *(one for one in persons.of_waybills(waybills, registry.find) if _reaches(one, from_ms)),
    ]
    told = _Phones(store, registry, vehicle, fitted, motion, from_ms, now_ms)
    evidence += told.evidence(evidence, trips)
    terminal_ids = [row["terminal_id"] for row in (*trips, *cards, *faces)]
    known = [one for one in terminal_ids if isinstance(one, int)]
    return Inputs(tuple(evidence), motion, fitted, max(known, default=None))


def _reaches(waybill: Evidence, from_ms: int) -> bool:
    return waybill.until_ms is None or waybill.until_ms > from_ms


def all_rows(
    store: Store,
    table: str,
    from_ms: int,
    to_ms: int,
    matching: Mapping[str, object] | None = None,
    terminals: Collection[str] | None = None,
) -> list[Row]:
    """Rows of a table by their time, newest first, page by page, at most ROWS_MAX.

    Args:
        store: where they are.
        table: one of `tables.PAGED`.
        from_ms: first time.
        to_ms: last time, included.
        matching: column -> value that it must have.
        terminals: of these only.
    """
    time = _TIMES[table]
    found: list[Row] = []
    before: tuple[int, int] | None = None
    while len(found) < ROWS_MAX:
        page = store.page(
            table,
            terminals=terminals,
            from_ms=from_ms,
            to_ms=to_ms,
            matching=matching,
            before=before,
            limit=_PAGE_ROWS,
        )
        found += page
        if len(page) < _PAGE_ROWS:
            break
        before = _number(page[-1], time), _number(page[-1], "id")
    else:
        CUT.labels("rows").inc()
    return found


_TIMES: Final = {
    "bindings": "started_ms",
    "binding_conflicts": "started_ms",
    "driver_overrides": "started_ms",
    "card_events": "device_time_ms",
    "face_events": "event_time_ms",
    "phone_fixes": "fix_time_ms",
    "trips": "started_ms",
    "stops": "started_ms",
}


def terminals_of(store: Store, vehicle: Vehicle, others: Collection[str] = ()) -> tuple[Fitted, ...]:
    """Terminals of a vehicle by the versions of the registry; the first version holds for what was before as well.

    Args:
        store: registry.
        vehicle: which one.
        others: in it now by other knowledge, for all times.
    """
    versions = store.registry_rows("vehicles", key=(vehicle.plate, vehicle.color))
    found: list[Fitted] = []
    for number, row in enumerate(versions):
        terminal = str(row["terminal"] or "").lstrip("0")
        if not terminal:
            continue
        from_ms = _number(row, "valid_from_ms") if number else 0
        until_ms = _number(row, "valid_to_ms") or _FOREVER_MS
        if found and found[-1].terminal == terminal and found[-1].until_ms == from_ms:
            found[-1] = Fitted(terminal, found[-1].from_ms, until_ms)
        else:
            found.append(Fitted(terminal, from_ms, until_ms))
    known = {one.terminal for one in found}
    return (*found, *(Fitted(one, 0, _FOREVER_MS) for one in sorted(set(others) - known)))


def motion_rows(store: Store, table: str, fitted: Iterable[Fitted], from_ms: int, now_ms: int) -> list[Row]:
    """Trips or stops that reach into a time, oldest first."""
    rows = [row for one in fitted for row in _of_terminal(store, table, one, from_ms - _MOTION_BACK_MS, now_ms)]
    return sorted((row for row in rows if row["state"] != "withdrawn"), key=lambda row: _number(row, "started_ms"))


def motion_of(trips: Sequence[Row], stops: Sequence[Row], now_ms: int) -> Motion:
    """How a vehicle moved.

    Args:
        trips: rows, oldest first.
        stops: rows, oldest first.
        now_ms: the present.
    """
    rests = tuple(
        Rest(_number(row, "acc_off_ms"), _moment(row, "ended_ms"))
        for row in stops
        if row["is_rest"] and row["acc_off_ms"] is not None
    )
    runs, drives = [], []
    for row in trips:
        begin_ms, ended_ms = _number(row, "started_ms"), _moment(row, "ended_ms")
        told_ms = begin_ms + (_number(row, "drive_s") + _number(row, "stop_s")) * 1000
        seen_ms = min(now_ms, told_ms) if ended_ms is None else ended_ms
        runs.append(Run(begin_ms, seen_ms, ended_ms))
        at_ms = begin_ms
        for stop in stops:
            stop_ms, on_ms = _number(stop, "started_ms"), _moment(stop, "ended_ms") or _FOREVER_MS
            if on_ms <= at_ms or stop_ms >= seen_ms:
                continue
            drives.append((at_ms, stop_ms))
            at_ms = on_ms
        drives.append((at_ms, seen_ms))
    return Motion(rests, tuple(runs), tuple((begin, end) for begin, end in drives if begin < end))


def vehicle_points(store: Store, fitted: Iterable[Fitted], from_ms: int, to_ms: int) -> list[phones.Point]:
    """Valid points of a vehicle in a time, oldest first."""
    found: dict[int, phones.Point] = {}
    for one in fitted:
        begin_ms, end_ms = max(from_ms, one.from_ms), min(to_ms, one.until_ms)
        for at_ms, rows in groupby(_positions(store, one.terminal, begin_ms, end_ms), key=_device_time):
            second = second_of([tuple(row[name] for name in POSITION_COLUMNS) for row in rows])
            if second.latitude is None or second.longitude is None or points.faults(second):
                continue
            if not second.status & points.ENCRYPTED:
                place = phones.Point(at_ms, second.latitude, second.longitude, points.speed_of(second))
                found.setdefault(at_ms, place)
    return [found[at_ms] for at_ms in sorted(found)]


def _positions(store: Store, terminal: str, from_ms: int, to_ms: int) -> Iterator[Row]:
    after: TimedKey | None = None
    while True:
        page = store.positions(terminal=terminal, from_ms=from_ms, to_ms=to_ms, after=after, limit=_PAGE_ROWS)
        yield from (row for row in page if row["time_state"] == 0)
        if len(page) < _PAGE_ROWS:
            return
        last: Any = page[-1]
        after = last["terminal_id"], last["device_time_ms"], last["fingerprint"]


class Registry:
    """Persons on file.

    Args:
        store: registry.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._found: dict[tuple[str, str], list[Row]] = {}

    def find(self, certificate: str, id_number: str, at_ms: int) -> str | None:
        """Key of the person with a qualification or identity number then; None when nobody has it.

        Who came on file later is known all the same: numbers do not change hands.
        """
        for field, value in (
            ("certificate", certificate),
            ("escort_certificate", certificate),
            ("id_number", id_number),
        ):
            rows = self._versions(field, value) if value else []
            chosen = _in_force(rows, at_ms) or (rows[0] if rows else None)
            if chosen is not None:
                return str(chosen["person"])
        return None

    def person(self, person: str, at_ms: int) -> Row | None:
        """What is on file of a person at a time."""
        return _in_force(self._versions("person", person), at_ms)

    def colleagues(self, enterprise: str, now_ms: int) -> list[str]:
        """Persons of an enterprise whose phones may be compared."""
        rows = self._store.registry_rows(
            "persons",
            matching={"enterprise": enterprise, "location_consent": True},
            at_ms=now_ms,
            limit=PERSONS_MAX + 1,
        )
        return [str(row["person"]) for row in rows]

    def _versions(self, field: str, value: str) -> list[Row]:
        key = field, value
        if key not in self._found:
            self._found[key] = self._store.registry_rows("persons", matching={field: value}, limit=100)
        return self._found[key]


class _Phones:
    """Phones of persons who agreed to it, compared with the places of a vehicle."""

    def __init__(
        self,
        store: Store,
        registry: Registry,
        vehicle: Vehicle,
        fitted: tuple[Fitted, ...],
        motion: Motion,
        from_ms: int,
        now_ms: int,
    ) -> None:
        self._store = store
        self._registry = registry
        self._vehicle = vehicle
        self._fitted = fitted
        self._motion = motion
        self._from_ms = from_ms
        self._now_ms = now_ms

    def evidence(self, known: Sequence[Evidence], trips: Sequence[Row]) -> list[Evidence]:
        """What phones say.

        Args:
            known: other evidence: whose phones are worth a look, and who is on a waybill as what.
            trips: of the vehicle.
        """
        if not self._motion.trips or not self._store.facts(
            "phone_fixes", from_ms=self._from_ms, to_ms=self._now_ms, limit=1
        ):
            return []
        found: list[Evidence] = []
        points_of: dict[Run, list[phones.Point]] = {}
        for person in self._candidates(known):
            rows = self._consented(person)
            if not rows:
                continue
            fixes = _fixes(rows)
            for run in self._motion.trips:
                if any(run.started_ms <= fix.time_ms <= run.seen_ms for fix in fixes):
                    if run not in points_of:
                        begin_ms = max(self._from_ms, run.started_ms) - phones.BESIDE_MS
                        points_of[run] = vehicle_points(
                            self._store, self._fitted, begin_ms, run.seen_ms + phones.STEP_MS
                        )
                    found += self._compared(person, fixes, points_of[run], run, known)
            found += self._checked_in(person, rows, trips, known)
        return found

    def _candidates(self, known: Sequence[Evidence]) -> list[str]:
        """Whom other evidence names, and colleagues."""
        rows = self._store.registry_rows(
            "vehicles", key=(self._vehicle.plate, self._vehicle.color), at_ms=self._now_ms, limit=1
        )
        enterprise = str(rows[0]["enterprise"] or "") if rows else ""
        named = dict.fromkeys(sorted(one.person for one in known if one.person))
        colleagues = self._registry.colleagues(enterprise, self._now_ms) if enterprise else []
        found = list(named | dict.fromkeys(colleagues))
        if len(found) > PERSONS_MAX:
            CUT.labels("persons").inc()
        return found[:PERSONS_MAX]

    def _consented(self, person: str) -> list[Row]:
        """Fixes of a person from times for which there is a consent."""
        rows = all_rows(self._store, "phone_fixes", self._from_ms, self._now_ms, {"person": person})
        agreed = []
        for row in rows:
            on_file = self._registry.person(person, _number(row, "fix_time_ms"))
            if on_file is not None and on_file["location_consent"]:
                agreed.append(row)
        return sorted(agreed, key=lambda row: (_number(row, "fix_time_ms"), _number(row, "fingerprint")))

    def _role(self, person: str, at_ms: int, known: Iterable[Evidence]) -> str:
        """Driver or escort, by the waybill of that time, else by the registry; who may drive is a driver."""
        listed = {
            one.role
            for one in known
            if one.source == persons.WAYBILL
            and one.person == person
            and one.from_ms <= at_ms < (one.until_ms or _FOREVER_MS)
        }
        if len(listed) == 1:
            return listed.pop()
        on_file = self._registry.person(person, at_ms)
        roles = on_file["roles"] if on_file is not None else None
        is_escort = isinstance(roles, list) and "ESCORT" in roles and "DRIVER" not in roles
        return ESCORT if is_escort else DRIVER

    def _compared(
        self,
        person: str,
        fixes: Sequence[phones.Fix],
        track: Sequence[phones.Point],
        run: Run,
        known: Sequence[Evidence],
    ) -> Iterator[Evidence]:
        found = phones.pairs(fixes, track)
        for one in phones.together(found, track, run.started_ms, run.seen_ms):
            role = self._role(person, one.from_ms, known)
            facts = facts_of(near_share=one.near_share, pairs=one.pair_count, last_near_ms=one.last_ms)
            until_ms = one.last_ms + _HOLD_MS
            yield Evidence(
                Rank.PHONE, person, role, one.from_ms, until_ms, persons.PHONE_CONFIDENCE, persons.PHONE, facts
            )
        for gone in phones.away(found):
            role = self._role(person, gone.from_ms, known)
            facts = facts_of(pairs=gone.pair_count)
            yield Evidence(Rank.PHONE, person, role, gone.from_ms, gone.until_ms, 0.0, persons.PHONE_AGAINST, facts)

    def _checked_in(
        self, person: str, rows: Sequence[Row], trips: Sequence[Row], known: Sequence[Evidence]
    ) -> Iterator[Evidence]:
        """A check-in beside the vehicle shortly before a trip speaks for that trip as a waybill does."""
        for fix in _fixes(row for row in rows if str(row["source"]).startswith(CHECK_IN)):
            for trip in trips:
                latitude, longitude = trip["start_latitude"], trip["start_longitude"]
                if not isinstance(latitude, float) or not isinstance(longitude, float):
                    continue
                begin_ms = _number(trip, "started_ms")
                if phones.checked_in(fix, latitude, longitude, begin_ms):
                    role = self._role(person, begin_ms, known)
                    facts = facts_of(checked_in_ms=fix.time_ms)
                    yield Evidence(
                        Rank.WAYBILL,
                        person,
                        role,
                        begin_ms,
                        _moment(trip, "ended_ms"),
                        persons.WAYBILL_CONFIDENCE,
                        persons.YARD,
                        facts,
                    )


_HOLD_MS: Final = 12 * 3_600_000


def _fixes(rows: Iterable[Row]) -> list[phones.Fix]:
    return [
        phones.Fix(
            _number(row, "fix_time_ms"),
            float(str(row["latitude"])),
            float(str(row["longitude"])),
            float(str(row["accuracy_m"])),
        )
        for row in rows
    ]


def _of_terminal(store: Store, table: str, one: Fitted, from_ms: int, now_ms: int) -> list[Row]:
    begin_ms, end_ms = max(from_ms, one.from_ms), min(now_ms, one.until_ms - 1)
    return all_rows(store, table, begin_ms, end_ms, terminals=(one.terminal,)) if begin_ms <= end_ms else []


def _cards(store: Store, one: Fitted, from_ms: int, now_ms: int) -> list[Row]:
    """Card events; those of the 2011 form have no time of their own but when they came."""
    untimed = store.page("card_events", terminals=(one.terminal,), from_ms=0, to_ms=0, limit=_PAGE_ROWS)
    begin_ms, end_ms = max(from_ms, one.from_ms), min(now_ms, one.until_ms - 1)
    came = [row for row in untimed if begin_ms <= _number(row, "received_ms") <= end_ms]
    return [*_of_terminal(store, "card_events", one, from_ms, now_ms), *came]


def _in_force(rows: Iterable[Row], at_ms: int) -> Row | None:
    return next(
        (row for row in rows if _number(row, "valid_from_ms") <= at_ms < (_number(row, "valid_to_ms") or _FOREVER_MS)),
        None,
    )


def _device_time(row: Row) -> int:
    return _number(row, "device_time_ms")


def _number(row: Row, name: str) -> int:
    value = row[name]
    return value if isinstance(value, int) else 0


def _moment(row: Row, name: str) -> int | None:
    value = row[name]
    return value if isinstance(value, int) and value else None
