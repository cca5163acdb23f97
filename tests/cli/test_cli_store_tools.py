"""jtgate store migrate, views, view, retain, verify and export; and a store on a server that is away."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import apsw
import pytest
from cli_world import NOW_MS, PHONE, World, position

from jtgate.cli import store as store_command
from jtgate.cli import store_export, store_verify
from jtgate.codecs.edition import Edition
from jtgate.codecs.header import build_header
from jtgate.codecs.timebase import iso_ms
from jtgate.pipeline.worker import Worker
from jtgate.storage import open_spool_progress, open_spool_reader, open_store
from jtgate.storage.model import StoreBatch
from jtgate.storage.records import Transport, pack_frames

SECRET = "s3cr3t-w0rd"
RECEIVED_MS = NOW_MS - 10_000


@pytest.fixture(autouse=True)
def _clock(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock stands at NOW_MS here too."""
    for module in (store_command, store_verify):
        monkeypatch.setattr(module, "now_ms", lambda: NOW_MS)


@pytest.fixture
def stored(world: World, spool: Callable[..., int]) -> World:
    """Three frames that were spooled and stored: two locations and an unknown message."""
    body = bytes(8) + (41_120_000).to_bytes(4) + (122_070_000).to_bytes(4) + bytes(6) + bytes.fromhex("261124015900")
    payloads = [frame(0x0200, body), frame(0x0200, body[:-1] + b"\x05", 2), frame(0x0900, b"\xf0\x01", 3)]
    spool(pack_frames(RECEIVED_MS * 1000, 7, Transport.TCP, payloads), at_us=RECEIVED_MS * 1000)
    store, reader = open_store("", world.data), open_spool_reader(world.data)
    store.migrate()
    Worker(store, reader, open_spool_progress(world.data), parts_bytes_max=1 << 20).run_until_caught_up()
    store.close()
    reader.close()
    return world


def frame(msg_id: int, body: bytes, serial: int = 1) -> bytes:
    """Header and body."""
    return build_header(msg_id, len(body), phone=PHONE.rjust(12, "0"), serial=serial, edition=Edition.V2013) + body


def execute(world: World, statement: str) -> None:
    """Change the store by hand."""
    connection = apsw.Connection(str(world.data / "store.db"))
    connection.set_busy_timeout(5000)
    connection.execute(statement)
    connection.close()


def track(world: World, count: int = 5, step_ms: int = 10_000, **values: object) -> None:
    """A vehicle with a plate that has driven until NOW_MS."""
    store = open_store("", world.data)
    store.migrate()
    number = store.terminal_ids([PHONE], NOW_MS)[PHONE]
    facts: dict[str, object] = {"latitude": 41.5, "longitude": 122.5, "speed_kmh": 60.0, "status": 3} | values
    page = 20_000
    for start in range(0, count, page):
        rows = [
            position(number, device_time_ms=NOW_MS - (count - n) * step_ms, fingerprint=n, **facts)
            for n in range(start, min(start + page, count))
        ]
        store.write(StoreBatch(positions=rows), consumer="store", seq=1)
    store.close()


# --------------------------------------------------------------------------------------------- schema


def test_migrate_says_what_it_does(world: World) -> None:
    """A dry run changes nothing; the second time there is nothing to do."""
    (line,) = world.lines("store", "migrate", "--dry-run", "--json")
    pending = json.loads(line)["pending"]
    assert pending[0].startswith("0001_")
    assert world.lines("store", "migrate", "--dry-run") == [f"would apply {name}" for name in pending]

    assert world.lines("store", "migrate") == [f"applied {name}" for name in pending]

    assert world.lines("store", "migrate") == ["the schema is that of this release: nothing to apply"]
    assert world.lines("store", "migrate", "--dry-run", "--json") == ['{"pending": []}']


