"""What the declarations say about themselves is what they do: offsets, widths, examples, coverage."""

from typing import Any

import pytest

from jtgate.codecs.catalogue import CATALOGUE, VENDOR
from jtgate.codecs.declare import MESSAGES, Message, Structure
from jtgate.codecs.deviations import DEVIATIONS
from jtgate.codecs.edition import ALL_EDITIONS, Edition
from jtgate.codecs.examples import as_given, example
from jtgate.codecs.items import ITEMS
from jtgate.codecs.jt808.parameters import BLOCKS
from jtgate.codecs.reference import (
    DECODED,
    NAMED_ONLY,
    NO_SUCH,
    FieldRow,
    StructurePage,
    coverage,
    item_pages,
    message_page,
    message_rows,
    parameter_pages,
    structure_page,
)
from jtgate.codecs.registry import decode_body
from jtgate.codecs.wire import Span

CASES = [
    pytest.param(cls, edition, id=f"{cls.__name__}-{edition}")
    for cls in MESSAGES.values()
    for edition in cls.INFO.editions or ALL_EDITIONS
]
FORMS = [
    *(pytest.param(form.cls, id=form.cls.__name__) for forms in ITEMS.values() for form in forms),
    *(pytest.param(form, id=form.__name__) for forms in BLOCKS.values() for form in forms),
]


def rows_of(cls: type[Structure], edition: Edition) -> dict[str, FieldRow]:
    """Fields of a structure in one edition."""
    page = structure_page(cls, (edition,))
    return {row.name: row for row in page.layouts[0].fields}


def begins(spans: list[Span], name: str) -> int | None:
    """Where the first byte of a field is, its length included; None when it has no byte."""
    found = [span.offset for span in spans if span.path == name or span.path.startswith((f"{name}.", f"{name}["))]
    return min(found, default=None)


@pytest.mark.parametrize(("cls", "edition"), CASES)
def test_every_message_has_an_example_in_every_edition_of_it(cls: type[Message], edition: Edition) -> None:
    """It is found by its body alone, without a deviation, and goes out as it came in; so does what one would type."""
    made = example(cls, edition)
    body = made.encode(edition)
    deviations: list[str] = []
    assert decode_body(cls.INFO.msg_id, body, edition, deviations) == made
    assert deviations == []
    assert cls.from_json(as_given(made)).encode(edition) == body


@pytest.mark.parametrize("cls", FORMS)
def test_every_item_and_block_has_an_example(cls: type[Structure]) -> None:
    """In the layout of 2013."""
    made = example(cls, Edition.V2013)
    assert cls.from_json(as_given(made)).encode() == made.encode()


@pytest.mark.parametrize(("cls", "edition"), CASES)
def test_fields_stand_where_the_page_says(cls: type[Message], edition: Edition) -> None:
    """A fixed offset is that of the bytes of an example, one "after x" is not before x."""
    body = example(cls, edition).encode(edition)
    spans: list[Span] = []
    cls.decode(body, edition, spans=spans)
    for name, row in rows_of(cls, edition).items():
        at = begins(spans, name)
        if at is None:
            continue
        if row.offset.isdecimal():
            assert at == int(row.offset), name
        else:
            before = begins(spans, row.offset.removeprefix("after ").partition(" + ")[0])
            assert before is None or before < at, name
    assert len(body) >= structure_page(cls, (edition,)).layouts[0].bytes


@pytest.mark.parametrize(("cls", "edition"), CASES)
def test_every_field_is_explained(cls: type[Message], edition: Edition) -> None:
    """Type, both names; and what belongs together is told together."""
    for row in rows_of(cls, edition).values():
        assert row.type
        assert row.term
        assert row.english
        assert row.type != "BYTE[0]" or row.structures, f"{row.name} has a kind that does not say its type"
    page = message_page(cls.INFO.msg_id)
    assert {name for name, _ in page.deviations} <= set(DEVIATIONS)
    told = {structure.name for structure in page.structures} | {cls.__name__}
    for structure in page.structures:
        assert {name for layout in structure.layouts for row in layout.fields for name in row.structures} <= told


def test_editions_with_the_same_fields_share_a_layout() -> None:
    """0x0100 has three, 0x0200 one, and codes of one edition do not make another."""
    pages: dict[int, Any] = {msg_id: message_page(msg_id).page for msg_id in (0x0100, 0x0200, 0x8300, 0x8003)}
    assert [layout.editions for layout in pages[0x0100].layouts] == [("2011",), ("2013",), ("2019",)]
    assert [layout.editions for layout in pages[0x0200].layouts] == [("2011", "2013", "2019")]
    assert [row.offset for row in pages[0x0100].layouts[2].fields] == ["0", "2", "4", "15", "45", "75", "76"]
    assert pages[0x0100].layouts[2].fields[2].type == "BYTE[11], text"


def page_of_item(item_id: str) -> StructurePage:
    """The first form of an item."""
    return next(item.page for item in item_pages() if item.row.id == item_id)


def test_tables_of_dialects_are_found() -> None:
    """The types of a driver alarm depend on the dialect; each table has its name."""
    (alarm_type,) = [row for row in page_of_item("0x65").layouts[0].fields if row.name == "alarm_type"]
    assert {"su", "gd"} <= {codes.label for codes in alarm_type.codes}
    assert all(codes.rows for codes in alarm_type.codes)


def test_fields_behind_one_of_changing_length() -> None:
    """Their place is told from that field."""
    offsets = [row.offset for row in rows_of(MESSAGES[0x0102], Edition.V2019).values()]
    assert offsets == ["0", "after auth_code", "after imei"]


def test_bits_with_values_and_bits_with_a_word_for_zero() -> None:
    """8–9 = 1 of the status is half loaded; bit 0 has a word for both."""
    page = message_page(0x0200).page
    assert page is not None
    (status,) = [row for row in page.layouts[0].fields if row.name == "status"]
    rows = {row.code: (row.zh, row.en) for row in status.codes[0].rows}
    assert rows["0"] == ("ACC开 (ACC关)", "ACC on (ACC off)")
    assert rows["8–9 = 1"][1] == "half loaded"


def test_lists_are_in_the_order_of_the_catalogue() -> None:
    """And say what is decoded."""
    rows = message_rows()
    assert [int(row.id, 16) for row in rows] == list(CATALOGUE)
    assert [row for row in rows if row.decoded != (int(row.id, 16) in MESSAGES)] == []


def test_every_block_of_a_parameter_stands_in_the_table() -> None:
    """And every parameter that is a block of bytes is declared as one."""
    pages = parameter_pages()
    assert [row.id for row in pages if row.type == "BYTE[n]" and not row.forms] == []


def test_no_message_of_a_standard_is_only_named() -> None:
    """Every id that a standard lists has a declaration; what vendors made up need not."""
    holes = [
        f"0x{info.msg_id:04x} {info.name}"
        for info in CATALOGUE.values()
        if info.standard != VENDOR and any(coverage(info.msg_id, edition) == NAMED_ONLY for edition in ALL_EDITIONS)
    ]
    assert holes == []


def test_coverage_tells_three_things_apart() -> None:
    """Decoded, only named, and not in this edition."""
    assert coverage(0x0004, Edition.V2019) == DECODED
    assert coverage(0x0004, Edition.V2013) == NO_SUCH
    assert coverage(0x2070, Edition.V2013) == NAMED_ONLY
