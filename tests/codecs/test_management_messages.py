"""Log-out, attributes, upgrade, missing parts and server time; the rows of §11 and §13 about them (JT/T 808)."""

from datetime import UTC, datetime
from typing import Any

import pytest

from jtgate.codecs import deviations as dev
from jtgate.codecs.catalogue import CATALOGUE
from jtgate.codecs.edition import ALL_EDITIONS, Edition
from jtgate.codecs.errors import BodyError, EncodeError, Truncated
from jtgate.codecs.jt808 import (
    AttributesAnswer,
    Authenticate,
    Heartbeat,
    MediaUploadAnswer,
    PlatformPartsRequest,
    PushUpgrade,
    QueryAttributes,
    QueryDriverIdentity,
    RegisterAnswer,
    TerminalPartsRequest,
    TimeAnswer,
    Unregister,
    UnregisterAsPrinted,
    UpgradeResult,
    unregister,
)
from jtgate.codecs.jt808.attributes import COMMUNICATION_MODULES, GNSS_MODULES, TERMINAL_TYPES, WIDTHS
from jtgate.codecs.jt808.upgrade import UPGRADE_RESULTS, UPGRADE_TYPES
from jtgate.codecs.profile import AUTO, Profile, profile_from
from jtgate.codecs.registry import body_edition, decode_body, encode_body

OLD, NEW = Edition.V2013, Edition.V2019
ICCID = bytes.fromhex("89860324947560032900")


def decode(msg_id: int, body: bytes, edition: Edition = OLD, profile: Profile = AUTO) -> tuple[Any, list[str]]:
    """The message and the deviations; it goes out as it came."""
    deviations: list[str] = []
    message = decode_body(msg_id, body, edition, deviations, profile=profile)
    assert encode_body(message, body_edition(msg_id, body, edition, profile), profile) == body
    return message, deviations


def attributes(maker: int, model: int, terminal_id: int, tail: bytes = b"\x02H1\x02F1\x03\x20") -> bytes:
    """A body of 0x0107 with given widths."""
    texts = b"70111".ljust(maker, b"\0") + b"CK100C".ljust(model, b"\0") + b"0000493".ljust(terminal_id, b"\0")
    return b"\x00\x02" + texts + ICCID + tail


EXPECTED = {
    "terminal_type": 2,
    "manufacturer": "70111",
    "model": "CK100C",
    "terminal_id": "0000493",
    "iccid": "89860324947560032900",
    "hardware_version": "H1",
    "firmware_version": "F1",
    "gnss_modules": 3,
    "communication_modules": 0x20,
}

# ---------------------------------------------------------------------------------- log-out


def test_row_25_of_section_13_logout_under_either_id() -> None:
    """§13 item 25: 0x0003 and the 0x0101 of the 2011 annex are both read; 0x0003 is sent unless the profile says."""
    for msg_id in (0x0003, 0x0101):
        message, deviations = decode(msg_id, b"")
        assert isinstance(message, Unregister)
        assert not deviations
    assert type(unregister()) is Unregister
    annex = unregister(profile_from("annex", {"logout_id": 0x0101}))
    assert type(annex) is UnregisterAsPrinted
    assert (annex.INFO.msg_id, annex.encode()) == (0x0101, b"")


def test_row_26_of_section_13_other_slips_of_the_2011_annex() -> None:
    """§13 item 26: the ids are those of the body chapters, whatever the annex prints."""
    assert CATALOGUE[0x0802].term == "存储多媒体数据检索应答"
    assert CATALOGUE[0x8302].term == "提问下发"
    assert CATALOGUE[0x8701].term == "行驶记录参数下传命令"
    assert 0x0803 not in CATALOGUE
    assert 0x8101 not in CATALOGUE
    assert CATALOGUE[0x8105].term == "终端控制"


def test_row_27_of_section_11_logout_right_after_registration() -> None:
    """§11 item 27: the log-out is a message like any other, answered with 0x8001."""
    assert CATALOGUE[0x0003].answer == CATALOGUE[0x0101].answer == 0x8001
    assert decode(0x0003, b"", NEW) == (Unregister(), [])


# --------------------------------------------------------------------- codes and heartbeats


