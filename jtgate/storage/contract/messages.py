"""Messages, quarantine and parts: bytes, texts of any kind, and what is still to be done."""

from typing import Any, Final

from jtgate.storage.contract.checking import StoreOpener, holds, integer, promise, same
from jtgate.storage.contract.derived_rows import READABLE_ROWS, evidence
from jtgate.storage.contract.rows import (
    ONE,
    T0_MS,
    TWO,
    alarm,
    card,
    counts,
    message,
    opened,
    part,
    position,
    quarantined,
    write,
)
from jtgate.storage.model import TerminalUpdate, Written
from jtgate.storage.store import Store

#: Beyond the first plane, quotes, line ends, the longest UTF-8, right to left.
_ODD_TEXT: Final = "𠮷😀 \"'\\%s {x} \r\n\t\x01\x7f\u2028\uffff\U0010ffff \u200f\u05d0\u05d1 张三"
#: With what some back ends cannot hold: NUL, and halves of surrogate pairs.
_BAD_TEXT: Final = "a\x00b\ud800c\udfffd"
_REPLACED: Final = "a\ufffdb\ufffdc\ufffdd"
#: A field of free text in tables whose rows grow; files are looked at by themselves.
_TEXT_OF: Final = {"face_events": "person", "episodes": "waybill", "bindings": "reason", "trips": "driver"}
_ALL_BYTES: Final = bytes(range(256)) * 5


@promise
def rows_come_back_with_their_values(store: Store) -> None:
    """Alarms, cards, messages and quarantine give back what was written, under the names of the model."""
    rows: dict[str, Any] = {
        "alarm_events": alarm(),
        "card_events": card(),
        "messages": message(),
        "quarantine": quarantined(),
    }
    write(store, **{name: [row] for name, row in rows.items()})
    for name, row in rows.items():
        found = getattr(store, name)()
        same(len(found), 1, f"rows of {name}")
        same(found[0] | row._asdict() | {"terminal": ONE}, found[0], f"the row of {name}")


@promise
def nulls_and_large_numbers(store: Store) -> None:
    """Every field that may be unknown may be NULL, and every number takes the largest value of its place."""
    nothing = dict.fromkeys(("level", "latitude", "longitude", "speed_kmh", "alarm_number", "attachment_count"))
    optional = ("status", "read_result", "driver_name", "certificate", "issuer", "expiry", "id_number")
    most, last = (1 << 63) - 1, 0xFFFFFFFF
    rows: dict[str, list[Any]] = {
        "alarm_events": [
            alarm(1, T0_MS, -(1 << 63), **nothing),
            alarm(1, T0_MS, most, alarm_type=last, level=0xFF, serial=0xFFFF, session_id=most, spool_seq=most),
            alarm(1, 0, 1, received_ms=T0_MS, attachment_count=0xFF, latitude=-90.0, longitude=-180.0),
        ],
        "card_events": [card(1, T0_MS, -1, **dict.fromkeys(optional)), card(1, 0, 1, status=0xFF, read_result=0xFF)],
        "messages": [
            message(msg_id=0xFFFF, serial=0xFFFF, parts=0xFFFF, fingerprint=-(1 << 63), session_id=most),
            message(body=None, raw=b"", name="unknown"),
        ],
        "quarantine": [
            quarantined(T0_MS * 1000 + 123, -(1 << 63), msg_id=0xFFFF, terminal="", payload=b"", offset=1 << 20),
            quarantined(fingerprint=most, field=None),
        ],
    }
    for name, written in rows.items():
        for row in written:
            same(write(store, **{name: [row]}), Written(1, 0), f"{name} written")
    for name, written in rows.items():
        found = getattr(store, name)()
        for row in written:
            holds(
                any(candidate.items() >= row._asdict().items() for candidate in found),
                f"{name}: a row did not come back as it was: {row._asdict()} is not in {found}",
            )


@promise
def bytes_of_all_values(store: Store, open_store: StoreOpener) -> None:
    """Bodies, payloads and parts give back every byte."""
    write(
        store,
        messages=[message(raw=_ALL_BYTES)],
        quarantine=[quarantined(payload=_ALL_BYTES)],
        parts=[part(payload=_ALL_BYTES)],
    )
    found = (store.messages()[0]["raw"], store.quarantine()[0]["payload"], open_store().open_parts()[0].payload)
    same(found, (_ALL_BYTES,) * 3, "bytes of a message, a quarantined one and a part")


@promise
def texts_of_all_kinds(store: Store) -> None:
    """Texts give back every character: of all planes, quotes, control characters, line ends."""
    _write_texts(store, _ODD_TEXT)
    for where, text in _texts(store).items():
        same(text, _ODD_TEXT, where)


