"""Sessions are one row each, in whatever order their beginning and end arrive."""

from typing import Any

from jtgate.storage.contract.checking import promise, same
from jtgate.storage.contract.rows import ONE, T0_MS, TWO, closed, opened, write
from jtgate.storage.store import Store


@promise
def one_row_in_any_order(store: Store) -> None:
    """Beginning and end of a session may come in any order, in one batch or in two, and repeatedly."""
    beginning, end = {"opened": [opened()]}, {"closed": [closed()]}
    stories: list[list[dict[str, Any]]] = [[beginning, end], [end, beginning], [beginning | end]]
    for number, story in enumerate(stories * 2):
        session_id = 100 + number % len(stories)
        for rows in story:
            write(store, **{name: [row._replace(session_id=session_id) for row in made] for name, made in rows.items()})
    found = store.sessions()
    same([row["session_id"] for row in found], [102, 101, 100], "sessions")
    for row in found:
        expected = {
            "terminal": ONE,
            "session_id": row["session_id"],
            "terminal_id": 1,
            "online_ms": T0_MS,
            "transport": "tcp",
            "peer": "192.0.2.1:4000",
            "edition": "2013",
            "how": "authenticated",
            "closed_ms": T0_MS + 5000,
            "reason": "peer_closed",
            "frames": 12,
            "bad_frames": 1,
            "bytes_in": 3400,
            "last_received_ms": T0_MS + 4000,
        }
        same(row, expected, "the session")


@promise
def large_numbers(store: Store) -> None:
    """Session ids and counters take 63 bits."""
    most = (1 << 63) - 1
    write(store, opened=[opened(most)], closed=[closed(most)._replace(frames=1 << 40, bad_frames=0, bytes_in=most)])
    (row,) = store.sessions()
    found = tuple(row[name] for name in ("session_id", "frames", "bad_frames", "bytes_in"))
    same(found, (most, 1 << 40, 0, most), "id and counters")


@promise
def a_lost_gateway_closes_its_sessions(store: Store) -> None:
    """A gateway start closes what is still open of before, and nothing else; a replay changes nothing."""
    rows: dict[str, list[Any]] = {
        "opened": [opened(100), opened(101, terminal_id=2), opened(300, terminal_id=2)],
        "closed": [closed(100)],
        "close_sessions_before": [(200, T0_MS + 9000)],
    }
    for turn in ("first", "again"):
        write(store, **rows)
        found = {row["session_id"]: (row["closed_ms"], row["reason"]) for row in store.sessions()}
        expected = {
            100: (T0_MS + 5000, "peer_closed"),
            101: (T0_MS + 9000, "gateway_lost"),
            300: (None, None),
        }
        same(found, expected, f"ends of the sessions, {turn}")
    same([row["session_id"] for row in store.sessions(open_only=True)], [300], "open sessions")
    same([row["session_id"] for row in store.sessions(terminal=TWO)], [300, 101], "sessions of a terminal")
    same([row["session_id"] for row in store.sessions(limit=1)], [300], "the newest session")
    same(store.sessions(terminal="unheard of"), [], "sessions of a terminal that is not there")


@promise
def a_real_end_overrides_a_guess(store: Store) -> None:
    """An end that was told replaces one that was inferred from a gateway start."""
    write(store, opened=[opened(100)], close_sessions_before=[(200, T0_MS + 9000)])
    write(store, closed=[closed(100)])
    (row,) = store.sessions()
    same((row["closed_ms"], row["reason"]), (T0_MS + 5000, "peer_closed"), "end of the session")


@promise
def an_end_alone_is_kept(store: Store) -> None:
    """The end of a session whose beginning is not known is a row without a terminal."""
    write(store, closed=[closed(100)])
    (row,) = store.sessions()
    found = tuple(row[name] for name in ("terminal", "terminal_id", "online_ms", "closed_ms"))
    same(found, (None, None, None, T0_MS + 5000), "the session")
