"""The rules by which alarms are put together: complete, in agreement with the standard's tables, and documented."""

from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path

import pytest
from episode_world import T0, fold, item, listed, second

from jtgate.codecs.jsatl12.tables import ADAS_TYPES, DSM_TYPES, PASSENGER_TYPES
from jtgate.codecs.jt808.tables import ALARM_FLAG_ROWS
from jtgate.codecs.jt1078.items import ABNORMAL_DRIVING, VIDEO_ALARMS
from jtgate.codecs.tables import Choices
from jtgate.pipeline.alarms import ALARM_ITEMS
from jtgate.pipeline.derive import merging
from jtgate.pipeline.derive.episodes import ItemMachine
from jtgate.pipeline.derive.flags import FlagMachine
from jtgate.pipeline.derive.merging import Rule

FLAG, VIDEO, ADAS, DSM = "jt808:flag", "jt1078:video", "jsatl12:0x64", "jsatl12:0x65"
PAGE = Path(__file__).parents[2] / "docs" / "alarms.md"


def test_answered_bits_are_those_of_the_standard() -> None:
    """A bit is an instant when every edition that has it clears it after an answer (§4.2); so bit 3 is held."""
    for bit in range(32):
        letters = {letter for row in ALARM_FLAG_ROWS if row.no == bit for letter in row[3:]} - {"-"}
        assert merging.rule_of(FLAG, bit).answered == (letters == {"A"}), bit
    assert [bit for bit in range(32) if merging.rule_of(FLAG, bit).answered] == [0, 20, 21, 22, 27, 28, 31]
    assert [bit for bit in range(7) if merging.rule_of(VIDEO, bit).answered] == [6]


def test_windows_of_the_supervised_items() -> None:
    """HZ06 to HZ09: fatigue 600 s, phone 120 s, smoking 180 s, distraction 1800 s; of item 0x18 as well."""
    assert [merging.rule_of(DSM, kind).gap_s for kind in (1, 2, 3, 4)] == [600, 120, 180, 1800]
    assert [merging.rule_of("jt1078:driving", bit).gap_s for bit in (0, 1, 2)] == [600, 120, 180]


@pytest.mark.parametrize(
    ("source", "alarm_type", "risk"),
    [
        (ADAS, 1, "collision"),
        ("jsatl12:0x66", 4, "collision"),
        ("jsatl12:0x67", 1, "collision"),
        ("jsatl12:0x70", 2, "collision"),
        ("jsatl12:0x70", 4, "harsh"),
        (DSM, 1, "fatigue"),
        (DSM, 4, "distraction"),
        (DSM, 5, "violation"),
        (DSM, 12, "violation"),
        (FLAG, 2, "fatigue"),
        (FLAG, 0, "incident"),
        (FLAG, 7, "vehicle"),
        ("jt808:area:3:17:0", 20, "area"),
        ("jt808:area:3:17", 1, "driving"),
        ("jt1078:driving", 1, "distraction"),
        ("jsatl12:0x99", 1, "violation"),
    ],
)
def test_risk_classes(source: str, alarm_type: int, risk: str) -> None:
    """Those of active-safety §6.2, and some for what is not of active safety."""
    assert merging.rule_of(source, alarm_type).risk == risk


def test_every_item_has_a_rule_of_its_own() -> None:
    """No alarm item of the codecs falls to the rule of unknown ones."""
    unknown = merging.rule_of("jsatl12:0x99", 1)
    assert all(merging.rule_of(f"jsatl12:{item_id}", 1) is not unknown for item_id in ALARM_ITEMS)


def test_evidence_and_handling_by_level() -> None:
    """Files are asked for at every level, level 2 is handled; phone and smoking at any; level byte 0 means 1."""
    assert all(merging.wants_evidence(ADAS, 1, level) for level in (None, 0, 1, 2, 3))
    assert merging.wants_evidence(DSM, 0x10, None)
    assert [merging.needs_handling(ADAS, 1, level) for level in (0, 1, 2, 3)] == [False, False, True, True]
    assert [merging.needs_handling(DSM, 2, level) for level in (0, 1, 2)] == [True, True, True]
    assert [merging.needs_handling(FLAG, bit, None) for bit in (0, 4)] == [True, False]
    assert not merging.wants_evidence(FLAG, 0, None)


