"""Frames of JT/T 809: worked frames of the standard's reading, hostile bytes, and the shared vectors."""

import json
from binascii import crc_hqx
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jtgate.codecs.edition import Edition
from jtgate.codecs.errors import ChecksumError, EscapeError, FrameError, FrameTooLong, HeaderError, StrayBytes
from jtgate.codecs.jt809.describe import describe_809
from jtgate.codecs.jt809.framing import Cipher, Frame809, Reader809, crypt
from jtgate.codecs.jt809.messages import MESSAGES_809

VECTORS = Path(__file__).parents[3] / "shared" / "vectors" / "frames.jsonl"

LOGIN_2011 = bytes.fromhex(
    "5b000000480000000010010133 2fb501020f0000000000 01332fb5 5061357330726421"
    "3139322e302e322e3230" + "00" * 22 + "46ab 6319 5d".replace(" ", "")
)
LOGIN_2019 = bytes.fromhex(
    "5b00000054000000001001 01332fb5 010000 00 00000000 0000000067c24e00 01332fb5 5061357330726421 01332fb5"
    "3139322e302e322e3230" + "00" * 22 + "46abd4ac5d"
)
#: §5.6: serial 0x5B and a body of all four bytes that are escaped.
ESCAPED = bytes.fromhex("5b 0000001e 0000005a01 9001 01332fb5 01020f 00 00000000 5a015a025e015e02 d406 5d")
CIPHER = Cipher(30_000_000, 20_000_000, 20_000_000)


def one(data: bytes, edition: Edition | None = None) -> Frame809:
    """The only frame in some bytes."""
    (frame,) = Reader809(edition).feed(data)
    assert isinstance(frame, Frame809)
    return frame


def test_a_login_of_each_edition() -> None:
    """The header of 2019 is told by its sending time; lengths and CRC are those of §5.1 and §5.2."""
    old, new = one(LOGIN_2011), one(LOGIN_2019)
    assert (old.edition, old.length, old.time_s) == (Edition.V2011, 72, None)
    assert (new.edition, new.length, new.time_s) == (Edition.V2019, 84, 1_740_787_200)
    body: Any = describe_809(new)["body"]
    assert body == {
        "user_id": 20131765,
        "password": "Pa5s0rd!",
        "center_id": 20131765,
        "down_link_ip": "192.0.2.20",
        "down_link_port": 18091,
    }
    assert [old.encode(), new.encode()] == [LOGIN_2011, LOGIN_2019]


def test_every_escape() -> None:
    """§5.6: all four escaped bytes, in the header and in the body."""
    frame = one(ESCAPED)
    assert (frame.serial, frame.body) == (0x5B, bytes.fromhex("5b5a5d5e"))
    assert frame.encode() == ESCAPED


def test_the_cipher_undoes_itself() -> None:
    """§1.4 and §5.15: known key stream, and the body of an encrypted login answer."""
    assert crypt(bytes(range(1, 8)), 256178, CIPHER).hex() == "d34c7078a73a41"
    assert crypt(bytes.fromhex("d25c472ada"), 256178, CIPHER).hex() == "0012345678"
    assert crypt(b"\x00", 0, Cipher(0, 0, 0)) == b"\x00"


@pytest.mark.parametrize(
    ("data", "error", "offset"),
    [
        (LOGIN_2011[:-3] + b"\x00\x00\x5d", ChecksumError, 69),
        (ESCAPED.replace(b"\x5a\x02", b"\x5a\x03"), EscapeError, 26),
        (b"\x5b\x00\x5d", FrameError, 1),
        (b"HTTP" + LOGIN_2011, StrayBytes, 0),
        (b"\x5d\x5b\x00" + LOGIN_2011, StrayBytes, 2),
    ],
)
def test_bad_bytes_cost_themselves_only(data: bytes, error: type[FrameError], offset: int) -> None:
    """Each kind of damage is a typed error at its byte, and the next good frame arrives."""
    events = Reader809().feed(data + LOGIN_2019)
    assert isinstance(events[0], error)
    assert events[0].offset == offset
    assert isinstance(events[-1], Frame809)


