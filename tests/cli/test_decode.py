"""`jtgate decode`: input in any form, a table for people, JSON for programs, exit codes for scripts."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from jtgate.cli.decode import decode
from jtgate.codecs.compose import compose
from jtgate.codecs.edition import Edition
from jtgate.codecs.framing import wrap
from jtgate.codecs.header import build_header, encode_frames
from jtgate.codecs.jsatl12.filestream import data_packet
from jtgate.codecs.jt808 import TextMessage
from jtgate.codecs.jt808.compressed import CompressedData
from jtgate.codecs.jt1078.packets import Packet, encode_packet

HEARTBEAT = "7e000200000139123456780001337e"
REPORT = (
    "7e02000040013912345678000400000002000c00030260f57206f015b800340267005825031415092601040001e24002"
    "0201c70302025a2504000000122a0200022b040102030430011731010bd27e"
)


def run(*arguments: str, stdin: str | bytes | None = None) -> Result:
    """Run the command as a shell would."""
    return CliRunner().invoke(decode, arguments, input=stdin)


def objects(result: Result) -> list[dict[str, Any]]:
    """JSON lines of the output."""
    return [json.loads(line) for line in result.stdout.splitlines()]


@pytest.mark.parametrize(
    "arguments",
    [
        (HEARTBEAT,),
        (HEARTBEAT.upper(),),
        (" ".join(HEARTBEAT[i : i + 2] for i in range(0, len(HEARTBEAT), 2)),),
        tuple(HEARTBEAT[i : i + 2] for i in range(0, len(HEARTBEAT), 2)),
        ("{" + ", ".join("0x" + HEARTBEAT[i : i + 2] for i in range(0, len(HEARTBEAT), 2)) + "}",),
        ("".join("\\x" + HEARTBEAT[i : i + 2] for i in range(0, len(HEARTBEAT), 2)),),
        (HEARTBEAT[:10] + "\n" + HEARTBEAT[10:],),
        (HEARTBEAT[2:-2],),  # pasted without its flags
    ],
)
def test_hex_in_any_dress(arguments: tuple[str, ...]) -> None:
    """Blanks, newlines, 0x, commas, capitals, many words, missing flags."""
    result = run("--json", *arguments)
    assert result.exit_code == 0, result.output
    (described,) = objects(result)
    assert (described["message"], described["header"]["serial"]) == ("heartbeat", 1)


def test_hex_from_standard_input() -> None:
    """One object per frame."""
    result = run("-", "--json", stdin=f"# from a log\n{HEARTBEAT}\n\n{REPORT}\n")
    assert [one["message"] for one in objects(result)] == ["heartbeat", "location_report"]


def test_binary_from_standard_input() -> None:
    """Bytes are recognised as such."""
    result = run("-", "--json", stdin=bytes.fromhex(HEARTBEAT + REPORT))
    assert [one["message"] for one in objects(result)] == ["heartbeat", "location_report"]


@pytest.mark.parametrize("binary", [False, True])
def test_a_file_of_lines_or_of_bytes(tmp_path: Path, binary: bool) -> None:
    """Autodetected; a frame may go over several lines."""
    path = tmp_path / "frames"
    if binary:
        path.write_bytes(bytes.fromhex(HEARTBEAT + REPORT))
    else:
        path.write_text(f"{HEARTBEAT}\n{REPORT[:90]}\n{REPORT[90:]}\n")
    result = run("--file", str(path), "--json")
    assert result.exit_code == 0
    assert [one["message"] for one in objects(result)] == ["heartbeat", "location_report"]


def test_printable_bytes_can_be_forced_to_be_bytes(tmp_path: Path) -> None:
    """A capture that happens to look like text."""
    path = tmp_path / "frames.bin"
    path.write_bytes(b"~abcdefghijklmnop~")
    assert run("--file", str(path)).exit_code == 2
    result = run("--file", str(path), "--binary", "--json")
    assert result.exit_code == 1
    assert objects(result)[0]["error"]["code"] == "frame.checksum"


def test_the_table_explains_every_field() -> None:
    """Offset, bytes, both terms, value, unit, meaning and clause, on one line each."""
    result = run(REPORT)
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert lines[0].split() == [
        "#1", "location_report", "位置信息汇报", "0x0200", "2013", "phone", "013912345678", "serial", "4", "§4",
    ]  # fmt: skip
    assert any(line.split() == ["30", "02", "67", "速度", "speed", "61.5", "km/h", "§4"] for line in lines), (
        result.stdout
    )
    assert any("12  00 00 00 02" in line and "超速报警 overspeed" in line for line in lines)
    assert any("40  01 04" in line and "里程 mileage" in line for line in lines)
    assert all(line == line.rstrip() for line in lines)


def test_a_damaged_frame_has_a_pointer_under_the_wrong_byte() -> None:
    """The check byte, in the stretch and on the wire; the good frame after it is shown too."""
    damaged = HEARTBEAT[:-4] + "347e"
    result = run(damaged, HEARTBEAT)
    assert result.exit_code == 1
    lines = result.stdout.splitlines()
    dump = next(i for i, line in enumerate(lines) if line.endswith(" 34"))
    assert lines[dump + 1].index("^^") == lines[dump].rindex("34")
    assert "frame.checksum at byte 13 on the wire: check byte is 0x34, computed 0x33" in result.stdout
    assert "heartbeat 终端心跳" in result.stdout


def test_the_pointer_of_a_wrong_escape() -> None:
    """0x7D followed by neither 01 nor 02, behind another frame."""
    result = run(HEARTBEAT, "7e00020000013912347d5600011a7e")
    lines = result.stdout.splitlines()
    dump = next(i for i, line in enumerate(lines) if " 7d 56" in line)
    assert lines[dump + 1].index("^^") == lines[dump].index("7d 56")


def test_a_wrong_body_shows_the_field_that_is_cut() -> None:
    """Everything before it is decoded; the rest stands in a row of its own."""
    body = bytes.fromhex("00000000000000030260")
    wire = wrap(build_header(0x0200, len(body), phone="1", serial=1, edition=Edition.V2013) + body)
    result = run(wire.hex())
    assert result.exit_code == 1
    assert any(line.split()[:5] == ["20", "02", "60", "✗", "latitude"] for line in result.stdout.splitlines()), (
        result.stdout
    )
    assert "body.truncated at byte 20 of the frame" in result.stdout


def test_deviations_are_explained() -> None:
    """Name and sentence."""
    wire = wrap(build_header(0x0002, 1, phone="1", serial=1, edition=Edition.V2013) + b"\x64")
    result = run(wire.hex())
    assert result.exit_code == 0
    assert "! body.trailing_bytes  Bytes follow the last field" in result.stdout


def test_parts_are_joined() -> None:
    """Two parts and the whole."""
    body = TextMessage(flags=8, text="测试" * 20).encode()
    frames = encode_frames(0x8300, body, phone="1", serial=1, edition=Edition.V2013, part_bytes=50)
    result = run(b"".join(frames).hex())
    assert result.exit_code == 0
    assert "part 1 of 2" in result.stdout
    assert "whole message of 2 parts, 81 bytes" in result.stdout


def test_the_edition_can_be_forced() -> None:
    """For terminals that lie in a way arithmetic cannot see."""
    (described,) = objects(run(HEARTBEAT, "--edition", "2013", "--json"))
    assert described["edition"] == "2013"
    assert run(HEARTBEAT, "--edition", "2019", "--json").exit_code == 1


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        ((), "give hex, --file PATH, or -"),
        (("7e 0g",), "'g' is no hex digit"),
        (("7e0",), "3 hex digits are not whole bytes"),
        (("7e", "--file", "frames"), "not both"),
        ((HEARTBEAT, "--binary"), "--binary is for --file and -"),
        (("7e7e",), "not a single byte between two flags"),
        (("",), "not a single byte"),
        (("--file", "no-such-file"), "does not exist"),
        (("--edition", "2011", HEARTBEAT), "2013"),
    ],
)
def test_usage_errors_say_what_to_do(arguments: tuple[str, ...], hint: str, tmp_path: Path, monkeypatch: Any) -> None:
    """Exit code 2 and a sentence."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "frames").write_text(HEARTBEAT)
    result = run(*arguments)
    assert result.exit_code == 2
    assert hint in result.output


