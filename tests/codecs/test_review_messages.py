"""Messages at their borders: gaps in the middle, surplus, limits, bodies that look like those of another edition."""

from datetime import UTC, date, datetime

import pytest

from jtgate.codecs import deviations as dev
from jtgate.codecs.declare import MESSAGES, Message
from jtgate.codecs.edition import ALL_EDITIONS, Edition
from jtgate.codecs.errors import EncodeError, Truncated
from jtgate.codecs.examples import example
from jtgate.codecs.jsatl12.peripherals import PeripheralInformation
from jtgate.codecs.jt808 import (
    Authenticate,
    Contact,
    DriverIdentity,
    MediaUpload,
    MediaUploadAnswer,
    Parameter,
    ParametersAnswer,
    SetPhoneBook,
    SetRoute,
    TerminalControl,
    TerminalGeneralAnswer,
    TextMessage,
    UplinkTransparent,
)
from jtgate.codecs.registry import body_edition, decode_body
from jtgate.codecs.tables import Bit, Bits
from jtgate.codecs.wire import Span

OLD, NEW = Edition.V2013, Edition.V2019
MOMENT = datetime(2026, 3, 14, 7, 26, 37, tzinfo=UTC)
TIME = "260314152637"
#: A driver's card in 2013, with name, certificate, issuer and expiry.
CARD = bytes.fromhex("01" + TIME + "00" + "02d5c5" + "31" * 20 + "00" + "20301231")


def decode(msg_id: int, body: bytes, header: Edition = OLD) -> tuple[Message, list[str]]:
    """The message and its deviations."""
    deviations: list[str] = []
    message = decode_body(msg_id, body, header, deviations)
    assert isinstance(message, Message)
    assert message.encode(body_edition(msg_id, body, header)) == body
    return message, deviations


# ------------------------------------------------------------------- what is missing in the middle


@pytest.mark.parametrize(
    ("message", "complaint"),
    [
        (Authenticate(auth_code="A", software_version="V1"), "software_version is only sent if bytes are left, behind"),
        (DriverIdentity(status=1, time=MOMENT, id_number="1"), "id_number is only sent if bytes are left, behind"),
        (DriverIdentity(status=1, time=MOMENT, driver_name="张"), "driver_name is only sent if bytes are left, behind"),
        (DriverIdentity(status=1, time=MOMENT, read_result=0, face_match=9), "face_match is only sent if 21 bytes"),
        (DriverIdentity(status=1, time=MOMENT, read_result=0, uid="1"), "uid is only sent together with face_match"),
    ],
)
def test_a_field_is_not_sent_without_the_one_before(message: Message, complaint: str) -> None:
    """Nothing could be read back from such bytes: each field would be taken for the one that is missing."""
    with pytest.raises(EncodeError, match=complaint):
        message.encode(NEW)


def test_a_list_behind_the_order_to_delete_all_has_both_counts_of_2011() -> None:
    """It should not be there, but when it is, it can be read."""
    book = SetPhoneBook(action=0, contacts=(Contact(direction=1, phone="1", name="2"),))
    body = book.encode(Edition.V2011)
    assert body.hex() == "000101" + "010131" + "0132"
    deviations: list[str] = []
    assert SetPhoneBook.decode(body, Edition.V2011, deviations).contacts == book.contacts
    assert deviations == [dev.LIST_AFTER_DELETE_ALL]


# --------------------------------------------------------------------------------- 0x0702 by edition