def test_row_20_of_section_11_the_code_and_the_serial_of_the_answer() -> None:
    """§11 item 20: the serial is quoted, the code is what it is, without length or terminator."""
    for edition in ALL_EDITIONS:
        body = RegisterAnswer(answer_serial=0x1234, result=0, auth_code="0123456789abcdef0123").encode(edition)
        assert body == b"\x12\x34\x00" + b"0123456789abcdef0123"


def test_row_22_of_section_11_and_4_of_section_13_authentication() -> None:
    """§13 item 4, §11 item 22: fields follow each other; a 2013 body, no tail and a short IMEI are read too."""
    whole = Authenticate(auth_code="AB", imei="123456789012345", software_version="V1")
    assert whole.encode(NEW) == b"\x02AB" + b"123456789012345" + b"V1".ljust(20, b"\0")
    assert decode(0x0102, b"CODE", NEW)[1] == [dev.BODY_OLD_LAYOUT]
    assert decode(0x0102, b"\x02AB", NEW)[0].imei is None
    short, deviations = decode(0x0102, b"\x02AB1234567890", NEW)
    assert (short.auth_code, short.imei) == ("AB", "1234567890")
    assert dev.AUTHENTICATE_SHORT_TAIL in deviations


@pytest.mark.parametrize("block", [bytes.fromhex("641f01"), bytes(range(17))])
@pytest.mark.parametrize("edition", ALL_EDITIONS)
def test_row_55_of_section_11_heartbeat_with_a_body(block: bytes, edition: Edition) -> None:
    """§11 item 55: battery, signal and status, or a block of a vendor, are kept and noted."""
    assert decode(0x0002, block, edition) == (Heartbeat(trailing=block), [dev.BODY_TRAILING_BYTES])


# --------------------------------------------------------------------------------- 0x0107


@pytest.mark.parametrize("edition", ALL_EDITIONS)
@pytest.mark.parametrize("widths", WIDTHS, ids=str)
def test_row_2_of_section_13_widths_of_the_attributes_are_searched(widths: Any, edition: Edition) -> None:
    """§13 item 2, §11 item 25: whichever widths add up are read, and kept for writing."""
    message, deviations = decode(0x0107, attributes(*widths), edition)
    usual = widths == ((5, 30, 30) if edition is NEW else (5, 20, 7))
    assert {name: getattr(message, name) for name in EXPECTED} == EXPECTED
    assert message.widths == (None if usual else str(widths))
    assert deviations == ([] if usual else [dev.ATTRIBUTES_OTHER_WIDTHS])


def test_row_25_of_section_11_attributes_we_send() -> None:
    """§13 item 2, §11 item 25: 5, 20 and 7 bytes in 2013; 5, 30 and 30 in 2019, 11 where the profile wants it."""
    message = AttributesAnswer(**EXPECTED)  # type: ignore[arg-type]
    wide = profile_from("wide", {"manufacturer_bytes": 11})
    assert message.encode(OLD) == attributes(5, 20, 7)
    assert message.encode(NEW) == attributes(5, 30, 30)
    assert message.encode(NEW, wide) == attributes(11, 30, 30)
    assert message.encode(OLD, wide) == attributes(5, 20, 7)
    assert decode(0x0107, attributes(11, 30, 30), NEW, wide) == (message, [])


def test_attributes_under_a_profile_have_its_width_only() -> None:
    """A maker's id of 11 bytes excludes the candidates of 5, even when those would add up."""
    wide = profile_from("wide", {"manufacturer_bytes": 11})
    narrow = profile_from("narrow", {"manufacturer_bytes": 5})
    assert decode(0x0107, attributes(11, 20, 7), NEW, wide)[0].widths == "11+20+7"
    assert decode(0x0107, attributes(5, 20, 7), NEW, narrow)[0].widths == "5+20+7"
    with pytest.raises(BodyError):
        decode(0x0107, attributes(5, 20, 7), NEW, wide)


def test_row_26_of_section_11_attributes_without_a_query() -> None:
    """§11 item 26: nothing in the message refers to a query, so it is read whenever it comes."""
    assert CATALOGUE[0x0107].answer is None
    assert not any("serial" in spec.name for spec in AttributesAnswer.SPECS)
    assert decode(0x0107, attributes(5, 20, 7))[1] == []


