"""The contract itself: that it finds stores which break it, says how, and comes to an end."""

import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from jtgate.storage.contract import CHECKS, ContractBroken, Result, StoreOpener, run
from jtgate.storage.contract.checking import Check, promise, refused, same, together
from jtgate.storage.contract.rows import position, write
from jtgate.storage.model import StoreBatch, Written
from jtgate.storage.sqlite.store import SqliteStore
from jtgate.storage.store import Store, StoreError


class LosesTheCursor(SqliteStore):
    """Writes the rows only."""

    def write(self, batch: StoreBatch, *, consumer: str, seq: int) -> Written:
        """See Store."""
        return super().write(batch, consumer=consumer, seq=0)


class WritesInTwo(SqliteStore):
    """Is interrupted between one half of the rows and the other."""

    def write(self, batch: StoreBatch, *, consumer: str, seq: int) -> Written:
        """See Store."""
        first = super().write(StoreBatch(positions=batch.positions[::2]), consumer=consumer, seq=self.cursor(consumer))
        time.sleep(0.003)
        batch.positions = batch.positions[1::2]
        second = super().write(batch, consumer=consumer, seq=seq)
        return Written(first.new + second.new, first.repeated + second.repeated)


class DropsDoubtfulTimes(SqliteStore):
    """Has no room for reports without a time."""

    def write(self, batch: StoreBatch, *, consumer: str, seq: int) -> Written:
        """See Store."""
        batch.positions = [row for row in batch.positions if row[4] == 0]
        return super().write(batch, consumer=consumer, seq=seq)


class CutsRanges(SqliteStore):
    """Leaves the end of a range out."""

    def positions(self, *, to_ms: int | None = None, **query: Any) -> list[Any]:
        """See Store."""
        return super().positions(to_ms=None if to_ms is None else to_ms - 1, **query)


class DeletesTooMuch(SqliteStore):
    """Deletes by the wrong time."""

    def retain(self, before_ms: int, *, rows_max: int = 20_000) -> int:
        """See Store."""
        return super().retain(before_ms + 30 * 86_400_000, rows_max=rows_max)


class MarksAnything(SqliteStore):
    """Believes that whatever is asked for was held."""

    def mark_replayed(self, ids: Any, now_ms: int) -> int:
        """See Store."""
        super().mark_replayed(ids, now_ms)
        return len(ids)


class ForgetsParts(SqliteStore):
    """Gives sub-packages back in no order."""

    def open_parts(self) -> list[Any]:
        """See Store."""
        return sorted(super().open_parts(), key=lambda part: part.serial)


class NeverCloses(SqliteStore):
    """Answers when it is closed."""

    def close(self) -> None:
        """Nothing."""


def of_themes(*themes: str) -> list[Check]:
    """The checks of some themes."""
    return [check for check in CHECKS if check.theme in themes]


