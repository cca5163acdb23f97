"""The parts of the kit: how scenarios are read, frames made wrong on purpose, conditions, reports, the packed data."""

import html.parser
import os
import subprocess
import sys
from pathlib import Path

import pytest

from jtgate.codecs.edition import Edition
from jtgate.codecs.framing import Frame, FrameReader
from jtgate.codecs.header import parse_header
from jtgate.conformance import kit, page, render
from jtgate.conformance.frames import Sent, Stamp, build, cut
from jtgate.conformance.kit import KitError
from jtgate.conformance.report import Report, Result, Status, Verdict
from jtgate.conformance.scenario import STEPS, Role, Scenario, Severity, by_topic, chosen, load, read_toml
from jtgate.conformance.trace import HEAD_MAX, TAIL_MAX, Trace
from jtgate.conformance.words import Words, fault

ROOT = Path(__file__).resolve().parents[2]
SAMPLES = read_toml(kit.folder("scenarios") / "messages.toml")

GOOD = """
topic = "T"
topic_zh = "题"
[[scenario]]
id = "t.one"
title = "One"
title_zh = "一"
clause = "JT/T 808 §1"
rule = "It holds."
severity = "must"
steps = [{ do = "connect" }, { do = "wait", ms = 1 }]
"""


def words(edition: Edition = Edition.V2013) -> Words:
    """Names as a scenario has them."""
    found = Words(edition, SAMPLES)
    found.variables |= {"plate": "测A00001", "terminal_id": "0000001", "imei": "0" * 15, "code": "C"}
    return found


def make(spec: dict[str, object], edition: Edition = Edition.V2013) -> list[Sent]:
    """Frames of one step."""
    return list(build(spec, Stamp(edition, "13800000001", serial=5), words(edition)))


def read(wire: bytes) -> list[Frame]:
    """The good frames in some bytes."""
    return [event for event in FrameReader().feed(wire) if isinstance(event, Frame)]


# ------------------------------------------------------------------------------------------------ scenarios


@pytest.mark.parametrize("role", list(Role))
def test_scenarios_are_complete(role: Role) -> None:
    """Each says what it is about in both languages, where its rule stands, and what must hold."""
    scenarios = load(role)
    for scenario in scenarios:
        assert scenario.id.partition(".")[0].isalpha(), scenario.id
        assert scenario.title[0].isupper() or scenario.title[0].isdigit(), scenario.id
        assert any("\u4e00" <= char <= "\u9fff" for char in scenario.title_zh), scenario.id
        assert "§" in scenario.clause, scenario.id
        assert scenario.rule.endswith((".", "?", ")")), scenario.id
    assert len(scenarios) >= {Role.SERVER: 100, Role.TERMINAL: 40}[role]
    assert sum(len(group) for _, group in by_topic(scenarios)) == len(scenarios)


def test_every_step_is_told_in_the_readme() -> None:
    """conformance/README.md explains every verb and every key of a step."""
    page_text = (kit.folder() / "README.md").read_text(encoding="utf-8")
    for role in Role:
        for verb, keys in STEPS[role].items():
            for name in (verb, *keys):
                assert f"`{name}`" in page_text, f"{verb}: {name}"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (('severity = "must"', 'severity = "may"'), "severity"),
        (('rule = "It holds."', ""), "missing rule"),
        (('title = "One"', 'title = "One"\nowner = "me"'), "unknown owner"),
        (('do = "wait"', 'do = "dance"'), "'dance'"),
        (("ms = 1", "minutes = 1"), "minutes"),
        (('topic_zh = "题"', ""), "topic_zh"),
        (('id = "t.one"', 'id = "t.one"\neditions = ["2017"]'), "editions"),
        (('id = "t.one"', 'id = "t.one"\npolicy = "loose"'), "policy"),
        (("steps = [", "steps = [["), "bad.toml"),
    ],
)
def test_a_scenario_without_sense_is_refused(tmp_path: Path, change: tuple[str, str], said: str) -> None:
    """With the file, the scenario and what is wrong."""
    (tmp_path / "bad.toml").write_text(GOOD, encoding="utf-8")
    assert len(load(Role.SERVER, tmp_path)) == 1
    (tmp_path / "bad.toml").write_text(GOOD.replace(*change), encoding="utf-8")

    with pytest.raises(KitError, match=r"bad\.toml") as caught:
        load(Role.SERVER, tmp_path)

    assert said in str(caught.value)


