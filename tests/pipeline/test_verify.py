"""Spool and store compared: what is gone is named, what has a reason is not, on every back end."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import apsw
import psycopg
import pytest
from pipeline_line import PHONE, Line, location, payload, tlv
from psycopg import sql

from jtgate.codecs.timebase import now_us
from jtgate.pipeline import CONSUMER, quarantine
from jtgate.pipeline.compared import FOREIGN, MISSING, Difference
from jtgate.pipeline.verify import (
    BEFORE_SPOOL,
    OTHER_READING,
    OTHER_ZONE,
    QUARANTINED,
    REPEATED,
    RETENTION,
    OtherSpool,
    Report,
    Setup,
    verify,
)
from jtgate.pipeline.verify_back import IN_PARTS, OTHER_SPOOL, verify_back
from jtgate.profiles import load
from jtgate.storage.model import StoreBatch

TERMINAL = PHONE.lstrip("0")
TAIL = "3c0005" + (41_000_000).to_bytes(4).hex() + (122_000_000).to_bytes(4).hex() + "251123201355" + "0401"
DSM = "0000000701020200" + "00000000" + TAIL + "49443030303031" + "251123201355" + "010200"
CARD = bytes.fromhex("0125112320140000") + b"\x01A" + b"C123".ljust(20, b"\0") + b"\x01B" + bytes.fromhex("20300131")
SETUP = Setup(parts_bytes_max=1 << 20)

Execute = Callable[[str], None]


@pytest.fixture(params=["sqlite", "postgres"])
def backend(request: pytest.FixtureRequest, line: Line) -> Iterator[Execute]:
    """Puts the store of this back end behind the line; changes its rows by hand."""
    if request.param == "sqlite":

        def by_sqlite(statement: str) -> None:
            connection = apsw.Connection(str(line.data / "store.db"))
            connection.set_busy_timeout(5000)
            connection.execute(statement)
            connection.close()

        yield by_sqlite
        return
    from jtgate.storage.postgres.store import PostgresStore

    url = request.getfixturevalue("postgres_url")
    schema = request.getfixturevalue("postgres_schema")
    line.store.close()
    line.store = PostgresStore(url, schema=schema, timescale=False)
    line.store.migrate()
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(sql.SQL("SET search_path = {}").format(sql.Identifier(schema)))

        def by_psycopg(statement: str) -> None:
            connection.execute(statement.encode())

        yield by_psycopg


def parts(body: bytes, count: int, msg_id: int = 0x0900, serial: int = 50) -> list[bytes]:
    """Payloads of the parts of a message."""
    size = -(-len(body) // count)
    pieces = [body[start : start + size] for start in range(0, len(body), size)]
    return [payload(msg_id, piece, serial=serial + n, part=(n, count)) for n, piece in enumerate(pieces, 1)]


def drive(line: Line) -> None:
    """Everything that becomes a row: six groups, six tables, a repetition of each kind."""
    line.online()
    line.append([payload(0x0200, location(f"2511232014{n:02d}", alarm=n % 2), serial=n) for n in range(10)])
    line.append([payload(0x0200, location("251123201500", items=tlv(0x65, bytes.fromhex(DSM))), serial=10)])
    body = location("251123191500")
    batch = b"\x00\x02\x01" + (len(body).to_bytes(2) + body) * 2
    line.append([payload(0x0704, batch, serial=11), payload(0x0200, location("251123201400"), serial=0)])
    line.append([payload(0x0702, CARD, serial=12), payload(0x0900, b"\xf0\x01", serial=13)])
    line.append([payload(0x0900, b"\xf0\x01", serial=13), payload(0x0702, CARD[:5], serial=14)])
    first, *others = parts(b"\xf1" + bytes(900), 3)
    line.append([first])
    line.append(others)
    line.run()


def check(line: Line, setup: Setup = SETUP, **options: Any) -> Report:
    """Compare."""
    return verify(line.store, line.reader, setup, **{"shown_max": 100, **options})


def told(report: Report) -> list[tuple[str, str, int | None]]:
    """What, table and serial of the differences."""
    return sorted((one.what, one.table, one.serial) for one in report.shown)


def test_a_store_that_has_everything_has_no_differences(line: Line, backend: Execute) -> None:
    """Retransmissions, edges, overlapping batches and quarantined frames are none."""
    drive(line)
    seen: list[tuple[int, int]] = []

    report = check(line, tell=lambda *at: seen.append(at))

    assert (report.total, report.shown, report.explained) == (0, [], {})
    assert (report.groups, report.frames, report.last_seq) == (8, 20, 8)
    assert {name: count for name, count in report.compared.items() if count} == {
        "positions": 14,
        "alarm_events": 1,
        "card_events": 1,
        "messages": 3,
        "quarantine": 1,
    }
    assert seen[-1] == (8, 8)
    assert line.store.info()["cursors"] == {CONSUMER: 8}  # nothing was written
    verify_back(line.store, line.reader, SETUP, report)
    assert (report.total, report.scanned) == (0, 12)


def test_every_row_that_is_gone_is_named(line: Line, backend: Execute) -> None:
    """Table, key, terminal, message, serial, group and time of receipt of one row of each table."""
    drive(line)
    backend("DELETE FROM positions WHERE serial IN (3, 11)")
    for table in ("alarm_events", "card_events", "quarantine", "messages"):
        backend(f"DELETE FROM {table}")

    report = check(line)

    assert told(report) == [
        (MISSING, "alarm_events", 10),
        (MISSING, "card_events", 12),
        (MISSING, "messages", 13),
        (MISSING, "messages", 51),
        (MISSING, "positions", 3),
        (MISSING, "positions", 11),
        (MISSING, "quarantine", 14),
    ]
    assert report.explained == {REPEATED: 2}  # an item of the batch and a message that came twice
    lost = next(one for one in report.shown if one.serial == 3)
    (terminal,) = line.rows("terminals")
    key = {"terminal_id": terminal["terminal_id"], "device_time_ms": 1_763_900_043_000}
    assert lost == Difference(
        MISSING, "positions", {**key, "fingerprint": lost.key["fingerprint"]}, TERMINAL, 0x0200, 3, 2, 1_763_900_002_000
    )


def test_a_changed_key_is_named_from_both_sides(line: Line, backend: Execute) -> None:
    """The row that should be there is missing; the one that is there belongs to no frame."""
    drive(line)
    backend("UPDATE positions SET fingerprint = fingerprint + 1 WHERE serial = 4")
    report = check(line)
    assert told(report) == [(MISSING, "positions", 4)]

    verify_back(line.store, line.reader, SETUP, report)

    assert told(report) == [(FOREIGN, "positions", 4), (MISSING, "positions", 4)]
    found = next(one for one in report.shown if one.what == FOREIGN)
    assert (found.terminal, found.spool_seq) == (TERMINAL, 2)


def test_repair_stores_what_is_missing_and_nothing_else(line: Line, backend: Execute) -> None:
    """Afterwards there are no differences, and rows that were there have not changed; the cursor stands still."""
    drive(line)
    before = line.everything()
    backend("DELETE FROM positions WHERE serial IN (3, 11)")
    for table in ("alarm_events", "card_events", "quarantine", "messages"):
        backend(f"DELETE FROM {table}")

    report = check(line, repair=True)

    assert (report.total, report.repaired) == (7, 7)
    assert check(line).total == 0
    after = line.everything()
    for table in ("positions", "card_events", "messages"):
        assert [{**row, "id": 0} for row in after[table]] == [{**row, "id": 0} for row in before[table]]
    assert line.store.cursor(CONSUMER) == 8


def test_a_terminal_that_is_gone_is_named_with_its_rows_and_made_by_a_repair(line: Line, backend: Execute) -> None:
    """Looking makes no terminal; a repair makes it, and stores its rows under the new number."""
    drive(line)
    for table in ("terminals", "positions", "alarm_events", "card_events", "messages"):
        backend(f"DELETE FROM {table}")

    report = check(line)

    assert report.differences == {"terminals": 1, "positions": 12, "alarm_events": 1, "card_events": 1, "messages": 2}
    assert {one.terminal for one in report.shown} == {TERMINAL}
    assert line.rows("terminals") == []
    assert check(line, repair=True).repaired == 17
    assert check(line).total == 0


def test_only_so_many_differences_are_kept_and_all_are_counted(line: Line, backend: Execute) -> None:
    """The report stays small however much is gone."""
    drive(line)
    backend("DELETE FROM positions")

    report = check(line, shown_max=3)

    assert (len(report.shown), report.total) == (3, 12)


def test_a_part_that_is_gone_is_named_and_one_that_is_open_is_not(line: Line, backend: Execute) -> None:
    """Sub-packages of messages that are not complete lie in a table of their own."""
    line.now_us = now_us() - 900_000_000
    drive(line)
    line.now_us = now_us() - 60_000_000
    line.append(parts(b"\xf2" + bytes(900), 3, serial=70)[:2])
    line.run()
    assert len(line.store.open_parts()) == 2
    assert check(line).total == 0

    backend("DELETE FROM parts WHERE serial = 72")

    report = check(line)
    assert told(report) == [(MISSING, "parts", 72)]
    assert (report.shown[0].msg_id, report.shown[0].terminal) == (0x0900, TERMINAL)
    assert check(line, repair=True).repaired == 1
    assert check(line).total == 0


def test_parts_that_were_given_up_are_in_quarantine_and_no_difference(line: Line, backend: Execute) -> None:
    """Given up by the clock or by later frames: each of them is one row, and is missed when it is gone."""
    drive(line)
    line.now_us += 1_000_000_000
    line.append(parts(b"\xf2" + bytes(900), 3, serial=70)[:2])
    line.run()  # what came long ago is given up at once
    assert line.store.open_parts() == []
    report = check(line)
    assert (report.total, report.explained) == (0, {QUARANTINED: 2})
    line.now_us += 1_000_000_000
    line.append([payload(0x0002)])
    line.run()
    report = check(line)
    assert (report.total, report.explained) == (0, {})

    backend("DELETE FROM quarantine WHERE code = 'parts.incomplete'")

    assert told(check(line)) == [(MISSING, "quarantine", 71), (MISSING, "quarantine", 72)]


def test_a_message_that_began_before_the_spool_is_no_difference(line: Line, backend: Execute, tmp_path: Path) -> None:
    """The first part is no longer held; the message is stored, and its other parts are not missed."""
    first, *others = parts(b"\xf1" + bytes(900), 3)
    line.append([first])
    line.append(others[:1])
    line.append(others[1:])
    line.run()
    line.append([payload(0x0002)], at_us=line.now_us + 1_000_000_000)
    line.run()

    class Later:
        """The spool without its first group."""

        damaged_count = 0
        last_seq = staticmethod(line.reader.last_seq)
        close = staticmethod(line.reader.close)

        def read(self, after_seq: int, *, groups_max: int = 256, bytes_max: int = 1 << 20) -> list[Any]:
            return line.reader.read(max(after_seq, 1), groups_max=groups_max, bytes_max=bytes_max)

    report = verify(line.store, Later(), SETUP, shown_max=10)

    assert (report.first_seq, report.total, report.explained) == (2, 0, {BEFORE_SPOOL: 2})


def test_what_retention_has_deleted_is_no_difference(line: Line, backend: Execute) -> None:
    """Up to the time that is kept; later ones are missed."""
    drive(line)
    for table in ("positions", "messages"):
        backend(f"DELETE FROM {table}")

    report = check(line, Setup(1 << 20, kept_from_ms=1_763_900_045_000))

    assert report.explained == {RETENTION: 11}
    assert report.differences == {"positions": 6}


def test_a_frame_that_was_quarantined_is_no_difference_when_it_decodes_now(
    line: Line, backend: Execute, tmp_path: Path
) -> None:
    """A profile was given to the terminal since: `quarantine replay` will store it."""
    line.append([payload(0x0200, location(), encryption=1), payload(0x0900, b"\xf0\x02", serial=2)])
    line.append(parts(b"\xf1" + bytes(900), 3))
    line.run()
    file = tmp_path / "profiles.toml"
    file.write_text(f'[[assign]]\nprofile = "stray-encryption-bits"\nterminal = "{PHONE}"\n', encoding="utf-8")
    other = Setup(1 << 20, load([file]).assignments)

    assert (check(line, other).total, check(line, other).explained) == (0, {QUARANTINED: 1})
    line.assignments = load([file]).assignments
    line.run_again()
    report = check(line)  # and the other way round: decoded then, quarantined now, and both are stored
    assert report.total == 0


def test_a_frame_that_decodes_no_more_but_is_stored_is_no_difference(
    line: Line, backend: Execute, tmp_path: Path
) -> None:
    """It was read by another profile."""
    file = tmp_path / "profiles.toml"
    file.write_text(f'[[assign]]\nprofile = "stray-encryption-bits"\nterminal = "{PHONE}"\n', encoding="utf-8")
    line.assignments = load([file]).assignments
    line.now_us = 1_763_900_040_000_000
    line.append([payload(0x0200, location(), encryption=1, serial=1), payload(0x0900, b"\1", encryption=1, serial=2)])
    line.run()

    assert (check(line).total, check(line).explained) == (0, {OTHER_READING: 2})
    backend("DELETE FROM messages")
    assert told(check(line)) == [(MISSING, "quarantine", 2)]


def test_rows_stored_with_the_times_of_another_zone_are_no_difference(
    line: Line, backend: Execute, tmp_path: Path
) -> None:
    """A profile with another zone was given to the terminal since, in both directions."""
    drive(line)
    file = tmp_path / "profiles.toml"
    file.write_text(f'[[assign]]\nprofile = "utc-clock"\nterminal = "{PHONE}"\n', encoding="utf-8")
    other = Setup(1 << 20, load([file]).assignments)

    report = check(line, other)

    assert (report.total, set(report.explained)) == (0, {OTHER_ZONE})
    verify_back(line.store, line.reader, other, report)
    assert report.total == 0
    assert line.store.zones() == {}


def test_rows_that_came_in_parts_or_name_a_group_of_another_spool_are_no_difference(
    line: Line, backend: Execute
) -> None:
    """The other way round, one group alone does not tell."""
    body = location("251123201600")
    line.append([payload(0x0200, location("251123201300"))])
    batch = b"\x00\x01\x00" + len(body).to_bytes(2) + body
    line.append(parts(batch, 2, 0x0704)[:1])
    line.append(parts(batch, 2, 0x0704)[1:])
    line.run()
    report = check(line)
    verify_back(line.store, line.reader, SETUP, report)
    assert (report.total, report.explained) == (0, {IN_PARTS: 1})

    backend("UPDATE positions SET spool_seq = 3 WHERE msg_id = 512")
    (row,) = [row for row in line.rows("positions") if row["msg_id"] == 0x0200]
    values = tuple(value for name, value in row.items() if name != "terminal")
    moved = (values[0], values[1], values[2] + 5, values[3] - 3_600_000, *values[4:])
    line.store.write(StoreBatch(positions=[moved]), consumer="other", seq=0)

    report = check(line)
    verify_back(line.store, line.reader, SETUP, report)
    assert (report.total, report.explained) == (1, {IN_PARTS: 1, OTHER_SPOOL: 1})


def test_another_spool_in_its_place_is_said(line: Line, backend: Execute) -> None:
    """Nothing can be compared with a spool that ends before what is stored."""
    drive(line)
    line.store.write(StoreBatch(), consumer=CONSUMER, seq=900)

    with pytest.raises(OtherSpool, match="up to group 900; this one ends at 8"):
        check(line)


def test_frames_that_the_store_refused_are_in_quarantine(
    line: Line, backend: Execute, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The worker quarantines such a frame under the time of its group."""
    seq = line.append([payload(0x0900, b"\xf0\x01", serial=13)])
    data = line.reader.read(seq - 1)[0]
    from jtgate.pipeline.worker import _refused

    line.store.write(_refused(data._replace(at_us=data.at_us)), consumer=CONSUMER, seq=seq)
    assert line.rows("messages") == []
    (row,) = line.store.quarantine()
    assert row["code"] == quarantine.INTERNAL
    line.store.terminal_ids([TERMINAL], 1)

    assert (check(line).total, check(line).explained) == (0, {QUARANTINED: 1})
