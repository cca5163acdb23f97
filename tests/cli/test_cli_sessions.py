"""jtgate sessions: live sessions, the story of a vehicle, closing a connection."""

import json
import threading
import time

import pytest
from cli_world import NOW_MS, PHONE, World, live_session

from jtgate.cli import common, sessions
from jtgate.storage import open_directory

LS = """\
terminal     link      from            online     silent  message                              frames  bad
13800138001  udp 2019  10.1.2.3:40000  5 s        2 s     0x0200 位置信息汇报 location_report    1234    0
13800138000  tcp 2019  10.1.2.3:40000  1 h 1 min  2 s     0x0200 位置信息汇报 location_report    1234    1
"""

SHOW = f"""\
terminal {PHONE} is online for 1 h 1 min by tcp, last heard 2 s ago; driving at 62.5 km/h 5 s ago; \
1 open alarm: 超速报警 overspeed

session 会话
  link          tcp from 10.1.2.3:40000, edition 2019, authenticated
  online since  2026-11-24 00:58:59 (1 h 1 min)
  last heard    2 s ago: 0x0200 位置信息汇报 location_report
  received      1,234 frames, 1 bad, 128.9 KiB
  session id    7

terminal 终端
  admitted      under policy open only
  plate         测A12345
  manufacturer  70111
  model         DSM-1
  device id     T0001
  edition       2019
  registered    2026-11-23 02:00:00
  quarantined   1 message cannot be decoded (jtgate quarantine ls --phone {PHONE})

last position 最后位置
  time        2026-11-24 01:59:55 (5 s ago)
  where       41.120000, 122.070000
  speed       62.5 km/h
  heading     90 °
  mileage     6605.1 km
  satellites  12
  status      ACC开 ACC on; 定位 positioned; 空车 empty

open alarms 报警
  超速报警 overspeed  since 2026-11-24 01:58:55

driver card 驾驶员身份
  event        插卡上班 card inserted, on duty, 2026-11-24 01:00:00 (1 h 0 min ago)
  driver       张三
  certificate  5101
  issuer       某局
  expires      2029-08-21

sessions 会话记录
  online               lasted       link  from            frames  bad  why closed
  2026-11-24 00:58:59  open         tcp   10.1.2.3:40000       -    -  -
  2026-11-23 01:00:00  23 h 53 min  tcp   10.1.2.3:39000      50    0  idle
"""


def test_ls_prints_one_line_per_session(gateway: World) -> None:
    """Newest first, nothing cut when piped."""
    directory = open_directory(gateway.data)
    other = live_session("13800138001", session_id=8, online_since_ms=NOW_MS - 5_000, transport="udp", bad_frames=0)
    directory.publish([live_session(), other], [])
    directory.close()

    assert gateway.run("sessions", "ls").stdout == LS


def test_ls_filters_by_prefix_and_says_how_many_there_are(gateway: World) -> None:
    """Leading zeros are ignored; a cut list says so."""
    directory = open_directory(gateway.data)
    directory.publish([live_session(), live_session("13900000000", session_id=8)], [])
    directory.close()

    lines = gateway.lines("sessions", "ls", "0139")

    assert [line.split()[0] for line in lines] == ["terminal", "13900000000", "1"]
    assert lines[-1] == "1 of 2 sessions"


def test_ls_json_is_one_object_per_line(gateway: World) -> None:
    """Times are ISO 8601 in GMT+8, ids hexadecimal as in decoded messages."""
    directory = open_directory(gateway.data)
    directory.publish([live_session()], [])
    directory.close()

    (line,) = gateway.lines("sessions", "ls", "--json")

    facts = json.loads(line)
    assert facts["terminal"] == PHONE
    assert facts["phone"] == "013800138000"
    assert facts["last_received"] == "2026-11-24T01:59:58.000+08:00"
    assert facts["last_msg_id"] == "0x0200"


def test_ls_of_nobody(gateway: World) -> None:
    """Nobody online is an answer, not an error."""
    assert gateway.lines("sessions", "ls") == ["no terminal is connected"]
    assert gateway.lines("sessions", "ls", "--json") == []


@pytest.mark.parametrize("command", [("ls",), ("kick", PHONE)])
def test_without_a_gateway_it_says_how_to_start_one(world: World, command: tuple[str, ...]) -> None:
    """What the directory remembers of a dead gateway is not shown as live."""
    result = world.run("sessions", *command)

    assert result.exit_code == 69
    assert result.stderr == (
        f"error: no gateway is running on the data folder {world.data}\n"
        f"  next: start one: jtgate serve --data {world.data}, or name the right folder with --data DIR\n"
    )


