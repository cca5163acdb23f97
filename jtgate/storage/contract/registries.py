"""Registries: every row is a version that holds from one time to another, and imports may be repeated."""

from typing import Any, Final

from jtgate.storage.contract.checking import StoreOpener, holds, promise, refused, same, together
from jtgate.storage.contract.rows import DAY_MS, T0_MS
from jtgate.storage.registry import KINDS, checked
from jtgate.storage.store import Row, Store, StoreError

_PERSON: Final = {"person": "P1", "name": "张三", "roles": "driver;escort"}


@promise
def every_registry_comes_back(store: Store) -> None:
    """A row of each registry gives back every field; importing it again changes nothing."""
    for name, kind in KINDS.items():
        row = _row(name, dict(kind.example))
        same(store.registry_put(name, [row], T0_MS), ["new"], f"{name}: what the first import was")
        found = store.registry_rows(name)
        same(len(found), 1, f"{name}: rows")
        facts = {field: found[0][field] for field in row if field != "imported_ms"}
        same(facts, {field: value for field, value in row.items() if field != "imported_ms"}, f"{name}: the row")
        same(store.registry_put(name, [row], T0_MS + 1), ["unchanged"], f"{name}: what the second import was")
        same(len(store.registry_rows(name)), 1, f"{name}: rows after the second import")


@promise
def versions_follow_one_another(store: Store, open_store: StoreOpener) -> None:
    """A row with other facts ends the version before it; what held at any time can be asked for."""
    for name, day, outcome in (("A", 0, "new"), ("B", 10, "changed"), ("B", 12, "unchanged"), ("C", 5, "changed")):
        found = store.registry_put("persons", [_person(day, name=name)], T0_MS)
        same(found, [outcome], f"importing {name} from day {day} on")
    expected = [("A", 0, 5), ("C", 5, 10), ("B", 10, None)]
    same(_versions(open_store()), expected, "versions with the days on which they begin and end")
    for day, names in ((-1, []), (0, ["A"]), (4, ["A"]), (5, ["C"]), (10, ["B"]), (999, ["B"])):
        found_then = [row["name"] for row in store.registry_rows("persons", key=("P1",), at_ms=T0_MS + day * DAY_MS)]
        same(found_then, names, f"in force on day {day}")
    same(store.registry_rows("persons", key=("P2",)), [], "versions of somebody else")
    same(len(store.registry_rows("persons", limit=2)), 2, "versions when two are asked for")


@promise
def an_import_is_one_transaction(store: Store) -> None:
    """An import of which one row cannot be stored leaves none."""
    impossible = {**_person(3), "valid_to_ms": T0_MS}
    with refused(StoreError, "a row that ends before it begins"):
        store.registry_put("persons", [_person(0), impossible], T0_MS)
    with refused(StoreError, "a registry that is not there"):
        store.registry_put("terminals", [_person(0)], T0_MS)
    same(store.registry_rows("persons"), [], "rows after imports that failed")


@promise
def imports_at_once_do_not_overlap(store: Store, open_store: StoreOpener) -> None:
    """Two processes that import other facts of the same person at once leave one history without overlaps."""

    def replace(names: str) -> None:
        own = open_store()
        for day, name in enumerate(names):
            own.registry_put("persons", [_person(day, name=name)], T0_MS)

    together([lambda: replace("ABCDEFGH"), lambda: replace("abcdefgh")])
    found = _versions(store)
    same([begin for _, begin, _ in found], list(range(8)), "days on which versions begin")
    same([end for _, _, end in found], [*range(1, 8), None], "days on which versions end")
    holds(all(name.lower() == "abcdefgh"[begin] for name, begin, _ in found), f"versions are {found}")


def _row(kind: str, raw: dict[str, Any]) -> Row:
    found = checked(kind, raw, now_ms=T0_MS)
    if found.row is None:
        raise TypeError(f"a row of {kind} is not good: {found.faults}")
    return found.row


def _person(day: int, **other: str) -> Row:
    return {**_row("persons", {**_PERSON, **other}), "valid_from_ms": T0_MS + day * DAY_MS}


def _versions(store: Store) -> list[tuple[str, int, int | None]]:
    """Name, begin and end of each version of a person, in days from T0."""

    def day(ms: object) -> int | None:
        return (ms - T0_MS) // DAY_MS if isinstance(ms, int) else None

    rows = store.registry_rows("persons", key=("P1",))
    return [(str(row["name"]), day(row["valid_from_ms"]) or 0, day(row["valid_to_ms"])) for row in rows]