def test_a_wrong_line_of_a_file_is_named(tmp_path: Path) -> None:
    """By its number."""
    path = tmp_path / "frames"
    path.write_text(f"{HEARTBEAT}\nnot hex\n")
    result = run("--file", str(path))
    assert result.exit_code == 2
    assert "line 2: 'n' is no hex digit" in result.output


def test_the_examples_of_the_help_run() -> None:
    """The first ones, as they stand."""
    text = run("--help").stdout
    assert HEARTBEAT in text
    assert "Exit codes" in text
    assert run(HEARTBEAT).exit_code == 0


# ----------------------------------------------------------------------------------- more than one kind of bytes


def test_clauses_on_request() -> None:
    """A column on any terminal; a wide one, and a pipe, have it anyway."""
    header = next(line for line in run(REPORT, "--clauses").stdout.splitlines() if "字段" in line)
    assert header.split()[-1] == "clause"


def test_frames_inside_of_a_compressed_message_are_shown() -> None:
    """Numbered after it; in JSON they are in its body."""
    inner = compose("heartbeat", {}, phone="13800138000", serial=8).frames[0]
    wire = compose("compressed_data", CompressedData.of(inner).to_json()).frames[0]
    result = run(wire.hex())
    assert result.exit_code == 0, result.output
    heads = [line.split()[:2] for line in result.stdout.splitlines() if line.startswith("#")]
    assert heads == [["#1", "compressed_data"], ["#1.1", "heartbeat"]]
    (described,) = objects(run(wire.hex(), "--json"))
    assert described["body"]["content"]["frames"][0]["message"] == "heartbeat"


