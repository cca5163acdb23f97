"""What real terminals do wrong, row by row, as it ends in the store.

docs/disagreements.md says which test shows which row; rows that other tests of this folder show are not here. "§11" is
that of JT/T 808, "AS" is active safety.
"""

import json

import pytest
from pipeline_line import Line, location, payload, tlv

from jtgate.codecs.timebase import TIME_GOOD, TIME_IN_FUTURE, TIME_NOT_A_DATE, encode_bcd_time, from_ms

NUMBER = b"A1B2C3D" + bytes.fromhex("251123201310") + b"\x00\x02\x00"
PLACE = bytes.fromhex("44002301dc9a07073109f1251123201310 0411")


def adas(alarm_id: int, number: bytes = NUMBER) -> str:
    """An ADAS alarm as an item."""
    return tlv(0x64, alarm_id.to_bytes(4) + bytes.fromhex("0101022a12000000") + PLACE + number)


def test_row_17_serials_that_do_not_rise(line: Line) -> None:
    """§11 item 17: reports are told apart by what they say, not by their serial; a repetition is one row."""
    times = [f"2511232014{second:02}" for second in range(5)]
    line.append([payload(0x0200, location(time), serial=0) for time in times])
    line.append([payload(0x0200, location(times[0]), serial=serial) for serial in (0, 0, 9)])
    line.run()
    assert len(line.rows("positions")) == 5


def test_row_27_logging_out_keeps_the_record(line: Line) -> None:
    """§11 item 27: after 0x0003 right behind the registration plate and model are still known."""
    register = bytes.fromhex("000b0064") + b"70111" + b"BSJ-A6".ljust(20, b"\0") + b"0567872\x02" + b"\xbe\xa9A12345"
    line.append([payload(0x0100, register, serial=1), payload(0x0003, serial=2)])
    line.run()
    (terminal,) = line.rows("terminals")
    assert (terminal["terminal"], terminal["plate"], terminal["model"]) == ("13800138000", "京A12345", "BSJ-A6")


def test_row_31_bytes_that_are_no_items(line: Line) -> None:
    """§11 item 31: the position is stored, and the bytes with it."""
    line.append([payload(0x0200, location(items="30011f" + "ff" * 20))])
    line.run()
    (row,) = line.rows("positions")
    assert row["signal_strength"] == 31
    assert json.loads(row["extra_items"]) == [{"id": None, "raw": "ff" * 20}]


