"""The judge of the ledger test is itself judged: it must see what is missing and what is double."""

import struct
from pathlib import Path

import apsw
import pytest
from toolbox import PHONE_BASE, judge


def write_ledger(path: Path, entries: list[tuple[int, int]]) -> Path:
    """A ledger as load.c writes it."""
    path.write_bytes(b"".join(struct.pack("=II", *entry) for entry in entries))
    return path


def write_store(path: Path, rows: list[tuple[int, int]]) -> Path:
    """As much of a store as the judge looks at: (terminal, serial) of each position."""
    with apsw.Connection(str(path)) as connection:
        connection.execute("CREATE TABLE terminals (id INTEGER, terminal TEXT)")
        connection.execute("CREATE TABLE positions (terminal_id INTEGER, serial INTEGER)")
        for terminal in sorted({terminal for terminal, _ in rows}):
            connection.execute("INSERT INTO terminals VALUES (?, ?)", (terminal + 100, str(PHONE_BASE + terminal)))
        connection.executemany("INSERT INTO positions VALUES (?, ?)", [(t + 100, serial) for t, serial in rows])
    return path


@pytest.mark.parametrize(
    ("acknowledged", "stored", "lost", "repeated"),
    [
        ([(0, 1), (0, 2), (7, 65535)], [(0, 1), (0, 2), (7, 65535)], 0, 0),
        ([(0, 1)], [(0, 1), (0, 2)], 0, 0),  # stored and the answer lost on the way: the terminal asks again
        ([(0, 1), (0, 2), (7, 1)], [(0, 1)], 2, 0),
        ([(0, 1)], [(0, 1), (0, 1), (0, 1)], 0, 2),
        ([(1, 5)], [(0, 5)], 1, 0),
    ],
)
def test_the_judge_counts_what_is_lost_and_what_is_double(
    tmp_path: Path,
    acknowledged: list[tuple[int, int]],
    stored: list[tuple[int, int]],
    lost: int,
    repeated: int,
) -> None:
    """Lost is acknowledged and not stored; repeated is every row of a report beyond its first."""
    verdict = judge(write_ledger(tmp_path / "ledger", acknowledged), write_store(tmp_path / "store.db", stored))
    assert (verdict.lost, verdict.repeated) == (lost, repeated)
    assert verdict.acknowledged == len(acknowledged)
    assert verdict.good is (lost == 0 and repeated == 0)
