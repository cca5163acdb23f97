"""A store with one vehicle, its crew on file, and pieces of evidence that can be told in any order."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from jtgate.pipeline.derive.binding_rows import persons_elsewhere, recompute, standing
from jtgate.storage import open_store
from jtgate.storage.contract.derived_rows import override, phone_fix, stop, trip
from jtgate.storage.contract.rows import card, face, position
from jtgate.storage.model import StoreBatch
from jtgate.storage.registry import checked
from jtgate.storage.store import Row, Store

MINUTE_MS: Final = 60_000
HOUR_MS: Final = 60 * MINUTE_MS
#: 2026-05-11 00:00 +08:00.
DAY_MS: Final = 1_778_428_800_000
PLATE: Final = "测A00001"
TERMINAL: Final = "13800138000"
YARD: Final = (41.12, 122.07)

Told = tuple[str, str, float, float | None, float]
#: What a piece of evidence does to a store, and since when bindings may differ.
Piece = tuple[int, Callable[["BindingWorld"], None]]


def at(hour: float) -> int:
    """A time of the day."""
    return DAY_MS + round(hour * 60) * MINUTE_MS


def hours(ms: object) -> float | None:
    """Hours of the day."""
    return None if ms is None else round((int(str(ms)) - DAY_MS) / HOUR_MS, 4)


@dataclass
class BindingWorld:
    """A store, and the present."""

    store: Store
    numbers: dict[str, int]
    now_ms: int = at(24)

    @classmethod
    def over(cls, folder: Path) -> "BindingWorld":
        """A vehicle with a terminal, three drivers and an escort, on file since the day before."""
        store = open_store("", folder)
        store.migrate()
        made = cls(store, store.terminal_ids([TERMINAL, "13900139000"], at(0)))
        for plate, terminal in ((PLATE, TERMINAL), ("测B00001", "13900139000")):
            made.put("vehicles", plate=plate, plate_color="黄", vehicle_kind="TRACTOR", enterprise="E001",
                     county="211102", terminal=terminal)  # fmt: skip
        for number in (1, 2, 3):
            made.put("persons", person=f"P{number}", name=f"测试{number}", roles="DRIVER", enterprise="E001",
                     certificate=f"211100000000000{number}", location_consent="是")  # fmt: skip
        made.put("persons", person="E1", name="测试押运", roles="ESCORT", location_consent="是")
        return made

    def put(self, kind: str, **values: object) -> None:
        """A row of a registry."""
        since_ms = at(-240)
        found = checked(kind, values, now_ms=since_ms)
        assert found.row is not None, found.faults
        self.store.registry_put(kind, [found.row], since_ms)

    def write(self, **rows: Sequence[Any]) -> None:
        """Rows of facts."""
        self.store.write(StoreBatch(**rows), consumer="test", seq=1)

    def recompute(self, from_ms: int, plate: str = PLATE) -> StoreBatch:
        """Work out and write, for other vehicles as well where they are touched; what was written for this one."""
        done = recompute(self.store, plate, 2, from_ms, self.now_ms)
        self.store.write(done, consumer="test", seq=1)
        for (other, color), since_ms in persons_elsewhere(self.store, done, self.now_ms).items():
            beside = recompute(self.store, other, color, since_ms, self.now_ms)
            self.store.write(beside, consumer="test", seq=1)
        return done

    def tell(self, pieces: Sequence[Piece]) -> None:
        """Tell some pieces at once, and work out what they change."""
        for _, piece in pieces:
            piece(self)
        self.recompute(min(from_ms for from_ms, _ in pieces))

    def rows(self, plate: str = PLATE) -> list[Row]:
        """Every binding of a vehicle."""
        return self.store.page("bindings", matching={"plate": plate}, limit=1000)

    def told(self, role: str = "driver", plate: str = PLATE) -> list[tuple[str, float | None, float | None, float]]:
        """What stands: person, begin, end, confidence."""
        return [
            (str(row["person"]), hours(row["started_ms"]), hours(row["ended_ms"]), float(str(row["confidence"])))
            for row in standing(self.rows(plate))
            if row["role"] == role
        ]

    def conflicts(self, plate: str = PLATE) -> list[tuple[str, str, str, float | None, float | None]]:
        """Conflicts that were not withdrawn: kind, who is bound, who else, begin and end."""
        found = self.store.page("binding_conflicts", matching={"plate": plate}, limit=1000)
        return sorted(
            (str(row["kind"]), str(row["person"]), str(row["other"]), hours(row["started_ms"]), hours(row["ended_ms"]))
            for row in found
            if row["state"] != "withdrawn"
        )

    def all_that_stands(self) -> list[Mapping[str, object]]:
        """Everything that stands, without when and how it was written."""
        names = ("role", "person", "started_ms", "ended_ms", "confidence", "sources", "conflict")
        bindings = [{name: row[name] for name in names} for row in standing(self.rows())]
        found = self.store.page("binding_conflicts", matching={"plate": PLATE}, limit=1000)
        told = ("role", "kind", "person", "other", "started_ms", "ended_ms", "facts", "state")
        kept = [{name: row[name] for name in told} for row in found if row["state"] != "withdrawn"]
        return [*bindings, *sorted(kept, key=lambda row: json.dumps(row, sort_keys=True))]

    def close(self) -> None:
        """Give up the store."""
        self.store.close()


def card_in(person: int, hour: float) -> Piece:
    """The card of P1, P2 or P3 is put in."""
    return at(hour), lambda world: world.write(
        card_events=[card(world.numbers[TERMINAL], at(hour), person, certificate=f"211100000000000{person}")]
    )


def card_out(hour: float) -> Piece:
    """A card is taken out."""
    values = {"status": 2, "read_result": None, "certificate": None, "id_number": None}
    return at(hour), lambda world: world.write(card_events=[card(world.numbers[TERMINAL], at(hour), 9, **values)])


def face_of(person: str, hour: float, result: str = "match") -> Piece:
    """A picture that was compared."""
    return at(hour), lambda world: world.write(
        face_events=[face(world.numbers[TERMINAL], at(hour), 5, result=result, person=person, updated_ms=at(hour))]
    )


def decided(person: str, begin: float, end: float) -> Piece:
    """A decision of an inspector."""
    row = override(plate=PLATE, plate_color=2, role="driver", started_ms=at(begin), ended_ms=at(end), person=person)
    return at(begin), lambda world: world.write(driver_overrides=[row])


def waybill(name: str, begin: float, end: float, drivers: Sequence[str], escorts: Sequence[str] = ("E1",)) -> Piece:
    """A waybill."""
    example = {
        "waybill": name,
        "state": "DONE",
        "plate": PLATE,
        "plate_color": "黄",
        "depart": _iso(begin),
        "arrive": _iso(end),
        "drivers": [{"person": one} for one in drivers],
        "escorts": [{"person": one} for one in escorts],
    }
    return at(begin), lambda world: world.put("waybills", **example)


def _iso(hour: float) -> str:
    minutes = round(hour * 60)
    return f"2026-05-11T{minutes // 60:02}:{minutes % 60:02}:00+08:00"


def drives(begin: float, end: float) -> Piece:
    """A trip."""
    return at(begin), lambda world: world.write(
        trips=[
            trip(world.numbers[TERMINAL], at(begin), ended_ms=at(end), plate=PLATE,
                 start_latitude=YARD[0], start_longitude=YARD[1])
        ]
    )  # fmt: skip


def rests(begin: float, end: float | None, off: float) -> Piece:
    """A rest, the ignition off since a time."""
    return at(begin), lambda world: world.write(
        stops=[stop(world.numbers[TERMINAL], at(begin), ended_ms=None if end is None else at(end), acc_off_ms=at(off))]
    )


def track(begin: float, end: float, start: float, kmh: float, terminal: str = TERMINAL, step_s: int = 30) -> Piece:
    """Positions of a drive north of the yard.

    Args:
        begin: hour of the day.
        end: hour of the day; the last report has speed 0.
        start: km north of the yard.
        kmh: speed; negative back south.
        terminal: whose they are.
        step_s: between two reports.
    """

    def piece(world: BindingWorld) -> None:
        rows = []
        for ms in range(at(begin), at(end) + 1, step_s * 1000):
            km = start + kmh * (ms - at(begin)) / HOUR_MS
            rows.append(
                position(
                    world.numbers[terminal],
                    ms,
                    status=3,
                    latitude=YARD[0] + km / 111.195,
                    longitude=YARD[1],
                    speed_kmh=0.0 if ms == at(end) else abs(kmh),
                    received_ms=ms + 400,
                )
            )
        world.write(positions=rows)

    return at(begin), piece


def phone_at(person: str, hour: float, km: float = 0.0, source: str = "app") -> Piece:
    """A fix of a phone so many km north of the yard."""
    row = phone_fix(
        1, at(hour), person=person, latitude=YARD[0] + km / 111.195, longitude=YARD[1], source=source, accuracy_m=10.0
    )
    return at(hour), lambda world: world.write(phone_fixes=[row])
