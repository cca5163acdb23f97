"""Quarantined messages once more: what decodes now becomes rows, the rest stays held."""

import pytest
from pipeline_line import PHONE, Line, location, payload

from jtgate.pipeline import messages, quarantine
from jtgate.pipeline.replay import replay_quarantine

BODY = b"\xf0\x01\x02"


def held_by_a_bug(line: Line, monkeypatch: pytest.MonkeyPatch, payloads: list[bytes]) -> list[int]:
    """Quarantine payloads by breaking the decoder for a moment; ids of the rows."""
    with monkeypatch.context() as patch:
        patch.setattr(messages, "decode", lambda arrived: 1 // 0)
        line.append(payloads)
        line.run()
    return [row["id"] for row in line.rows("quarantine")]


def test_replay_makes_the_rows_that_the_frames_would_have_made(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    """All held rows: message, position with its receive time and session, and the marks."""
    batch = b"\x00\x02\x00" + (len(location())).to_bytes(2) + location()  # announces two: not in the fast lane
    held_by_a_bug(line, monkeypatch, [payload(0x0900, BODY, serial=4), payload(0x0704, batch)])
    before = line.rows("quarantine")[0]
    report = replay_quarantine(line.store, None, 5)
    assert (report.tried, report.replayed, report.still_held) == (2, 2, {})
    assert (report.rows_new, report.rows_repeated) == (3, 0)
    assert line.rows("quarantine") == []
    (position,) = line.rows("positions")
    assert (position["session_id"], position["received_ms"], position["spool_seq"]) == (
        before["session_id"],
        before["received_us"] // 1000,
        before["spool_seq"],
    )
    assert {row["name"] for row in line.rows("messages")} == {"uplink_transparent", "location_batch"}
    again = replay_quarantine(line.store, None, 6)
    assert (again.tried, again.replayed) == (0, 0)
    assert report.as_json()["replayed"] == 2


def test_replay_of_some_leaves_the_others(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the ids asked for are tried."""
    first, second = held_by_a_bug(line, monkeypatch, [payload(0x0900, BODY, serial=n) for n in (1, 2)])
    report = replay_quarantine(line.store, [second, 999], 5)
    assert (report.tried, report.replayed) == (1, 1)
    assert [row["id"] for row in line.rows("quarantine")] == [first]


def test_what_still_cannot_be_decoded_stays_held_and_is_not_doubled(line: Line) -> None:
    """Truncated, encrypted, without header, nobody's: counted by their present fault."""
    bad = [
        payload(0x0200, bytes(5)),
        payload(0x0200, location(), encryption=2),
        b"\x02",
        payload(0x0200, location(), phone="0"),
    ]
    line.append(bad)
    line.writer.append(b"\xc1", 1, line.now_us)
    line.run()
    report = replay_quarantine(line.store, None, 5)
    assert report.still_held == {
        "body.truncated": 1,
        quarantine.ENCRYPTED: 1,
        "header": 1,
        quarantine.NO_PHONE: 1,
        quarantine.UNREADABLE_GROUP: 1,
    }
    assert (report.replayed, len(line.rows("quarantine"))) == (0, 5)


def test_replay_leaves_the_cursor_and_flag_edges_to_the_pipeline(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    """A replay beside a running pipeline moves neither its place in the spool nor what it knows of flags."""
    body = location(alarm=1)
    batch = b"\x00\x02\x00" + len(body).to_bytes(2) + body
    held_by_a_bug(line, monkeypatch, [payload(0x0704, batch)])
    cursor = line.store.cursor("store")
    replay_quarantine(line.store, None, 5)
    assert len(line.rows("positions")) == 1
    assert line.rows("alarm_events") == []
    assert line.store.cursor("store") == cursor
    assert line.rows("terminals")[0]["terminal"] == PHONE.lstrip("0")