@pytest.mark.parametrize(
    ("rest", "header", "layout", "deviations"),
    [
        ("", OLD, OLD, []),
        ("", NEW, OLD, [dev.BODY_OLD_LAYOUT]),
        ("32" * 20, OLD, NEW, [dev.BODY_NEW_LAYOUT]),
        ("32" * 20, NEW, NEW, []),
        ("32" * 20 + "63" + "33" * 20, OLD, NEW, [dev.BODY_NEW_LAYOUT]),
        ("32" * 20 + "63" + "33" * 20, NEW, NEW, []),
        ("0000", OLD, OLD, [dev.BODY_TRAILING_BYTES]),
        ("32" * 20 + "0000", NEW, NEW, [dev.BODY_TRAILING_BYTES]),
    ],
)
def test_bytes_behind_the_expiry_date_tell_2013_from_2019(
    rest: str, header: Edition, layout: Edition, deviations: list[str]
) -> None:
    """None is 2013, 20 are an id number and 41 that and the tail of a draft; a few more cost nothing (§2.4)."""
    body = CARD + bytes.fromhex(rest)
    assert body_edition(0x0702, body, header) is layout
    message, found = decode(0x0702, body, header)
    assert isinstance(message, DriverIdentity)
    assert found == deviations
    assert (message.expiry, message.id_number) == (date(2030, 12, 31), "2" * 20 if "32" in rest else None)
    assert (message.face_match, message.uid) == ((99, "3" * 20) if "63" in rest else (None, None))


def test_an_id_number_is_for_2019() -> None:
    """2013 has none."""
    card = DriverIdentity.decode(CARD + b"2" * 20, NEW)
    with pytest.raises(EncodeError, match="id_number does not exist in edition 2013"):
        card.encode(OLD)


# ---------------------------------------------------------------- bodies that look like another's


@pytest.mark.parametrize(("content", "layout"), [("2424000100020102", OLD), ("0000000400020102", Edition.V2011)])
def test_lengths_of_transparent_data_have_to_make_sense(content: str, layout: Edition) -> None:
    """A vendor's own head and length, as 2013 may have them, are no total of half a gigabyte of 2011."""
    message, _ = decode(0x0900, bytes.fromhex("f1" + content))
    assert isinstance(message, UplinkTransparent)
    assert message.data.hex() == (content if layout is OLD else "0102")
    assert body_edition(0x0900, bytes.fromhex("f1" + content), OLD) is layout


def test_a_picture_of_a_terminal_without_time_keeps_its_location() -> None:
    """Alarm flags and status before the first fix look like "package 1 of 32" of 2011, but a picture begins behind."""
    location = "00000020" + "00000001" + "00" * 20
    body = bytes.fromhex("00000007" + "00000101" + location + "ffd8ffe00102ffd9")
    message, deviations = decode(0x0801, body)
    assert isinstance(message, MediaUpload)
    assert message.location is not None
    assert (message.location.alarm_flags, message.data[:2].hex()) == (0x20, "ffd8")
    assert deviations == [dev.TIME_NOT_A_DATE]
    part = bytes.fromhex("00000007" + "00000101" + "00000020" + "00000001" + "ffd8ffe0" + "5a" * 40)
    assert body_edition(0x0801, part, OLD) is Edition.V2011


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("000700000235010011", MediaUploadAnswer(answer_serial=7, media_id=0x235, count=1, part_numbers=(17,))),
        ("000000070200010011", MediaUploadAnswer(media_id=7, count=2, part_numbers=(1, 17))),
    ],
)
def test_missing_parts_of_2013_rise(body: str, expected: MediaUploadAnswer) -> None:
    """Where both layouts fit, numbers that do not rise are a media id and a count of 2011."""
    assert decode(0x8800, bytes.fromhex(body)) == (expected, [])


def test_an_answer_without_parameters_of_2011() -> None:
    """Two counts of 0."""
    assert decode(0x0104, bytes.fromhex("00070000")) == (
        ParametersAnswer(answer_serial=7, count=0, package_count=0, parameters=()),
        [],
    )


@pytest.mark.parametrize(
    ("body", "connect_control", "time_limit_min"), [("023100", 1, None), ("02303b3b3b3b3b3b3b3b3500", 0, 5)]
)
def test_the_zero_behind_a_number_is_not_of_it(body: str, connect_control: int, time_limit_min: int | None) -> None:
    """2011 terminates STRING with a zero: "5" and that are no binary 13568 minutes."""
    message, deviations = decode(0x8105, bytes.fromhex(body))
    assert isinstance(message, TerminalControl)
    assert message.connection is not None
    assert (message.connection.connect_control, message.connection.time_limit_min) == (connect_control, time_limit_min)
    assert (message.trailing, deviations) == (b"\x00", [dev.BODY_TRAILING_BYTES])


