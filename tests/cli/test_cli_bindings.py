"""jtgate bindings and trips: who was on a vehicle and how sure that is; runs with their stops."""

from collections.abc import Iterator

import pytest
from alarms_world import NAME, PLATE, AlarmsWorld, alarms_world

SHOW = f"""\
{PLATE}: 2 intervals from 2026-11-23 00:00:00 to 2026-11-23 23:59:59

驾驶员 driver
  2026-11-23 07:30:00 – now                  █████████░  97 %  P-17
      by 人脸比对 face comparison, 95 %, since 2026-11-23 07:31:00, score 0.91
      by 从业资格卡 driver card, 70 %, since 2026-11-23 07:30:00
      also named: P-18, 70 %
        by 从业资格卡 driver card, 70 %, since 2026-11-23 07:30:00, until 2026-11-23 08:00:00
      corrects revision 0: later evidence: it was somebody else

押运员 escort
  2026-11-23 07:30:00 – now                  ████░░░░░░  40 %  unknown 未知

conflicts 矛盾
  when                            kind                bound  other named  state
  2026-11-23 07:35:00 – 08:35:00  借卡 card was lent  P-17   P-18         closed
"""
DAY = ("--since", "2026-11-23", "--to", "2026-11-23")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AlarmsWorld]:
    """One folder and API; nothing is changed."""
    with alarms_world(tmp_path_factory.mktemp("bindings") / "data") as made:
        yield made


def test_who_was_on_a_vehicle(world: AlarmsWorld) -> None:
    """A timeline by role with confidence, sources, corrections and conflicts; it fits 100 columns."""
    lines = world.lines("bindings", "show", PLATE, *DAY)
    assert "\n".join(lines) + "\n" == SHOW
    assert max(len(line) for line in lines) <= 100


def test_the_history_tells_what_was_corrected(world: AlarmsWorld) -> None:
    """The interval that a later revision replaced, marked."""
    lines = world.lines("bindings", "show", PLATE, *DAY, "--history")
    assert lines[0].startswith(f"{PLATE}: 3 intervals")
    corrected = [line for line in lines if "✗ corrected since" in line]
    assert corrected == ["  2026-11-23 07:30:00 – 08:00:00             ███████░░░  70 %  P-18  ✗ corrected since"]


def test_names_are_told_on_demand_and_asking_is_noted(world: AlarmsWorld) -> None:
    """Keys else; the audit log has the plate that was asked for."""
    assert NAME not in "".join(world.lines("bindings", "show", PLATE, *DAY))
    assert NAME in "".join(world.lines("bindings", "show", PLATE, *DAY, "--names"))
    assert world.audited()[0] == ("show_timeline", PLATE)


def test_a_timeline_as_json_by_colour(world: AlarmsWorld) -> None:
    """By number, in Chinese or in English; of another colour there is nothing."""
    for color in ("2", "黄", "黄色", "Yellow"):
        (told,) = world.json("bindings", "show", PLATE, *DAY, "--color", color)
        assert [(one["role"], one["person"]) for one in told["bindings"]] == [("driver", "P-17"), ("escort", "")]
    (told,) = world.json("bindings", "show", PLATE, *DAY, "--color", "蓝")
    assert told["bindings"] == []
    assert world.run("bindings", "show", PLATE, "--color", "pink").exit_code == 2


def test_a_vehicle_that_nobody_knows(world: AlarmsWorld) -> None:
    """Has no intervals; that is no fault."""
    assert world.lines("bindings", "show", "测Z00000", *DAY) == [
        "测Z00000: 0 intervals from 2026-11-23 00:00:00 to 2026-11-23 23:59:59"
    ]


def test_conflicts(world: AlarmsWorld) -> None:
    """Of all vehicles or of one, by kind, only those that last."""
    lines = world.lines("bindings", "conflicts", "--since", "2026-11-23")
    assert lines[1].split() == [
        *("2026-11-23", "07:35:00", "–", "08:35:00", PLATE, "driver"),
        *("借卡", "card", "was", "lent", "P-17", "P-18", "closed"),
    ]
    assert len(world.json("bindings", "conflicts", "--kind", "card_lent", "--plate", PLATE)) == 1
    assert world.lines("bindings", "conflicts", "--open") == ["no such conflict"]
    assert world.run("bindings", "conflicts", "--kind", "quarrel").exit_code == 2


def test_trips_with_their_stops(world: AlarmsWorld) -> None:
    """The stop within the trip, not the rest before it; the driver only when asked for."""
    lines = world.lines("trips", "ls", "--plate", PLATE, "--stops")
    assert lines[0].split()[:3] == ["began", "ended", "terminal"]
    assert lines[1].split()[:2] == ["2026-11-23", "07:40:00"]
    assert "重载 laden" in lines[1]
    assert lines[2].split() == ["stop", "07:50:00", "07:55:00", "41.1000,", "122.0000", "5", "min", "0", "s"]
    assert len(lines) == 3
    assert "P-17" not in "".join(lines)
    assert lines[1] in "".join(world.lines("trips", "ls", "--stops")[1:2])
    assert world.lines("trips", "ls", "--drivers")[1].endswith("P-17")
    assert world.audited()[0][0] == "list_trips"
    (told,) = world.json("trips", "ls", "--stops", "--driver", "P-17")
    assert (told["driver"], [one["is_rest"] for one in told["stops"]]) == ("P-17", [0])
    assert world.lines("trips", "ls", "--open") == ["no such trip"]
