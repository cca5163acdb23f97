"""`jtgate messages`: the list, the pages, and that what the pages show can be copied."""

import json
import shlex
from typing import Any

import pytest
from click.testing import CliRunner, Result

from jtgate.cli import messages_page
from jtgate.cli.encode import encode
from jtgate.cli.messages import encode_command, messages
from jtgate.codecs.catalogue import CATALOGUE
from jtgate.codecs.declare import MESSAGES
from jtgate.codecs.deviations import DEVIATIONS
from jtgate.codecs.reference import message_page


def run(*arguments: str) -> Result:
    """Run the command as a shell would."""
    return CliRunner().invoke(messages, arguments)


def lines(*arguments: str) -> list[str]:
    """Lines of a run that succeeds."""
    result = run(*arguments)
    assert result.exit_code == 0, result.output
    return result.stdout.splitlines()


def objects(*arguments: str) -> list[Any]:
    """JSON lines of a run that succeeds."""
    return [json.loads(line) for line in lines(*arguments, "--json")]


def test_the_list_has_every_message() -> None:
    """Id, direction, names, standard, editions, answer, decoded."""
    listed = lines()
    assert len(listed) == len(CATALOGUE) + 3
    (register,) = [line for line in listed if line.startswith("0x0100")]
    assert register.split() == ["0x0100", "↑", "register", "终端注册", "JT/T", "808", "all", "0x8100", "yes"]
    assert f"{len(CATALOGUE)} messages, {len(MESSAGES)} decoded" in listed[-1]
    assert [one["id"] for one in objects()] == [f"0x{msg_id:04x}" for msg_id in CATALOGUE]


def test_the_list_can_be_narrowed() -> None:
    """By standard and direction."""
    down = objects("--standard", "1078", "--down")
    assert {(one["standard"], one["direction"]) for one in down} == {("JT/T 1078", "down")}
    assert {one["direction"] for one in objects("--up")} == {"up"}
    assert len(objects("--up", "--down")) == len(CATALOGUE)


@pytest.mark.parametrize("name", ["0x0100", "0100", "register", "终端注册"])
def test_a_message_by_any_of_its_names(name: str) -> None:
    """Layouts of each edition, codes, an example."""
    shown = lines(name)
    assert shown[0] == "0x0100 register 终端注册  §3.3"
    assert shown[1] == "terminal → platform, JT/T 808, all editions, answered with 0x8100 register_answer 终端注册应答"
    assert "edition 2011: at least 25 bytes" in shown
    assert ["15", "BYTE[30],", "text", "model", "终端型号"] in [line.split() for line in shown]
    assert ["2", "黄色", "yellow"] in [line.split() for line in shown]
    assert any(line.startswith("  jtgate encode register province=21") for line in shown)


def test_a_page_tells_conditions_ranges_clauses_and_deviations() -> None:
    """Where there are some."""
    answer = run("0x8100").stdout
    assert "when result is 0" in answer
    assert "register_answer.code_after_failure  0x8100 with a code although" in answer
    report = run("0x0200").stdout
    assert "0 to 6553.5 in steps of 0.1" in report
    assert "0 to 359" in report
    assert "§4.2" in report
    assert "see items" in report


def test_structures_within_are_on_the_page() -> None:
    """A batch holds reports."""
    shown = lines("0x0704")
    assert "LocationReport  §4" in shown
    assert "UndecodedReport  §5.1" in shown


def test_a_message_that_is_only_named() -> None:
    """It says so."""
    assert "It has a name here, but its body is not decoded: it is kept as bytes." in lines("0x2070")


def test_the_schema_of_a_message() -> None:
    """Everything on the page, for programs."""
    (page,) = objects("0x0200")
    (layout,) = page["page"]["layouts"]
    speed = next(row for row in layout["fields"] if row["name"] == "speed_kmh")
    assert (speed["offset"], speed["type"], speed["unit"]) == ("18", "WORD", "km/h")
    assert page["examples"][0]["frames"][0].startswith("7e0200")


