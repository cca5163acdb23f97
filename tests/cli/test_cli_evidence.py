"""jtgate evidence: lists, copies that are checked, asking once more, and the check of what is on disk."""

import json
import os
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from alarms_world import NUMBER, PHONE, PHOTO, T0_MS, VIDEO, AlarmsWorld, alarms_world
from click.testing import CliRunner

from jtgate.cli import evidence, main
from jtgate.codecs.timebase import now_ms
from jtgate.storage import open_store
from jtgate.storage.contract.derived_rows import evidence as evidence_row
from jtgate.storage.contract.rows import face
from jtgate.storage.evidence import EvidenceFile, FileFacts, FileState
from jtgate.storage.open import open_evidence, open_files

OLD_S = 3600


@pytest.fixture
def world(tmp_path: Path) -> Iterator[AlarmsWorld]:
    """A folder and its API."""
    with alarms_world(tmp_path / "data") as made:
        yield made


def verify(data: Path, *arguments: str) -> tuple[int, list[str]]:
    """Exit code and lines, without any server."""
    result = CliRunner().invoke(main, ["evidence", "verify", "--data", str(data), *arguments], prog_name="jtgate")
    return result.exit_code, result.stdout.splitlines()


def age(file: Path) -> None:
    """Make a file old enough to have a row."""
    past = now_ms() / 1000 - OLD_S
    os.utime(file, (past, past))


def test_files_are_listed(world: AlarmsWorld) -> None:
    """With kind, state, how much has come, and where they lie."""
    lines = world.lines("evidence", "ls")
    assert lines[0].split() == ["id", "announced", "terminal", "file", "kind", "state", "size", "path"]
    assert "02_65_6503_1_a.mp4  视频 video    incomplete 48 %  10.0 KiB  files/80/26/" in lines[1]
    assert [one["file_name"] for one in world.json("evidence", "ls", "--state", "complete")] == ["00_65_6503_0_a.jpg"]
    assert [one["file_type"] for one in world.json("evidence", "ls", "--kind", "video")] == [2]
    assert world.json("evidence", "ls", "--terminal", "13999999999") == []
    assert world.lines("evidence", "ls", "--since", "2026-11-24") == ["no such file"]


def test_files_of_an_alarm_are_fetched(world: AlarmsWorld, tmp_path: Path) -> None:
    """Complete ones under names of ours, checked; the rest is told; what is there is left alone."""
    into = tmp_path / "out"
    result = world.run("evidence", "fetch", "1", "--into", str(into))
    assert (result.exit_code, result.stdout) == (1, f"1 fetched into {into}, 1 not complete\n")
    (file,) = [one for one in into.rglob("*") if one.is_file()]
    assert file.relative_to(into).as_posix() == f"{PHONE}/1_00_65_6503_0_a.jpg"
    assert file.read_bytes() == PHOTO
    again = world.run("evidence", "fetch", "1", "--into", str(into), "--partial")
    assert again.stdout == f"1 fetched into {into}, 1 there already, 1 not complete\n"
    assert (into / PHONE / "2_02_65_6503_1_a.mp4").read_bytes() == VIDEO[:5000]
    assert world.audited()[0] == ("get_evidence_content", PHONE)


def test_files_of_a_day_are_fetched(world: AlarmsWorld, tmp_path: Path) -> None:
    """Each with its outcome as JSON; a file that is damaged on disk is refused and leaves nothing behind."""
    (photo,) = (world.data / "files").glob("e0/45/*")
    photo.write_bytes(b"something else")
    result = world.run(
        "evidence", "fetch", "--since", "2026-11-23", "--to", "2026-11-23", "--into", str(tmp_path / "out"), "--json"
    )
    told = [json.loads(line) for line in result.stdout.splitlines()]
    assert result.exit_code == 1
    assert (told[0]["outcome"], told[0]["error"]) == (
        "failed",
        "What is kept of this file is not what came: its hash is another one",
    )
    assert told[1]["summary"] == {"fetched": 0, "present": 0, "failed": 1, "not_complete": 1}
    assert [one for one in (tmp_path / "out").rglob("*") if one.is_file()] == []


def test_a_hostile_name_stays_in_the_folder(world: AlarmsWorld, tmp_path: Path) -> None:
    """What a terminal calls a file is never a path."""
    with closing(open_files(world.data)) as files:
        sha256, path = files.put(b"x", ".jpg")
    row = evidence_row(
        world.number,
        T0_MS + 86_400_000,
        file_name="../../../../tmp/evil\x00.jpg",
        sha256=sha256,
        path=path,
        missing=None,
    )
    world.write(evidence_files=[row._replace(file_name="../../../../tmp/evil.sh;rm -rf.jpg")])
    into = tmp_path / "deep" / "out"
    result = world.run("evidence", "fetch", "--since", "2026-11-24", "--into", str(into))
    assert result.exit_code == 0, result.output
    found = [one.relative_to(tmp_path).as_posix() for one in tmp_path.rglob("*evil*")]
    assert found == [f"deep/out/{PHONE}/3_____________tmp_evil_sh_rm_-rf.jpg"]


@pytest.mark.parametrize(
    "arguments", [[], ["1", "--since", "1d"], ["--ask", "--since", "1d"], ["x"], ["1", "--wait", "0"]]
)
def test_a_fetch_that_makes_no_sense(world: AlarmsWorld, arguments: list[str]) -> None:
    """Is refused before anything is done."""
    assert world.run("evidence", "fetch", *arguments).exit_code == 2