@pytest.mark.parametrize(
    ("time", "state"),
    [
        ("000000000000", TIME_NOT_A_DATE),
        ("ffffffffffff", TIME_NOT_A_DATE),
        ("250014151000", TIME_NOT_A_DATE),
        ("25031415100a", TIME_NOT_A_DATE),
        ("000101000012", TIME_NOT_A_DATE),
        ("001231235959", TIME_NOT_A_DATE),
        ("010101000000", TIME_GOOD),
        ("251123201400", TIME_GOOD),
    ],
)
def test_row_33_times_that_are_none(line: Line, time: str, state: int) -> None:
    """§11 item 33: no date, or the year 2000 of a clock that never had a fix: marked, with the time of receipt."""
    line.append([payload(0x0200, location(time))])
    line.run()
    (row,) = line.rows("positions")
    assert (row["time_state"], row["received_ms"]) == (state, line.now_us // 1000)


@pytest.mark.parametrize(("hours", "state"), [(23, TIME_GOOD), (25, TIME_IN_FUTURE)])
def test_row_33_times_in_the_future(line: Line, hours: int, state: int) -> None:
    """§11 item 33: more than a day ahead is not believed either."""
    at_us = line.now_us
    ahead = encode_bcd_time(from_ms(at_us // 1000 + hours * 3_600_000)).hex()
    line.append([payload(0x0200, location(ahead))], at_us=at_us)
    line.run()
    (row,) = line.rows("positions")
    assert (row["time_state"], row["received_ms"]) == (state, at_us // 1000)


def test_row_35_positions_without_a_fix_say_so(line: Line) -> None:
    """§11 item 35: 0/0 or the last known place with status bit 1 clear: kept, bit and all, for who plots it."""
    nowhere = location("251123201401", status=1)
    nowhere = nowhere[:8] + bytes(8) + nowhere[16:]
    line.append([payload(0x0200, location("251123201400", status=1)), payload(0x0200, nowhere)])
    line.run()
    rows = sorted(line.rows("positions"), key=lambda row: row["device_time_ms"])
    assert [row["status"] & 2 for row in rows] == [0, 0]
    assert [(row["latitude"], row["longitude"]) for row in rows] == [(41.12, 122.07), (0.0, 0.0)]


def test_row_41_a_flag_repeated_in_every_report_is_one_alarm(line: Line) -> None:
    """§11 item 41: the panic button in a hundred reports begins once, and ends when the bit is gone."""
    times = [f"2511232014{second:02}" for second in range(50)]
    line.append([payload(0x0200, location(time, alarm=1)) for time in times])
    line.append([payload(0x0200, location("251123201500"))])
    line.run()
    assert sorted(row["phase"] for row in line.rows("alarm_events")) == ["end", "start"]


def test_row_50_parameters_in_parts(line: Line) -> None:
    """§11 item 50: 0x0104 in parts under the header of 2013 becomes one message with all its parameters."""
    body = bytes.fromhex("000750") + bytes.fromhex("00000001040000003c") * 80
    pieces = [body[start : start + 300] for start in range(0, len(body), 300)]
    total = len(pieces)
    for number, piece in enumerate(pieces, 1):
        line.append([payload(0x0104, piece, serial=number, part=(number, total))])
    line.run()
    (message,) = line.rows("messages")
    assert (message["msg_id"], bytes(message["raw"])) == (0x0104, body)
    assert len(json.loads(message["body"])["parameters"]) == 80
    assert line.everything()["parts"] == []


def test_row_58_a_card_without_a_name(line: Line) -> None:
    """§11 item 58: status 1 with empty name and issuer is an event; so is status 2 with every field."""
    fields = b"\x00" + b"\x00" + bytes(20) + b"\x00" + bytes.fromhex("20300101")
    line.append([payload(0x0702, b"\x01" + bytes.fromhex("251123201400") + fields, serial=1)])
    line.append([payload(0x0702, b"\x02" + bytes.fromhex("251123201500") + fields, serial=2)])
    line.run()
    assert len(line.rows("card_events")) == 2
    assert line.everything()["quarantine"] == []


# ------------------------------------------------------------------------------------------- active safety, §4.8


def test_row_2_of_as_4_8_one_number_for_a_whole_fleet(line: Line) -> None:
    """AS §4.8 row 2: two terminals that send the same identification number have an alarm each."""
    for phone in ("013800138000", "013800138001"):
        line.append([payload(0x0200, location(items=adas(7)), phone=phone)])
    line.run()
    rows = line.rows("alarm_events")
    assert len(rows) == 2
    assert {row["alarm_number"] for row in rows} == {NUMBER.hex()}


def test_row_3_of_as_4_8_an_alarm_id_that_is_always_0(line: Line) -> None:
    """AS §4.8 row 3: alarms with the id 0 are told apart by their numbers."""
    second = NUMBER[:13] + b"\x01" + NUMBER[14:]
    line.append([payload(0x0200, location(items=adas(0) + adas(0, second)))])
    line.run()
    assert {row["alarm_number"] for row in line.rows("alarm_events")} == {NUMBER.hex(), second.hex()}


def test_row_13_of_as_4_8_the_same_alarm_again_in_a_batch(line: Line) -> None:
    """AS §4.8 row 13: what 0x0704 brings a second time is no second alarm."""
    body = location(items=adas(7))
    line.append([payload(0x0200, body, serial=1)])
    line.append([payload(0x0704, b"\x00\x01\x01" + len(body).to_bytes(2) + body, serial=2)])
    line.run()
    assert len(line.rows("alarm_events")) == 1