@promise
def a_text_that_cannot_be_held(store: Store) -> None:
    """NUL and halves of surrogate pairs in a text break no batch: U+FFFD stands for what the store cannot hold."""
    for turn in ("first", "again"):
        _write_texts(store, _BAD_TEXT)
        for where, text in _texts(store).items():
            same(text.replace("\x00", "\ufffd"), _REPLACED, f"{where}, {turn}")
    same((len(store.positions()), len(store.facts("evidence_files"))), (1, 1), "rows written twice")
    same((len(store.alarm_events()), len(store.card_events())), (1, 1), "rows written twice")


def _write_texts(store: Store, text: str) -> None:
    """A batch with the text in a place of every table."""
    write(
        store,
        positions=[position(extra_items=text)],
        alarm_events=[alarm(source=text, body=text, alarm_number=text)],
        card_events=[card(driver_name=text, issuer=text)],
        messages=[message(body=text)],
        quarantine=[quarantined(message=text, terminal=text)],
        terminals=[TerminalUpdate(1, T0_MS, plate=text, model=text)],
        opened=[opened()._replace(peer=text)],
        evidence_files=[evidence(path=text, file_name=text)],
        **{name: [READABLE_ROWS[name](1, T0_MS, **{field: text})] for name, field in _TEXT_OF.items()},
    )


def _texts(store: Store) -> dict[str, str]:
    """The texts of `_write_texts` by where they stand."""
    found: dict[str, Any] = {
        "extra items of a position": store.positions()[0]["extra_items"],
        "source of an alarm": store.alarm_events()[0]["source"],
        "body of an alarm": store.alarm_events()[0]["body"],
        "name of a driver": store.card_events()[0]["driver_name"],
        "body of a message": store.messages()[0]["body"],
        "text of a fault": store.quarantine()[0]["message"],
        "terminal of a fault": store.quarantine()[0]["terminal"],
        "plate of a terminal": store.terminals(prefix=ONE)[0]["plate"],
        "model of a terminal": store.models()[1][1],
        "peer of a session": store.sessions()[0]["peer"],
        "name of a file": store.facts("evidence_files")[0]["file_name"],
        "path of a file": store.facts("evidence_files")[0]["path"],
        **{f"{field} of {name}": store.facts(name)[0][field] for name, field in _TEXT_OF.items()},
    }
    return {where: str(text) for where, text in found.items()}


@promise
def open_parts_come_back_until_they_are_done(store: Store, open_store: StoreOpener) -> None:
    """Sub-packages survive a restart in the order received; a replay of a finished message leaves none."""
    parts = [part(serial=2, received_us=20), part(serial=3, received_us=10), part(serial=1, received_us=30)]
    write(store, parts=parts)
    write(store, parts=parts[:2])
    same(open_store().open_parts(), [parts[1], parts[0], parts[2]], "parts after a restart")

    write(store, parts_done=[row[:4] for row in parts[:2]])
    same(store.open_parts(), [parts[2]], "parts left when two are done")
    write(store, parts=[part(serial=9)], parts_done=[part(serial=9)[:4]])
    same(store.open_parts(), [parts[2]], "parts left when one came and was done in one batch")


@promise
def quarantine_is_held_until_replayed(store: Store) -> None:
    """Quarantined messages have rising numbers; replayed ones leave the list of the held, and are marked once."""
    write(store, quarantine=[quarantined(n, n, terminal=(ONE, TWO)[n % 2]) for n in range(1, 6)])
    rows = store.quarantine()
    ids = [integer(row["id"]) for row in rows]
    same(
        (ids, [row["received_us"] for row in rows]), (sorted(ids), [1, 2, 3, 4, 5]), "numbers, and times in their order"
    )
    same({(row["state"], row["replayed_ms"]) for row in rows}, {("held", None)}, "states")
    same([row["id"] for row in store.quarantine(after_id=ids[2])], ids[3:], "those after a number")
    same([row["id"] for row in store.quarantine(terminal=ONE, limit=1)], [ids[1]], "the first of a terminal")

    same(store.mark_replayed(ids[:2], T0_MS), 2, "marked")
    same(store.mark_replayed([*ids[:3], max(ids) + 999], T0_MS + 1), 1, "marked of those that were held")
    same(store.mark_replayed([], T0_MS), 0, "marked of none")
    same([row["id"] for row in store.quarantine()], ids[3:], "those still held")
    everything = store.quarantine(held_only=False)
    same([row["state"] for row in everything], ["replayed"] * 3 + ["held"] * 2, "states")
    same([row["replayed_ms"] for row in everything], [T0_MS, T0_MS, T0_MS + 1, None, None], "times of the replay")
    same(write(store, quarantine=[quarantined(1, 1)]), Written(0, 1), "a replayed one that comes again")
    same(counts(store).get("quarantine"), 5, "rows counted")