def test_attributes_that_do_not_add_up() -> None:
    """With the widths of the edition: what is missing is an error, what is left over is kept."""
    with pytest.raises(Truncated) as caught:
        decode(0x0107, attributes(5, 30, 30)[:60], NEW)
    assert (caught.value.field, caught.value.offset) == ("terminal_id", 37)
    message, deviations = decode(0x0107, attributes(5, 30, 30) + b"\0", NEW)
    assert (message.trailing, deviations) == (b"\0", [dev.BODY_TRAILING_BYTES])


def test_attributes_with_hex_in_the_iccid_and_unknown_widths() -> None:
    """Letters in the ICCID are hex digits; widths nobody has are refused."""
    letters = attributes(5, 20, 7).replace(ICCID, bytes.fromhex("8986032494756003290a"))
    message, deviations = decode(0x0107, letters)
    assert (message.iccid, deviations) == ("8986032494756003290A", [dev.BCD_NOT_DIGITS])
    with pytest.raises(EncodeError, match="one of"):
        AttributesAnswer(**EXPECTED, widths="6+30+30").encode(NEW)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="one of"):
        AttributesAnswer.from_json({**EXPECTED, "widths": "6+30+30"})
    assert AttributesAnswer.from_json({**EXPECTED, "widths": "11+30+30"}).encode(NEW) == attributes(11, 30, 30)


def test_widths_say_what_they_are() -> None:
    """Type and possible values for the page of the message; the shortest body of all widths."""
    widths = AttributesAnswer.SPECS[1]
    assert (widths.kind.wire_type(NEW), widths.kind.min_bytes(NEW)) == ("no bytes; the widths found", 0)
    assert widths.possible(NEW) == "5+30+30, 11+30+30, 5+20+30, 5+20+7, 11+20+7"
    assert AttributesAnswer.min_bytes(NEW) == AttributesAnswer.min_bytes(OLD) == len(attributes(5, 20, 7, b"\0\0\0\0"))


def test_tables_of_the_attributes() -> None:
    """Bits 0–3, 6–8 of the type, 0–3 of GNSS, 0–5 and 7 of communication."""
    assert [row.no for row in TERMINAL_TYPES] == [0, 1, 2, 3, 6, 7, 8]
    assert [row.no for row in GNSS_MODULES] == [0, 1, 2, 3]
    assert [row.no for row in COMMUNICATION_MODULES] == [0, 1, 2, 3, 4, 5, 7]
    assert "一体机" in TERMINAL_TYPES.meaning(2)
    assert "分体机" in TERMINAL_TYPES.meaning(0x80)
    assert "挂车" in TERMINAL_TYPES.meaning(0x100, NEW)
    assert "reserved" in TERMINAL_TYPES.meaning(0x100, OLD)


# ------------------------------------------------------------------------- 0x8108 and 0x0108


def test_row_3_of_section_13_upgrade_with_a_makers_id_of_5_or_11() -> None:
    """§13 item 3: 5 bytes in every edition; 11 in 2019 where the profile says so."""
    message = PushUpgrade(upgrade_type=52, manufacturer="70111", version="V2", data=b"\x01\x02\x03")
    tail = b"\x02V2" + b"\0\0\0\x03" + b"\x01\x02\x03"
    for edition in ALL_EDITIONS:
        assert message.encode(edition) == b"\x34" + b"70111" + tail
        assert decode(0x8108, b"\x34" + b"70111" + tail, edition) == (message, [])
    wide = profile_from("wide", {"manufacturer_bytes": 11})
    eleven = b"\x34" + b"70111".ljust(11, b"\0") + tail
    assert message.encode(NEW, wide) == eleven
    assert decode(0x8108, eleven, NEW, wide) == (message, [])
    assert message.encode(OLD, wide) == b"\x34" + b"70111" + tail


def test_upgrade_whose_data_is_cut() -> None:
    """The length before the data is believed."""
    with pytest.raises(Truncated) as caught:
        decode(0x8108, b"\0" + b"70111" + b"\0" + b"\0\0\0\x05" + b"1234")
    assert caught.value.field == "data"


