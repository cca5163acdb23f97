"""`jtgate encode`: frames from names and values, and from what `jtgate decode --json` printed."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from jtgate.cli.decode import decode
from jtgate.cli.encode import encode
from jtgate.codecs.compose import compose
from jtgate.codecs.describe import describe_wire
from jtgate.codecs.edition import Edition
from jtgate.codecs.framing import wrap
from jtgate.codecs.header import build_header, encode_frames
from jtgate.codecs.jt808 import TextMessage

TEXT = "7e8300000b013800138000000008c7b0b7bdcfdecbd93630527e"


def run(*arguments: str, stdin: str | None = None) -> Result:
    """Run the command as a shell would."""
    return CliRunner().invoke(encode, arguments, input=stdin)


def body(*arguments: str) -> dict[str, Any]:
    """The body of the one message that the command builds, as JSON."""
    result = run(*arguments)
    assert result.exit_code == 0, result.output
    described = describe_wire(bytes.fromhex("".join(result.stdout.split())))[-1]
    assert described["error"] is None
    found: dict[str, Any] = described["body"]  # type: ignore[assignment]
    return found


@pytest.mark.parametrize(
    "words",
    [
        ("text_message", "flags=8", "text=前方限速60"),
        ("0x8300", "flags=8", "text=前方限速60"),
        ("8300", "flags=0x08", "text=前方限速60"),
        ("文本信息下发", "flags=8", 'text="前方限速60"'),
        ("text-message", "--flags", "8", "--text", "前方限速60"),
        ("text_message", "--text=前方限速60", "--flags=8"),
        ("text_message", "--field", "text=前方限速60", "flags=1", "flags=8"),
        ("text_message", "flags=read aloud", "text=前方限速60"),
    ],
)
def test_a_message_by_any_of_its_names(words: tuple[str, ...]) -> None:
    """Id, English, Chinese; fields as words or options; the last value wins; words of tables."""
    result = run(*words, "--phone", "13800138000")
    assert (result.exit_code, result.stdout.split()) == (0, [TEXT]), result.output


def test_header_and_edition() -> None:
    """Phone, serial and edition are those asked for."""
    result = run("heartbeat", "--phone", "13800138000", "--serial", "65535", "--edition", "2019")
    (described,) = describe_wire(bytes.fromhex(result.stdout.strip()))
    header: Any = described["header"]
    assert (described["edition"], header["phone"], header["serial"]) == ("2019", "00000000013800138000", 65535)


def test_a_message_of_2019_only_needs_no_edition() -> None:
    """The edition is one that has it."""
    (described,) = describe_wire(bytes.fromhex(run("time_query").stdout.strip()))
    assert described["edition"] == "2019"


def test_paths_lead_into_lists_and_structures() -> None:
    """What is not there is made; an item of the example is changed in its value."""
    made = body("location_report", "--example", "speed_kmh=85.5", "items[0].mileage_km=12.3", "items[3].id=0x04",
                "items[3].value.alarm_event_id=7")  # fmt: skip
    assert made["speed_kmh"] == 85.5
    assert made["items"][0]["value"] == {"mileage_km": 12.3}
    assert made["items"][3]["value"] == {"alarm_event_id": 7}
    made = body("0x8103", "parameters[1].name=main_server", "parameters[1].value=a", "parameters[0].id=1",
                "parameters[0].value=60")  # fmt: skip
    assert [(one["name"], one["value"]) for one in made["parameters"]] == [
        ("heartbeat_interval_s", 60),
        ("main_server", "a"),
    ]
    assert body("0x0201", "--example", "location.speed_kmh=1.5")["location"]["speed_kmh"] == 1.5


def test_values_may_be_json() -> None:
    """Lists and objects, and text in quotes."""
    made = body("set_parameters", 'parameters=[{"name": "heartbeat_interval_s", "value": 30}]')
    assert made["parameters"][0]["value"] == 30
    assert body("0x8300", "flags=1", 'text="[1]"')["text"] == "[1]"
    assert body("0x8300", "flags=1", "text=[notice]")["text"] == "[notice]"


def test_negative_numbers_as_options() -> None:
    """A minus is no option."""
    assert body("0x0200", "--example", "--latitude", "-33.9", "--status", "6")["latitude"] == -33.9


def test_a_long_message_is_cut_into_parts() -> None:
    """One line for each part, in the size asked for."""
    result = run("text_message", "flags=8", "text=" + "测试" * 20, "--part-bytes", "50")
    frames = result.stdout.split()
    assert len(frames) == 2
    whole: Any = describe_wire(bytes.fromhex("".join(frames)))[-1]
    assert whole["body"]["text"] == "测试" * 20


def test_the_table_instead_of_hex() -> None:
    """What `jtgate decode` prints."""
    result = run("tracking_control", "--interval-s", "10", "--validity-s", "600", "--annotate")
    assert "#1  tracking_control 临时位置跟踪控制  0x8202" in result.stdout
    assert any("时间间隔 interval" in line and "10" in line for line in result.stdout.splitlines())


def test_a_body_of_unknown_fields_is_given_as_bytes() -> None:
    """The id may even be of nobody."""
    assert body("0x0f42", "raw=01 02") == {"raw": "0102"}


@pytest.mark.parametrize(
    ("words", "remark"),
    [
        (("0x0200", "--example", "speed_kmh=60.04"), "note: speed_kmh: 60.04 is read as 60.0"),
        (("0x0200", "--example", "heading_deg=400"), "note: value.out_of_range: A number outside"),
        (("0x8103", "--example", "count=9"), "note: parameters.wrong_count: "),
        (("0x0200", "--example", "trailing=01ff00"), "note: location.items_overrun"),
    ],
)
def test_what_a_receiver_will_remark_is_said(words: tuple[str, ...], remark: str) -> None:
    """It is built all the same: wrong messages can be made on purpose."""
    result = run(*words)
    assert (result.exit_code, len(result.stdout.split())) == (0, 1)
    assert remark in result.stderr


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        ((), "nothing to build; give a MESSAGE"),
        (("text_mesage",), "did you mean text_message?"),
        (("终端注销",), "is the name of 0x0003 unregister and 0x0101 unregister_as_printed; give the id"),
        (
            ("0x0200",),
            "latitude, longitude, altitude_m, speed_kmh, heading_deg, time: are needed\n  next: jtgate messages",
        ),
        (("0x0200", "--example", "speed_kmh=99999"), "speed_kmh: 99999.0 cannot be sent: possible is 0 to 6553.5"),
        (("0x0200", "--example", "sped_kmh=1"), "sped_kmh: there is no such field; did you mean speed_kmh?"),
        (("0x0200", "--example", "items[0].mileage_km=-1"), "items[0].mileage_km: -1.0 cannot be sent: possible is 0"),
        (("0x0200", "--example", "status=ACC onn"), "status: 'ACC onn' is no word of the table"),
        (("0x0200", "speed"), "'speed' is no FIELD=VALUE"),
        (("0x0200", "--speed-kmh"), "--speed-kmh needs a value"),
        (("--speed-kmh", "1", "0x0200"), "the MESSAGE comes first"),
        (("0x0200", "a..b=1"), "'a..b' is no path"),
        (("0x0200", "[0]=1"), "'[0]' is no path"),
        (("0x0200", "--example", "items[99999].id=1"), "items[99999].id: there is no element 99999"),
        (("0x0200", "--example", "items.x=1"), "items.x: there is no x in what is no object"),
        (
            ("0x8400", "call_type=0", "--phone", "138"),
            "phone: is needed; --phone is that of the header, give the field",
        ),
        (("0x2070", "x=1"), "0x2070 has no fields here; give its body as raw=HEX"),
        (("0x2070", "--example"), "0x2070 has no example"),
        (("heartbeat", "--phone", "1" * 13), "has more than 12 digits"),
        (("heartbeat", "--phone", "12x"), "is not made of digits"),
        (("heartbeat", "--serial", "65536"), "65536 is not in the range"),
        (("heartbeat", "--profile", "no-such"), "there is no profile 'no-such'"),
        (("--example",), "nothing to build"),
    ],
)
def test_usage_errors_say_what_to_do(words: tuple[str, ...], complaint: str) -> None:
    """Exit code 2, nothing on standard output, and a sentence with the field and what is possible."""
    result = run(*words)
    assert (result.exit_code, result.stdout) == (2, "")
    assert complaint in result.stderr


# ---------------------------------------------------------------------------------------------- from JSON


def decoded(wire: bytes) -> str:
    """The JSON lines of `jtgate decode --json`."""
    return CliRunner().invoke(decode, [wire.hex(), "--json"]).stdout


MANY = b"".join(
    [
        compose("location_report", {
            "alarm_flags": 0, "status": 2, "latitude": 41.5, "longitude": 122, "altitude_m": -5, "speed_kmh": 60.5,
            "heading_deg": 90, "time": "2026-11-23T10:20:30+08:00",
            "items": [{"mileage_km": 1.5}, {"id": 251, "raw": "00"}],
        }, phone="13800138000", serial=9).frames[0],
        *compose("text_message", {"flags": 8, "text": "测试" * 30}, serial=65535, part_bytes=50).frames,
        compose("heartbeat", {}, edition=Edition.V2019, phone="13800138000").frames[0],
        compose("register", {
            "province": 21, "city": 1102, "manufacturer": "m", "model": "x", "terminal_id": "t", "plate_color": 1,
            "plate": "辽C12345",
        }, edition=Edition.V2011).frames[0],
        compose(0x0F42, {"raw": "7e7d7e"}).frames[0],
        wrap(build_header(0x0200, 3, phone="1", serial=1, edition=Edition.V2013, encryption=1) + b"\1\2\3"),
        wrap(build_header(0x0200, 3, phone="1", serial=1, edition=Edition.V2013) + b"\1\2\3"),  # a truncated body
        wrap(build_header(0x0002, 0, phone="1", serial=1, edition=Edition.V2019, protocol_version=3)),
        wrap(build_header(0x0002, 0, phone="1", serial=1, edition=Edition.V2013, packet_total=1, packet_no=1)),
        # a body of 2013 under a header of 2019
        *encode_frames(0x0102, b"code", phone="13800138000", serial=1, edition=Edition.V2019),
        *encode_frames(0x8300, TextMessage(flags=1, text="x" * 1020).encode(), phone="1", serial=1,
                       edition=Edition.V2013, part_bytes=1023),
    ]
)  # fmt: skip


def test_what_decode_printed_is_built_again() -> None:
    """Byte for byte: parts and their whole, editions, escapes, unknown, encrypted and broken bodies, long frames."""
    result = run("--json", "-", stdin=decoded(MANY))
    assert result.exit_code == 0, result.stderr
    assert "".join(result.stdout.split()) == MANY.hex()
    assert result.stderr == ""


def test_json_may_be_one_value() -> None:
    """An object over several lines, or a list of objects."""
    objects = [json.loads(line) for line in decoded(MANY).splitlines()]
    assert "".join(run("--json", "-", stdin=json.dumps(objects, indent=1)).stdout.split()) == MANY.hex()
    first = run("--json", "-", stdin=json.dumps(objects[0], indent=1)).stdout.strip()
    assert MANY.hex().startswith(first)


def test_a_whole_without_its_parts_is_cut_again() -> None:
    """In the size asked for."""
    whole = decoded(b"".join(compose("text_message", {"flags": 8, "text": "测试" * 30}, part_bytes=50).frames))
    frames = run("--json", "-", "--part-bytes", "100", stdin=whole.splitlines()[-1]).stdout.split()
    assert len(frames) == 2


def test_written_by_hand_it_needs_little() -> None:
    """A message and a body; options fill the header."""
    given = json.dumps({"message": "text_message", "body": {"flags": 8, "text": "前方限速60"}})
    assert run("--json", "-", "--phone", "13800138000", stdin=given).stdout.strip() == TEXT
    given = json.dumps({"edition": "2019", "header": {"msg_id": "0x0002", "phone": "138"}})
    (described,) = describe_wire(bytes.fromhex(run("--json", "-", "--edition", "2013", stdin=given).stdout.strip()))
    assert described["edition"] == "2013"


def test_fields_of_a_message_from_a_file(tmp_path: Path) -> None:
    """With MESSAGE the JSON is its fields; words win over the file."""
    path = tmp_path / "fields.json"
    path.write_text('{"flags": 1,\n "text": "前方限速60"}', encoding="utf-8")
    assert run("0x8300", "--json", str(path), "flags=8", "--phone", "13800138000").stdout.strip() == TEXT


def test_odd_bytes_that_json_does_not_have_are_named() -> None:
    """Text padded in an odd way comes out in the usual way, and it is said."""
    register = (
        bytes.fromhex("0001000241424344452020202020202020202020202020202020202020202020203132333435363701") + b"X"
    )
    wire = wrap(build_header(0x0100, len(register), phone="1", serial=1, edition=Edition.V2013) + register)
    result = run("--json", "-", stdin=decoded(wire))
    assert result.exit_code == 0
    assert "note: object 1: text.padding: its bytes are not in the JSON" in result.stderr
    assert result.stdout.strip() != wire.hex()


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"header": {"msg_id": "0x0200", "serial": 70000}}, "header.serial: 70000 is not between 0 and 65535"),
        ({"header": 5}, "header: 5 is no object"),
        ({"body": {"speed": 1}}, "body.speed: there is no such field"),
        ({"message": None, "header": {}}, "header.msg_id: is needed, or message"),
        ({"header": {"msg_id": "0x0200", "encryption": 1}}, "header.encryption: the body is to be encrypted"),
        ({"edition": "2020"}, "edition: '2020' is not one of 2011, 2013, 2019"),
        ({"header": None, "error": {"code": "frame"}}, "a bad frame cannot be built again"),
        ({"message": "no_such", "header": {}}, "no message is called 'no_such'"),
    ],
)
def test_an_object_that_cannot_be_built_costs_only_itself(change: dict[str, object], complaint: str) -> None:
    """The others are built; the error names the object and the field, and the exit code is 1."""
    good = describe_wire(MANY)[0]
    result = run("--json", "-", stdin="\n".join(map(json.dumps, ({**good, **change}, good))))
    assert result.exit_code == 1
    assert f"error: object 1: {complaint}" in result.stderr
    assert len(result.stdout.split()) == 1


def test_a_value_that_contradicts_its_bytes_is_refused() -> None:
    """Somebody changed the value and left the raw bytes: which of them is meant?"""
    one: Any = describe_wire(MANY)[0]
    one["body"]["items"][0]["value"]["mileage_km"] = 99.9
    result = run("--json", "-", stdin=json.dumps(one))
    assert "body.items[0]: value and raw say different things" in result.stderr
    del one["body"]["items"][0]["raw"]
    again: Any = describe_wire(bytes.fromhex(run("--json", "-", stdin=json.dumps(one)).stdout.strip()))[0]
    assert again["body"]["items"][0]["value"]["mileage_km"] == 99.9


@pytest.mark.parametrize(
    ("stdin", "complaint"),
    [("{}\nnot json\n", "line 2: this is no JSON"), ("[1]", "a JSON object is wanted, not 1"), ("5", "not 5")],
)
def test_what_is_no_json_is_refused(stdin: str, complaint: str) -> None:
    """With its line."""
    result = run("--json", "-", stdin=stdin)
    assert result.exit_code == 2
    assert complaint in result.stderr


def test_one_object_for_one_message() -> None:
    """Two objects are no fields of one message."""
    assert "takes one object" in run("0x8300", "--json", "-", stdin="{}\n{}").stderr
