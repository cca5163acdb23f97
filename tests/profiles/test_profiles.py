"""Files of profiles: what is built in, what a user adds, who gets which, and errors that name file and key."""

import dataclasses
import json
import re
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from jtgate.cli.profiles import profiles as command
from jtgate.codecs.profile import AUTO, CHOICES, Dialect, Profile
from jtgate.profiles import BadProfileKey, Profiles, ProfilesError, ProfilesFileError, UnknownProfile, load
from jtgate.profiles.explain import SETTINGS, shown
from jtgate.settings import EX_CONFIG


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A path for a file of profiles."""
    return tmp_path / "mine.toml"


def loaded(file: Path, text: str) -> Profiles:
    """The profiles with a file of one's own."""
    file.write_text(text, encoding="utf-8")
    return load([file])


# ------------------------------------------------------------------------------------------------- what there is


def test_there_is_a_profile_for_every_dialect() -> None:
    """A dialect is chosen by its short name."""
    known = load()
    assert {dialect for dialect in Dialect if known.named(dialect).dialect is not dialect} == set()
    assert known.named("auto") is AUTO


def test_every_other_reading_has_a_profile() -> None:
    """No value of a setting that is a word, and no setting at all, is without a built-in profile that has it."""
    known = [entry.profile for entry in load().entries.values()]
    for name, values in CHOICES.items():
        assert {getattr(profile, name) for profile in known} == set(values), name
    for row in SETTINGS:
        assert any(getattr(profile, row.name) != getattr(AUTO, row.name) for profile in known), row.name


def test_every_built_in_profile_says_what_it_is_and_changes_something() -> None:
    """One sentence each, and no profile that is another name of the default."""
    for entry in load().entries.values():
        assert entry.description, entry.name
        assert entry.description[-1] != "."
        if entry.name != "auto":
            assert dataclasses.replace(entry.profile, name="auto") != AUTO, entry.name


def test_the_table_explains_every_setting_in_order() -> None:
    """What can be set is explained, with the point it answers; nothing else is."""
    fields = [field.name for field in dataclasses.fields(Profile)]
    assert ["name", *(row.name for row in SETTINGS)] == fields
    for row in SETTINGS:
        assert row.possible, row.name
        assert "§" in row.answers, row.name
        assert row.meaning.endswith("."), row.name


def test_every_disagreement_with_a_choice_is_answered_by_a_setting() -> None:
    """The rows of 808 §13 whose other reading somebody may need."""
    told = "; ".join(row.answers for row in SETTINGS)
    answered = {int(number) for part in re.findall(r"§13 items? ([^;]+)", told) for number in re.findall(r"\d+", part)}
    assert answered >= {2, 3, 5, 6, 10, 12, 13, 14, 19, 21, 24, 25, 30, 31, 33}


# ------------------------------------------------------------------------------------------------ one's own


def test_a_profile_builds_on_another(file: Path) -> None:
    """What it names replaces what its base says; the order of tables does not matter."""
    known = loaded(
        file,
        """
        [profile.three]
        base = "two"
        alarm_bits = { 16 = -1, 0x11 = 28 }
        [profile.two]
        base = "seat-belt-export"
        description = "ours"
        time_zone_minutes = 420
        speed_step_kmh = 1
        """,
    )
    found = known.named("three")
    assert (found.dialect, found.dsm_types[6][:5]) == (Dialect.SU, "未系安全带")
    assert (found.time_zone_minutes, found.speed_step_kmh, found.alarm_bits) == (420, 1, {16: -1, 17: 28})
    assert known.entries["two"].description == "ours"
    assert known.entries["two"].source == str(file)


