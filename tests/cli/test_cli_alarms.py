"""jtgate alarms: lists, one alarm with all that belongs to it, what changes, confirming by hand."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from alarms_world import NAME, PHONE, PLATE, T0_MS, AlarmsWorld, alarms_world
from click.testing import CliRunner

from jtgate.cli import main
from jtgate.cli.alarms_watch import Watcher
from jtgate.cli.client import Client
from jtgate.cli.text_map import HEIGHT, WIDTH, text_map
from jtgate.cli.who import bar, sources_told
from jtgate.codecs.timebase import now_ms
from jtgate.storage.commands import CommandChange, CommandState
from jtgate.storage.contract.derived_rows import episode
from jtgate.storage.open import open_commands

SHOW = f"""\
alarm 1 抽烟报警 smoking, level 2: lasted 1 min 0 s, the terminal told its end

what 报警
  vehicle      {PLATE} 黄色, terminal {PHONE}
  began        2026-11-23 08:00:00
  last report  08:01:00
  reports      4, and 1 of them once more
  fastest      64 km/h at 08:01:00
  source       jsatl12:0x65 type 3
  risk event   distraction, with 2 接打电话报警 (+20 s)
  trip         from 2026-11-23 07:40:00 to 08:40:00, 48.25 km, laden 重载
  waybill      W-1

where 位置
  began  41.100000, 122.000000  geo:41.100000,122.000000
  ended  41.104000, 122.008000  geo:41.104000,122.008000
  zone   PARK-1 PARK, entered 2026-11-23 07:58:00
  ┌────────────────────────────────────────────────┐ N
  │                                       B        │
  │                                                │
  │                               ·                │
  │                                                │
  │                                                │
  │                        ·                       │
  │                                                │
  │                                                │
  │                ·                               │
  │                                                │
  │        A                                       │
  └────────────────────────────────────────────────┘ 1.1 km wide

on board 在车人员
  驾驶员 driver  P-17  █████████░  97 %
                 on board 2026-11-23 07:30:00 – now
                 by 人脸比对 face comparison, 95 %, since 2026-11-23 07:31:00, score 0.91
                 by 从业资格卡 driver card, 70 %, since 2026-11-23 07:30:00
                 also named: P-18, 70 %
                   by 从业资格卡 driver card, 70 %, since 2026-11-23 07:30:00, until 2026-11-23 08:00:00
                 corrected: later evidence: it was somebody else
  押运员 escort  unknown 未知  ████░░░░░░  40 %
                 on board 2026-11-23 07:30:00 – now

evidence 报警附件: incomplete
  1  00_65_6503_0_a.jpg  图片 picture, complete, 15 B
     files/e0/45/e04533379049fd791d5e14aded8db37c007102c78d63018ea0bc0da71472807b.jpg
  2  02_65_6503_1_a.mp4  视频 video, incomplete 48 %, 10.0 KiB
     files/80/26/8026e5c96cf1e502c8deb3e89f8b8bc342f5039b871911a92eb10edf9c6542d3.mp4
     missing 5.1 KiB, bytes 5000–10239
  ask again with: jtgate evidence fetch 1 --ask

reports 报警上报
  time                 phase  level  serial  km/h  place                  files
  2026-11-23 08:00:00  start      2     100    60  41.100000, 122.000000      2
  2026-11-23 08:01:00  end        2     101    60  41.100000, 122.000000      2

frames 原始报文 (without the check byte and its escapes)
  serial 100, spool 1: 0x0200 位置信息汇报 location_report, received 2026-11-23 08:00:00
    0200001c0138001380000064000000040000000302736d400745fb8000320264005a261123080000
  serial 101, spool 8: the spool does not keep it any more
"""

LS = f"""\
id  began                terminal     plate     alarm                             lasted     reports  evidence
 3  2026-11-23 08:05:00  {PHONE}  {PLATE}  紧急报警 emergency                instant          1  -
 2  2026-11-23 08:00:20  {PHONE}  {PLATE}  接打电话报警 phone call, level 1  open             4  incomplete
 1  2026-11-23 08:00:00  {PHONE}  {PLATE}  抽烟报警 smoking, level 2         1 min 0 s      4+1  incomplete