def test_views_are_listed_with_their_columns_and_printed(story: World) -> None:
    """For people and for programs."""
    found = {json.loads(line)["view"]: json.loads(line)["columns"] for line in story.lines("store", "views", "--json")}
    assert "terminal" in {column["name"] for column in found["last_position"]}
    assert "last_position" in story.lines("store", "views")
    (line,) = story.lines("store", "view", "last_position", "--json", "--phone", "0" + PHONE)
    assert json.loads(line)["terminal"] == PHONE
    assert story.lines("store", "view", "last_position", "--phone", "99") == ["no rows"]
    lines = story.lines("store", "view", "last_position")
    assert lines[0].startswith("terminal ")
    result = story.run("store", "view", "no_such_view")
    assert (result.exit_code, result.stderr.splitlines()[0]) == (78, "error: there is no view 'no_such_view'")


def test_info_names_the_views(story: World) -> None:
    """Beside what it always said."""
    (line,) = story.lines("store", "info", "--json")

    facts = json.loads(line)
    assert "last_position" in facts["views"]
    assert facts["cursors"] == {"store": 1}


# ------------------------------------------------------------------------------------------ retention


def test_retain_deletes_what_is_old_and_says_how_much(world: World) -> None:
    """In steps, until nothing is left; what is newer stays."""
    track(world, 5)
    track(world, 7, received_ms=NOW_MS - 40 * 86_400_000, step_ms=10_000 * 86_400)

    assert world.lines("store", "retain", "--keep-days", "30", "--dry-run")[0].endswith("would be deleted")
    assert world.lines("store", "retain", "--keep-days", "30", "--yes") == ["4 rows deleted"]
    assert world.lines("store", "retain", "--before", "2026-10-25T02:00", "--yes", "--json") == [
        json.dumps({"before_ms": NOW_MS - 30 * 86_400_000, "deleted": 0})
    ]
    (line,) = world.lines("store", "info", "--json")
    assert json.loads(line)["rows"]["positions"] == 8


def test_retain_asks_before_it_deletes(world: World) -> None:
    """No is no, and so is nobody there."""
    track(world, 5)
    asked = ("store", "retain", "--before", "2026-11-24T02:00")
    for answer in ("n\n", ""):
        result = world.run(*asked, stdin=answer)
        assert result.exit_code == 1
        assert "Delete what was received before 2026-11-24 02:00:00?" in result.stderr
    assert world.run(*asked, stdin="y\n").stdout == "5 rows deleted\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "give --before TIME, or --keep-days N"),
        (("--before", "2026-01-01", "--keep-days", "3"), "give --before TIME, or --keep-days N"),
        (("--before", "2027-01-01"), "--before lies in the future"),
        (("--before", "yesterday"), "'yesterday' is no time"),
    ],
)
def test_retain_wants_one_time_in_the_past(world: World, arguments: tuple[str, ...], said: str) -> None:
    """Before anything is opened."""
    result = world.run("store", "retain", "--yes", *arguments)

    assert result.exit_code == 2
    assert said in result.stderr


# --------------------------------------------------------------------------------------- verification


def test_verify_finds_nothing_in_a_whole_store(stored: World) -> None:
    """Exit code 0, and what was compared."""
    lines = stored.lines("store", "verify", "--both-ways")

    assert lines[0] == "1 group of the spool, 1 frame, 2026-11-24 01:59:50 to 2026-11-24 01:59:50"
    assert [line.split() for line in lines[1:4]] == [
        ["table", "compared", "differences"],
        ["positions", "2", "0"],
        ["messages", "1", "0"],
    ]
    assert lines[-2].startswith("the other way: 2 positions of ")
    assert lines[-1] == "no differences"


