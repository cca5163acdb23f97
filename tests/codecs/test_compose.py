"""Frames from names, and frames from the field through JSON and back."""

import json
from pathlib import Path
from typing import Any

import pytest

from jtgate.codecs.compose import LOST_IN_JSON, PARTS_REMEMBERED, Composed, compose, find_message, recompose_all
from jtgate.codecs.describe import describe_wire
from jtgate.codecs.deviations import DEVIATIONS
from jtgate.codecs.edition import Edition
from jtgate.codecs.errors import EncodeError
from jtgate.codecs.profile import Profile

VECTORS = Path(__file__).parents[3] / "shared" / "vectors" / "frames.jsonl"


@pytest.mark.parametrize("which", [0x8300, "0x8300", "8300", "0X8300", "text_message", "Text-Message", "文本信息下发"])
def test_a_message_is_found_by_any_of_its_names(which: int | str) -> None:
    """Id, English name, Chinese term."""
    assert find_message(which) == 0x8300


@pytest.mark.parametrize(
    ("which", "complaint"),
    [
        ("终端注销", "is the name of 0x0003 unregister and 0x0101 unregister_as_printed; give the id"),
        ("circle", "did you mean set_circles or delete_circles"),
        ("txt_message", "did you mean text_message"),
        ("xyz", "give an id as 0x0200, or a name as location_report"),
        ("0xyz", "no message is called '0xyz'"),
        ("", "no message is called ''"),
    ],
)
def test_a_message_that_is_not_found(which: str, complaint: str) -> None:
    """What it may have been."""
    with pytest.raises(LookupError, match=complaint):
        find_message(which)


def test_an_id_of_nobody_may_be_short() -> None:
    """With its 0x."""
    assert find_message("0xf42") == 0x0F42


def test_a_profile_names_the_layout_of_the_body() -> None:
    """The header stays that of the edition asked for."""
    fields = {"auth_code": "code"}
    built = compose("authenticate", fields, edition=Edition.V2019, profile=Profile(edition="2013"), phone="1")
    assert built.body == b"code"
    assert built.frames[0][3] == 0x40


def test_a_message_that_nobody_can_read_is_built_and_remarked() -> None:
    """A wrong count: the sentence names the field that fails."""
    built = compose("query_given_parameters", {"count": 3, "ids": ["0x0001"]})
    assert built.remarks == ("a receiver cannot read it: ids[1]: 列表项 list item does not fit in the 0 bytes left",)


def test_many_differences_are_cut() -> None:
    """Five of them, and how many more."""
    points = [{"latitude": 1.00000049 + n, "longitude": 2} for n in range(9)]
    built = compose("set_polygon", {"area_id": 1, "attribute": 0, "vertices": points})
    assert len(built.remarks) == 6
    assert built.remarks[-1] == "… and 4 more"


def test_parts_are_remembered_within_a_limit() -> None:
    """Sets of parts without a whole do not pile up."""
    part = {"message": "text_message", "body": {"part": "00"}}
    many = [
        {**part, "header": {"phone": str(number), "packet_total": 2, "packet_no": 1}}
        for number in range(PARTS_REMEMBERED + 2)
    ]
    assert all(isinstance(one, Composed) for one in recompose_all(many))


def test_names_of_what_is_lost_are_deviations() -> None:
    """No typing error among them."""
    assert set(DEVIATIONS) >= LOST_IN_JSON


def test_errors_of_one_object_come_as_values() -> None:
    """The next one is built."""
    bad: dict[str, Any] = {"message": "heartbeat", "body": {"x": 1}}
    first, second = recompose_all([bad, {"message": "heartbeat"}])
    assert isinstance(first, EncodeError)
    assert first.field == "body.x"
    assert isinstance(second, Composed)


@pytest.mark.shared
def test_frames_from_the_field_come_back_through_json() -> None:
    """Byte for byte, apart from what JSON does not carry, which is said."""
    records = [json.loads(line) for line in VECTORS.read_text(encoding="utf-8").splitlines()]
    wires = [bytes.fromhex(record["hex"]) for record in records if record["protocol"] == "jt808"]
    different = []
    for wire in wires:
        described: list[Any] = json.loads(json.dumps(describe_wire(wire)))
        built = [one for one in recompose_all(described) if isinstance(one, Composed)]
        if b"".join(frame for one in built for frame in one.frames) != wire:
            lost = LOST_IN_JSON.intersection(name for one in described for name in one["deviations"])
            assert lost, wire.hex()
            assert any(remark.startswith(tuple(lost)) for one in built for remark in one.remarks)
            different.append(wire)
    assert len(different) < len(wires) / 20
