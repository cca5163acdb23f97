"""Lists that are read page by page: nothing is left out and nothing comes twice, however long the pages are."""

from collections.abc import Callable
from typing import Any, Final

from jtgate.codecs.timebase import now_ms
from jtgate.storage.contract.checking import promise, refused, same
from jtgate.storage.contract.derived_rows import READABLE_ROWS
from jtgate.storage.contract.rows import (
    DAY_MS,
    ONE,
    T0_MS,
    THREE,
    TWO,
    alarm,
    card,
    opened,
    position,
    quarantined,
    write,
)
from jtgate.storage.registry import checked
from jtgate.storage.store import Row, Store, StoreError
from jtgate.storage.tables import PAGED

#: Rows of a page here.
_FEW: Final = 3


def _all(ask: Callable[[Any], list[Row]], after: Callable[[Row], Any]) -> list[Row]:
    """Every row, page by page."""
    found: list[Row] = []
    place: Any = None
    while page := ask(place):
        found += page
        place = after(page[-1])
    return found


@promise
def events_page_by_page(store: Store) -> None:
    """Newest first by their own time, also where many have the same; by terminal, time and value."""
    alarms = [alarm(1 + number % 3, T0_MS + number // 4 * 1000, number, level=number % 2) for number in range(20)]
    write(store, alarm_events=alarms)
    expected = [row.fingerprint for row in sorted(alarms, key=lambda row: -row.alarm_time_ms)]

    def ask(**how: Any) -> list[Any]:
        found = _all(
            lambda before: store.page("alarm_events", before=before, limit=_FEW, **how),
            lambda row: (row["alarm_time_ms"], row["id"]),
        )
        return [row["fingerprint"] for row in found]

    everything = ask()
    same(sorted(everything), sorted(expected), "alarm events of all pages")
    times = [alarms[int(str(number))].alarm_time_ms for number in everything]
    same(times, sorted(times, reverse=True), "their times")
    same(sorted(ask(terminals={TWO})), [n for n in range(20) if n % 3 == 1], "those of one terminal")
    same(sorted(ask(terminals=[ONE, THREE, "999"])), [n for n in range(20) if n % 3 != 1], "those of two terminals")
    same(ask(terminals=[]), [], "those of none")
    same(sorted(ask(from_ms=T0_MS + 1000, to_ms=T0_MS + 2000)), list(range(4, 12)), "those of a time")
    same(sorted(ask(matching={"level": 1, "terminal_id": 1})), [3, 9, 15], "those with a value")
    some = {"terminal_id": frozenset({1, 2}), "source": frozenset({"nothing", alarms[0].source}), "level": 1}
    same(sorted(ask(matching=some)), [n for n in range(20) if n % 3 < 2 and n % 2], "those with one of some values")
    same(ask(matching={"source": frozenset()}), [], "those with one of no values")
    last = store.page("alarm_events", limit=1)[0]
    same(ask(matching={"id": last["id"]}), [last["fingerprint"]], "the one of an id")


@promise
def every_paged_table(store: Store) -> None:
    """All tables of facts are read the same way; what is no such table or column is refused."""
    write(store, alarm_events=[alarm()], card_events=[card()])
    for table, make in READABLE_ROWS.items():
        write(store, 2, **{table: [make()]})
    for table, declared in PAGED.items():
        own = declared.has_terminal
        (row,) = store.page(table, terminals=[ONE] if own else None)
        same(row["terminal"], ONE if own else None, f"terminal of a row of {table}")
        same(len(store.page(table, terminals=[ONE])), int(own), f"rows of {table} of a terminal")
        same(set(declared.columns) <= set(row), True, f"whether a row of {table} has every column")
        same(store.page(table, before=(int(str(row[declared.time])), int(str(row["id"])))), [], f"{table} behind it")
    for table, matching in (("positions", {}), ("alarm_events", {"nothing": 1})):
        with refused(StoreError, f"a page of {table} by {matching}"):
            store.page(table, matching=matching)


@promise
def other_lists_page_by_page(store: Store) -> None:
    """Terminals, last positions, sessions and quarantine, all of them and those of some terminals."""
    terminals = [f"139{number:08d}" for number in range(8)]
    numbers = store.terminal_ids(terminals, T0_MS)
    ids = [numbers[terminal] for terminal in terminals]
    write(
        store,
        positions=[position(number, now_ms() - 1000, number) for number in ids],
        opened=[opened(1000 + number, number) for number in ids],
        quarantine=[quarantined(T0_MS * 1000 + at, at, terminal=one) for at, one in enumerate(terminals)],
    )
    some = terminals[2:7]
    for wanted in (None, some):
        expected = terminals if wanted is None else some

        def listed(name: str, place: str, row_key: str, **how: Any) -> list[Any]:
            ask = getattr(store, name)
            own = {"terminals": wanted} | how  # noqa: B023  called in this round
            return [
                row["terminal"]
                for row in _all(
                    lambda after: ask(**own, **({} if after is None else {place: after}), limit=_FEW),
                    lambda row: row[row_key],
                )
            ]

        same(listed("terminals", "after", "terminal", prefix="139"), expected, "terminals of all pages")
        same(listed("last_positions", "after", "terminal"), expected, "last positions of all pages")
        same(listed("sessions", "before", "session_id"), expected[::-1], "sessions of all pages")
        same(listed("quarantine", "after_id", "id"), expected, "quarantine of all pages")


@promise
def registries_page_by_page(store: Store) -> None:
    """By key and beginning, over versions of one key as over keys."""
    for day in range(3):
        rows = [
            checked(
                "persons",
                {"person": f"P{number}", "name": f"{day}-{number}", "roles": "driver"},
                now_ms=T0_MS + day * DAY_MS,
            ).row
            for number in range(4)
        ]
        store.registry_put("persons", [row for row in rows if row is not None], T0_MS + day * DAY_MS)
    for limit in (1, 2, 5, 100):
        found = _all(
            lambda after: store.registry_rows("persons", after=after or (), limit=limit),  # noqa: B023
            lambda row: (row["person"], row["valid_from_ms"]),
        )
        expected = [f"{day}-{number}" for number in range(4) for day in range(3)]
        same([row["name"] for row in found], expected, f"versions in pages of {limit}")
    with refused(StoreError, "a place in a registry that is too short"):
        store.registry_rows("persons", after=("P1",))