def test_a_wrong_length_field() -> None:
    """A frame whose CRC is right and whose length is not is a header error that names the field."""
    content = bytes.fromhex("0000001b0000000010050133 2fb501020f0000000000".replace(" ", ""))
    wire = b"\x5b" + content + crc_hqx(content, 0xFFFF).to_bytes(2) + b"\x5d"
    (event,) = Reader809().feed(wire)
    assert isinstance(event, HeaderError)
    assert (event.field, event.msg_id) == ("length", 0x1005)


def test_a_frame_without_end_is_given_up() -> None:
    """No flag within the limit: one error, and the stream goes on at the next opening flag."""
    events = Reader809(frame_bytes_max=100).feed(b"\x5b" + bytes(250) + LOGIN_2011)
    assert [type(event) for event in events][:1] == [FrameTooLong]
    assert isinstance(events[-1], Frame809)


@given(st.lists(st.sampled_from([LOGIN_2011, LOGIN_2019, ESCAPED]), min_size=1, max_size=4), st.data())
def test_cuts_change_nothing(frames: list[bytes], data: st.DataObject) -> None:
    """However the stream is cut, the same frames come out at the same places."""
    wire = b"".join(frames)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(wire)), max_size=6)))
    reader = Reader809()
    pieces = [wire[a:b] for a, b in zip([0, *cuts], [*cuts, len(wire)], strict=True)]
    assert [event for piece in pieces for event in reader.feed(piece)] == Reader809().feed(wire)


@given(st.binary(max_size=200))
def test_random_bytes_are_typed_errors(data: bytes) -> None:
    """Nothing but frames and errors of ours, each with an offset inside the stream."""
    reader = Reader809(frame_bytes_max=64)
    for event in reader.feed(b"\x5b" + data) + reader.eof():
        assert isinstance(event, Frame809 | FrameError | HeaderError)
        if not isinstance(event, Frame809):
            assert 0 <= event.offset <= len(data) + 1


@pytest.mark.parametrize("msg_id", sorted(MESSAGES_809))
@given(body=st.binary(max_size=90))
def test_any_body_is_described(msg_id: int, body: bytes) -> None:
    """A body that does not fit is an error in the object, never an exception."""
    json.dumps(describe_809(Frame809(0, 0, msg_id, 1, b"\x01\x02\x0f", 0, 0, None, body)))


HEADER = ("length", "serial", "msg_id", "center_id", "version", "encrypted", "key")
BODY = {"user_id": "user_id", "password": "password", "ip": "down_link_ip", "port": "down_link_port"}
BODY |= {"result": "result", "verify_code": "verify_code", "plate": "plate", "color": "plate_color"}
BODY |= {"sub_id": "sub_id", "length": "sub_length", "hex": "data"}
LOCATION = {"lat": "latitude", "lon": "longitude", "heading": "heading_deg", "altitude": "altitude_m"}


@pytest.mark.shared
def test_the_shared_frames() -> None:
    """Every published value of the seven frames is ours, and each frame is encoded byte for byte."""
    records = [json.loads(line) for line in VECTORS.read_text(encoding="utf-8").splitlines()]
    records = [record for record in records if record["protocol"] == "jt809"]
    assert len(records) == 7
    for record in records:
        wire = bytes.fromhex(record["hex"])
        frame = one(wire)
        assert frame.encode() == wire, record["id"]
        crypt_ = record.get("crypt")
        shown: Any = describe_809(frame, Cipher(*(crypt_[k] for k in ("M1", "IA1", "IC1"))) if crypt_ else None)
        assert shown["error"] is None
        for name, value in record["expect"].items():
            group, _, rest = name.partition(".")
            if name == "body.hex":
                ours: Any = frame.body.hex()
            elif group == "header":
                ours = shown["header"][rest]
            elif group == "location":
                ours = shown["body"]["sub"]["location"][LOCATION.get(rest, rest)]
            else:
                ours = shown["body"][BODY[rest]]
            assert ours == value, (record["id"], name)