def test_types_and_results_of_upgrades() -> None:
    """Those of the standard, and those of active safety §3.1."""
    assert [row.code for row in UPGRADE_TYPES] == [0, 12, 52, 0x64, 0x65, 0x66, 0x67]
    assert [row.code for row in UPGRADE_RESULTS] == [0, 1, 2, 0x10, 0x11, 0x12, 0x13]
    assert decode(0x0108, b"\x65\x13") == (UpgradeResult(upgrade_type=0x65, result=0x13), [])


@pytest.mark.parametrize(("msg_id", "cls"), [(0x8107, QueryAttributes), (0x8702, QueryDriverIdentity)])
@pytest.mark.parametrize("edition", ALL_EDITIONS)
def test_queries_without_a_body(msg_id: int, cls: Any, edition: Edition) -> None:
    """Nothing is sent; what is there all the same is kept."""
    assert decode(msg_id, b"", edition) == (cls(), [])
    assert decode(msg_id, b"\1", edition) == (cls(trailing=b"\1"), [dev.BODY_TRAILING_BYTES])


# ----------------------------------------------------------------- missing parts, server time

NARROW = bytes.fromhex("0010 02 0002 0005")
WIDE = bytes.fromhex("0010 0002 0002 0005")


@pytest.mark.parametrize(("msg_id", "cls"), [(0x8003, PlatformPartsRequest), (0x0005, TerminalPartsRequest)])
def test_row_5_of_section_13_and_48_of_section_11_count_of_missing_parts(msg_id: int, cls: Any) -> None:
    """§13 item 5, §11 item 48: sent as the edition has it or as the profile says; both are read by their length."""
    message = cls(first_serial=0x10, part_numbers=(2, 5))
    assert (message.encode(OLD), message.encode(NEW)) == (NARROW, WIDE)
    byte, word = (profile_from(width, {"parts_count": width}) for width in ("byte", "word"))
    assert message.encode(NEW, byte) == NARROW
    assert message.encode(OLD, word) == WIDE
    for body in (NARROW, WIDE):
        for header in (OLD, NEW):
            assert decode(msg_id, body, header)[0] == message
    # A count that does not fit its list is read as the profile says, and the list as far as it goes.
    for header in (OLD, NEW):
        assert decode(msg_id, NARROW, header, byte)[0] == message
        assert decode(msg_id, WIDE, header, word)[0] == message
    assert decode(msg_id, NARROW + b"\0", NEW, byte)[0].part_numbers == (2, 5)


def test_row_24_of_section_13_zone_of_the_server_time() -> None:
    """§13 item 24: UTC by the text, GMT+8 for a terminal whose profile says so."""
    moment = datetime(2017, 3, 15, 17, 9, 23, tzinfo=UTC)
    local = profile_from("local", {"time_answer": "local"})
    utc, gmt8 = bytes.fromhex("170315170923"), bytes.fromhex("170316010923")
    assert TimeAnswer(time=moment).encode(NEW) == utc
    assert TimeAnswer(time=moment).encode(NEW, local) == gmt8
    assert decode(0x8004, utc, NEW) == (TimeAnswer(time=moment), [])
    assert decode(0x8004, gmt8, NEW, local) == (TimeAnswer(time=moment), [])


def test_row_19_of_section_13_and_46_of_section_11_everything_arrived() -> None:
    """§13 item 19, §11 item 46: the media id alone, no serial; a count of 0 is read, and sent if the profile says."""
    complete = MediaUploadAnswer(media_id=7)
    zero = profile_from("zero", {"upload_answer_complete": "zero"})
    for edition in (OLD, NEW):
        assert complete.encode(edition) == b"\0\0\0\7"
        assert complete.encode(edition, zero) == b"\0\0\0\7\0"
        assert decode(0x8800, b"\0\0\0\7", edition) == (complete, [])
        message, deviations = decode(0x8800, b"\0\0\0\7\0", edition)
        assert (message.count, message.part_numbers, deviations) == (0, (), [])
    missing = MediaUploadAnswer(media_id=7, part_numbers=(2,))
    assert missing.encode(OLD) == missing.encode(OLD, zero) == b"\0\0\0\7\1\0\2"
