"""What speaks for a person makes the bindings of its vehicle be worked out anew, and rows be filled in again."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from binding_world import PLATE, TERMINAL, BindingWorld, at

from jtgate.pipeline.derive import CONSUMER, binding_watch
from jtgate.pipeline.derive import crew as crews
from jtgate.pipeline.derive.binding_watch import PLACE, BindingWatch, Limits
from jtgate.pipeline.derive.crew import Crews, Filler
from jtgate.pipeline.derive.enrich import Plates
from jtgate.pipeline.derive.facts import Rows
from jtgate.storage.contract.derived_rows import episode, override, phone_fix, stop, trip
from jtgate.storage.contract.rows import card
from jtgate.storage.model import StoreBatch
from jtgate.storage.registry import checked
from jtgate.storage.store import StoreUnavailable

YELLOW = 2


class Office:
    """A vehicle that has driven from nine to eleven, and the watch over its bindings.

    Args:
        world: the store.
    """

    def __init__(self, world: BindingWorld) -> None:
        self.world = world
        self.terminal_id = world.numbers[TERMINAL]
        vehicle = {"plate": PLATE, "plate_color": YELLOW}
        empty: dict[str, Any] = {"laden": None, "waybill": None, "driver": None}
        driven = trip(self.terminal_id, at(9), ended_ms=at(11), updated_ms=at(11), **vehicle, **empty)
        raised = episode(
            self.terminal_id, at(10), person=None, person_confidence=None, waybill=None, updated_ms=at(10), **vehicle
        )
        rested = stop(self.terminal_id, at(11), ended_ms=None, state="open", updated_ms=at(11.5))
        world.write(trips=[driven], episodes=[raised], stops=[rested])
        self.restart()

    def restart(self, limits: Limits | None = None) -> None:
        """A watch that knows only what is stored."""
        store = self.world.store
        plates, crews = Plates(store), Crews(store)
        self.filler = Filler(store, crews, plates.name_of)
        self.watch = BindingWatch(store, plates, crews, self.filler, limits)
        self.watch.write = self.write

    def write(self, rows: Rows) -> None:
        """As the deriver writes."""
        batch = StoreBatch()
        for table, found in rows.tables.items():
            getattr(batch, table).extend(row._replace(updated_ms=at(23.9)) for row in found.values())
        self.world.store.write(batch, consumer=CONSUMER, seq=1)

    def filled(self) -> tuple[object, object, object, object]:
        """Driver and waybill of the trip, person and waybill of the episode."""
        (driven,) = self.world.store.facts("trips")
        (raised,) = self.world.store.facts("episodes")
        return driven["driver"], driven["waybill"], raised["person"], raised["waybill"]


@pytest.fixture
def office(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Office]:
    """One at the end of its day."""
    world = BindingWorld.over(tmp_path)
    monkeypatch.setattr(crews, "now_ms", lambda: at(24))
    with closing(world):
        yield Office(world)


def word_of_inspector(hour: float = 12) -> Any:
    """P2 drove from half past nine to half past ten."""
    values = {"ended_ms": at(10.5), "person": "P2", "made_ms": at(hour), "updated_ms": at(hour)}
    return override(1, at(9.5), plate=PLATE, **values)


def waybill(**values: object) -> dict[str, object]:
    """One for P3, from nine to noon."""
    times = {"plan_depart": "2026-05-11T09:00:00+08:00", "plan_arrive": "2026-05-11T12:00:00+08:00"}
    crew = {"drivers": [{"person": "P3"}]}
    return {
        "waybill": "W1",
        "state": "IN_TRANSIT",
        "plate": PLATE,
        "plate_color": "黄",
        **times,
        **crew,
        **values,
    }


def put(office: Office, row: dict[str, object], now_ms: int) -> None:
    """Import a waybill."""
    found = checked("waybills", row, now_ms=now_ms)
    assert found.row is not None, found.faults
    office.world.store.registry_put("waybills", [found.row], now_ms)


def test_the_word_of_an_inspector_is_filled_in(office: Office) -> None:
    """It comes through the API; the episode within its time gets the driver, the trip that began before it does not."""
    office.world.write(driver_overrides=[word_of_inspector()])
    office.watch.step(at(24))
    assert [told[:3] for told in office.world.told()] == [("P2", 9.5, 10.5)]
    assert office.filled() == (None, None, "P2", None)


def test_a_card_binds_as_soon_as_it_was_read(office: Office) -> None:
    """Its trip and its episode have the driver."""
    read = card(office.terminal_id, at(9.05), 1, certificate="2111000000000001")
    office.world.write(card_events=[read])
    office.watch.came(StoreBatch(card_events=[read]))
    office.watch.step(at(24))
    assert office.filled() == ("P1", None, "P1", None)


def test_a_card_that_came_before_a_crash_is_found_again(office: Office) -> None:
    """Nobody tells the new deriver of it: it was stored, and the deriver had read over it."""
    office.watch.step(at(23.1))
    office.world.write(card_events=[card(office.terminal_id, at(23), 1, certificate="2111000000000001")])
    office.restart()
    office.watch.step(at(24.1))
    assert [told[:2] for told in office.world.told()] == [("P1", 23.0)]


def test_a_waybill_loads_the_vehicle_and_one_that_is_taken_back_does_not(office: Office) -> None:
    """P8: a waybill on the way says that it is laden; its driver is bound as far as nobody was seen."""
    office.watch.step(at(13))
    put(office, waybill(), at(13.5))
    office.watch.step(at(14))
    assert office.filled() == ("P3", "W1", "P3", "W1")
    assert office.world.store.facts("trips")[0]["laden"] == 1

    put(office, waybill(state="CANCELLED"), at(14.5))
    office.watch.step(at(15))
    assert office.filled() == (None, None, None, None)
    assert office.world.store.facts("trips")[0]["laden"] is None


def test_a_vehicle_is_worked_out_once_in_a_while(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """However often something changes; phones, of which fixes come each minute, count for less."""
    worked: list[int] = []
    inner = binding_watch.recompute

    def counting(*arguments: Any, **named: Any) -> StoreBatch:
        if arguments[1] == PLATE:
            worked.append(arguments[4])
        return inner(*arguments, **named)

    monkeypatch.setattr(binding_watch, "recompute", counting)
    for second in range(0, 200, 2):
        now_ms = at(24) + second * 1000
        office.world.write(driver_overrides=[word_of_inspector()._replace(made_ms=now_ms, updated_ms=now_ms)])
        office.watch.step(now_ms)
    assert [(one - at(24)) // 1000 for one in worked] == [0, 30, 60, 90, 120, 150, 180]

    worked.clear()
    for second in range(200, 1000, 10):
        now_ms = at(24) + second * 1000
        office.world.write(phone_fixes=[phone_fix(1, now_ms, person="P1", updated_ms=now_ms)])
        office.watch.step(now_ms)
    assert [(one - at(24)) // 1000 for one in worked] == [210, 510, 810]


def test_changes_that_were_not_worked_through_are_found_after_a_crash(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The place that is kept lies before them."""
    office.watch.step(at(12))
    assert office.world.store.cursor(PLACE) == at(12)
    office.world.write(driver_overrides=[word_of_inspector(12.2)])

    def away(*_: Any, **__: Any) -> StoreBatch:
        raise StoreUnavailable("busy")

    with monkeypatch.context() as patch:
        patch.setattr(binding_watch, "recompute", away)
        with pytest.raises(StoreUnavailable):
            office.watch.step(at(12.5))
    assert office.world.store.cursor(PLACE) == at(12)
    office.restart()
    office.watch.step(at(13))
    assert [told[0] for told in office.world.told()] == ["P2"]
    assert office.world.store.cursor(PLACE) == at(13)


def test_rows_that_are_written_get_what_is_known_already(office: Office) -> None:
    """An episode that begins within a binding has its driver from the first."""
    office.world.write(driver_overrides=[word_of_inspector()])
    office.watch.step(at(24))
    new = episode(office.terminal_id, at(10.1), plate=PLATE, plate_color=YELLOW, person=None, person_confidence=None)
    rows = Rows()
    rows.put("episodes", ("x",), new)
    rows.put("episodes", ("y",), new._replace(state="withdrawn"))
    office.filler.fill(rows)
    assert [row.person for row in rows.tables["episodes"].values()] == ["P2", None]
