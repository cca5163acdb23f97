"""jtgate store, quarantine and terminals."""

import json

import pytest
from cli_world import PHONE, World

from jtgate.storage import open_directory


def test_store_info_names_what_is_kept(story: World) -> None:
    """Rows by table, the cursor, and times people can read."""
    lines = dict(line.split(maxsplit=1) for line in story.lines("store", "info"))

    assert lines["backend"] == "sqlite"
    assert (lines["rows.positions"], lines["rows.alarm_events"], lines["rows.quarantine"]) == ("1", "1", "1")
    assert lines["last_position"] == "2026-11-24 01:59:55"
    assert lines["cursors.store"] == "1"


def test_store_info_json_is_one_object(story: World) -> None:
    """Programs get numbers, not words."""
    (line,) = story.lines("store", "info", "--json")

    assert json.loads(line)["rows"]["positions"] == 1


@pytest.mark.parametrize(
    "command",
    [("store", "info"), ("quarantine", "ls"), ("sessions", "show", PHONE), ("tail", "--count", "1")],
)
def test_no_data_folder_says_what_to_do(world: World, command: tuple[str, ...]) -> None:
    """Nothing is made by looking."""
    world.data.rmdir()

    result = world.run(*command)

    assert result.exit_code == 69
    assert result.stderr == (
        f"error: there is no data folder {world.data}\n"
        "  next: name it with --data DIR or JTGATE_DATA, or start one: jtgate serve --data DIR\n"
    )
    assert not world.data.exists()


def test_quarantine_lists_what_cannot_be_decoded(story: World) -> None:
    """Where the fault is, and what it is, on one line."""
    lines = story.lines("quarantine", "ls")

    assert lines[0].split() == [
        "id",
        "received",
        "terminal",
        "message",
        "state",
        "fault",
        "at",
        "field",
        "what",
        "is",
        "wrong",
    ]
    assert lines[1].startswith(f" 1  2026-11-24 01:59:50  {PHONE}  0x0702 ")
    assert lines[1].endswith("held   body.truncated  14  time   the body ends inside time")
    assert len(lines) == 2


def test_quarantine_filters_by_terminal(story: World) -> None:
    """Leading zeros are ignored here too."""
    assert len(story.lines("quarantine", "ls", "--phone", "0" + PHONE, "--json")) == 1
    assert story.lines("quarantine", "ls", "--phone", "999") == ["nothing is quarantined"]


def test_quarantine_show_gives_the_bytes(story: World) -> None:
    """Everything one needs for a report to the vendor."""
    lines = story.lines("quarantine", "show", "1")

    assert "fault          body.truncated at byte 14, field time" in lines
    assert "bytes          07 02 00 02 01 38 00 13 80 00 00 07 01 02" in lines
    result = story.run("quarantine", "show", "2")
    assert (result.exit_code, result.stderr.splitlines()[0]) == (1, "error: nothing quarantined has id 2")


@pytest.mark.parametrize("arguments", [(), ("1", "--all"), ("--all", "--phone", PHONE)])
def test_replay_wants_exactly_one_selection(story: World, arguments: tuple[str, ...]) -> None:
    """Ids, --all or --phone."""
    result = story.run("quarantine", "replay", *arguments)

    assert result.exit_code == 2
    assert "name the ids to replay, or --all, or --phone PHONE" in result.stderr


def test_replay_of_what_is_still_broken_keeps_it(story: World) -> None:
    """Exit code 1: it is held on."""
    result = story.run("quarantine", "replay", "--all")

    assert (result.exit_code, result.stdout) == (1, "tried 1, decoded 0, still held 1\n  1 body.truncated\n")
    assert len(story.lines("quarantine", "ls", "--json")) == 1


def test_terminals_are_admitted_and_removed(world: World) -> None:
    """Each number once, whatever its zeros; standard input works as well."""
    assert world.lines("terminals", "add", PHONE, "0" + PHONE, "13800138001") == ["added 2, 0 were known already"]
    result = world.run("terminals", "add", "-", stdin="13800138001\n13800138002\n")
    assert result.stdout == "added 1, 1 were known already\n"
    directory = open_directory(world.data)
    assert directory.known() == {PHONE, "13800138001", "13800138002"}
    directory.close()
    assert world.lines("terminals", "rm", "013800138002") == ["removed 1, 0 were not known"]
    gone = world.run("terminals", "rm", "13800138002")
    assert (gone.exit_code, gone.stderr.splitlines()[0]) == (1, "error: none of them was known")


def test_terminals_can_be_added_before_the_first_serve(world: World) -> None:
    """The data folder is made; the list works without a store."""
    world.data.rmdir()
    world.lines("terminals", "add", PHONE)

    assert world.lines("terminals", "ls") == [
        "terminal     known  edition  plate  manufacturer  model  device id  last seen",
        "13800138000  yes    -        -      -             -      -          -",
    ]


def test_numbers_that_nothing_can_have_are_refused(world: World) -> None:
    """A phone number has 20 digits at most, an id of a row 63 bits."""
    assert world.run("terminals", "add", "9" * 20).exit_code == 0
    for words in (("terminals", "add", "9" * 21), ("quarantine", "show", "9" * 30), ("quarantine", "replay", "9" * 30)):
        result = world.run(*words)
        assert (result.exit_code, "Error: " in result.stderr) == (2, True)


def test_terminals_ls_joins_what_is_known_and_what_was_heard(story: World) -> None:
    """One line per terminal, whichever side knows it."""
    story.lines("terminals", "add", "555")

    assert story.lines("terminals", "ls") == [
        "terminal     known  edition  plate     manufacturer  model  device id  last seen",
        "13800138000  no     2019     测A12345  70111         DSM-1  T0001      2 s ago",
        "555          yes    -        -         -             -      -          -",
    ]
    objects = [json.loads(line) for line in story.lines("terminals", "ls", "0555", "--json")]
    assert objects == [{"terminal": "555", "known": True}]


def test_nobody_known_and_nobody_heard(world: World) -> None:
    """Said in words."""
    assert world.lines("terminals", "ls") == ["no terminal is known and none was ever heard of"]


def test_a_bad_number_is_refused_before_anything_is_written(world: World) -> None:
    """All or nothing."""
    result = world.run("terminals", "add", PHONE, "12-34")

    assert result.exit_code == 2
    assert world.lines("terminals", "ls") == ["no terminal is known and none was ever heard of"]


def test_settings_error_in_the_file_is_exit_code_78(world: World) -> None:
    """Every command reads the same jtgate.toml."""
    (world.data.parent / "jtgate.toml").write_text("prot = 5\n")

    result = world.run("store", "info")

    assert (result.exit_code, result.stderr) == (
        78,
        "error: jtgate.toml:1: prot is not a setting\n  next: did you mean port?\n",
    )
