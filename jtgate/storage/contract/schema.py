"""The store comes into being; terminals and what is known of them."""

from collections.abc import Callable

from jtgate.storage.contract.checking import StoreOpener, holds, promise, refused, same, together
from jtgate.storage.contract.rows import FIRST_TERMINALS, ONE, T0_MS, closed, opened, position, write
from jtgate.storage.model import TerminalUpdate
from jtgate.storage.store import Store, StoreError, StoreUnavailable

#: Terminals of one question; more than one page of any back end's protocol.
_MANY = 5000


@promise
def not_migrated_is_unavailable(open_store: StoreOpener) -> None:
    """A store that nobody has migrated answers every question with an error that may pass, and makes no table."""
    store = open_store()
    questions: dict[str, Callable[[], object]] = {
        "terminals": store.terminals,
        "sessions": store.sessions,
        "info": store.info,
        "open_parts": store.open_parts,
        "cursor": lambda: store.cursor("pipeline"),
    }
    for name, ask in questions.items():
        with refused(StoreUnavailable, f"{name} before the first migration", saying="migrated"):
            ask()
    with refused(StoreUnavailable, "write before the first migration"):
        write(store, positions=[position()])
    holds(store.migrate() != [], "the first migration should apply something")
    same(store.cursor("pipeline"), 0, "cursor of a fresh store")


@promise
def migrating_again_does_nothing(open_store: StoreOpener) -> None:
    """A migration is applied once, by whichever process comes first."""
    first, second = open_store(), open_store()
    holds(first.migrate() != [], "the first migration should apply something")
    same(second.migrate(), [], "what another process applies after that")
    same(first.migrate(), [], "what the first one applies again")


@promise
def what_is_pending(open_store: StoreOpener) -> None:
    """What a migration would apply is told before it does, and telling changes nothing."""
    store = open_store()
    pending = store.pending()
    same(store.pending(), pending, "what is pending when it is asked again")
    same(store.migrate(), pending, "what the migration applies")
    same(store.pending(), [], "what is pending then")


@promise
def several_migrate_at_once(open_store: StoreOpener) -> None:
    """Several processes that start together on an empty store migrate it once."""
    applied: list[list[str]] = []
    together([lambda: applied.append(open_store().migrate())] * 4)
    same(sorted(map(bool, applied)), [False, False, False, True], "which of them applied something")
    same(open_store().migrate(), [], "what is left to apply")


@promise
def terminals_keep_their_ids(store: Store, open_store: StoreOpener) -> None:
    """Asking for ids makes the terminals that are missing and repeats those that are there, for every process."""
    ids = store.terminal_ids([ONE, "999", "", ONE], 7)
    same(set(ids), {ONE, "999", ""}, "terminals answered")
    same(ids[ONE], 1, "id of a terminal that was there")
    same(open_store().terminal_ids(["999"], 8), {"999": ids["999"]}, "id for another process")
    same(store.terminal_ids([], 9), {}, "ids of nobody")
    same([(row["terminal"], row["first_seen_ms"]) for row in store.terminals(prefix="9")], [("999", 7)], "the new one")
    same([row["terminal"] for row in store.terminals(limit=2)], ["", ONE], "the first two")


@promise
def many_terminals_at_once(store: Store) -> None:
    """Thousands of terminals are made, and found again, by one question."""
    phones = [f"139{number:08d}" for number in range(_MANY)]
    ids = store.terminal_ids(phones, T0_MS)
    same(len(set(ids.values())), _MANY, "different ids")
    same(store.terminal_ids(phones, T0_MS), ids, "ids asked for again")
    same(len(store.terminals(limit=10 * _MANY)), _MANY + len(FIRST_TERMINALS), "terminals listed")