def test_the_terminal_is_asked_and_waited_for(
    world: AlarmsWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Until the desk has all of it and the store tells the same."""
    monkeypatch.setattr(evidence, "_LOOK_S", 0.05)
    stopped = threading.Event()

    def terminal() -> None:
        with closing(open_evidence(world.data)) as desk, closing(open_files(world.data)) as files:
            while not stopped.is_set():
                for ask in desk.open_of(PHONE):
                    (file,) = desk.announce(ask.ask_id, [FileFacts("02_65_6503_1_a.mp4", len(VIDEO), 2)], now_ms())
                    sha256, path = files.put(VIDEO, ".mp4")
                    whole = ((0, len(VIDEO)),)
                    desk.save(
                        EvidenceFile(file.ask_id, file.facts, FileState.COMPLETE, whole, sha256, path, T0_MS, now_ms()),
                        now_ms(),
                    )
                    complete = evidence_row(
                        world.number, file_name=file.facts.name, alarm_number=NUMBER, stored_bytes=len(VIDEO),
                        announced_bytes=len(VIDEO), sha256=sha256, path=path, missing=None, updated_ms=now_ms(),
                    )  # fmt: skip
                    world.write(evidence_files=[complete])
                time.sleep(0.02)

    thread = threading.Thread(target=terminal)
    thread.start()
    try:
        result = world.run("evidence", "fetch", "1", "--ask", "--wait", "20", "--into", str(tmp_path / "out"))
    finally:
        stopped.set()
        thread.join()
    assert (result.exit_code, result.stdout) == (0, f"2 fetched into {tmp_path / 'out'}\n"), result.output
    assert (tmp_path / "out" / PHONE / "2_02_65_6503_1_a.mp4").read_bytes() == VIDEO


def test_waiting_has_an_end(world: AlarmsWorld, tmp_path: Path) -> None:
    """Who is not there is told of, and what there is is fetched."""
    result = world.run("evidence", "fetch", "1", "--ask", "--wait", "1", "--into", str(tmp_path / "out"))
    assert result.exit_code == 1
    assert "still waiting after 1 s, sent 0 times" in result.stderr
    assert "1 fetched" in result.stdout
    result = world.run("evidence", "fetch", "3", "--ask")
    assert (result.exit_code, "announced no files" in result.stderr) == (1, True)


# ------------------------------------------------------------------------------------------------- verifying


def test_all_is_well(world: AlarmsWorld) -> None:
    """Every file is hashed; the exit code is 0."""
    code, lines = verify(world.data)
    assert code == 0
    assert lines == [f"2 good, 0 missing, 0 different, 0 orphans; 4.9 KiB read in {world.data / 'files'}"]


def test_every_kind_of_fault_is_found(world: AlarmsWorld) -> None:
    """Missing, different by one bit, an orphan; a young file is none yet; pictures of faces count as well."""
    root = world.data / "files"
    (photo,), (video,) = root.glob("e0/45/*"), root.glob("80/26/*")
    photo.unlink()
    content = bytearray(video.read_bytes())
    content[2500] ^= 1
    video.write_bytes(content)
    with closing(open_files(world.data)) as files:
        orphan = files.open(files.put(b"nobody knows me", ".jpg")[1])
        files.put(b"just came", ".jpg")
        sha256, path = files.put(b"a face", ".jpg")
    age(orphan)
    world.write(face_events=[face(world.number, image_sha256=sha256, image_path=path)])
    code, lines = verify(world.data)

    assert code == 1
    assert [line.split()[0] for line in lines[:-1]] == ["different", "missing", "orphan"]
    assert f"of {PHONE}" in lines[0]
    assert lines[1].startswith("missing    e0/45/e045")
    assert lines[2] == f"orphan     {orphan.relative_to(root)}"
    assert lines[-1].startswith("1 good, 1 missing, 1 different, 1 orphans, 1 too young to have a row; ")
    code, lines = verify(world.data, "--json")
    told = [json.loads(line) for line in lines]
    assert [one["outcome"] for one in told[:-1]] == ["different", "missing", "orphan"]
    assert {name: told[-1]["summary"][name] for name in ("good", "missing", "different", "orphan", "young")} == {
        "good": 1, "missing": 1, "different": 1, "orphan": 1, "young": 1,
    }  # fmt: skip


def test_faults_are_counted_beyond_the_limit(world: AlarmsWorld) -> None:
    """And a path in the store that is none of ours is a fault, and is not opened."""
    rows = [
        evidence_row(world.number, file_name=str(at), sha256="ab" * 32, path=f"../../{at}", missing=None)
        for at in range(5)
    ]
    world.write(evidence_files=rows)
    code, lines = verify(world.data, "--limit", "2")
    assert code == 1
    assert "none of ours" in lines[0]
    assert lines[2] == "… and 3 more; --limit shows them"
    assert lines[3].startswith("2 good, 5 missing, ")


def test_what_is_on_s3_only_is_not_missing(world: AlarmsWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is counted apart; --remote would look at it."""
    monkeypatch.setenv("JTGATE_EVIDENCE_S3", "s3://bucket/evidence?endpoint=http://127.0.0.1:9")
    for file in (world.data / "files").glob("80/26/*"):
        file.unlink()
    code, lines = verify(world.data)
    assert code == 0
    assert lines[0].startswith(
        "1 good, 0 missing, 0 different, 0 orphans, 1 on S3 only, not looked at (--remote does);"
    )


def test_a_folder_without_files_and_one_that_is_none(tmp_path: Path) -> None:
    """An empty store is well; no folder is nobody's fault but the caller's."""
    data = tmp_path / "data"
    data.mkdir()
    with closing(open_store("", data)) as store:
        store.migrate()
    code, lines = verify(data)
    assert (code, lines[0].partition(";")[0]) == (0, "0 good, 0 missing, 0 different, 0 orphans")
    assert not (data / "files").exists()
    assert verify(tmp_path / "nothing")[0] == 69
