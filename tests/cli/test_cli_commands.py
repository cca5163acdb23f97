"""Commands to terminals from the shell: a gateway with its API, and simulated terminals that obey or never answer."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from jtgate import runfiles
from jtgate.cli import main

ROOT = Path(__file__).resolve().parents[2]
OBEYS, ALSO_OBEYS, OLD, DEAF, AWAY = "13900000000", "13900000001", "13900000100", "13900000200", "13999999999"


def start(*arguments: str) -> "subprocess.Popen[str]":
    """A command in a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "jtgate.cli", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        cwd=ROOT,
    )


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The data folder of a gateway with two terminals of 2019, one of 2013, and one that never answers."""
    folder = tmp_path_factory.mktemp("served") / "data"
    flags = ["--port", "0", "--http", "127.0.0.1:0", "--host", "127.0.0.1", "--command-retry-seconds", "0.1"]
    serving = start("serve", "--data", str(folder), *flags, "--command-retries", "1", "--json")
    assert serving.stdout is not None
    running = [serving]
    try:
        port = str(json.loads(serving.stdout.readline())["port"])
        for base, count, edition, faults in (
            (OBEYS, "2", "2019", ""),
            (OLD, "1", "2013", ""),
            (DEAF, "1", "2013", "never=1"),
        ):
            simulated = ["simulate", "fleet", "--port", port, "--terminals", count, "--edition", edition]
            running.append(start(*simulated, "--phone-base", base, "--interval", "1", "--command-faults", faults))
        wait_for_terminals(folder, 4)
        yield folder
    finally:
        for process in reversed(running):
            process.send_signal(signal.SIGINT)
        for process in running:
            process.communicate(timeout=30)


def wait_for_terminals(folder: Path, count: int) -> None:
    """Until so many have told the gateway where they are."""
    deadline = time.monotonic() + 15
    while time.monotonic() < deadline:
        result = run(folder, "sessions", "watch", "--once", "--json", "--interval", "0.5")
        if result.exit_code == 0:
            found = [one for one in json.loads(result.stdout)["sessions"] if one["position"] and one["plate"]]
            if len(found) == count:
                return
    raise AssertionError(result.output)


def run(folder: Path, *arguments: str, stdin: str | None = None) -> Result:
    """A command with --data, in this process."""
    return CliRunner().invoke(main, [*arguments, "--data", str(folder)], input=stdin, prog_name="jtgate")


def test_a_command_is_answered_in_words(data: Path) -> None:
    """The message that a terminal answers with is shown by the terms of the standard, with units and meanings."""
    result = run(data, "send", OBEYS, "location_query")

    assert result.exit_code == 0, result.output
    head, answer, *fields = result.stdout.splitlines()
    assert head.startswith(f"{OBEYS}  0x8201 位置信息查询 location_query  answered in ")
    assert answer == "  0x0201 位置信息查询应答 location_query_answer"
    assert any("纬度 latitude" in line and line.endswith("°") for line in fields)
    assert any("状态 status" in line and "positioned" in line for line in fields)


def test_fields_are_written_as_for_encode(data: Path, tmp_path: Path) -> None:
    """FIELD=VALUE, --field VALUE, Chinese message names, a file of fields, paths and a body as it is."""
    file = tmp_path / "fields.json"
    file.write_text('{"interval_s": 10, "validity_s": 20}', encoding="utf-8")
    for words in (
        ["0x8202", "interval_s=10", "validity_s=20"],
        ["临时位置跟踪控制", "--interval-s", "10", "--validity-s", "20"],
        ["tracking_control", "--fields", str(file)],
        ["8202", "--raw", "000a 00000014"],
    ):
        result = run(data, "send", OBEYS, *words, "--json")
        assert result.exit_code == 0, result.output
        told = json.loads(result.stdout)
        assert (told["message"], told["state"], told["result"]) == ("tracking_control", "answered", 0)
    path = run(data, "send", OBEYS, "set_parameters", "parameters[0].id=0x0001", "parameters[0].value=60")
    assert path.exit_code == 0, path.output


def test_many_terminals_at_once(data: Path, tmp_path: Path) -> None:
    """Numbers stand one behind the other or in a file; one that is away makes the exit code 1, the others go on."""
    phones = tmp_path / "phones.txt"
    phones.write_text(f"0{OBEYS}  # leading zeros mean nothing\n\n{ALSO_OBEYS}\n{AWAY}\n", encoding="utf-8")
    for words in ([OBEYS, ALSO_OBEYS, AWAY], ["--phones", str(phones)]):
        result = run(data, "send", *words, "link_detection", "--key", f"k{len(words)}")
        assert result.exit_code == 1, result.output
        verdicts = dict(line.split("  0x8204 链路检测 link_detection  ") for line in result.stdout.splitlines())
        assert verdicts[OBEYS].startswith("answered")
        assert verdicts[ALSO_OBEYS].startswith("answered")
        assert verdicts[AWAY] == "the terminal is not online"


def test_a_terminal_that_does_not_answer(data: Path) -> None:
    """Exit code 1 and how often it was asked; who does not wait long enough is told where to look."""
    result = run(data, "send", DEAF, "link_detection")
    assert (result.exit_code, result.stdout) == (
        1,
        f"{DEAF}  0x8204 链路检测 link_detection  sent 2 times, no answer\n",
    )

    short = run(data, "send", DEAF, "link_detection", "--wait", "0.1s")
    assert short.exit_code == 1, short.output
    assert "look at it later with: jtgate commands show " in short.stdout


def test_queued_commands_wait_and_can_be_given_up(data: Path) -> None:
    """A queued command of a vehicle that is away is listed, shown and cancelled; the same key is the same command."""
    queued = [
        json.loads(
            run(data, "send", AWAY, "link_detection", "--queue", "--expires", "2h", "--key", "q", "--json").stdout
        )
        for _ in range(2)
    ]
    number = str(queued[0]["id"])
    assert queued[0]["id"] == queued[1]["id"]
    assert queued[0]["state"] == "waiting"

    listed = run(data, "commands", "ls", AWAY, "--state", "waiting", "--json")
    assert [str(json.loads(line)["id"]) for line in listed.stdout.splitlines()] == [number]
    assert "asked by" in run(data, "commands", "show", number).stdout
    cancelled = run(data, "commands", "cancel", number)
    assert (cancelled.exit_code, cancelled.stdout.rpartition("  ")[2]) == (0, "given up\n")
    gone = run(data, "commands", "show", "999999")
    assert (gone.exit_code, gone.stderr.splitlines()) == (
        1,
        ["error: There is no such command", "  next: list those there are: jtgate commands ls"],
    )


def test_wrong_fields_are_refused_before_anything_is_sent(data: Path) -> None:
    """The sentence names the field; exit code 2."""
    result = run(data, "send", OBEYS, "tracking_control", "interval_s=often")
    assert result.exit_code == 2
    assert "at $.fields.interval_s" in result.stderr
    assert run(data, "send", OBEYS, "nonsense").exit_code == 2
    assert run(data, "send", OBEYS).exit_code == 2
    assert run(data, "send", "no-phone", "link_detection").exit_code == 2


def test_parameters_are_set_and_read(data: Path) -> None:
    """By English name, Chinese term or id; the table has term, value and unit."""
    assert run(data, "params", "set", OBEYS, "终端心跳发送间隔=47", "0x0055=77").exit_code == 0

    result = run(data, "params", "get", OBEYS, "heartbeat_interval_s", "最高速度")
    assert result.exit_code == 0, result.output
    rows = [line.split() for line in result.stdout.splitlines()[1:]]
    assert rows == [
        ["id", "parameter", "term", "value", "unit"],
        ["0x0001", "heartbeat_interval_s", "终端心跳发送间隔", "47", "s"],
        ["0x0055", "speed_limit_kmh", "最高速度", "77", "km/h"],
    ]
    assert len(run(data, "params", "get", OBEYS).stdout.splitlines()) > len(rows) + 1
    assert run(data, "params", "get", OBEYS, "heart").exit_code == 2


@pytest.mark.parametrize(("phone", "flags", "kind"), [(OBEYS, 2 + 4 + 8, 1), (OLD, 1 + 4 + 8, None)])
def test_text_is_written_for_the_edition(data: Path, phone: str, flags: int, kind: int | None) -> None:
    """Urgent, shown and read aloud: other bits in 2013 and 2019, and 2019 has a type."""
    result = run(data, "text", phone, "前方限速60", "--urgent", "--json")
    assert result.exit_code == 0, result.output
    fields = json.loads(result.stdout)["fields"]
    assert (fields["flags"], fields.get("text_type"), fields["text"]) == (flags, kind, "前方限速60")


def test_locate_and_photo(data: Path) -> None:
    """A position in words, tracking for a while, ids of pictures."""
    where = run(data, "locate", OLD)
    assert where.exit_code == 0, where.output
    assert "where 位置" in where.stdout
    assert "km/h, heading" in where.stdout
    assert "result 0 success" in run(data, "locate", OLD, "--track", "1m", "--every", "5s").stdout
    assert run(data, "locate", OLD, "--stop").exit_code == 0
    pictures = run(data, "photo", OLD, "--count", "2", "--resolution", "320x240")
    assert pictures.exit_code == 0, pictures.output
    assert "多媒体ID" in pictures.stdout


def test_areas_of_a_file_are_pushed_listed_and_deleted(data: Path, tmp_path: Path) -> None:
    """A circle, a polygon, a rectangle and a route of GeoJSON; only terminals of 2019 tell what they have."""
    ring = [[122.05, 41.1], [122.09, 41.1], [122.09, 41.13], [122.05, 41.13], [122.05, 41.1]]
    shapes: list[tuple[dict[str, object], str, object]] = [
        ({"name": "院子", "radius_m": 200}, "Point", [122.07, 41.12]),
        ({"name": "park"}, "Polygon", [ring]),
        ({"rectangle": True}, "Polygon", [ring]),
        ({"name": "road"}, "LineString", ring[:3]),
    ]
    features = [
        {"type": "Feature", "properties": told, "geometry": {"type": kind, "coordinates": at}}
        for told, kind, at in shapes
    ]
    file = tmp_path / "areas.geojson"
    file.write_text(json.dumps({"type": "FeatureCollection", "features": features}), encoding="utf-8")

    for phone in (OBEYS, OLD):
        pushed = run(data, "areas", "push", phone, str(file), "--alarm", "enter-platform", "--speed-limit", "40")
        assert pushed.exit_code == 0, pushed.output
        assert pushed.stdout.count("result 0 success") == len(features)
    listed = run(data, "areas", "ls", OBEYS)
    assert [line.split()[:3] for line in listed.stdout.splitlines()[1:]] == [
        ["circles", "1", "院子"],
        ["rectangles", "3", "area"],
        ["polygons", "2", "park"],
        ["routes", "4", "road"],
    ]
    assert listed.stdout.count("40 km/h  enter-platform") == len(features)
    assert run(data, "areas", "ls", OLD).exit_code == 1
    assert run(data, "areas", "delete", OBEYS, "circles", "1").exit_code == 0
    assert run(data, "areas", "ls", OBEYS, "circles").stdout == "the terminal has none\n"


def test_a_file_that_holds_no_areas_is_refused(data: Path, tmp_path: Path) -> None:
    """No JSON, no features, a shape that no terminal knows: exit code 2 and the feature's number."""
    file = tmp_path / "bad.geojson"
    for text, words in (
        ("{", "is no GeoJSON"),
        ('{"type": "FeatureCollection", "features": []}', "holds no features"),
        ('{"type": "Feature", "geometry": {"type": "Point", "coordinates": [1, 2]}}', "feature 1 is no circle"),
    ):
        file.write_text(text, encoding="utf-8")
        result = run(data, "areas", "push", OBEYS, str(file))
        assert (result.exit_code, words in result.stderr) == (2, True), result.output