@promise
def several_make_the_same_terminals(store: Store, open_store: StoreOpener) -> None:
    """Processes that ask for the same new terminals at the same time get the same ids."""
    phones = [f"137{number:08d}" for number in range(200)]
    found: list[dict[str, int]] = []

    def ask(names: list[str]) -> None:
        found.append(open_store().terminal_ids(names, T0_MS))

    together([lambda: ask(phones), lambda: ask(phones[::-1]), lambda: ask(phones[::2])])
    ids = store.terminal_ids(phones, T0_MS)
    for answer in found:
        same(answer, {name: ids[name] for name in answer}, "ids that one of them got")


@promise
def terminal_updates_fill_and_replace(store: Store) -> None:
    """None keeps what is stored, newer replaces, older only fills what is empty; repeating changes nothing."""
    first = TerminalUpdate(1, T0_MS, edition="2013", plate="辽A12345", manufacturer="70001", last_seen_ms=T0_MS)
    newer = TerminalUpdate(1, T0_MS + 10, edition="2019", imei="860000000000000", last_seen_ms=T0_MS + 10)
    older = TerminalUpdate(1, T0_MS - 10, edition="2011", model="OLD", last_seen_ms=T0_MS - 10)
    expected = {
        "terminal": ONE,
        "terminal_id": 1,
        "edition": "2019",
        "plate": "辽A12345",
        "manufacturer": "70001",
        "imei": "860000000000000",
        "model": "OLD",
        "last_seen_ms": T0_MS + 10,
    }
    for updates in ([first], [newer], [older], [first, newer, older], [older, first]):
        write(store, terminals=updates)
    row = store.terminals(prefix=ONE)[0]
    same({name: row[name] for name in expected}, expected, "the terminal after all updates")


@promise
def updates_of_one_batch_in_any_order(store: Store) -> None:
    """Several updates of one terminal in one batch do what they would do one by one."""
    updates = [
        TerminalUpdate(1, T0_MS + 10, plate="NEW", registered_ms=T0_MS + 10),
        TerminalUpdate(1, T0_MS, plate="OLD", model="M-1", unregistered_ms=T0_MS),
        TerminalUpdate(2, T0_MS, plate="OTHER"),
        TerminalUpdate(1, T0_MS + 10, phone="013800000001"),
    ]
    write(store, terminals=updates)
    names = ("plate", "model", "phone", "registered_ms", "unregistered_ms", "last_seen_ms")
    found = {row["terminal_id"]: tuple(row[name] for name in names[:-1]) for row in store.terminals()}
    same(found[1], ("NEW", "M-1", "013800000001", T0_MS + 10, T0_MS), "the terminal with three updates")
    same(found[2], ("OTHER", None, None, None, None), "the one with one")


@promise
def models_are_those_of_registrations(store: Store) -> None:
    """Of who registered the store knows manufacturer and model; of the others nothing."""
    write(store, terminals=[TerminalUpdate(1, T0_MS, manufacturer="70111", model="BSJ"), TerminalUpdate(2, T0_MS)])
    write(store, terminals=[TerminalUpdate(3, T0_MS, manufacturer="70112")])
    same(store.models(), {1: ("70111", "BSJ"), 3: ("70112", "")}, "models")


@promise
def zones_add_up(store: Store, open_store: StoreOpener) -> None:
    """Every zone in which times of a terminal were read stays known."""
    same(store.zones(), {}, "zones at first")
    write(store, zones=[(1, 420), (2, 0)])
    write(store, zones=[(1, 420), (1, -300)])
    same(open_store().zones(), {1: {420, -300}, 2: {0}}, "zones after two batches")


@promise
def transport_of_a_session(store: Store) -> None:
    """A session has the transport it came online with; one of which only the end is known has none."""
    write(store, opened=[opened(100)], closed=[closed(101)])
    same([store.transport_of(number) for number in (100, 101, 102)], ["tcp", "", ""], "transports")


@promise
def a_closed_store_says_so(store: Store) -> None:
    """Closing twice is harmless; asking or writing afterwards is a typed error."""
    store.close()
    store.close()
    with refused(StoreError, "asking a closed store", saying="closed"):
        store.terminals()
    with refused(StoreError, "writing to a closed store", saying="closed"):
        write(store, positions=[position()])