def test_two_scenarios_cannot_have_one_name(tmp_path: Path) -> None:
    """Also in different files."""
    for name in ("a.toml", "b.toml"):
        (tmp_path / name).write_text(GOOD, encoding="utf-8")

    with pytest.raises(KitError, match=r"t\.one"):
        load(Role.SERVER, tmp_path)


def test_scenarios_are_chosen_by_id_topic_or_pattern() -> None:
    """A name that means none is an error, so that a slip does not pass for a good result."""
    every = load(Role.SERVER)

    assert [s.id for s in chosen(every, ["delivery.resend"])] == ["delivery.resend"]
    assert {s.id.partition(".")[0] for s in chosen(every, ["framing", "udp"])} == {"framing", "udp"}
    assert {s.id for s in chosen(every, ["*.resend", "delivery.res*"])} == {"delivery.resend"}
    assert chosen(every, []) == every
    with pytest.raises(KitError, match="framming"):
        chosen(every, ["framming"])


# --------------------------------------------------------------------------------------------------- frames


@pytest.mark.parametrize("edition", list(Edition))
@pytest.mark.parametrize(
    "name", [name for name, message in SAMPLES.items() if "fields" in message or "body" in message]
)
def test_every_sample_message_can_be_built(name: str, edition: Edition) -> None:
    """In every edition that has it, as a frame with the right header."""
    try:
        (sent,) = make({"message": name}, edition)
    except KitError as error:
        if "nothing is said for edition" in str(error) or "needs split" in str(error):
            return
        raise
    (frame,) = read(sent.wire)
    header, _ = parse_header(frame.payload)

    assert header.deviations == ()
    assert (header.msg_id, header.serial, header.terminal) == (SAMPLES[name]["id"], 5, "13800000001")


def test_parts_carry_rising_serials_or_one() -> None:
    """Labels count from 1; the next message goes on behind the last part."""
    stamp, names = Stamp(Edition.V2013, "1", serial=65535), words()
    parts = list(build({"message": "media_long", "as": "m", "split": 600}, stamp, names))
    equal = list(build({"message": "media_long", "as": "e", "split": 600, "same_serial": True}, stamp, names))

    assert [(part.label, part.serial) for part in parts] == [("m.1", 65535), ("m.2", 0), ("m.3", 1)]
    assert [part.serial for part in equal] == [2, 2, 2]
    assert stamp.serial == 3
    assert [parse_header(read(part.wire)[0].payload)[0].packet_no for part in parts] == [1, 2, 3]


@pytest.mark.parametrize("damage", ["checksum", "escape", "no_opening_flag", "no_closing_flag"])
def test_a_damaged_frame_is_no_frame(damage: str) -> None:
    """Whoever reads it."""
    (sent,) = make({"message": "location_report", "damage": damage, "fields": {"time": "250314150926"}})

    assert read(sent.wire) == []


@pytest.mark.parametrize("check", [0x7D, 0x7E])
def test_the_check_byte_can_be_wished_for(check: int) -> None:
    """The serial gives way."""
    (sent,) = make({"message": "heartbeat", "check": check})

    assert sent.wire[-3:] == bytes([0x7D, check - 0x7C, 0x7E])
    assert parse_header(read(sent.wire)[0].payload)[0].serial == sent.serial


def test_bytes_are_cut_where_a_scenario_says() -> None:
    """By size, at offsets, behind every escape."""
    data = bytes.fromhex("7e017d027d7e")

    assert cut(data, None) == [data]
    assert cut(data, 4) == [data[:4], data[4:]]
    assert cut(data, [2, 99]) == [data[:2], data[2:]]
    assert cut(data, "after_escape") == [data[:3], data[3:5], data[5:]]
    with pytest.raises(KitError):
        cut(data, "somewhere")