def test_verify_names_what_is_gone_and_stores_it_again(stored: World) -> None:
    """Exit code 1 with differences; none are left after a repair."""
    execute(stored, "DELETE FROM messages")
    execute(stored, "DELETE FROM positions")

    result = stored.run("store", "verify", "--limit", "1")
    assert (result.exit_code, result.stdout.splitlines()[-1]) == (1, "3 differences")
    assert "and 2 more: see --limit" in result.stdout

    result = stored.run("store", "verify", "--json")
    found = json.loads(result.stdout)
    assert (result.exit_code, found["differences"], found["not_shown"]) == (1, {"positions": 2, "messages": 1}, 0)
    lost = found["shown"][-1]
    assert (lost["table"], lost["terminal"], lost["msg_id"], lost["serial"]) == ("messages", PHONE, 0x0900, 3)
    assert lost["key"]["received_ms"] == RECEIVED_MS

    lines = stored.lines("store", "verify", "--repair")
    assert lines[-2:] == ["stored again: 3", "no differences are left"]
    assert stored.lines("store", "verify")[-1] == "no differences"


def test_what_was_deleted_on_purpose_is_no_difference(stored: World) -> None:
    """`verify` knows of `retain`."""
    assert stored.lines("store", "retain", "--before", "2026-11-24T02:00:00+08:00", "--yes") == ["3 rows deleted"]
    assert stored.lines("store", "verify")[-1] == "no differences"


def test_verify_without_a_spool_or_with_another_one(story: World, spool: Callable[..., int]) -> None:
    """Said in words, with what to do."""
    result = story.run("store", "verify")

    assert result.exit_code == 69
    assert "the store has followed a spool up to group 1; this one ends at 0" in result.stderr
    assert "next: let it be read: jtgate serve" in result.stderr


# --------------------------------------------------------------------------------------------- export


def test_export_by_the_name_of_the_file(world: World) -> None:
    """Four formats; the summary says how much."""
    track(world)
    out = world.data.parent
    for suffix, mark in ((".parquet", b"PAR1"), (".geojson", b"LineString"), (".gpx", b"<trkpt"), (".csv", b"122.5")):
        (line,) = world.lines("store", "export", str(out / f"track{suffix}"), "--phone", "0" + PHONE)
        assert line.startswith(f"5 reports of 1 terminal in {out / 'track'}{suffix}, ")
        assert mark in (out / f"track{suffix}").read_bytes()
    assert sorted(path.name for path in out.iterdir() if path.is_file()) == [
        "track.csv",
        "track.geojson",
        "track.gpx",
        "track.parquet",
    ]


def test_export_to_standard_output_is_the_file_and_nothing_else(world: World) -> None:
    """The summary goes to standard error, also as JSON."""
    track(world)

    result = world.run("store", "export", "-", "--format", "geojson", "--all", "--points", "--json")

    assert len(json.loads(result.stdout)["features"]) == 5
    facts = json.loads(result.stderr)
    assert (facts["rows"], facts["terminals"], facts["bytes"]) == (5, 1, len(result.stdout_bytes))
    result = world.run("store", "export", "-", "--format", "parquet", "--all")
    assert (result.stdout_bytes[:4], result.stdout_bytes[-4:]) == (b"PAR1", b"PAR1")


def test_export_takes_local_times_and_whole_days(world: World) -> None:
    """GMT+8 unless an offset is given; a date after --to is its last moment."""
    track(world, 3, 3_600_000)  # 23:00 of the day before, 0:00 and 1:00

    def rows(*arguments: str) -> int:
        result = world.run("store", "export", "-", "--format", "csv", "--all", *arguments)
        return len(result.stdout.splitlines()) - 1 if result.exit_code == 0 else 0

    assert rows("--from", "2026-11-24") == 2
    assert rows("--from", "2026-11-23", "--to", "2026-11-23") == 1
    assert rows("--from", "2026-11-24T00:00", "--to", "2026-11-24 00:00:00") == 1
    assert rows("--from", "2026-11-23T16:00Z") == 2
    assert rows("--from", iso_ms(NOW_MS - 3_600_000)) == 1
    assert rows("--from", "2026-12-01") == 0


