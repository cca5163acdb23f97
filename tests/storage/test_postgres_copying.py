"""Binary COPY of positions: the compiled rows are those of the plain packer, and the server gives them back."""

import random
import secrets
import struct
from collections.abc import Callable
from contextlib import closing
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jtgate.codecs.edition import Edition
from jtgate.codecs.header import build_header
from jtgate.codecs.timebase import encode_bcd_time, from_ms, now_ms
from jtgate.codecs.twins import load, load_pure
from jtgate.storage.contract.rows import DAY_MS, HOUR_MS, T0_MS, position
from jtgate.storage.model import POSITION_COLUMNS, StoreBatch
from jtgate.storage.postgres import store as postgres_store
from jtgate.storage.postgres.copying import pack_rows
from jtgate.storage.postgres.store import PostgresStore, Straight

ITEM_IDS = (0x01, 0x02, 0x03, 0x04, 0x14, 0x15, 0x16, 0x17, 0x18, 0x25, 0x2A, 0x2B, 0x30, 0x31, 0x64, 0xE1)

items = st.lists(st.tuples(st.sampled_from(ITEM_IDS), st.binary(max_size=6)), max_size=8)
times = st.one_of(
    st.integers(T0_MS // 1000 - 400_000, T0_MS // 1000 + 400_000).map(lambda s: encode_bcd_time(from_ms(s * 1000))),
    st.binary(min_size=6, max_size=6),
)
bodies = st.tuples(st.binary(min_size=22, max_size=22), times, items).map(
    lambda parts: parts[0] + parts[1] + b"".join(bytes((item, len(value))) + value for item, value in parts[2])
)
batches = st.lists(st.tuples(st.integers(1, 9), bodies), max_size=12)


def frame(body: bytes, serial: int = 7) -> bytes:
    """A 0x0200 as the columns take it."""
    return build_header(0x0200, len(body), phone="13800138000", serial=serial, edition=Edition.V2013) + body


def filled(columns: Any, batch: list[tuple[int, bytes]]) -> Any:
    """Columns with the reports of terminals by their ids; those that are irregular are left out."""
    for number, (terminal_id, body) in enumerate(batch):
        columns.add(frame(body), terminal_id, T0_MS + number, 5, 6)
    return columns


@pytest.mark.parametrize("twin", [load, load_pure], ids=["built", "plain"])
@given(batch=batches)
def test_compiled_rows_are_those_of_the_plain_packer(
    twin: Callable[[str], Any], batch: list[tuple[int, bytes]]
) -> None:
    """Byte for byte, whatever items and times a report has; dealt out by terminal, each row is in one part."""
    columns = filled(twin("columns").LocationColumns(1), batch)
    rows = columns.rows()
    assert columns.copy_rows() == pack_rows(rows)
    for parts in (2, 3):
        for part in range(parts):
            assert columns.copy_rows(part, parts) == pack_rows([row for row in rows if row[0] % parts == part])


@pytest.mark.parametrize("twin", [load, load_pure], ids=["built", "plain"])
@given(batch=batches)
def test_what_the_columns_tell_of_their_rows(twin: Callable[[str], Any], batch: list[tuple[int, bytes]]) -> None:
    """Days, hours and how many rows are misdated are those that the rows themselves give."""
    columns = filled(twin("columns").LocationColumns(1), batch)
    named = [dict(zip(POSITION_COLUMNS, row, strict=True)) for row in columns.rows()]
    good = [row for row in named if row["time_state"] == 0]
    assert columns.days() == sorted({row["device_time_ms"] // DAY_MS * DAY_MS for row in good})
    from_ms, to_ms = T0_MS - DAY_MS, T0_MS + DAY_MS
    inside = sum(from_ms <= row["device_time_ms"] < to_ms for row in good)
    assert columns.misdated(from_ms, to_ms) == len(named) - inside
    hours = set()
    for row in good:
        hour_ms = row["device_time_ms"] // HOUR_MS * HOUR_MS
        received_hour_ms = row["received_ms"] // HOUR_MS * HOUR_MS
        is_live = hour_ms in (received_hour_ms, received_hour_ms - HOUR_MS)
        hours.add((hour_ms, 0 if is_live else row["terminal_id"]))
    assert columns.hours() == sorted(hours)


def test_a_value_that_does_not_fit_names_its_column() -> None:
    """The field, never the value."""
    with pytest.raises(ValueError, match=r"^serial: "):
        pack_rows([position(serial=1 << 40)])


def test_a_text_without_what_postgresql_cannot_hold() -> None:
    """NUL and halves of surrogate pairs become U+FFFD."""
    packed = pack_rows([position(extra_items="a\x00b\ud800c")])
    text = "a\ufffdb\ufffdc".encode()
    assert packed.endswith(struct.pack("!i", len(text)) + text)


def test_several_writers_store_what_one_stores(
    postgres_url: str, postgres_schema: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows dealt out among connections: all there once, counted once, also when half of them come again."""
    monkeypatch.setattr(postgres_store, "SLICE_ROWS_MIN", 50)
    chance = random.Random(3)
    start_ms = now_ms() // 1000 * 1000 - 7_200_000
    with closing(PostgresStore(postgres_url, schema=postgres_schema, writers=4)) as store:
        store.migrate()
        store.terminal_ids([f"1380000{number:04}" for number in range(20)], 5)

        def batch(first: int, count: int) -> StoreBatch:
            columns = load("columns").LocationColumns(16)
            for number in range(first, first + count):
                body = bytes(22) + encode_bcd_time(from_ms(start_ms + number // 20 * 1000))
                columns.add(frame(body, number), number % 20 + 1, now_ms(), 5, 6)
            slow = [position(number % 20 + 1, start_ms + number * 1000, number) for number in range(first, first + 30)]
            return StoreBatch(columns=columns, positions=slow)

        first = store.write(batch(0, 1000), consumer="pipeline", seq=1)
        assert (first.new, first.repeated) == (1030, 0)
        again = store.write(batch(500, 1000), consumer="pipeline", seq=2)
        assert again.new + again.repeated == 1030
        store.write(batch(chance.randrange(500), 1000), consumer="pipeline", seq=3)
        found = store.positions(limit=100_000)
        keys = {(row["terminal_id"], row["device_time_ms"], row["fingerprint"]) for row in found}
        assert len(keys) == len(found)
        rows = store.info()["rows"]
        assert isinstance(rows, dict)
        assert rows["positions"] == len(found) >= 1500
        assert store.cursor("pipeline") == 3


def test_a_repetition_is_not_tried_straight_for_a_while() -> None:
    """After one repetition two batches go the careful way, then four, at most the limit; success begins anew."""
    straight = Straight()
    assert straight.next()
    waits = []
    for _ in range(8):
        straight.failed()
        wait = 0
        while not straight.next():
            wait += 1
        waits.append(wait)
    assert waits == [2, 4, 8, 16, 32, 64, 64, 64]
    straight.succeeded()
    straight.failed()
    assert [straight.next() for _ in range(3)] == [False, False, True]


def test_scratch_names_are_our_own(postgres_url: str) -> None:
    """A store in one schema sees nothing of one in another."""
    names = [f"t_{secrets.token_hex(6)}" for _ in range(2)]
    stores = [PostgresStore(postgres_url, schema=name) for name in names]
    try:
        for store in stores:
            store.migrate()
        stores[0].terminal_ids(["13800000001"], 5)
        assert [len(store.terminals()) for store in stores] == [1, 0]
    finally:
        for store in stores:
            store.drop()
            store.close()
