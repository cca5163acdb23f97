"""The driving recorder (JT/T 808 §9): carriers, the frame inside, every data block, and what terminals send instead."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from declared_strategies import structures
from hypothesis import given, settings
from hypothesis import strategies as st

from jtgate.codecs import deviations as dev
from jtgate.codecs.describe import describe_wire
from jtgate.codecs.edition import ALL_EDITIONS, Edition
from jtgate.codecs.errors import BodyError, EncodeError
from jtgate.codecs.framing import check_byte
from jtgate.codecs.header import encode_frames
from jtgate.codecs.jt808 import recorder_blocks as blocks
from jtgate.codecs.jt808.recorder import (
    BareAnswer,
    BareRequest,
    PartOfAnswer,
    RecorderAnswer,
    RecorderCollect,
    RecorderError,
    RecorderRequest,
    RecorderSet,
    RecorderUpload,
    UncheckedAnswer,
    UncheckedRequest,
)
from jtgate.codecs.jt808.recorder_kinds import BcdNumber, WireNone
from jtgate.codecs.registry import body_edition, decode_body, encode_body

OLDEST, OLD, NEW = ALL_EDITIONS
TIME = "250314150926"
MOMENT = datetime(2025, 3, 14, 7, 9, 26, tzinfo=UTC)
LICENCE = "110101199001011234"


def decode(msg_id: int, body: str, edition: Edition = OLD) -> tuple[Any, list[str]]:
    """The message and the deviations; it goes out as it came, also by way of JSON."""
    raw = bytes.fromhex(body)
    deviations: list[str] = []
    message = decode_body(msg_id, raw, edition, deviations)
    layout = body_edition(msg_id, raw, edition)
    assert encode_body(message, layout) == raw
    assert type(message).from_json(json.loads(json.dumps(message.to_json()))).encode(layout) == raw  # type: ignore[union-attr]
    return message, deviations


def framed(head: str, command: str, data: str) -> str:
    """A frame of GB/T 19056 in hex."""
    frame = bytes.fromhex(f"{head}{command}{len(data) // 2:04x}00{data}")
    return frame.hex() + f"{check_byte(frame):02x}"


# -------------------------------------------------------------------------------- worked frames


def test_worked_request() -> None:
    """F20 of §12: collecting the real time, its values and its bytes, both ways."""
    wire = "7e87000008013912345678000602aa7502000000ddbb7e"
    (described,) = describe_wire(bytes.fromhex(wire))
    collect = RecorderCollect(command=2, packet=RecorderRequest(command=2))
    assert described["body"] == collect.to_json()
    assert described["deviations"] == []
    assert collect.packet == RecorderRequest(head=0xAA75, command=2, length=0, reserved=0, check=0xDD)
    (frame,) = encode_frames(0x8700, collect.encode(OLD), phone="13912345678", serial=6, edition=OLD)
    assert frame.hex() == wire


def test_worked_answer() -> None:
    """F21 of §12: the real time that came back."""
    wire = "7e070000100139123456780008000602557a02000600250314150926232b7e"
    (described,) = describe_wire(bytes.fromhex(wire))
    answer = RecorderAnswer(command=2, block=blocks.RecorderTime(time=MOMENT))
    upload = RecorderUpload(answer_serial=6, command=2, packet=answer)
    assert described["body"] == upload.to_json()
    assert answer.check == 0x23
    (frame,) = encode_frames(0x0700, upload.encode(OLD), phone="13912345678", serial=8, edition=OLD)
    assert frame.hex() == wire


# --------------------------------------------------------------------------------- data blocks

STEP = blocks.SpeedStep(speed_kmh=60, status=0x90)
POSITION = blocks.RecorderPosition(longitude=116.3, latitude=39.9, altitude_m=50)
POSITION_HEX = "0428c220" + "016d4ba0" + "0032"
MILEAGE = blocks.RecorderMileage(time=MOMENT, installed=MOMENT, initial_mileage_km=1.5, mileage_km=12345.6)
MILEAGE_HEX = TIME + TIME + "00000015" + "00123456"
SIGNAL = "制动".encode("gbk").hex().ljust(20, "0")
UNIQUE = blocks.UniqueNumber(
    ccc_code="C000123", model="JT-R1", production_date="250314", production_serial=b"\0\0\0\x07", reserved=bytes(5)
)
UNIQUE_HEX = b"C000123".hex() + b"JT-R1".hex().ljust(32, "0") + "250314" + "00000007" + "0000000000"
VEHICLE = blocks.VehicleInformation(vin="LVBV3J0B1PE000001", plate="京A12345", plate_class="大型货车")
VEHICLE_HEX = (
    b"LVBV3J0B1PE000001".hex()
    + "京A12345".encode("gbk").hex().ljust(24, "0")
    + "大型货车".encode("gbk").hex().ljust(24, "0")
)

#: Command, data, what it means, bytes of one block (§9.3).
ANSWERS: list[tuple[int, str, blocks.RecorderBlock, int]] = [
    (0x00, "1200", blocks.StandardVersion(year="12", amendment=0), 2),
    (0x01, LICENCE.encode().hex(), blocks.CurrentDriver(licence=LICENCE), 18),
    (0x01, "00" * 18, blocks.CurrentDriver(licence=""), 18),
    (0x02, TIME, blocks.RecorderTime(time=MOMENT), 6),
    (0x03, MILEAGE_HEX, MILEAGE, 20),
    (0x04, TIME + "0258", blocks.PulseCoefficient(time=MOMENT, coefficient=600), 8),
    (0x05, VEHICLE_HEX, VEHICLE, 41),
    (0x06, TIME + "01" + SIGNAL * 8, blocks.StatusSignals(time=MOMENT, byte_count=1, names=("制动",) * 8), 87),
    (0x07, UNIQUE_HEX, UNIQUE, 35),
    (
        0x08,
        TIME + "3c90" * 60,
        blocks.SpeedRecords(records=(blocks.SpeedRecord(start=MOMENT, seconds=(STEP,) * 60),)),
        126,
    ),
    (
        0x09,
        TIME + (POSITION_HEX + "3c") * 60,
        blocks.PositionRecords(
            records=(
                blocks.PositionRecord(
                    start=MOMENT, minutes=(blocks.PositionStep(position=POSITION, speed_kmh=60),) * 60
                ),
            )
        ),
        666,
    ),
    (
        0x10,
        TIME + LICENCE.encode().hex() + "3c90" * 100 + POSITION_HEX,
        blocks.AccidentRecords(
            records=(blocks.AccidentRecord(end=MOMENT, licence=LICENCE, steps=(STEP,) * 100, position=POSITION),)
        ),
        234,
    ),
    (
        0x11,
        LICENCE.encode().hex() + TIME + TIME + POSITION_HEX + POSITION_HEX,
        blocks.OvertimeRecords(
            records=(
                blocks.OvertimeRecord(
                    licence=LICENCE, start=MOMENT, end=MOMENT, start_position=POSITION, end_position=POSITION
                ),
            )
        ),
        50,
    ),
    (
        0x12,
        (TIME + LICENCE.encode().hex() + "01") * 2,
        blocks.DriverRecords(records=(blocks.DriverRecord(time=MOMENT, licence=LICENCE, event=1),) * 2),
        25,
    ),
    (0x13, TIME + "02", blocks.PowerRecords(records=(blocks.PowerRecord(time=MOMENT, event=2),)), 7),
    (0x14, TIME + "c2", blocks.ParameterChanges(records=(blocks.ParameterChange(time=MOMENT, command=0xC2),)), 7),
    (
        0x15,
        "01" + TIME + TIME + "3c3b" * 60,
        blocks.SpeedLogs(
            records=(
                blocks.SpeedLog(
                    state=1,
                    start=MOMENT,
                    end=MOMENT,
                    seconds=(blocks.SpeedPair(recorder_kmh=60, reference_kmh=59),) * 60,
                ),
            )
        ),
        133,
    ),
    (
        0xE1,
        UNIQUE_HEX + "0258" + "0190" + "00001000",
        blocks.MileageError(unique_number=UNIQUE, coefficient=600, speed_kmh=40.0, mileage=4096),
        43,
    ),
    (
        0xE1,
        UNIQUE_HEX + "0258" + "0190" + "00001000" + "80",
        blocks.MileageError(unique_number=UNIQUE, coefficient=600, speed_kmh=40.0, mileage=4096, status=0x80),
        44,
    ),
    (0x82, "", blocks.EmptyBlock(), 0),
    (0xE0, "", blocks.EmptyBlock(), 0),
]


@pytest.mark.parametrize(("command", "data", "block", "size"), ANSWERS, ids=lambda value: str(value)[:12])
@pytest.mark.parametrize("edition", [OLD, NEW])
def test_blocks_of_answers(command: int, data: str, block: blocks.RecorderBlock, size: int, edition: Edition) -> None:
    """Every block of §9.3 and what E1H answers, value by value, as large as the table says."""
    body = f"0007{command:02x}" + framed("557a", f"{command:02x}", data)
    message, deviations = decode(0x0700, body, edition)
    assert message == RecorderUpload(
        answer_serial=7, command=command, packet=RecorderAnswer(command=command, block=block)
    )
    assert deviations == []
    assert len(data) // 2 % (size or 1) == 0
    assert len(data) // 2 in (size, 2 * size)


RANGE = blocks.RecordRange(start=MOMENT, end=MOMENT, block_count_max=3)
SHORT_VEHICLE = blocks.ShortVehicleInformation(vin="LVBV3J0B1PE000001", plate="京A12345", plate_class="大型货车")

SETTINGS: list[tuple[int, str, blocks.RecorderBlock]] = [
    (0x82, VEHICLE_HEX, VEHICLE),
    (0x82, VEHICLE_HEX[:-4], SHORT_VEHICLE),  # one library has a class of 10 bytes
    (0x83, TIME, blocks.RecorderTime(time=MOMENT)),
    (0x84, SIGNAL * 8, blocks.SignalNames(names=("制动",) * 8)),
    (0x84, SIGNAL * 16, blocks.SignalNames(names=("制动",) * 16)),  # a firmware accepts multiples
    (0x84, TIME + "01" + SIGNAL * 8, blocks.StatusSignals(time=MOMENT, byte_count=1, names=("制动",) * 8)),
    (0xC2, TIME, blocks.RecorderTime(time=MOMENT)),
    (0xC3, TIME + "0258", blocks.PulseCoefficient(time=MOMENT, coefficient=600)),
    (0xC4, MILEAGE_HEX, MILEAGE),
    (0xE0, "", blocks.EmptyBlock()),
    (0xE4, "", blocks.EmptyBlock()),
]


@pytest.mark.parametrize(("command", "data", "block"), SETTINGS, ids=lambda value: str(value)[:12])
@pytest.mark.parametrize("edition", ALL_EDITIONS)
def test_blocks_of_settings(command: int, data: str, block: blocks.RecorderBlock, edition: Edition) -> None:
    """Every block of §9.4, in the frame of 2013 and alone as 2011 and, by its letter, 2019 have it."""
    framed_body = f"{command:02x}" + framed("aa75", f"{command:02x}", data)
    expected = RecorderSet(command=command, packet=RecorderRequest(command=command, block=block))
    assert decode(0x8701, framed_body, edition) == (expected, [])
    deviations: list[str] = []
    bare = RecorderSet.decode(bytes.fromhex(f"{command:02x}{data}"), edition, deviations)
    if data:
        assert bare.packet == BareRequest(block=block)
        assert deviations == ([dev.RECORDER_BARE_BLOCK] if edition is OLD else [])


@pytest.mark.parametrize("command", [0x08, 0x09, 0x10, 0x11, 0x12, 0x13, 0x14, 0x15])
def test_requests_for_records(command: int) -> None:
    """14 bytes: from, to, and how many blocks at most; 14 is also two blocks of 7, and the direction decides."""
    body = f"{command:02x}" + framed("aa75", f"{command:02x}", TIME + TIME + "0003")
    message, deviations = decode(0x8700, body)
    assert message.packet.block == RANGE
    assert deviations == []


def test_every_command_of_the_tables_has_its_blocks() -> None:
    """§9.3 and §9.4 row by row; what is not there has no data."""
    assert list(blocks.ANSWER_BLOCKS) == [*range(0x0A), *range(0x10, 0x16), 0xE1]
    assert list(blocks.REQUEST_BLOCKS) == [0x08, 0x09, *range(0x10, 0x16), 0x82, 0x83, 0x84, 0xC2, 0xC3, 0xC4]
    named = [row.code for row in blocks.COMMANDS]
    assert named == [
        *range(0x0A),
        *range(0x10, 0x16),
        0x82,
        0x83,
        0x84,
        0xC2,
        0xC3,
        0xC4,
        *range(0xE0, 0xE5),
        0xFA,
        0xFB,
    ]
    tested = {command for command, *_ in ANSWERS}
    assert set(blocks.ANSWER_BLOCKS) <= tested
    assert {command for command, *_ in SETTINGS} >= set(blocks.REQUEST_BLOCKS) - set(range(0x08, 0x16))


# ------------------------------------------------------------------------------ values without


@pytest.mark.parametrize(
    ("wire", "longitude", "latitude", "altitude", "shown"),
    [
        ("ffffffff" + "ffffffff" + "ffff", None, None, None, [None, None, None]),
        (
            "7fffffff" + "7fffffff" + "7fff",
            WireNone(b"\x7f\xff\xff\xff"),
            WireNone(b"\x7f\xff\xff\xff"),
            WireNone(b"\x7f\xff"),
            ["raw:7fffffff", "raw:7fffffff", "raw:7fff"],
        ),
        ("0428c220" + "016d4ba0" + "ffff", 116.3, 39.9, -1, [116.3, 39.9, -1]),
        ("fbd73de0" + "fe92b460" + "fff6", -116.3, -39.9, -10, [-116.3, -39.9, -10]),
    ],
)
def test_positions_that_are_none(wire: str, longitude: Any, latitude: Any, altitude: Any, shown: list[Any]) -> None:
    """All FF is no value; firmware that writes 7FFFFFFF instead gets it back byte for byte (§9.3)."""
    record = LICENCE.encode().hex() + TIME + TIME + wire + wire
    message, deviations = decode(0x0700, "000711" + framed("557a", "11", record))
    position = message.packet.block.records[0].start_position
    assert (position.longitude, position.latitude, position.altitude_m) == (longitude, latitude, altitude)
    assert list(position.to_json().values()) == shown
    assert deviations == []


def test_missing_values_are_told() -> None:
    """The annotated view says so in words and keeps the odd bytes visible; a wrong width is refused."""
    spans: list[Any] = []
    record = LICENCE.encode().hex() + TIME + TIME + "7fffffff" * 2 + "7fff" + "ff" * 10
    body = bytes.fromhex("000711" + framed("557a", "11", record))
    RecorderUpload.decode(body, OLD, [], spans)
    rows = {span.path.rpartition("records[0].")[2]: (span.value, span.meaning) for span in spans}
    assert rows["start_position.longitude"] == ("raw:7fffffff", "无数据 no data")
    assert rows["end_position.longitude"] == ("-", "无数据 no data")
    with pytest.raises(EncodeError, match="is not 4 bytes"):
        blocks.RecorderPosition.from_json({"longitude": "raw:7fff", "latitude": None, "altitude_m": None})


def test_speeds_that_are_none() -> None:
    """FF is no speed."""
    message, _ = decode(0x0700, "000708" + framed("557a", "08", TIME + "ff00" * 60))
    assert message.packet.block.records[0].seconds[0].speed_kmh is None


def test_a_position_needs_its_height() -> None:
    """A height of None beside a position, or -1 m beside none, would be read as something else."""
    for wrong in (
        {"longitude": 1.0, "latitude": 1.0, "altitude_m": None},
        {"longitude": None, "latitude": None, "altitude_m": -1},
        {"longitude": 3579.139411666667, "latitude": 1.0, "altitude_m": 1},
    ):
        with pytest.raises(EncodeError):
            blocks.RecorderPosition.from_json(wrong).encode()


def test_a_mileage_that_is_no_number() -> None:
    """Nibbles above 9 are kept and noted."""
    message, deviations = decode(0x0700, "000703" + framed("557a", "03", TIME + TIME + "ffffffff" + "00000001"))
    assert message.packet.block.initial_mileage_km == WireNone(b"\xff" * 4)
    assert deviations == [dev.BCD_NOT_DIGITS]
    assert BcdNumber().from_json("1.5") == 1.5
    for wrong in (-1.0, 10_000_000.0):
        with pytest.raises(EncodeError, match="possible is 0 to 9999999"):
            blocks.RecorderMileage(time=MOMENT, installed=MOMENT, initial_mileage_km=wrong, mileage_km=0.0).encode()


# -------------------------------------------------------------------- what terminals do instead


@pytest.mark.parametrize(
    ("body", "form", "noted"),
    [
        ("000702" + framed("557a", "02", TIME), RecorderAnswer, []),
        ("000702" + TIME, BareAnswer, [dev.RECORDER_BARE_BLOCK]),
        ("000702" + framed("557a", "02", TIME)[:-2], UncheckedAnswer, [dev.RECORDER_NO_CHECK]),
        ("000702" + framed("557a", "02", TIME)[:-2] + "00", RecorderAnswer, [dev.RECORDER_WRONG_CHECK]),
        ("000702" + framed("aa75", "02", TIME), RecorderAnswer, [dev.RECORDER_WRONG_HEAD]),
        ("0007fa" + "557afa00d5", RecorderError, []),
        ("0007fb" + "557afb00d4", RecorderError, []),
        ("0007fb" + "557afb00d5", RecorderError, [dev.RECORDER_WRONG_CHECK]),
        ("000702" + "557a020009002503141509", UncheckedAnswer, [dev.RECORDER_OVERRUN, dev.RECORDER_BLOCK_UNDECODED]),
        ("000702" + framed("557a", "02", TIME) + "0000", RecorderAnswer, [dev.BODY_TRAILING_BYTES]),
        ("000702" + framed("557a", "02", TIME + "00"), RecorderAnswer, [dev.RECORDER_BLOCK_UNDECODED]),
        ("000713" + framed("557a", "13", TIME + "01" + "9999"), RecorderAnswer, [dev.RECORDER_REMAINDER]),
        ("000720" + framed("557a", "20", "0102"), RecorderAnswer, []),  # a block of the 2021 edition
    ],
)
def test_what_is_tolerated(body: str, form: type, noted: list[str]) -> None:
    """No wrapper, no XOR, a wrong one, errors, surplus and unknown blocks: read, noted, and given back exactly."""
    message, deviations = decode(0x0700, body)
    assert type(message.packet) is form
    assert deviations == noted


def test_remainders_and_unknown_blocks_are_kept() -> None:
    """What follows the last whole block is its `trailing`; unknown data is shown as bytes."""
    message, _ = decode(0x0700, "000713" + framed("557a", "13", TIME + "01" + "9999"))
    assert len(message.packet.block.records) == 1
    assert message.packet.block.trailing == b"\x99\x99"
    message, _ = decode(0x0700, "000720" + framed("557a", "20", "0102"))
    assert message.packet.block == blocks.UnknownBlock(data=b"\x01\x02")


def test_a_request_without_frame_and_without_anything() -> None:
    """0x8700 since 2013 may leave its frame empty; 2011 has none."""
    assert decode(0x8700, "02") == (RecorderCollect(command=2), [])
    assert RecorderCollect(command=2).encode(OLDEST) == b"\x02"
    message, deviations = decode(0x8700, "08" + TIME + TIME + "0003")
    assert message.packet == BareRequest(block=RANGE)
    assert deviations == [dev.RECORDER_BARE_BLOCK]
    message, deviations = decode(0x8700, "02" + "aa7502000000")
    assert message.packet == UncheckedRequest(command=2, length=0, block=blocks.EmptyBlock())
    assert deviations == [dev.RECORDER_NO_CHECK]


# ------------------------------------------------------------------------------------- editions


def test_the_upload_of_2011() -> None:
    """2011: command, total length, length in this package, data; the lengths tell it from 2013 (§9.1)."""
    body = "02" + "0006" + "0006" + TIME
    assert body_edition(0x0700, bytes.fromhex(body), OLD) is OLDEST
    message, deviations = decode(0x0700, body)
    assert (message.answer_serial, message.total_length, message.package_length) == (None, 6, 6)
    assert message.packet == BareAnswer(block=blocks.RecorderTime(time=MOMENT))
    assert deviations == []
    whole, _ = decode(0x0700, "02" + "000d" + "000d" + framed("557a", "02", TIME))
    assert whole.packet == RecorderAnswer(command=2, block=blocks.RecorderTime(time=MOMENT))


def test_a_part_of_the_upload_of_2011() -> None:
    """A package that is not all is kept as bytes, to be joined by whoever collects them."""
    message, deviations = decode(0x0700, "08" + "007e" + "0008" + TIME + "3c90")
    assert message.packet == PartOfAnswer(data=bytes.fromhex(TIME + "3c90"))
    assert deviations == []


@pytest.mark.parametrize(
    ("body", "header", "layout"),
    [
        ("000602" + framed("557a", "02", TIME), OLD, OLD),
        ("000602", OLD, OLD),
        ("02" + "0006" + "0006" + TIME, NEW, NEW),
        ("02" + "0006" + "0007" + TIME, OLD, OLD),
        ("02" + "0005" + "0006" + TIME, OLD, OLD),
    ],
)
def test_the_layout_of_the_upload(body: str, header: Edition, layout: Edition) -> None:
    """Only lengths that come out make it 2011."""
    assert body_edition(0x0700, bytes.fromhex(body), header) is layout


# ---------------------------------------------------------------------------------- making them


def test_length_and_check_are_computed_and_can_be_wrong_on_purpose() -> None:
    """Left out they are right; given, they go out as they are."""
    right = RecorderRequest(command=0x08, block=RANGE)
    assert (right.length, right.check) == (14, check_byte(right.encode()[:-1]))
    assert RecorderRequest.from_json({"command": "0x08", "block": RANGE.to_json()}) == right
    wrong = RecorderRequest(command=0x08, block=RANGE, length=3, check=0)
    assert wrong.encode()[3:5] == b"\x00\x03"
    assert wrong.encode()[-1] == 0
    assert RecorderRequest(command=0x08, block=RANGE, check=0).length == 14
    typed = RecorderCollect.from_json({"command": 8, "packet": {"command": 8, "block": RANGE.to_json()}})
    assert typed == RecorderCollect(command=8, packet=right)


@pytest.mark.parametrize(
    ("packet", "message"),
    [
        ({"form": "recorder_error", "command": 2}, "no error"),
        ({"command": 2, "length": 65536}, "int too big|too big"),
        ({"form": "nothing"}, "not one of"),
        ({"command": 2, "block": {"form": "nothing"}}, "not one of"),
    ],
)
def test_what_cannot_be_made(packet: dict[str, Any], message: str) -> None:
    """A wrong name or number is refused with its path."""
    with pytest.raises(EncodeError, match=message):
        RecorderUpload.from_json({"answer_serial": 1, "command": 2, "packet": packet})


@settings(max_examples=60, deadline=None)
@given(structures(RecorderUpload, OLD), st.data())
def test_a_damaged_frame_is_noted_or_kept(upload: RecorderUpload, data: st.DataObject) -> None:
    """A changed byte in the frame is never silent: it changes a value or the check says so; nothing is lost."""
    body = bytearray(upload.encode(OLD))
    at = data.draw(st.integers(3, len(body) - 1))
    body[at] ^= data.draw(st.integers(1, 255))
    deviations: list[str] = []
    try:
        found = RecorderUpload.decode(bytes(body), OLD, deviations)
    except BodyError:
        return
    assert found.encode(OLD) == bytes(body)
    assert found != upload or deviations