def test_export_of_nothing_makes_no_file_and_is_exit_code_1(world: World) -> None:
    """No report in the range, none with a fix, nobody of that name: each in its words."""
    track(world, status=0)
    path = world.data.parent / "track.gpx"
    for arguments, said in (
        (("--all", "--from", "2026-12-01"), "there is no report of 1 terminal from 2026-12-01 00:00:00 to now"),
        (("--all",), "none of 5 reports of 1 terminal from the beginning to now has a fix"),
        (("--phone", "99"), "nobody has ever heard of terminal 99"),
        (("--plate", "京A1"), "no terminal is registered for plate 京A1"),
    ):
        result = world.run("store", "export", str(path), *arguments)
        assert (result.exit_code, result.stderr.splitlines()[0]) == (1, f"error: {said}")
    assert not path.exists()


def test_export_by_plate(story: World) -> None:
    """Whatever terminal is registered for it."""
    (line,) = story.lines("store", "export", "-", "--format", "gpx", "--plate", "测A12345")[3:4]

    assert line == f"<trk><name>测A12345 {PHONE}</name>"


def test_export_does_not_replace_a_file_unasked(world: World) -> None:
    """--force does."""
    track(world)
    path = world.data.parent / "track.gpx"
    path.write_text("mine")
    result = world.run("store", "export", str(path), "--all")
    assert (result.exit_code, path.read_text()) == (1, "mine")
    assert "next: name another file, or replace it with --force" in result.stderr
    world.lines("store", "export", str(path), "--all", "--force")
    assert path.read_text().startswith("<?xml")
    result = world.run("store", "export", str(world.data / "no" / "track.gpx"), "--all")
    assert (result.exit_code, "there is no folder" in result.stderr) == (1, True)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("track.gpx",), "name terminals with --phone or --plate, or take --all"),
        (("track.gpx", "--all", "--phone", "1"), "name terminals with --phone or --plate, or take --all"),
        (("track.xyz", "--all"), "the name track.xyz does not say what to write"),
        (("-", "--all"), "the name - does not say what to write"),
        (("track.gpx", "--all", "--points"), "--points is for GeoJSON"),
        (("track.gpx", "--all", "--from", "2026-05-02", "--to", "2026-05-01"), "--to lies before --from"),
        (("track.gpx", "--all", "--from", "noon"), "'noon' is no time"),
    ],
)
def test_export_refuses_what_makes_no_sense(world: World, arguments: tuple[str, ...], said: str) -> None:
    """Exit code 2, and nothing is opened."""
    result = world.run("store", "export", *arguments)

    assert (result.exit_code, said in result.stderr) == (2, True)