def test_tokens_are_shown_once_and_let_in_what_they_may(data: Path, tmp_path: Path) -> None:
    """A token that may only read works by address and file, sends nothing, and ends when it is revoked."""
    file = tmp_path / "reader.token"
    made = run(data, "tokens", "add", "reader", "--scope", "read", "--file", str(file))
    assert made.exit_code == 0, made.output
    secret = file.read_text(encoding="utf-8").strip()
    assert file.stat().st_mode & 0o777 == 0o600
    assert secret not in made.output
    assert secret not in run(data, "tokens", "ls", "--json").output

    facts = runfiles.read_run_file(data, runfiles.API) or {}
    elsewhere = tmp_path / "elsewhere"
    remote = ["--api", f"http://{facts['http']}", "--token-file", str(file)]
    assert run(elsewhere, "commands", "ls", *remote).exit_code == 0
    refused = run(elsewhere, "send", OBEYS, "link_detection", *remote)
    assert (refused.exit_code, "use a token that may do it" in refused.stderr) == (78, True)
    assert run(data, "tokens", "add", "reader", "--scope", "read").exit_code == 1
    assert run(data, "tokens", "rm", "reader").exit_code == 0
    assert run(data, "tokens", "rm", "reader").exit_code == 1


def test_watch_prints_one_screen_where_there_is_no_terminal(data: Path) -> None:
    """Figures of the gateway, and only the sessions whose number begins so."""
    result = run(data, "sessions", "watch", "13900000", "--interval", "0.5")
    assert result.exit_code == 0, result.output
    head, figures, _, titles, *rows = result.stdout.splitlines()
    assert head.startswith("jtgate http://127.0.0.1:")
    assert figures.startswith("4 online    ")
    assert "frames/s" in figures
    assert titles.split()[:3] == ["terminal", "plate", "link"]
    assert sum(row.startswith("13900000") for row in rows) == 4
    assert "no alarm yet" in result.stdout or "alarms" in titles + "".join(rows)
    assert "no terminal is connected" in run(data, "sessions", "watch", "777", "--once", "--interval", "0.5").stdout


def test_ctrl_c_while_waiting_leaves_the_command(data: Path) -> None:
    """It says where to look; the command is still there."""
    queued = start("send", AWAY, "link_detection", "--queue", "--wait", "60s", "--data", str(data))
    deadline = time.monotonic() + 10
    while '"waiting"' not in run(data, "commands", "ls", AWAY, "--state", "waiting", "--json").stdout:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    time.sleep(0.2)
    os.kill(queued.pid, signal.SIGINT)
    queued.communicate(timeout=10)

    left = json.loads(run(data, "commands", "ls", AWAY, "--state", "waiting", "--json").stdout.splitlines()[0])
    assert queued.returncode == 1
    assert left["state"] == "waiting"
    run(data, "commands", "cancel", str(left["id"]))
