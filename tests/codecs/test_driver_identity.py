"""Driver identity: the face library and its comparisons (active-safety §5.4, §8)."""

from typing import Any

import pytest

from jtgate.codecs import deviations as dev
from jtgate.codecs.catalogue import DRIVER_IDENTITY, message_name
from jtgate.codecs.edition import ALL_EDITIONS, Edition
from jtgate.codecs.errors import BodyError
from jtgate.codecs.jsatl12.identity import (
    COMPARISON_KINDS,
    COMPARISON_RESULTS,
    DOWNLOAD_RESULTS,
    LIBRARY_SETTINGS,
    PICTURE_FORMATS,
    PICTURE_PROTOCOLS,
    PICTURE_SOURCES,
    FaceDownloadAnswer,
    FaceEntry,
    FaceId,
    FaceLibraryDownload,
    FaceLibraryQuery,
    FaceLibraryQueryAnswer,
    FaceLibraryQueryAnswerHn,
    FaceLibraryQueryHn,
    FaceLibrarySynchronise,
    IdentityComparison,
    IdentityComparisonAnswer,
)
from jtgate.codecs.jt808 import LocationBase
from jtgate.codecs.profile import AUTO, Profile
from jtgate.codecs.registry import decode_body, message_class
from jtgate.codecs.wire import Span

V = Edition.V2013
BASE = bytes.fromhex("00000000000000030260d36106ee98e100320064000a250314151000")
FACE = b"130102_250314151000_1"

#: Match, threshold 80 %, similarity 54.32 %, ignition.
HEAD = bytes.fromhex("00 50 1538 02") + bytes([len(FACE)]) + FACE


@pytest.mark.parametrize("edition", ALL_EDITIONS)
def test_a_comparison_with_its_picture(edition: Edition) -> None:
    """0x0E10: the layout of the table, the 28 bytes of a location within, the picture to the end."""
    body = HEAD + BASE + b"\x00\xff\xd8picture\xff\xd9"
    spans: list[Span] = []
    message = IdentityComparison.decode(body, edition, [], spans)
    assert (message.result, message.threshold_percent, message.similarity_percent) == (0, 80, 54.32)
    assert (message.comparison_kind, message.face_id) == (2, FACE.decode())
    assert message.location == LocationBase.decode(BASE)
    assert (message.picture_format, message.picture) == (0, b"\xff\xd8picture\xff\xd9")
    assert message.encode(edition) == body
    assert IdentityComparison.from_json(message.to_json()).encode(edition) == body
    rows = {span.path: span for span in spans}
    assert rows["location.latitude"].offset == 6 + len(FACE) + 8
    assert rows["picture_format"].offset == 34 + len(FACE)
    assert rows["comparison_kind"].meaning == "点火比对 ignition"


@pytest.mark.parametrize(("end", "picture_format", "picture"), [(b"", None, None), (b"\x00", 0, b"")])
def test_a_comparison_without_a_picture(end: bytes, picture_format: int | None, picture: bytes | None) -> None:
    """§5.4: the picture is there when the result is 0 or 1; else the body ends before or after its format."""
    body = b"\x02" + HEAD[1:] + BASE + end
    deviations: list[str] = []
    message = IdentityComparison.decode(body, V, deviations)
    assert (message.picture_format, message.picture) == (picture_format, picture)
    assert message.encode() == body
    assert deviations == []


def test_shares_above_a_hundred_are_noted() -> None:
    """Similarity and threshold are per cent."""
    deviations: list[str] = []
    IdentityComparison.decode(bytes.fromhex("00 65 2711 00 00") + BASE, V, deviations)
    assert deviations == [dev.VALUE_OUT_OF_RANGE]