def test_interrupted_export_leaves_no_file(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C in the middle of it."""
    track(world, 20)
    real = store_export._counted
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background is started without

    def interrupted(*arguments: object) -> object:
        found = real(*arguments)  # type: ignore[arg-type]
        yield next(found)
        os.kill(os.getpid(), signal.SIGINT)
        yield from found

    monkeypatch.setattr(store_export, "_counted", interrupted)
    try:
        result = world.run("store", "export", str(world.data.parent / "track.csv"), "--all")
    finally:
        signal.signal(signal.SIGINT, before)

    assert result.exit_code != 0
    assert [path.name for path in world.data.parent.iterdir() if path.is_file()] == []


def test_export_needs_no_more_memory_for_a_longer_way(world: World) -> None:
    """200,000 rows against 20,000: the peak of the process hardly moves."""
    track(world, 200_000, 1000)
    peaks = [peak_kib(world, since) for since in (20_000, 200_000)]

    # As Python objects the longer one is 250 MB more. A row group of Parquet and the cache of SQLite fill up.
    assert peaks[1] - peaks[0] < 100_000, peaks


def peak_kib(world: World, seconds: int) -> int:
    """Most memory that an export of so many seconds took, KiB."""
    since = iso_ms(NOW_MS - seconds * 1000)
    out = world.data.parent / f"{seconds}.parquet"
    command = [
        sys.executable,
        "-m",
        "jtgate.cli",
        "store",
        "export",
        str(out),
        "--all",
        "--from",
        since,
        "--data",
        str(world.data),
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        said = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    assert (process.returncode, said.startswith(f"{seconds:,} reports of 1 terminal")) == (0, True), said
    return usage.ru_maxrss


# --------------------------------------------------------------------------------- a server that is away


AWAY = f"postgresql://jtgate:{SECRET}@127.0.0.1:1/vehicles"


@pytest.mark.parametrize(
    "command",
    [
        ("store", "info"),
        ("store", "migrate"),
        ("store", "views"),
        ("store", "verify"),
        ("store", "retain", "--keep-days", "3", "--yes"),
        ("store", "export", "-", "--format", "csv", "--all"),
        ("sessions", "show", PHONE),
        ("terminals", "ls"),
        ("quarantine", "ls"),
        ("quarantine", "replay", "--all"),
    ],
)
def test_a_store_on_a_server_that_is_away_is_said(
    world: World, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]
) -> None:
    """Which one, why, and what to do; never its password."""
    monkeypatch.setenv("JTGATE_STORE", AWAY)

    result = world.run(*command)

    assert result.exit_code == 69, result.output
    first, advice = result.stderr.splitlines()
    assert first.startswith("error: the store postgresql://127.0.0.1:1/vehicles does not answer: ")
    assert "refused" in first
    assert advice.startswith("  next: see that the server runs and lets this user in")
    assert SECRET not in result.output


@pytest.mark.parametrize(
    ("url", "code"),
    [
        (f"postgresql://jtgate:{SECRET}@127.0.0.1:port/vehicles", 78),
        (f"postgresql://jtgate:half@{SECRET}:half@127.0.0.1/vehicles", 78),
        (f"postgresql://jtgate:half@half:{SECRET}@127.0.0.1/vehicles", 78),
        (f"postgresql://jtgate:{SECRET}@127.0.0.1/vehicles?nonsense={SECRET}", 78),
        (f"postgresql://jtgate:{SECRET}@[::1/vehicles", 78),
        (f"postgresql://jtgate:{SECRET}%zz@127.0.0.1/vehicles", 78),
        (f"mysql://jtgate:{SECRET}@127.0.0.1/vehicles", 78),
    ],
)
def test_an_address_that_cannot_be_is_refused_without_a_word_of_it(
    world: World, monkeypatch: pytest.MonkeyPatch, url: str, code: int
) -> None:
    """A fault in an address often lies in the password."""
    monkeypatch.setenv("JTGATE_STORE", url)
    for command in (("store", "info"), ("doctor",)):
        result = world.run(*command)
        assert SECRET not in result.output + repr(result.exception)
        assert result.exit_code == code or command == ("doctor",), result.output


def test_doctor_says_that_the_server_is_away(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A failure, whether anything serves or not."""
    monkeypatch.setenv("JTGATE_STORE", AWAY)

    result = world.run("doctor", "--json")

    assert result.exit_code == 1
    assert SECRET not in result.output
    failed = [check for line in result.stdout.splitlines() if (check := json.loads(line))["state"] == "fail"]
    assert any("refused" in check["found"] for check in failed), result.stdout


def test_live_commands_need_no_store(world: World, monkeypatch: pytest.MonkeyPatch, spool: Callable[..., int]) -> None:
    """`tail` reads the spool: it goes on while the server is away."""
    monkeypatch.setenv("JTGATE_STORE", AWAY)
    spool(pack_frames(NOW_MS * 1000, 7, Transport.TCP, [frame(0x0002, b"")]))

    assert len(world.lines("tail", "--from-start", "--count", "1")) == 1


def test_a_store_on_a_server_needs_no_data_folder(
    world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Whoever reads it may sit elsewhere."""
    monkeypatch.setenv("JTGATE_STORE", AWAY)
    world.data.rmdir()

    assert "does not answer" in world.run("store", "info").stderr