@pytest.mark.parametrize(
    "spec",
    [
        {"as": "nothing"},
        {"message": "no_such_message"},
        {"id": 0x0200, "fields": {"latitude": "north"}},
        {"id": 0x0200, "fields": {"colour": 1}},
        {"id": 0x0200, "body": "xyz"},
        {"message": "heartbeat", "damage": "everything"},
        {"message": "heartbeat", "count": 100_000},
        {"message": "location_report", "fields": {"time": "$tomorrow"}},
        {"id": 0x0200, "body": "{@nobody}"},
        {"message": "media_long", "split": 1, "grow_to": 9000},
        {"message": "media_long"},
    ],
)
def test_a_step_that_cannot_be_done_is_refused(spec: dict[str, object]) -> None:
    """As a fault of the scenario, not of what is tested."""
    with pytest.raises(KitError):
        make(spec)


# ----------------------------------------------------------------------------------------------- conditions


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        (3, 3),
        (3, [1, 3]),
        ([3], {"equals": [3]}),
        (3, {"min": 3, "max": 3}),
        ("ab", {"length_min": 2, "length_max": 2, "ascii": True}),
        (None, {"absent": True}),
        ([{"id": 1}], {"some": {"id": 1}, "each": {"id": [1, 2]}}),
        ({"a": 1, "b": 2}, {"in": {"a": 1}}),
        ("2000-01-01T00:00:00+08:00", {"near_now_s": 10**10}),
    ],
)
def test_a_condition_is_met(value: object, wanted: object) -> None:
    """Nothing is said then."""
    assert fault("field", value, wanted) is None


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        (3, 4),
        (3, [1, 2]),
        ([3, 4], {"equals": [3]}),
        (2, {"min": 3}),
        ("3", {"min": 3}),
        (4, {"max": 3}),
        ("a", {"length_min": 2}),
        ("abc", {"length_max": 2}),
        ("测", {"ascii": True}),
        (1, {"absent": True}),
        (None, {"absent": False}),
        ([{"id": 1}], {"some": {"id": 2}}),
        ([{"id": 1}], {"each": {"id": 2}}),
        ({"a": 1}, {"in": {"b": 1}}),
        ("2000-01-01T00:00:00+08:00", {"near_now_s": 60}),
        ("raw:000000000000", {"near_now_s": 60}),
    ],
)
def test_a_condition_is_not_met(value: object, wanted: object) -> None:
    """The sentence names the field."""
    assert (fault("field", value, wanted) or "").startswith("field")


def test_an_unknown_condition_is_refused() -> None:
    """A slip in a scenario must not make it pass."""
    with pytest.raises(KitError, match="about"):
        fault("field", 1, {"about": 1})


# -------------------------------------------------------------------------------------------------- reports


def result(status: Status, severity: Severity = Severity.MUST, problem: str = "") -> Result:
    """A result of some scenario."""
    scenario = next(s for s in load(Role.SERVER) if s.id == "framing.glued")
    trace = Trace()
    trace.add("a", "sent", "0x0002 serial 1", b"\x7e\x00\x7e")
    trace.add("a", "bad", "<script>alert(1)</script>", b"\x7e")
    return Result(scenario, severity, "2019", "tcp", status, problem, 1.0, tuple(trace.entries()))


def report(*results: Result) -> Report:
    """A run."""
    found = Report("server", "host:6808", "0.1", "2026-11-24T02:00:00+08:00", "all", 1.5)
    found.results = list(results)
    return found


def test_the_verdict_follows_the_score() -> None:
    """A must that fails or is not reached decides; nothing tried is no pass; observations do not count."""
    good, bad, blocked = result(Status.PASS), result(Status.FAIL), result(Status.BLOCKED)
    weak, seen = result(Status.FAIL, Severity.SHOULD), result(Status.FAIL, Severity.INFO)

    assert report(good, seen).verdict is Verdict.PASS
    assert report(good, weak).verdict is Verdict.REMARKS
    assert report(good, bad).verdict is Verdict.FAIL
    assert report(good, blocked).verdict is Verdict.FAIL
    assert report().verdict is Verdict.FAIL
    assert report(result(Status.SKIPPED)).verdict is Verdict.FAIL
    assert str(report(good, bad, seen).score(Severity.MUST)) == "1/2"