@pytest.mark.parametrize(
    ("count", "numbers", "word", "byte"),
    [(0, (), "00070000", "000700"), (2, (1, 300), "000700020001012c", "0007020001012c")],
)
def test_count_of_missing_parts_is_a_word_or_a_byte(count: int, numbers: tuple[int, ...], word: str, byte: str) -> None:
    """§8 item 19: WORD by default, BYTE for models whose profile says so; zero when every part has come."""
    for profile, body in ((AUTO, word), (Profile(comparison_count="byte"), byte)):
        message = IdentityComparisonAnswer(first_serial=7, part_numbers=numbers)
        assert message.encode(V, profile).hex() == body
        assert message.count == count
        assert IdentityComparisonAnswer.decode(bytes.fromhex(body), V, profile=profile) == message
    with pytest.raises(BodyError):
        IdentityComparisonAnswer.decode(bytes.fromhex("000700"))


LIBRARY = "0002" + "026631" + "03313233" + "01" + "0b687474703a2f2f612f622e" + "00" + "0000000001"


@pytest.mark.parametrize("cls", [FaceLibraryDownload, FaceLibrarySynchronise])
def test_library_download(cls: type[FaceLibraryDownload | FaceLibrarySynchronise]) -> None:
    """0x8E11, and 0x8E21 of 湘标 that replaces it: setting, count, entries."""
    message = cls.decode(bytes.fromhex(LIBRARY))
    assert message.entries == (
        FaceEntry(face_id="f1", certificate="123", address_protocol=1, address="http://a/b.", picture_source=0),
        FaceEntry(face_id="", certificate="", address_protocol=0, address="", picture_source=1),
    )
    assert message.encode().hex() == LIBRARY
    assert cls(setting=1).encode().hex() == "0100"


def test_answer_of_a_download() -> None:
    """0x0E11: one for each picture, with its index among all."""
    body = bytes.fromhex("0101 00 05 02 02 6631")
    message = FaceDownloadAnswer.decode(body)
    assert message.to_json() == {"answer_serial": 0x0101, "result": 0, "total": 5, "index": 2, "face_id": "f1"}
    assert message.encode() == body


@pytest.mark.parametrize(
    ("query", "answer"),
    [(FaceLibraryQuery, FaceLibraryQueryAnswer), (FaceLibraryQueryHn, FaceLibraryQueryAnswerHn)],
)
def test_library_query(query: Any, answer: Any) -> None:
    """0x8E12 and 0x8E22 are empty; 0x0E12 and 0x0E22 list the faces."""
    assert query().encode() == b""
    message = answer(faces=(FaceId(face_id="f1"), FaceId(face_id="")))
    assert message.encode().hex() == "0202663100"
    assert answer.decode(message.encode()) == message
    assert message_name(query.INFO.msg_id).answer == answer.INFO.msg_id


@pytest.mark.parametrize(
    ("table", "codes"),
    [
        (COMPARISON_RESULTS, range(7)),
        (COMPARISON_KINDS, range(5)),
        (LIBRARY_SETTINGS, range(4)),
        (PICTURE_PROTOCOLS, range(2)),
        (PICTURE_SOURCES, range(2)),
        (PICTURE_FORMATS, range(1)),
        (DOWNLOAD_RESULTS, range(2)),
    ],
)
def test_codes_of_a_table(table: Any, codes: Any) -> None:
    """The table has the rows of the document, in its order."""
    assert [row.code for row in table] == list(codes)


def test_the_family_is_that_of_jilin() -> None:
    """§8 item 22: often called 粤标, which has no such messages."""
    ids = (0x0E10, 0x0E11, 0x0E12, 0x0E22, 0x8E10, 0x8E11, 0x8E12, 0x8E21, 0x8E22)
    assert {message_name(msg_id).standard for msg_id in ids} == {DRIVER_IDENTITY}
    assert None not in {message_class(msg_id) for msg_id in ids}


@pytest.mark.parametrize("msg_id", [0x0C00, 0x8C01, 0x0C02, 0x8C02, 0x0F01, 0x0706, 0x0710, 0x1507, 0x9507])
def test_messages_of_heilongjiang_are_kept_as_they_come(msg_id: int) -> None:
    """§8 item 20: two sources, two sets of ids, no layouts; none is read."""
    assert message_class(msg_id) is None
    assert decode_body(msg_id, b"\x01\x02", V, []).to_json() == {"raw": "0102"}