def test_show_tells_what_a_vehicle_is_doing_and_why(story: World) -> None:
    """The whole story, in the order in which one asks."""
    assert story.run("sessions", "show", "0" + PHONE).stdout == SHOW


def test_show_json_holds_the_same(story: World) -> None:
    """One object with everything."""
    (line,) = story.lines("sessions", "show", PHONE, "--json")

    facts = json.loads(line)
    assert facts["live"]["session_id"] == 7
    assert facts["last_position"]["speed_kmh"] == 62.5
    assert facts["open_alarms"] == [{"name": "超速报警 overspeed", "since": "2026-11-24T01:58:55.000+08:00"}]
    assert [row["reason"] for row in facts["sessions"]] == [None, "idle"]
    assert facts["quarantined"] == 1


def test_show_of_a_vehicle_that_left_says_why(story: World) -> None:
    """Offline, since when, and the reason of the gateway."""
    directory = open_directory(story.data)
    directory.publish([], [7])
    directory.close()

    assert story.lines("sessions", "show", PHONE)[0].startswith(
        "terminal 13800138000 is offline; its last session began 2026-11-24 00:58:59 and its end is not stored yet"
    )


def test_show_of_a_stranger_is_not_found(story: World) -> None:
    """Exit code 1, with the command that lists those there are."""
    result = story.run("sessions", "show", "99")

    assert result.exit_code == 1
    assert result.stderr == (
        "error: nobody has ever heard of terminal 99\n"
        f"  next: list those there are: jtgate terminals ls --data {story.data}\n"
    )


def test_a_phone_that_is_none_is_a_usage_error(story: World) -> None:
    """Exit code 2, before anything is opened."""
    result = story.run("sessions", "show", "abc-1")

    assert result.exit_code == 2
    assert "'abc-1' is no phone number of a terminal" in result.stderr


@pytest.mark.parametrize(
    ("outcome", "code", "said"),
    [
        ("closed", 0, "closed the connection of terminal 13800138000\n"),
        ("not_online", 1, "error: terminal 13800138000 is not online\n"),
    ],
)
def test_kick_waits_for_what_the_gateway_did(gateway: World, outcome: str, code: int, said: str) -> None:
    """The outcome of the request is the exit code."""
    asked: list[str] = []

    def answer() -> None:
        directory = open_directory(gateway.data)
        deadline = time.monotonic() + 5
        while not asked and time.monotonic() < deadline:
            for request in directory.take_requests():
                asked.append(request.terminal)
                directory.finish(request.request_id, outcome)
            time.sleep(0.01)
        directory.close()

    thread = threading.Thread(target=answer)
    thread.start()
    result = gateway.run("sessions", "kick", "0" + PHONE)
    thread.join()

    assert asked == [PHONE]
    assert result.exit_code == code
    assert result.output.startswith(said)


def test_kick_gives_up_when_nobody_answers(gateway: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit code 69: the gateway seems to hang."""
    monkeypatch.setattr(sessions, "KICK_WAIT_S", 0.1)

    result = gateway.run("sessions", "kick", PHONE)

    assert result.exit_code == 69
    assert result.stderr.startswith("error: the gateway did not answer within 0.1 s")


def test_narrow_terminal_cuts_names_and_never_numbers(gateway: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """On 80 columns the name of the message gives way; phone, address and counts stay whole."""
    directory = open_directory(gateway.data)
    directory.publish([live_session()], [])
    directory.close()
    monkeypatch.setattr("rich.console.Console.is_terminal", True)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERM", "dumb")

    lines = gateway.lines("sessions", "ls")

    assert lines[1] == "13800138000  tcp 2019  10.1.2.3:40000  1 h 1 min  2 s     0x0200  …    1234    1"


@pytest.mark.parametrize(
    ("natural", "room", "widths"),
    [
        ([10, 30, 20], 60, [10, 30, 20]),
        ([10, 30, 20], 50, [10, 20, 20]),
        ([10, 30, 20], 40, [10, 15, 15]),
        ([10, 30, 20], 5, [10, 7, 7]),
    ],
)
def test_flexible_columns_give_way_widest_first(natural: list[int], room: int, widths: list[int]) -> None:
    """Down to a floor; fixed columns are never touched."""
    assert common._fit(natural, [False, True, True], room) == widths