def test_terminals_get_profiles_by_number_registration_and_listener(file: Path) -> None:
    """The most telling row counts; of rows of a kind the first; numbers written out go before patterns."""
    known = loaded(
        file,
        """
        [[assign]]
        profile = "gd"
        terminal = ["1390*", "013800138000"]
        [[assign]]
        profile = "auto"
        terminal = "13900000001"
        [[assign]]
        profile = "sc"
        manufacturer = "70111"
        model = "BSJ-*"
        [[assign]]
        profile = "sd"
        manufacturer = "70111"
        [[assign]]
        profile = "utc-clock"
        listener = "udp"
        """,
    ).assignments
    names = {
        who: known.choose(*who).name
        for who in [
            ("13800138000", "70111", "BSJ-A6", "udp"),
            ("13900000002", None, None, "tcp"),
            ("13900000001", "70111", "BSJ-A6", "udp"),
            ("1", "70111", "BSJ-A6", "udp"),
            ("1", "70111", "X", "udp"),
            ("1", "70112", "X", "udp"),
            ("1", None, None, "udp"),
            ("1", None, None, "tcp"),
        ]
    }
    assert list(names.values()) == ["gd", "gd", "auto", "sc", "sd", "utc-clock", "utc-clock", "auto"]


def test_several_files_are_read_in_order(tmp_path: Path) -> None:
    """A later file may build on an earlier one, and its assignments come after."""
    one, two = tmp_path / "one.toml", tmp_path / "two.toml"
    one.write_text('[profile.a]\nbase = "b"\n[[assign]]\nprofile = "a"\nterminal = "1"\n')
    two.write_text('[profile.b]\nbase = "gd"\n[[assign]]\nprofile = "b"\nterminal = ["1", "2"]\n')
    known = load([one, two])
    assert known.named("a").dialect is Dialect.GD
    assert [known.assignments.choose(who, None, None, "").name for who in "12"] == ["a", "b"]


# ---------------------------------------------------------------------------------------------------- errors


@pytest.mark.parametrize(
    ("text", "kind", "key"),
    [
        ("[profile.x]\nspeed = 1", BadProfileKey, "'speed'"),
        ("[profile.x]\nname = 'y'", BadProfileKey, "'name'"),
        ("[profile.x]\ndialect = 'xx'", BadProfileKey, "dialect"),
        ("[profile.x]\ntime_zone_minutes = 900", BadProfileKey, "time_zone_minutes"),
        ("[profile.x]\ntime_zone_minutes = '8'", BadProfileKey, "time_zone_minutes"),
        ("[profile.x]\nspeed_step_kmh = 0.0", BadProfileKey, "speed_step_kmh"),
        ("[profile.x]\naddress_nul = 1", BadProfileKey, "address_nul"),
        ("[profile.x]\nalarm_bits = { 40 = 1 }", BadProfileKey, "alarm_bits"),
        ("[profile.x]\nalarm_bits = { a = 1 }", BadProfileKey, "alarm_bits"),
        ("[profile.x]\ndsm_types = { 6 = 1 }", BadProfileKey, "dsm_types"),
        ("[profile.x]\ndescription = 1", BadProfileKey, "profile.x.description"),
        ("[profile.x]\nbase = 'y'", UnknownProfile, "profile.x.base"),
        ("[profile.x]\nbase = 'x'", UnknownProfile, "x → x"),
        ("[profile.x]\nbase = 'y'\n[profile.y]\nbase = 'x'", UnknownProfile, "x → y → x"),
        ("[profile.gd]\ndialect = 'su'", BadProfileKey, "profile.gd"),
        ("[profile.auto]\ndialect = 'su'", BadProfileKey, "profile.auto"),
        ("profile = 1", BadProfileKey, "profile is no table"),
        ("[profile]\nx = 1", BadProfileKey, "profile.x is no table"),
        ("[profiles.x]\ndialect = 'su'", BadProfileKey, "profiles"),
        ("assign = 1", BadProfileKey, "assign"),
        ("assign = [1]", BadProfileKey, "assign 1"),
        ("[[assign]]\nterminal = '1'", BadProfileKey, "assign 1: profile is missing"),
        ("[[assign]]\nprofile = 'gd'", BadProfileKey, "assign 1: it names nobody"),
        ("[[assign]]\nprofile = 'gd'\nterminal = '1'\nlistener = 'udp'", BadProfileKey, "more than one"),
        ("[[assign]]\nprofile = 'gd'\nlistener = 'sms'", BadProfileKey, "listener"),
        ("[[assign]]\nprofile = 'gd'\nterminal = 138", BadProfileKey, "terminal"),
        ("[[assign]]\nprofile = 'gd'\nterminal = ['13x']", BadProfileKey, "terminal: '13X'"),
        ("[[assign]]\nprofile = 'gd'\nphone = '1'", BadProfileKey, "phone"),
        ("[[assign]]\nprofile = 'gd'\nmodel = ''", BadProfileKey, "model"),
        ("[[assign]]\nprofile = 'nobody'\nterminal = '1'", UnknownProfile, "'nobody'"),
        ("\n[profile.x\n", ProfilesFileError, "line 2"),
    ],
)
def test_errors_name_file_and_key(file: Path, text: str, kind: type[ProfilesError], key: str) -> None:
    """Every mistake is a typed error that says where it stands and what to do."""
    with pytest.raises(kind) as raised:
        loaded(file, text)
    assert raised.value.message.startswith(str(file))
    assert key in raised.value.message
    assert raised.value.advice


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    """Absent, a folder, or no UTF-8."""
    for path in (tmp_path / "absent.toml", tmp_path):
        with pytest.raises(ProfilesFileError, match=str(path)):
            load([path])
    (tmp_path / "bytes.toml").write_bytes(b"a = '\xff'")
    with pytest.raises(ProfilesFileError, match="UTF-8"):
        load([tmp_path / "bytes.toml"])