def test_items() -> None:
    """The list, one of them by id or name, and those of dialects."""
    listed = lines("items")
    assert any(line.split()[:3] == ["0x01", "mileage", "里程"] for line in listed)
    for name in ("0x65", "dsm_alarm"):
        shown = lines("items", name)
        assert shown[0] == "0x65 dsm_alarm 驾驶员状态监测系统报警  active-safety §1.6"
        assert "alarm_type: codes of su" in shown
        assert any(line.startswith("AlarmNumber  ") for line in shown)
    assert [one["row"]["id"] for one in objects("items", "里程")] == ["0x01"]


def test_parameters() -> None:
    """The list, a number, and a block."""
    assert any(line.split()[:3] == ["0x0001", "DWORD", "heartbeat_interval_s"] for line in lines("parameters"))
    assert lines("parameters", "0x0001")[0] == "0x0001 heartbeat_interval_s 终端心跳发送间隔"
    shown = lines("parameters", "sleep_wake")
    assert "wake_modes: bits" in shown
    assert any(line.startswith("WakePeriod") for line in shown)
    assert objects("parameters", "0x7c")[0]["forms"]


def test_deviations() -> None:
    """Each with its sentence."""
    assert [one["name"] for one in objects("deviations")] == list(DEVIATIONS)
    assert any(line.startswith("body.trailing_bytes  ") for line in lines("deviations"))


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("locaton_report",), "no message is called 'locaton_report'; did you mean location_report or"),
        (("0x0f42",), "no standard names 0x0f42"),
        (("终端注销",), "give the id"),
        (("items", "milage"), "no item is called 'milage'; did you mean mileage?"),
        (("parameters", "0xfff0"), "no parameter is called '0xfff0'"),
        (("0x0200", "0x0201"), "one message at a time"),
        (("0x0200", "--up"), "leave out the name"),
        (("--standard", "809"), "no standard is called '809'; there is JT/T 808"),
    ],
)
def test_usage_errors_say_what_to_do(arguments: tuple[str, ...], complaint: str) -> None:
    """Exit code 2 and a sentence."""
    result = run(*arguments)
    assert result.exit_code == 2
    assert complaint in result.stderr


@pytest.mark.parametrize("msg_id", MESSAGES, ids=lambda msg_id: f"0x{msg_id:04x}")
def test_examples_can_be_copied(msg_id: int) -> None:
    """The command on the page prints the frames on the page."""
    page = message_page(msg_id)
    assert page.examples
    for example in page.examples:
        words = shlex.split(encode_command(page.row, example))
        assert words[:2] == ["jtgate", "encode"]
        result = CliRunner().invoke(encode, words[2:])
        assert result.exit_code == 0, result.output
        assert (tuple(result.stdout.split()), result.stderr) == (example.frames, "")


# ------------------------------------------------------------------------------------------ the pages in docs


def test_links_of_the_page_lead_somewhere() -> None:
    """Every anchor is that of a heading, and no heading is there twice."""
    text = messages_page.messages_page()
    headings = [messages_page.anchor(line.lstrip("# ")) for line in text.splitlines() if line.startswith("#")]
    links = {link.partition(")")[0] for link in text.split("](#")[1:]}
    assert links <= set(headings)
    assert len(headings) == len(set(headings)) or doubled(headings) <= FORMS_OF_ONE_ID


#: Items with several forms have a heading for each; links lead to the first.
FORMS_OF_ONE_ID = {
    messages_page.anchor(" ".join(one["row"][name] for name in ("id", "name", "term")))
    for one in (json.loads(line) for line in CliRunner().invoke(messages, ["items", "--json"]).stdout.splitlines())
}


def doubled(names: list[str]) -> set[str]:
    """Names that are there more than once."""
    return {name for name in names if names.count(name) > 1}


def test_reasons_for_holes_are_about_holes() -> None:
    """An id that was declared since needs no reason any more, and nothing is missing without one."""
    assert [msg_id for msg_id in messages_page.UNDECLARED if msg_id in MESSAGES or msg_id not in CATALOGUE] == []
    assert messages_page.holes() == []
