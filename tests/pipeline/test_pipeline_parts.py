"""Sub-packages through the pipeline: whole messages out of parts, across restarts, and what never became whole."""

import json

import pytest
from pipeline_line import PHONE, Line, location, payload

from jtgate.codecs.edition import Edition
from jtgate.codecs.framing import Frame, FrameReader
from jtgate.codecs.header import encode_frames
from jtgate.codecs.timebase import now_us
from jtgate.pipeline import CONSUMER, quarantine
from jtgate.pipeline.replay import replay_quarantine
from jtgate.pipeline.subpackages import KEEP_S
from jtgate.storage.model import StoreBatch
from jtgate.storage.records import Transport, pack_frames

MEDIA = (7).to_bytes(4) + b"\x00\x00\x01\x02" + location() + b"\xff\xd8" + bytes(range(256)) * 12


@pytest.fixture(autouse=True)
def present(line: Line) -> None:
    """Frames of these tests arrive now, so that nothing is given up for its age."""
    line.now_us = now_us() - 60_000_000


def parts_of(body: bytes, msg_id: int = 0x0801, *, serial: int = 10, edition: Edition = Edition.V2013) -> list[bytes]:
    """Payloads of the parts of a message."""
    wire = b"".join(encode_frames(msg_id, body, phone=PHONE, serial=serial, edition=edition, part_bytes=700))
    frames = FrameReader().feed(wire)
    return [frame.payload for frame in frames if isinstance(frame, Frame)]


def test_parts_in_any_order_become_one_message(line: Line) -> None:
    """0x0801 in five parts, shuffled and repeated, over several groups: one row, and no part left."""
    parts = parts_of(MEDIA)
    assert len(parts) == 5
    line.append([parts[3], parts[0]])
    line.append([parts[0], parts[4]])
    line.append([parts[1], parts[2], parts[2]])
    worker = line.run()
    (row,) = line.rows("messages")
    assert (row["name"], row["raw"], row["parts"], row["serial"]) == ("media_upload", MEDIA, 5, 10)
    assert json.loads(row["body"])["data"]["bytes"] == len(MEDIA) - 36
    assert [part.payload for part in line.store.open_parts()] == [parts[2]]  # came after the message was complete
    assert worker._decoder is not None
    batch = worker._decoder.idle(now_us() + int(KEEP_S * 1e6))
    assert batch is not None
    assert (len(batch.parts_done), batch.quarantine) == (1, [])  # its message is stored: nothing is lost


@pytest.mark.parametrize("edition", [Edition.V2013, Edition.V2019])
def test_restart_between_any_two_parts_loses_none(line: Line, edition: Edition) -> None:
    """A new worker after every group: parts wait in the store."""
    for part in parts_of(MEDIA, edition=edition):
        assert line.rows("messages") == []
        line.append([part])
        line.run()
    assert [row["raw"] for row in line.rows("messages")] == [MEDIA]
    assert line.store.open_parts() == []


def test_parts_that_all_carry_one_serial_survive_a_restart_too(line: Line) -> None:
    """Constant serial, parts of one read (one receive time): each is a row of its own in the store."""
    pieces = [MEDIA[start : start + 700] for start in range(0, len(MEDIA), 700)]
    parts = [payload(0x0801, piece, serial=5, part=(n, len(pieces))) for n, piece in enumerate(pieces, 1)]
    line.append(parts[:4])
    line.run()
    assert len(line.store.open_parts()) == 4
    line.append(parts[4:])
    line.run()
    assert [row["raw"] for row in line.rows("messages")] == [MEDIA]
    assert line.store.open_parts() == []


def constant_parts(body: bytes, size: int, serial: int = 5) -> list[bytes]:
    """Payloads of the parts of a 0x0900 that all carry one serial."""
    pieces = [body[start : start + size] for start in range(0, len(body), size)]
    return [payload(0x0900, piece, serial=serial, part=(n, len(pieces))) for n, piece in enumerate(pieces, 1)]


def open_payloads(line: Line) -> list[bytes]:
    """Parts that wait in the store."""
    return sorted(row.payload for row in line.store.open_parts())


def group_of_one_read(line: Line, payloads: list[bytes], *, at_us: int | None = None) -> int:
    """A group as the gateway writes frames outside its fast lane: one record each, all of one receive time."""
    at_us = line.now_us if at_us is None else at_us
    data = b"".join(pack_frames(at_us, 1, Transport.TCP, [one]) for one in payloads)
    return line.writer.append(data, len(payloads), at_us)


@pytest.mark.parametrize("groups", [1, 2])
def test_parts_of_one_read_in_records_of_their_own_survive_a_restart(line: Line, groups: int) -> None:
    """One serial and one receive time, a record each, in one group or more: none overwrites another."""
    body = b"\xf0" + bytes(range(100))
    parts = constant_parts(body, 20)
    for start in range(groups):
        group_of_one_read(line, parts[:-1][start::groups])
    line.run()
    assert open_payloads(line) == sorted(parts[:-1])
    group_of_one_read(line, parts[-1:])
    line.run()
    assert [row["raw"] for row in line.rows("messages")] == [body]
    assert line.store.open_parts() == []