def test_a_profile_reads_as_its_terminals_write(tmp_path: Path, monkeypatch: Any) -> None:
    """One of a file of ours, named by the settings."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.toml").write_text('[profile.tenfold]\ndescription = "speeds in km/h"\nspeed_step_kmh = 1.0\n')
    (tmp_path / "jtgate.toml").write_text('profiles = ["mine.toml"]\n')
    result = run(REPORT, "--profile", "tenfold", "--json")
    assert result.exit_code == 0, result.output
    assert objects(result)[0]["body"]["speed_kmh"] == 615.0
    assert "did you mean tenfold?" in run(REPORT, "--profile", "tenfld").output


MEDIA = encode_packet(Packet.of(4, 98, b"\0\0\0\1\x67", serial=7, sim="013800138000", channel=1))


def test_media_packets() -> None:
    """A stream of JT/T 1078: each header field with its bytes; what is between packets is bad."""
    result = run((MEDIA + b"junk" + MEDIA + MEDIA).hex(), "--protocol", "jt1078")
    assert result.exit_code == 1
    lines = result.stdout.splitlines()
    assert lines[0].split()[:3] == ["#1", "media_packet", "码流数据报文"]
    assert any("逻辑通道号" in line for line in lines)
    assert sum("bad bytes" in line for line in lines) == 1
    found = objects(run(MEDIA.hex(), "--protocol", "jt1078", "--json"))
    assert [one["header"]["serial"] for one in found] == [7]


def test_an_attachment_link() -> None:
    """Frames and file data in one stream."""
    beat = bytes.fromhex(HEARTBEAT)
    data = data_packet("00_64_6401_01_A.jpg", 0, b"\xff\xd8").encode()
    result = run((beat + data + beat).hex(), "--protocol", "jsatl12")
    assert result.exit_code == 0, result.output
    heads = [line.split()[:2] for line in result.stdout.splitlines() if line.startswith("#")]
    assert heads == [["#1", "heartbeat"], ["#2", "file_data"], ["#3", "heartbeat"]]
    found = objects(run((data + b"?").hex(), "--protocol", "jsatl12", "--json"))
    assert [one["message"] for one in found] == ["file_data", None]
    assert found[0]["body"]["name"] == "00_64_6401_01_A.jpg"
    assert found[1]["error"]["code"] == "stream.out_of_sync"


def test_the_edition_belongs_to_frames() -> None:
    """It has no meaning elsewhere."""
    result = run(MEDIA.hex(), "--protocol", "jt1078", "--edition", "2013")
    assert result.exit_code == 2
    assert "--edition is for frames of JT/T 808" in result.output


def test_media_among_frames_is_a_hint() -> None:
    """Bytes that are no frame but begin like a packet of JT/T 1078 or a file packet."""
    result = run(MEDIA.hex() + "7e")
    assert result.exit_code == 1
    assert "try --protocol jt1078" in result.output