"""


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AlarmsWorld]:
    """One folder and API for the tests that change nothing."""
    with alarms_world(tmp_path_factory.mktemp("alarms") / "data") as made:
        yield made


@pytest.fixture
def world(tmp_path: Path) -> Iterator[AlarmsWorld]:
    """A folder and API of its own."""
    with alarms_world(tmp_path / "data") as made:
        yield made


def test_an_alarm_is_told_with_all_that_belongs_to_it(shared: AlarmsWorld) -> None:
    """Place and map, driver and how sure, evidence with paths, reports, frames; it fits 100 columns."""
    lines = shared.lines("alarms", "show", "1")
    assert "\n".join(lines) + "\n" == SHOW
    assert max(len(line) for line in lines) <= 100


def test_names_of_persons_are_told_on_demand(shared: AlarmsWorld) -> None:
    """Else their keys only; both are noted."""
    assert NAME not in "".join(shared.lines("alarms", "show", "1"))
    assert any(f"P-17 {NAME}" in line for line in shared.lines("alarms", "show", "1", "--names"))
    assert shared.audited()[0] == ("get_episode", PHONE)


def test_the_newest_alarm_of_a_terminal_or_a_plate(shared: AlarmsWorld) -> None:
    """By the phone number, with leading zeros or without, and by the plate."""
    for words in (PHONE, f"0{PHONE}", PLATE):
        assert shared.lines("alarms", "show", words)[0].startswith("alarm 3 紧急报警 emergency: instant")
    result = shared.run("alarms", "show", "13999999999")
    assert (result.exit_code, result.stderr.splitlines()[0]) == (1, "error: there is no alarm of 13999999999")
    result = shared.run("alarms", "show", "4711")
    assert result.exit_code == 1
    assert "jtgate alarms ls" in result.stderr


def test_an_alarm_as_json(shared: AlarmsWorld) -> None:
    """Everything, as the API tells it."""
    (told,) = shared.json("alarms", "show", "1")
    assert (told["episode"]["id"], told["episode"]["term"]) == (1, "抽烟报警")
    assert [one["file_name"] for one in told["evidence"]] == ["00_65_6503_0_a.jpg", "02_65_6503_1_a.mp4"]
    assert told["frames"][1]["payload"] is None


def test_alarms_are_listed(shared: AlarmsWorld) -> None:
    """Newest first, withdrawn ones left out."""
    assert "\n".join(shared.lines("alarms", "ls")) + "\n" == LS


@pytest.mark.parametrize(
    ("arguments", "ids"),
    [
        (["--open"], [2]),
        (["--terminal", f"0{PHONE}"], [3, 2, 1]),
        (["--terminal", "13999999999"], []),
        (["--plate", PLATE], [3, 2, 1]),
        (["--since", "2026-11-23T08:00:10", "--to", "2026-11-23T08:01"], [2]),
        (["--type", "抽烟"], [1]),
        (["--type", "EMERGENCY"], [3]),
        (["--type", "jsatl12:0x65:0x02"], [2]),
        (["--class", "distraction"], [2, 1]),
        (["--evidence", "none"], [3]),
        (["--withdrawn"], [4]),
        (["--person", "P-17"], [3, 2, 1]),
        (["--limit", "1"], [3]),
        (["--type", "报警", "--limit", "2"], [3, 2]),
    ],
)
def test_alarms_are_found_by_what_they_are(shared: AlarmsWorld, arguments: list[str], ids: list[int]) -> None:
    """By terminal, plate, time, name, source and type, class, evidence, person."""
    assert [one["id"] for one in shared.json("alarms", "ls", *arguments)] == ids


@pytest.mark.parametrize(
    "arguments",
    [
        ["--type", "jsatl12:0x65:x"],
        ["--since", "yesterday"],
        ["--class", "bad"],
        ["--open", "--withdrawn"],
        ["--limit", "0"],
        ["--terminal", "abc-"],
    ],
)
def test_a_question_that_makes_no_sense(shared: AlarmsWorld, arguments: list[str]) -> None:
    """Is refused before anybody is asked."""
    assert shared.run("alarms", "ls", *arguments).exit_code == 2


def test_nothing_to_list(shared: AlarmsWorld) -> None:
    """Is said in a sentence, not with an empty table."""
    assert shared.lines("alarms", "ls", "--class", "harsh") == ["no such alarm"]


def test_how_long_ago_is_a_time(shared: AlarmsWorld) -> None:
    """30min, 12h, 7d."""
    days = (now_ms() - T0_MS) // 86_400_000
    assert len(shared.json("alarms", "ls", "--since", f"{max(days, 0) + 2}d")) == 3
    assert len(shared.json("alarms", "ls", "--since", "1s")) in (0, 3)  # the clock may stand before the alarms


def test_who_may_not_read_is_told_so(shared: AlarmsWorld) -> None:
    """Without a token that is known: 78, and nothing is printed."""
    env = {"JTGATE_API": shared.url, "JTGATE_TOKEN": "jtg_unknown"}
    result = CliRunner().invoke(main, ["alarms", "ls"], env=env, prog_name="jtgate")
    assert (result.exit_code, result.stdout) == (78, "")


# -------------------------------------------------------------------------------------------------- watching


def test_a_screen_of_alarms(shared: AlarmsWorld) -> None:
    """Open ones first, then the newest."""
    lines = shared.lines("alarms", "watch", "--once")
    assert [line.split()[0] for line in lines] == ["id", "2", "3", "1"]
    assert "open" in lines[1]
    assert shared.lines("alarms", "watch", "--once", "--class", "harsh") == ["no alarm yet"]


def test_what_changes_is_told_once(world: AlarmsWorld) -> None:
    """A new alarm and one that ends are told; what the API tells once more is not; withdrawn ones go."""
    client = Client(world.url, world.tokens["read"])
    watcher = Watcher(client)
    assert [one["id"] for one in watcher.look()] == [2, 3, 1]
    assert watcher.look() == []
    world.write(episodes=[episode(world.number, T0_MS + 900_000, 1, updated_ms=now_ms())])
    assert [one["id"] for one in watcher.look()] == [5]
    assert watcher.look() == []
    world.write(episodes=[episode(world.number, T0_MS + 900_000, 1, state="withdrawn", updated_ms=now_ms() + 1)])
    assert [one["state"] for one in watcher.look()] == ["withdrawn"]
    assert [one["id"] for one in watcher.alarms(10)] == [2, 3, 1]
    client.close()


def test_lines_of_json_for_what_changes(shared: AlarmsWorld) -> None:
    """One for each alarm, also of one terminal or class only."""
    assert {one["id"] for one in shared.json("alarms", "watch", "--once")} == {1, 2, 3}
    assert {one["id"] for one in shared.json("alarms", "watch", "--once", "--class", "incident")} == {3}
    assert shared.json("alarms", "watch", "13999999999", "--once") == []


# ------------------------------------------------------------------------------------------------ confirming


@pytest.mark.parametrize(("state", "code"), [(CommandState.ANSWERED, 0), (CommandState.REFUSED, 1)])
def test_an_alarm_is_confirmed_by_hand(world: AlarmsWorld, state: CommandState, code: int) -> None:
    """The terminal answers; the alarm tells when. A refusal is exit code 1."""
    stopped = threading.Event()

    def answer() -> None:
        with closing(open_commands(world.data)) as bus:
            while not stopped.is_set():
                bus.change(
                    [
                        CommandChange(one.command_id, now_ms(), state, result=0, answer_id=1, attempts=1)
                        for one in bus.open_of([PHONE])
                    ]
                )
                time.sleep(0.02)

    thread = threading.Thread(target=answer)
    thread.start()
    try:
        result = world.run("alarms", "confirm", "3", "--wait", "10")
    finally:
        stopped.set()
        thread.join()
    assert result.exit_code == code, result.output
    assert result.stdout.startswith(f"alarm 3 of {PHONE}: 人工确认报警消息 {state.value}")
    confirmed = json.loads(world.run("alarms", "show", "3", "--json").stdout)["episode"]["confirmed"]
    assert (confirmed is not None) == (code == 0)


def test_an_alarm_of_a_camera_is_not_confirmed(shared: AlarmsWorld) -> None:
    """Nor may who only reads."""
    result = shared.run("alarms", "confirm", "1")
    assert (result.exit_code, "not confirmed by hand" in result.stderr) == (1, True)
    assert shared.run("alarms", "confirm", "3", token="read").exit_code == 78


# ---------------------------------------------------------------------------------------------------- pieces


def test_a_map_shows_the_way(shared: AlarmsWorld) -> None:
    """North up; a place alone, and the noise of a receiver, make no map; it never grows."""
    assert shared.url
    assert list(text_map([])) == []
    assert list(text_map([(41.0, 122.0)])) == []
    assert list(text_map([(41.0, 122.0), (41.0001, 122.0001)])) == []
    north = list(text_map([(41.0, 122.0), (41.01, 122.0), (41.02, 122.0)], (41.01, 122.0)))
    assert [line.strip("│ ") for line in north if "│" in line and line.strip("│ ")] == ["B", "*", "A"]
    assert len(north) <= HEIGHT + 2
    east = list(text_map([(41.0, 122.0), (41.0, 122.5)]))
    assert "".join(east[1].split("│")[1].split()) == "AB"
    assert len(east[1]) == WIDTH + 2


def test_a_bar_of_confidence() -> None:
    """Full only when it is sure."""
    assert [bar(value) for value in (0, 0.4, 0.99, 1)] == [
        "░░░░░░░░░░   0 %",
        "████░░░░░░  40 %",
        "█████████░  99 %",
        "██████████ 100 %",
    ]
    assert list(sources_told([{"card": 0.95}, "odd"])) == ['{"card": 0.95}']
    assert list(sources_told(None)) == []


def test_nothing_personal_gets_into_the_logs(world: AlarmsWorld, capfd: pytest.CaptureFixture[str]) -> None:
    """Neither of what is told nor of what fails: no name, no key of a person, no plate."""
    for file in (world.data / "files").glob("e0/45/*"):
        file.write_bytes(b"damaged")
    for words in (
        ["alarms", "show", "1", "--names"],
        ["alarms", "ls", "--person", "P-17"],
        ["alarms", "ls", "--plate", PLATE, "--since", "2026-11-23"],
        ["bindings", "show", PLATE, "--names"],
        ["bindings", "conflicts", "--person", "P-17"],
        ["evidence", "fetch", "1", "--into", str(world.data / "out")],
        ["alarms", "show", "测Z99999"],
    ):
        world.run(*words)
    (world.data / "store.db").rename(world.data / "gone.db")
    world.run("bindings", "show", PLATE)
    captured = capfd.readouterr()
    logged = captured.out + captured.err
    assert not any(word in logged for word in (NAME, PLATE, "P-17", "P-18", *world.tokens.values()))