# ------------------------------------------------------------------------------------------- limits


def test_limits_of_texts_and_lists() -> None:
    """What is over the limit is read and noted; texts over it are not made."""
    with pytest.raises(EncodeError, match="1025 bytes in GBK, 1024 is the limit"):
        TextMessage(text="a" * 1025).encode()
    assert decode(0x8300, b"\x08" + b"a" * 1025)[1] == [dev.TEXT_TOO_LONG]
    assert decode(0x8300, b"\x08" + b"a" * 1024)[1] == []
    found: list[str] = []
    texts = PeripheralInformation.decode(bytes([33]) + b"a" * 33 + bytes(5), deviations=found)
    assert (texts.company, found) == ("a" * 33, [dev.TEXT_TOO_LONG])
    with pytest.raises(EncodeError, match="33 bytes in GBK, 32 is the limit"):
        PeripheralInformation(
            company="a" * 33, model="", hardware_version="", software_version="", device_id="", customer_code=""
        ).encode()
    many = b"".join(number.to_bytes(2) for number in range(1, 127))
    assert decode(0x8800, bytes(4) + b"\x7e" + many)[1] == [dev.VALUE_OUT_OF_RANGE]


# ------------------------------------------------------------------------------------- what is shown


def rows_of(msg_id: int, body: bytes, edition: Edition) -> list[Span]:
    """The rows of the annotated view."""
    spans: list[Span] = []
    decode_body(msg_id, body, edition, [], spans)
    return spans


@pytest.mark.parametrize("cls", MESSAGES.values())
def test_every_row_names_its_clause(cls: type[Message]) -> None:
    """Lengths and ids too."""
    for edition in ALL_EDITIONS:
        made = example(cls, edition)
        assert isinstance(made, Message)
        rows = rows_of(cls.INFO.msg_id, made.encode(edition), edition)
        assert [row.path for row in rows if not row.clause] == []


def test_a_terminal_handles_no_alarms() -> None:
    """Result 4 is the platform's (§3.2)."""
    assert [row.meaning for row in rows_of(0x0001, bytes.fromhex("0001020004"), OLD)][-1] == ""
    assert [row.meaning for row in rows_of(0x8001, bytes.fromhex("0001020004"), OLD)][-1] != ""
    assert TerminalGeneralAnswer(answer_serial=1, answer_id=0x0200, result=4).encode().hex() == "0001020004"


def test_parameters_are_shown_without_their_unit_in_the_name() -> None:
    """The unit stands beside the value."""
    body = b"\x01" + bytes.fromhex("0000000104") + (60).to_bytes(4)
    row = rows_of(0x8103, body, OLD)[-1]
    assert (row.name, row.value, row.unit, row.clause) == ("heartbeat interval", "60", "s", "§6")
    assert Parameter.names(0x0080)[2] == "odometer"


def test_a_word_that_is_the_same_in_both_languages_stands_once() -> None:
    """As with codes."""
    bits = Bits(Bit(0, "GPS", "GPS"), Bit(1, "CAN2", "CAN2", "CAN1", "CAN1"), clear_shown=(1,))
    assert bits.meaning(1) == "GPS; CAN1"
    assert bits.value(["GPS", "CAN2"]) == 3


# ------------------------------------------------------------------------------------------ long lists


def test_the_hemisphere_of_a_point_stands_behind_it() -> None:
    """It is read before its place is reached, whatever follows, and a cut point is only cut."""
    point = "00000001" + "00000002" + f"{39_900_000:08x}" + f"{116_300_000:08x}" + "1e"
    body = bytes.fromhex("00000001" + "0000" + "0002" + point + "0c" + point + "00")
    message, _ = decode(0x8606, body)
    assert isinstance(message, SetRoute)
    assert [(one.latitude, one.longitude) for one in message.points] == [(-39.9, -116.3), (39.9, 116.3)]
    for end in range(8, len(body)):
        with pytest.raises(Truncated):
            SetRoute.decode(body[:end])