def test_a_long_chain_of_bases_is_refused(file: Path) -> None:
    """Profiles are built on one another a limited number of times."""
    chain = "\n".join(f'[profile.p{number}]\nbase = "p{number + 1}"' for number in range(2000))
    with pytest.raises(BadProfileKey, match="built on one another"):
        loaded(file, chain + '\n[profile.p2000]\ndialect = "gd"\n')


# ---------------------------------------------------------------------------------------------- command line


def run(*arguments: str) -> Any:
    """The command, and what it printed."""
    return CliRunner().invoke(command, arguments, catch_exceptions=False)


def test_command_lists_profiles() -> None:
    """One line each."""
    lines = run().output.splitlines()
    assert len(lines) == len(load().entries) + 1
    assert any(line.startswith("seat-belt-export") for line in lines)


def test_command_explains_one(file: Path) -> None:
    """What it changes, what the recommended reading is, and who has it."""
    file.write_text('[profile.ours]\nbase = "gd"\nlogout_id = 0x101\n[[assign]]\nprofile = "ours"\nterminal = "13*"\n')
    shown_text = run("ours", "--profiles", str(file)).output
    assert "terminal 13*" in shown_text
    assert "0x0101" in shown_text
    told = json.loads(run("ours", "--profiles", str(file), "--json").output)
    assert told["settings"] == {"dialect": "gd", "logout_id": 0x101}
    assert (told["base"], told["source"], told["assigned"]) == ("gd", str(file), ["terminal 13*"])


def test_command_names_what_is_wrong(file: Path) -> None:
    """An unknown name and a bad file are configuration errors with advice."""
    assert run("nobody").exit_code == EX_CONFIG
    file.write_text("[profile.x]\nspeed = 1\n")
    failed = run("--profiles", str(file))
    assert (failed.exit_code, str(file) in failed.output) == (EX_CONFIG, True)


def test_values_are_shown_as_a_file_has_them() -> None:
    """What is printed can be pasted."""
    assert shown("alarm_bits", {16: -1}) == "{ 16 = -1 }"
    assert shown("dsm_types", {6: "x"}) == '{ 6 = "x" }'
    assert shown("address_nul", True) == "true"