def test_what_0x8203_can_confirm() -> None:
    """Bits 0, 3, 20 to 22, 27, 28, with their area or without; no item, and no bit of another word."""
    assert [bit for bit in range(32) if merging.needs_confirmation(FLAG, bit)] == sorted(merging.CONFIRMABLE_BITS)
    assert merging.needs_confirmation("jt808:area:3:17:0", 20)
    assert not merging.needs_confirmation("jt808:area:3:17", 1)
    assert not any(merging.needs_confirmation(source, 3) for source in (VIDEO, ADAS, "jt1078:driving"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('source = "a"\nterm = "x"\nrisk = "luck"', "no risk class"),
        ('source = "a"\nterm = "x"\ngap_s = 0', "at least 1 s"),
        ('source = "a"\nterm = "x"\ngap_s = 700', "no more than longest_s"),
        ('source = "a"\nterm = "x"\n[[rule]]\nsource = "a"\nterm = "y"', "two rules"),
        ('source = "a"\nterm = "x"\nlength = 3', "length"),
    ],
)
def test_wrong_rules_are_refused(text: str, message: str) -> None:
    """An unknown class or word, a gap out of range, two rules for the same."""
    with pytest.raises(ValueError, match=message):
        merging.read_rules(f"[[rule]]\n{text}")


def test_terms() -> None:
    """What the file calls single types is what the tables of the standards call them, in one dialect or edition."""
    items: dict[str, Iterable[Choices]] = {
        ADAS: ADAS_TYPES.values(),
        DSM: DSM_TYPES.values(),
        "jsatl12:0x68": (PASSENGER_TYPES,),
    }
    bits = {VIDEO: VIDEO_ALARMS, "jt1078:driving": ABNORMAL_DRIVING}
    single = [rule for rule in merging.rules() if len(rule.types) == 1 and rule.source != "jt808:area"]
    for rule in single:
        (kind,) = rule.types
        if rule.source == FLAG:
            names = {row.zh for row in ALARM_FLAG_ROWS if row.no == kind}
        elif rule.source in bits:
            names = {row.zh for row in bits[rule.source] if row.no == kind}
        else:
            names = {row.zh for table in items[rule.source] if (row := table.get(kind)) is not None}
        assert set(rule.term.split(", ")) <= names, rule
    assert len(single) > 15
    assert all(rule.term for rule in merging.rules())


def test_risk_events() -> None:
    """Beginnings within 60 s of the last one are one risk event, up to 5 min."""
    assert merging.risk_starts([]) == []
    chain = [number * 50_000 for number in range(9)]
    assert merging.risk_starts(chain) == [0] * 7 + [350_000] * 2
    assert merging.risk_starts([0, 60_000, 120_001]) == [0, 0, 120_001]


def test_risk_events_span_both_machines() -> None:
    """A phone call of a camera and one of item 0x18 are of one class, fatigue is of another."""
    _, items = fold(ItemMachine(), [item(0), item(10, alarm_type=1)])
    _, bits = fold(FlagMachine(), [second(55, abnormal_driving_flags=2), second(60)])
    started = [row.started_ms for row in (*listed(items), *listed(bits)) if row.risk_class == "distraction"]
    assert merging.risk_starts(started) == [T0, T0]


def _line(rule: Rule) -> str:
    """A rule as a line of the page."""
    names = [f"0x{kind:02x}" if rule.source.startswith("jsatl12") else str(kind) for kind in rule.types]
    in_sequence = len(names) > 3 and all(after - before == 1 for before, after in pairwise(rule.types))
    types = f"{names[0]}–{names[-1]}" if in_sequence else ", ".join(names) or "others"
    head = f"| `{rule.source}` | {types} | {rule.term} |"
    if rule.event:
        return f"{head} | | | | no alarm | |"
    clearing = "" if rule.source.startswith("jsatl12") else "A" if rule.answered else "H"
    levels = ", ".join("all" if level == 0 else str(level) for level in rule.handle)
    return f"{head} {rule.gap_s} | {rule.longest_s} | {rule.silence_s} | {clearing} | {rule.risk} | {levels} |"


def test_the_page_has_the_rules() -> None:
    """docs/alarms.md has a line for every rule, in the order of the file, and no other."""
    lines = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| `j")]
    assert lines == [_line(rule) for rule in merging.rules()]