@pytest.mark.parametrize(
    ("kind", "theme"),
    [
        (LosesTheCursor, "repeats"),
        (WritesInTwo, "readers"),
        (DropsDoubtfulTimes, "positions"),
        (CutsRanges, "positions"),
        (DeletesTooMuch, "retention"),
        (MarksAnything, "messages"),
        (ForgetsParts, "messages"),
        (NeverCloses, "schema"),
    ],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_a_store_that_breaks_a_promise_is_found(kind: type[SqliteStore], theme: str, tmp_path: Path) -> None:
    """Each of these faults breaks a promise of its theme, and the fault is told."""
    places = iter(range(1000))

    @contextmanager
    def place() -> Iterator[StoreOpener]:
        path = tmp_path / f"{next(places)}.db"
        yield lambda: kind(path)

    sound = {result.name for result in run_sqlite(tmp_path, theme) if result.state == "kept"}
    found = run(place, on_result=lambda _result: None, checks=of_themes(theme))

    broken = [result for result in found if result.state == "broken" and result.name in sound]
    assert broken
    assert all(result.fault and result.promise for result in broken)


def run_sqlite(folder: Path, theme: str) -> list[Result]:
    """What the store that we have makes of a theme."""
    places = iter(range(1000))

    @contextmanager
    def place() -> Iterator[StoreOpener]:
        path = folder / f"sound-{next(places)}.db"
        yield lambda: SqliteStore(path)

    return run(place, on_result=lambda _result: None, checks=of_themes(theme))


@contextmanager
def nowhere() -> Iterator[StoreOpener]:
    """A place for checks that open no store."""

    def no_store() -> Store:
        raise StoreError("there is no store here")

    yield no_store


def checks_of(*bodies: Any) -> list[Check]:
    """Checks of functions."""
    return [promise(body) for body in bodies]


def kept(open_store: StoreOpener) -> None:
    """Holds."""


def breaks(open_store: StoreOpener) -> None:
    """Does not hold."""
    same([{"a": 1, "b": 2}], [{"a": 1, "b": 3}], "rows")


def raises(store: Store) -> None:
    """Cannot be tried."""


def test_results_are_told_one_by_one() -> None:
    """Every check has a result with what was found, whatever it raised."""
    told: list[Result] = []

    found = run(nowhere, on_result=told.append, checks=checks_of(kept, breaks, raises))

    assert told == found
    assert [(result.name, result.state) for result in found] == [
        ("kept", "kept"),
        ("breaks", "broken"),
        ("raises", "broken"),
    ]
    assert found[1].fault == "rows: expected [{'a': 1, 'b': 3}], found [{'a': 1, 'b': 2}]; they differ in {'b': (2, 3)}"
    assert found[2].fault == "StoreError: there is no store here"
    assert [result.promise for result in found] == ["Holds.", "Does not hold.", "Cannot be tried."]


def test_a_check_that_hangs_ends_the_run() -> None:
    """A store that does not answer is broken when the time is over, and nothing is tried after it."""
    stop = threading.Event()

    def hangs(open_store: StoreOpener) -> None:
        """Hangs."""
        stop.wait(20)

    started = time.monotonic()
    found = run(nowhere, on_result=lambda _result: None, checks=checks_of(kept, hangs, kept), limit_s=0.2)
    stop.set()

    assert time.monotonic() - started < 5
    assert [result.state for result in found] == ["kept", "broken", "not tried"]
    assert found[1].fault.startswith("not done after 0.2")
    assert found[2].fault == "the limit of 0.2 s was reached"


def test_everything_that_a_check_opened_is_closed(tmp_path: Path) -> None:
    """Stores are closed after a check, also after one that broke."""
    opened: list[Store] = []

    def opener() -> Store:
        opened.append(SqliteStore(tmp_path / "store.db"))
        return opened[-1]

    def breaks_later(store: Store, open_store: StoreOpener) -> None:
        """Breaks."""
        write(open_store(), positions=[position()])
        raise ContractBroken("as meant")

    with pytest.raises(ContractBroken, match="as meant"):
        promise(breaks_later)(opener)
    assert len(opened) == 2
    for store in opened:
        with pytest.raises(StoreError, match="closed"):
            store.terminals()


def test_expectations_say_what_was_found() -> None:
    """Messages name the thing, what was expected and what was there; long values are cut."""
    with pytest.raises(ContractBroken, match=r"number: expected 2, found 1$"):
        same(1, 2, "number")
    with pytest.raises(ContractBroken, match=r"… \(1002 characters\)"):
        same("x" * 1000, "", "text")
    with pytest.raises(ContractBroken, match="should raise StoreError, raised nothing"), refused(StoreError, "asking"):
        pass
    with pytest.raises(ContractBroken, match="raised KeyError"), refused(StoreError, "asking"):
        raise KeyError("x")
    with pytest.raises(ContractBroken, match="should say “closed”"), refused(StoreError, "asking", saying="closed"):
        raise StoreError("open")
    with pytest.raises(ContractBroken, match=r"not done after 0\.01 s"):
        together([lambda: time.sleep(1)], limit_s=0.01)
    with pytest.raises(ZeroDivisionError):
        together([lambda: 1 / 0, lambda: 1])


def test_promises_are_written_down() -> None:
    """Every check has a name of its own and a promise of one or two sentences; there are enough of them."""
    assert len({(check.theme, check.name) for check in CHECKS}) == len(CHECKS) > 60
    for check in CHECKS:
        assert check.promise.endswith("."), check.name
        assert 20 < len(check.promise) < 260, check.name


def test_the_sample_rows_fit(tmp_path: Path) -> None:
    """A row with a field that does not exist is a mistake of the check, not of the store."""
    with pytest.raises(TypeError, match="speed"):
        position(speed=3)
    with closing(SqliteStore(tmp_path / "store.db")) as store:
        store.migrate()
        store.terminal_ids(["1"], 1)
        assert write(store, positions=[position()]) == Written(1, 0)
