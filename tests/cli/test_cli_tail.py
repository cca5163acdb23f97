"""jtgate tail: what terminals send, decoded, from the spool."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from cli_world import NOW_MS, PHONE, World

from jtgate.cli.naming import message_ids
from jtgate.codecs.edition import Edition
from jtgate.codecs.header import build_header
from jtgate.codecs.timebase import encode_bcd_time, from_ms
from jtgate.storage.records import SessionEvent, Transport, pack_frames, pack_session

AT_US = NOW_MS * 1000
Append = Callable[..., int]


def payload(msg_id: int, body: bytes, *, phone: str = PHONE, serial: int = 1) -> bytes:
    """Header and body of a 2013 frame."""
    return build_header(msg_id, len(body), phone=phone, serial=serial, edition=Edition.V2013) + body


def location(*, alarm_flags: int = 0, items: bytes = b"", phone: str = PHONE) -> bytes:
    """A location report 0x0200."""
    body = alarm_flags.to_bytes(4) + (3).to_bytes(4) + (41_120_000).to_bytes(4) + (122_070_000).to_bytes(4)
    body += (5).to_bytes(2) + (625).to_bytes(2) + (90).to_bytes(2) + encode_bcd_time(from_ms(NOW_MS - 5000))
    return payload(0x0200, body + items, phone=phone)


@pytest.fixture
def sent(spool: Append) -> None:
    """A session comes online, two terminals report, one sends a broken body, the session ends."""
    online = {"phone": "0" + PHONE, "edition": "2013", "peer": "10.1.2.3:4", "transport": "tcp", "how": "implicit"}
    spool(pack_session(AT_US, 7, SessionEvent.ONLINE, online))
    spool(
        pack_frames(AT_US, 7, Transport.TCP, [location(alarm_flags=2, items=bytes.fromhex("0104000102a3"))]),
        pack_frames(AT_US + 1_500_000, 8, Transport.UDP, [payload(0x0002, b"", phone="13900000000")]),
    )
    spool(pack_frames(AT_US, 7, Transport.TCP, [payload(0x0200, bytes(10))]))
    spool(pack_session(AT_US, 7, SessionEvent.CLOSED, {"phone": "0" + PHONE, "reason": "idle", "frames": 2}))


@pytest.mark.usefixtures("sent")
def test_one_line_per_frame_and_event(world: World) -> None:
    """Time of receipt, terminal, both names of the message, what it says."""
    lines = world.lines("tail", "--from-start", "--count", "5")

    assert lines == [
        "02:00:00.000  13800138000   -- online  edition=2013 peer=10.1.2.3:4 transport=tcp how=implicit",
        (
            "02:00:00.000  13800138000   0x0200 位置信息汇报 location_report  "
            "41.12000,122.07000  62.5 km/h  at 01:59:55  [超速报警 overspeed]"
        ),
        "02:00:01.500  13900000000   0x0002 终端心跳 heartbeat",
        lines[3],
        "02:00:00.000  13800138000   -- closed  reason=idle frames=2",
    ]
    assert lines[3].startswith(
        "02:00:00.000  13800138000   0x0200 位置信息汇报 location_report  !! body.truncated at byte "
    )


def wait_until_it_reads(pid: int, data: Path) -> None:
    """Until a process has a file of the data folder open."""
    for _ in range(600):
        with suppress(OSError):
            opened = [str(link.readlink()) for link in Path(f"/proc/{pid}/fd").iterdir()]
            if any(name.startswith(str(data)) for name in opened):
                return
        time.sleep(0.05)
    raise AssertionError("it does not read")


@pytest.mark.usefixtures("sent")
@pytest.mark.parametrize(
    ("arguments", "count"),
    [
        (("--phone", "0" + PHONE), 4),
        (("--phone", "13900000000"), 1),
        (("--message", "0x0200"), 2),
        (("--message", "heartbeat"), 1),
        (("--message", "终端心跳", "--message", "location_report"), 3),
        (("--message", "0002", "--phone", PHONE), 0),
    ],
)
def test_filters(world: World, arguments: tuple[str, ...], count: int) -> None:
    """By terminal and by message; session events only when no message is chosen."""
    with subprocess.Popen(
        [sys.executable, "-m", "jtgate.cli", "tail", "--from-start", *arguments, "--data", str(world.data)],
        stdout=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])},
    ) as process:
        wait_until_it_reads(process.pid, world.data)
        time.sleep(1)
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=10)

    assert len(output.splitlines()) == count
    assert process.returncode == 0


@pytest.mark.usefixtures("sent")
def test_json_is_the_decoded_message_with_its_receipt(world: World) -> None:
    """The shape of `jtgate decode --json` and three keys more."""
    event, frame = (json.loads(line) for line in world.lines("tail", "--from-start", "--count", "2", "--json"))

    assert (event["event"], event["session_id"], event["how"]) == ("online", 7, "implicit")
    assert (frame["received_at"], frame["session_id"], frame["transport"]) == (
        "2026-11-24T02:00:00.000+08:00",
        7,
        "tcp",
    )
    assert (frame["message"], frame["term"], frame["error"]) == ("location_report", "位置信息汇报", None)
    assert frame["header"]["phone"] == "013800138000"
    assert frame["body"]["speed_kmh"] == 62.5


def test_it_begins_with_what_comes_next(world: World, spool: Append) -> None:
    """Without --from-start nothing old is shown; a new frame is shown as it is committed."""
    spool(pack_frames(AT_US, 7, Transport.TCP, [location()]))
    with subprocess.Popen(
        [sys.executable, "-m", "jtgate.cli", "tail", "--count", "1", "--data", str(world.data)],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])},
    ) as process:
        for _ in range(100):  # until it has started and looks
            time.sleep(0.1)
            spool(pack_frames(AT_US, 7, Transport.TCP, [payload(0x0002, b"", phone="13900000000")]))
            if process.poll() is not None:
                break
        assert process.stdout is not None
        assert process.stdout.read() == "02:00:00.000  13900000000   0x0002 终端心跳 heartbeat\n"
        assert process.returncode == 0


@pytest.mark.parametrize(
    ("wanted", "ids"),
    [("0x0200", {0x0200}), ("0F01", {0x0F01}), ("location_report", {0x0200}), ("位置信息汇报", {0x0200})],
)
def test_messages_by_id_and_by_name(wanted: str, ids: set[int]) -> None:
    """An id needs no name, so that vendor messages can be watched."""
    assert message_ids(wanted) == ids


def test_a_message_nobody_knows_is_a_usage_error(world: World) -> None:
    """With names that are close."""
    result = world.run("tail", "--message", "location")

    assert result.exit_code == 2
    assert "no message is called 'location'; did you mean location_report" in result.stderr.replace("\n", " ")