def test_the_text_names_rule_clause_and_bytes() -> None:
    """Whoever reads it can begin to search."""
    text = "\n".join(render.text(report(result(Status.PASS), result(Status.FAIL, problem="no answer within 5 s"))))

    assert "framing.glued" in text
    assert "clause  JT/T 808 §1.3" in text
    assert "found   no answer within 5 s" in text
    assert "7e 00 7e" in text
    assert "must 1/2" in text
    assert "verdict: fail" in text


class _Links(html.parser.HTMLParser):
    """Everything a page would load from elsewhere."""

    def __init__(self) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.tags: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.loads += [f"{tag} {name}" for name, _ in attrs if name in ("src", "href", "srcset")]


def test_the_page_is_one_file_and_escapes_what_came_from_outside() -> None:
    """No link to anything, and bytes of a stranger do not become a part of the page."""
    failed = result(Status.FAIL, problem="<b>not</b> & never")
    text = page.html(report(result(Status.PASS), failed, result(Status.FAIL, Severity.INFO)))
    links = _Links()
    links.feed(text)

    assert links.loads == []
    assert "link" not in links.tags
    assert "url(" not in text
    assert "@import" not in text
    assert "&lt;b&gt;not&lt;/b&gt; &amp; never" in text
    assert text.count("<script>") == 1
    assert "JT/T 808 §1.3" in text


def test_json_holds_every_result_with_its_trace() -> None:
    """For programs."""
    found = report(result(Status.FAIL, problem="no answer")).to_json()
    first = found["results"][0]  # type: ignore[index]

    assert found["verdict"] == "fail"
    assert found["score"]["must"] == {"passed": 0, "total": 1}  # type: ignore[index]
    assert (first["clause"], first["status"], first["problem"]) == ("JT/T 808 §1.3, §11 item 2", "fail", "no answer")
    assert first["trace"][0]["hex"] == "7e007e"


def test_a_trace_has_an_end() -> None:
    """The beginning and the end of a long one are kept; a line says how much is not."""
    trace = Trace()
    for number in range(1000):
        trace.add("a", "sent", str(number))
    entries = trace.entries()

    assert len(entries) == HEAD_MAX + TAIL_MAX + 1
    assert [entries[0].text, entries[HEAD_MAX - 1].text, entries[-1].text] == ["0", str(HEAD_MAX - 1), "999"]
    assert entries[HEAD_MAX].text.startswith(f"{1000 - HEAD_MAX - TAIL_MAX} more lines")


# ------------------------------------------------------------------------------------------ packed with pip


def test_an_installed_package_brings_its_data(tmp_path: Path) -> None:
    """What `pip install` copies holds the scenarios and the vectors, and finds them."""
    command = [sys.executable, "setup.py", "-q", "build_py", "--build-lib", str(tmp_path)]
    subprocess.run(
        command, check=True, cwd=ROOT, env={**os.environ, "JTGATE_PURE": "1"}, capture_output=True, timeout=60
    )
    script = (
        "from jtgate.conformance import kit; from jtgate.conformance.scenario import Role, load;"
        "print(kit.folder('vectors'), len(load(Role.SERVER)), len(load(Role.TERMINAL)))"
    )
    environment = {**os.environ, "PYTHONPATH": str(tmp_path), "PYTHONSAFEPATH": "1"}

    told = subprocess.run(
        [sys.executable, "-c", script], check=True, cwd=tmp_path, env=environment, capture_output=True, text=True
    ).stdout.split()

    assert Path(told[0]).is_relative_to(tmp_path)
    assert [int(count) for count in told[1:]] == [len(load(role)) for role in (Role.SERVER, Role.TERMINAL)]


def test_a_scenario_is_data_only() -> None:
    """Nothing in it is a name of ours beyond the format: steps are plain tables."""

    def plain(value: object) -> bool:
        if isinstance(value, dict):
            return all(isinstance(key, str) and plain(inner) for key, inner in value.items())
        if isinstance(value, list):
            return all(plain(inner) for inner in value)
        return isinstance(value, str | int | float | bool)

    every: list[Scenario] = [*load(Role.SERVER), *load(Role.TERMINAL)]
    assert all(plain(step) for scenario in every for step in scenario.steps)
