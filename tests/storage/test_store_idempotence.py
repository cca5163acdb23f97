"""Whatever is written again, in whatever order and company, leaves one row (design D6)."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from storage_backends import StoreUnderTest

from jtgate.storage.contract.rows import T0_MS, alarm, card, message, part, position, quarantined
from jtgate.storage.model import SessionClosed, SessionOpened, StoreBatch, Written
from jtgate.storage.store import Store
from jtgate.storage.tables import BY_KEY

#: Every example gets an empty store, so the place may be the same.
anywhere = settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])

TABLES = ("positions", "alarm_events", "card_events", "quarantine")


def key_of(name: str, row: Any) -> tuple[Any, ...]:
    """Natural key of a row."""
    return tuple(row[BY_KEY[name].columns.index(column)] for column in BY_KEY[name].key)


small = st.integers(0, 2)
facts: st.SearchStrategy[tuple[str, Any]] = st.one_of(
    st.builds(lambda t, d, f: ("positions", position(t + 1, T0_MS + d, f)), small, small, small),
    st.builds(lambda t, d, f: ("positions", position(t + 1, d * T0_MS // 2, f, time_state=1)), small, small, small),
    st.builds(
        lambda t, s, d, f: ("alarm_events", alarm(t + 1, T0_MS + d, f, source=f"source:{s}")),
        small,
        small,
        small,
        small,
    ),
    st.builds(lambda t, d, f: ("card_events", card(t + 1, T0_MS + d, f)), small, small, small),
    st.builds(lambda r, f: ("quarantine", quarantined(r, f)), small, small),
)


@pytest.fixture
def migrated(backend: StoreUnderTest) -> StoreUnderTest:
    """A place with tables."""
    with closing(backend.open()) as store:
        store.migrate()
    return backend


@contextmanager
def fresh_store(backend: StoreUnderTest) -> Iterator[Store]:
    """An empty store that knows terminals 1 to 3."""
    backend.clear()
    with closing(backend.open()) as store:
        store.terminal_ids(["1", "2", "3"], T0_MS)
        yield store


def contents(store: Store) -> dict[str, list[dict[str, object]]]:
    """Every row of every table, without numbers that the store gave."""
    tables = {
        **{name: getattr(store, name)() for name in ("positions", "alarm_events", "card_events", "messages")},
        "quarantine": store.quarantine(held_only=False),
        "sessions": store.sessions(),
        "parts": [part._asdict() for part in store.open_parts()],
    }
    return {
        name: sorted(({k: v for k, v in row.items() if k != "id"} for row in rows), key=repr)
        for name, rows in tables.items()
    }


@anywhere
@given(data=st.data())
def test_one_row_for_each_key(migrated: StoreUnderTest, data: st.DataObject) -> None:
    """Rows with repetitions, cut into batches anywhere, leave one row per key and are counted as new once."""
    rows = data.draw(st.lists(facts, max_size=30))
    repeated = rows + [rows[i] for i in data.draw(st.lists(st.integers(0, max(len(rows) - 1, 0)), max_size=20)) if rows]
    order = data.draw(st.permutations(repeated))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(order)), max_size=4)))
    expected = {table: {key_of(name, row) for name, row in rows if name == table} for table in TABLES}

    with fresh_store(migrated) as store:
        new = 0
        for seq, (begin, end) in enumerate(zip([0, *cuts], [*cuts, len(order)], strict=True)):
            batch_rows: dict[str, Any] = {t: [row for name, row in order[begin:end] if name == t] for t in TABLES}
            written = store.write(StoreBatch(**batch_rows), consumer="pipeline", seq=seq)
            assert written.new + written.repeated == end - begin
            new += written.new
        found = contents(store)

        assert new == sum(len(keys) for keys in expected.values())
        for table in TABLES:
            keys = [tuple(row[column] for column in BY_KEY[table].key) for row in found[table]]
            assert len(keys) == len(set(keys))
            assert set(keys) == expected[table]


@anywhere
@given(data=st.data())
def test_a_replay_changes_nothing(migrated: StoreUnderTest, data: st.DataObject) -> None:
    """A spool replayed from any earlier place, to its end, leaves every table as it was."""
    times = iter(range(10_000))
    groups: list[dict[str, Any]] = [
        data.draw(
            st.fixed_dictionaries(
                {},
                optional={
                    "positions": st.lists(st.builds(lambda t, f: position(t + 1, T0_MS, f), small, small), max_size=3),
                    "messages": st.lists(
                        st.builds(
                            lambda t, s, d: message(t + 1, s, T0_MS + next(times) * 1000 + d * 400_000),
                            small,
                            small,
                            small,
                        ),
                        max_size=3,
                    ),
                    "opened": st.lists(
                        st.builds(lambda i: SessionOpened(i, 1, T0_MS + i, "tcp", "p", "2013", "implicit"), small),
                        max_size=2,
                    ),
                    "closed": st.lists(
                        st.builds(lambda i: SessionClosed(i, T0_MS + 50 + i, "timeout", 1, 0, 9, T0_MS), small),
                        max_size=2,
                    ),
                    "parts": st.lists(st.builds(lambda s: part(1, s), small), max_size=2),
                    "parts_done": st.lists(st.builds(lambda s: part(1, s)[:4], small), max_size=2),
                },
            )
        )
        for _ in range(data.draw(st.integers(1, 6)))
    ]
    restart = data.draw(st.integers(0, len(groups) - 1))

    with fresh_store(migrated) as store:
        for seq, rows in enumerate(groups):
            store.write(StoreBatch(**rows), consumer="pipeline", seq=seq)
        before = contents(store)
        for seq, rows in enumerate(groups[restart:], start=restart):
            written = store.write(StoreBatch(**rows), consumer="pipeline", seq=seq)
            assert written == Written(0, len(rows.get("positions", [])) + len(rows.get("messages", [])))
        assert contents(store) == before
