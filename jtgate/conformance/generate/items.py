"""Vectors of additional items 附加信息 and terminal parameters 终端参数: each form alone in a message."""

from collections.abc import Iterator
from typing import Any

from jtgate.codecs.declare import Message, Structure
from jtgate.codecs.edition import Edition
from jtgate.codecs.framing import wrap
from jtgate.codecs.items import ITEMS, ItemForm, LocationItem
from jtgate.codecs.jt808.location import LocationReport
from jtgate.codecs.jt808.management import SetParameters
from jtgate.codecs.jt808.parameters import PARAMETER_ROWS, B, D, Parameter, ParameterRow, S, W, blocks_of
from jtgate.codecs.profile import Dialect
from jtgate.conformance.generate import chosen
from jtgate.conformance.generate.forms import SERIAL, VALUE_BYTES_MAX, FormVectors
from jtgate.conformance.generate.records import payload, vector
from jtgate.conformance.generate.values import INTEGER_BYTES, Place, Style, structure
from jtgate.conformance.vectors import Vector


def _location(edition: Edition) -> dict[str, Any]:
    """The fields of a typical location, without items."""
    place = Place(edition, Style.TYPICAL, LocationReport, LocationReport.SPECS[0])
    base = structure(LocationReport, place)
    return {spec.name: getattr(base, spec.name) for spec in LocationReport.SPECS if spec.name != "items"}


def of_item(form: ItemForm) -> Iterator[Vector]:
    """Vectors of one form of an additional item."""
    edition = Edition.V2019 if form.editions == (Edition.V2019,) else Edition.V2013
    settings = {"dialect": str(form.dialects[0])} if form.dialects else {}
    location = _location(edition)

    def around(value: Structure | bytes) -> Message:
        item = LocationItem(form.id, value) if isinstance(value, bytes) else LocationItem.of(value)
        return LocationReport(**location, items=(item,))

    name = f"item-0x{form.id:02x}-{form.name}"
    yield from FormVectors(form.cls, name, edition, settings, around).all()


def of_block(row: ParameterRow) -> Iterator[Vector]:
    """Vectors of the forms of a parameter whose value is a block."""
    edition = _edition(row)

    def around(value: Structure | bytes) -> Message:
        item = Parameter(row.id, value) if isinstance(value, bytes) else Parameter(row.id, value.encode(edition), value)
        return SetParameters(parameters=(item,))

    for form in blocks_of(row.id):
        for settings in ({}, *({"dialect": str(dialect)} for dialect in Dialect if dialect is not Dialect.AUTO)):
            name = f"parameter-0x{row.id:04x}-{_name(form)}"
            try:
                made = list(FormVectors(form, name, edition, settings, around).all())
            except AssertionError:
                continue
            yield from made
            break
        else:
            raise AssertionError(f"no setting reads {form.__name__} in parameter 0x{row.id:04x}")


def _name(cls: type[Structure]) -> str:
    return "".join(f"_{char.lower()}" if char.isupper() else char for char in cls.__name__).lstrip("_")


def _edition(row: ParameterRow) -> Edition:
    return Edition.V2013 if Edition.V2013 in row.editions else row.editions[-1]


def of_plain(row: ParameterRow) -> Iterator[Vector]:
    """Vectors of a parameter that is a number, a text, or bytes nobody describes."""
    edition = _edition(row)
    for suffix, note, raw in _plain_values(row):
        message = SetParameters(parameters=(Parameter(row.id, raw),))
        body = message.encode(edition)
        yield vector(
            f"parameter-0x{row.id:04x}-{suffix}",
            SetParameters.CLAUSE + ", §6",
            note,
            [wrap(payload(SetParameters.INFO.msg_id, body, edition, SERIAL))],
            edition=str(edition),
            canonical=True,
        )


def _plain_values(row: ParameterRow) -> Iterator[tuple[str, str, bytes]]:
    if row.type in INTEGER_BYTES:
        width = INTEGER_BYTES[row.type]
        yield "typical", f"A plausible {row.type}.", chosen.parameter_number(row).to_bytes(width)
        yield "minimum", "Zero.", bytes(width)
        yield "maximum", "The largest number.", b"\xff" * width
        other = {D: 2, W: 4, B: 4}[row.type]
        yield "width", f"The same number in {other} bytes: decoded by its length.", (1).to_bytes(other)
    elif row.type == S:
        yield "typical", "A plausible text.", chosen.parameter_text(row).encode("gb18030")
        yield "minimum", "No text.", b""
        yield "maximum", "The longest text.", b"Z" * VALUE_BYTES_MAX
    else:
        yield "raw", "Bytes of no known form are kept.", bytes.fromhex("0badcafe")


def odd_lists() -> Iterator[Vector]:
    """Lists of items that are odd as lists (§4.4, §11 items 28 to 31)."""
    cases = (
        ("empty-item", "An item of no bytes, of an unknown id.", "d700 30011f"),
        ("twice", "The same id twice, with different values.", "010400000001 010400000002"),
        ("id-alone", "A single byte behind the last item.", "30011f 31"),
        ("overrun", "The last item announces more than is left.", "30011f 0104000001"),
        ("overrun-only", "The only item announces more than is left.", "01ff0000"),
        ("zeros", "Twenty zero bytes that are ten empty items of id 0.", "00" * 20),
        ("odd-zeros", "Zeros, and one byte that is left.", "00" * 21),
        ("reused-05", "Item 0x05 of one byte, as some trackers use it.", "050164"),
        ("reused-65", "Item 0x65 of one byte, as some trackers use it.", "650101"),
        (
            "nested",
            "Item 0xEB with items of its own inside: their lengths move nothing outside.",
            "eb06000400ce04f8 30011f",
        ),
    )
    base = LocationReport(**_location(Edition.V2013)).encode()
    for suffix, note, items in cases:
        body = base + bytes.fromhex(items)
        wire = wrap(payload(LocationReport.INFO.msg_id, body, Edition.V2013, SERIAL))
        yield vector(f"items-{suffix}", "§4.4, §11", note, [wire], edition="2011/2013", canonical=True)


def item_files() -> Iterator[tuple[str, list[Vector]]]:
    """File and vectors of every item."""
    for item_id, forms in sorted(ITEMS.items()):
        vectors = [one for form in reversed(forms) for one in of_item(form)]
        yield f"items/0x{item_id:02x}_{forms[-1].name}.jsonl", vectors
    yield "items/odd_lists.jsonl", list(odd_lists())


def parameter_files() -> Iterator[tuple[str, list[Vector]]]:
    """File and vectors of every parameter; those of plain ones stand together."""
    yield (
        "parameters/plain.jsonl",
        [one for row in PARAMETER_ROWS if not blocks_of(row.id) for one in of_plain(row)],
    )
    for row in PARAMETER_ROWS:
        if blocks_of(row.id):
            yield f"parameters/0x{row.id:04x}_{row.name}.jsonl", list(of_block(row))