def test_replay_of_the_same_groups_gives_the_same_parts_and_messages(line: Line) -> None:
    """Waiting parts keep their keys, and a message put together again is the same row."""
    whole, waiting = constant_parts(b"\xf0" + bytes(50), 20), constant_parts(b"\xf1" + bytes(90), 20, serial=9)
    group_of_one_read(line, [*whole[1:], *waiting[1:], whole[0]])
    line.run()
    before = line.everything()
    assert len(before["parts"]) == 4
    assert [row["received_ms"] for row in before["messages"]] == [line.now_us // 1000]
    line.store.write(StoreBatch(), consumer=CONSUMER, seq=0)
    line.run()
    assert line.everything() == before


def test_parts_whose_times_and_numbers_meet_do_not_share_a_key(line: Line) -> None:
    """Part 2 of one microsecond and part 1 of the next, of messages with one serial: both wait in the store."""
    long, short = constant_parts(b"\xf0" + bytes(60), 20), constant_parts(b"\xf1" + bytes(30), 20)
    group_of_one_read(line, [long[1]], at_us=line.now_us)
    group_of_one_read(line, [short[0]], at_us=line.now_us + 1)
    line.run()
    group_of_one_read(line, [long[2]], at_us=line.now_us - 1)
    line.run()
    assert open_payloads(line) == sorted([long[1], short[0], long[2]])


def test_stored_parts_that_are_a_whole_message_leave_the_store_with_it(line: Line) -> None:
    """Parts of a run with other limits: the message is stored once, and nothing of it waits any more."""
    parts = parts_of(MEDIA)
    line.append(parts[:-1])
    line.run()
    rows = line.store.open_parts()
    last = rows[-1]._replace(serial=rows[-1].serial + 1, payload=parts[-1])
    line.store.write(StoreBatch(parts=[last]), consumer=CONSUMER, seq=1)
    line.append([payload(0x0002)])
    line.run()
    assert [row["raw"] for row in line.rows("messages")] == [MEDIA]
    assert line.store.open_parts() == []


def test_part_sent_again_with_other_bytes_replaces_the_first(line: Line) -> None:
    """Last wins, in memory and in the store."""
    parts = parts_of(MEDIA)
    wrong = parts[1][:-1] + b"\x00"
    line.append([parts[0], wrong])
    line.run()
    line.append([parts[1]])
    line.run()
    assert len(line.store.open_parts()) == 2
    line.append(parts[2:])
    line.run()
    assert [row["raw"] for row in line.rows("messages")] == [MEDIA]


def test_sub_packaged_report_is_a_position(line: Line) -> None:
    """Any message may come in parts, also a 0x0200; a total of 1 is no sub-package."""
    body = location(items="f0fa" + "11" * 250 + "f1fa" + "22" * 250 + "f2fa" + "33" * 250)
    line.append(parts_of(body, 0x0200))
    line.append([payload(0x0200, location("251123201410"), part=(1, 1))])
    line.run()
    assert [(row["serial"], row["latitude"]) for row in line.rows("positions")] == [(10, 41.12), (0, 41.12)]


def test_message_that_never_becomes_whole_is_quarantined_and_can_still_be_replayed(line: Line) -> None:
    """Given up KEEP_S after its last part: every part is held; the missing one completes it by a replay."""
    parts = parts_of(MEDIA)
    line.now_us = now_us() - int((KEEP_S + 30) * 1e6)
    line.append([parts[0], *parts[2:]])
    line.run()
    held = line.rows("quarantine")
    assert {row["code"] for row in held} == {quarantine.INCOMPLETE}
    assert [row["payload"] for row in held] == [parts[0], *parts[2:]]
    assert line.store.open_parts() == []
    report = replay_quarantine(line.store, None, now_us() // 1000)
    assert (report.tried, report.replayed, report.still_held) == (4, 0, {quarantine.INCOMPLETE: 4})
    line.append([parts[1]], at_us=now_us() - int((KEEP_S + 20) * 1e6))
    line.run()
    report = replay_quarantine(line.store, None, now_us() // 1000)
    assert (report.tried, report.replayed, report.still_held) == (5, 5, {})
    assert [row["raw"] for row in line.rows("messages")] == [MEDIA]


def test_backlog_is_not_given_up_for_its_age(line: Line) -> None:
    """Parts spooled hours ago, minutes apart, are put together by a pipeline that starts now."""
    line.now_us = now_us() - 7200 * 1_000_000
    for part in parts_of(MEDIA):
        line.append([part], at_us=line.now_us + 100_000_000)
    line.run()
    assert [row["raw"] for row in line.rows("messages")] == [MEDIA]
    assert line.rows("quarantine") == []


def test_impossible_package_item_is_quarantined(line: Line) -> None:
    """Part 3 of 2: the frame is held with the reason, and a replay leaves it there."""
    line.append([payload(0x0801, b"x", part=(3, 2))])
    line.run()
    assert [row["code"] for row in line.rows("quarantine")] == ["parts.number"]
    assert replay_quarantine(line.store, None, 0).still_held == {"parts.number": 1}


def test_reassembled_message_that_cannot_be_decoded_is_held_whole(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is one quarantine row; once the code can read it, a replay makes it one message."""
    from jtgate.pipeline import messages

    for size in (1024, 1028, 1500):  # lengths at which header arithmetic could mislead
        body = b"\xf0" + bytes(size - 1)
        with monkeypatch.context() as patch:
            patch.setattr(messages, "body_json", lambda message: 1 // 0)
            line.append(parts_of(body, 0x0900, serial=size))
            line.run()
        (held,) = line.rows("quarantine")
        assert (held["code"], held["terminal"]) == (quarantine.INTERNAL, PHONE.lstrip("0"))
        report = replay_quarantine(line.store, [held["id"]], now_us() // 1000)
        assert (report.replayed, report.rows_new) == (1, 1)
        row = line.rows("messages")[0]
        assert (row["raw"], row["serial"], row["parts"], row["name"]) == (
            body,
            size,
            2 + (size > 1400),
            "uplink_transparent",
        )
