"""`jtgate messages`: every message, item, parameter and deviation, from the declarations that decode them."""

import dataclasses
import json
import re
import shlex
from collections.abc import Iterable, Sequence
from typing import Any, Final

import click

from jtgate.cli.common import console, examples, json_option, print_facts, print_json, print_table
from jtgate.codecs.catalogue import CATALOGUE
from jtgate.codecs.compose import find_message
from jtgate.codecs.deviations import DEVIATIONS
from jtgate.codecs.reference import (
    EXAMPLE_PHONE,
    EXAMPLE_SERIAL,
    Codes,
    Example,
    FieldRow,
    ItemRow,
    MessagePage,
    MessageRow,
    StructurePage,
    item_pages,
    message_page,
    message_rows,
    parameter_pages,
)
from jtgate.codecs.tables import is_called, nearest

ITEMS: Final = "items"
PARAMETERS: Final = "parameters"
_DEVIATIONS: Final = "deviations"

#: Columns from which on the list of messages has room for the standard.
_WIDE: Final = 100

_ARROWS: Final = {"up": "terminal → platform", "down": "platform → terminal"}
_ALL_EDITIONS: Final = ("2011", "2013", "2019")


@click.command(
    epilog=examples(
        "jtgate messages",
        "jtgate messages 0x0200",
        "jtgate messages 文本信息下发",
        "jtgate messages --standard 1078 --down",
        "jtgate messages items 0x65",
        "jtgate messages parameters 0x0075",
        "jtgate messages deviations",
        "jtgate messages 0x8300 --json",
    )
)
@click.argument("what", metavar="[MESSAGE|items|parameters|deviations]", default="")
@click.argument("which", metavar="[ID]", default="")
@click.option("--standard", metavar="TEXT", help="Only messages of standards whose name holds this: 808, 1078, JSATL.")
@click.option("--up", is_flag=True, help="Only messages from terminals.")
@click.option("--down", is_flag=True, help="Only messages to terminals.")
@json_option
def messages(what: str, which: str, standard: str | None, up: bool, down: bool, as_json: bool) -> None:
    """List messages, or explain one: its fields in each edition, codes, limits, deviations, an example.

    MESSAGE is an id, an English name or a Chinese term. `items` are the additional items of 0x0200, `parameters`
    those of 0x8103; with an ID one of them is explained. `deviations` are the names of what is tolerated.
    """
    is_list = not what
    if not is_list and (standard or up or down):
        raise click.UsageError("--standard, --up and --down choose from the list of messages; leave out the name")
    if which and what not in (ITEMS, PARAMETERS):
        raise click.UsageError(f"one message at a time; what is {which!r} for?")
    if is_list:
        _list(_chosen(standard, up=up, down=down), as_json=as_json)
    elif what == ITEMS:
        _items(which, as_json=as_json)
    elif what == PARAMETERS:
        _parameters(which, as_json=as_json)
    elif what == _DEVIATIONS:
        _deviations(as_json=as_json)
    else:
        _message(what, as_json=as_json)


# --------------------------------------------------------------------------------------------------- lists


def _chosen(standard: str | None, *, up: bool, down: bool) -> list[MessageRow]:
    standards = list(dict.fromkeys(row.standard for row in CATALOGUE.values()))
    wanted = [name for name in standards if standard is None or standard.casefold() in name.casefold()]
    if not wanted:
        raise click.UsageError(f"no standard is called {standard!r}; there is {', '.join(standards)}")
    directions = [name for name, asked in (("up", up), ("down", down)) if asked] or ["up", "down"]
    return [row for row in message_rows() if row.standard in wanted and row.direction in directions]


def _list(rows: Sequence[MessageRow], *, as_json: bool) -> None:
    if as_json:
        for row in rows:
            print_json(dataclasses.asdict(row))
        return
    columns = ["id", "", "name", "term", "standard", "editions", "answer", "decoded"]
    cells = [
        [
            row.id,
            "↑" if row.direction == "up" else "↓",
            row.name,
            row.term,
            row.standard,
            editions_text(row.editions),
            row.answer,
            "yes" if row.decoded else None,
        ]
        for row in rows
    ]
    if console().width < _WIDE:
        at = columns.index("standard")
        del columns[at]
        for line in cells:
            del line[at]
    print_table(columns, cells, cut=("name", "term"))
    decoded = sum(row.decoded for row in rows)
    click.echo(f"\n{len(rows)} messages, {decoded} decoded; ↑ from terminals, ↓ to them. One: jtgate messages ID")


def _items(which: str, *, as_json: bool) -> None:
    every = item_pages()
    pages = [page for page in every if not which or _is_meant(which, page.row.id, page.row.name, page.row.term)]
    if not pages:
        raise click.UsageError(f"no item is called {which!r}{nearest(which, [page.row.name for page in every])}")
    if as_json:
        for page in pages:
            print_json(dataclasses.asdict(page))
        return
    if which:
        for page in pages:
            _heading(f"{page.row.id} {page.row.name} {page.row.term}", page.row.clause, item_facts(page.row))
            _structure(page.page)
        _inner(inner for page in pages for inner in page.structures)
        return
    columns = ("id", "name", "term", "bytes", "editions", "dialects", "clause")
    rows = [
        (
            row.id,
            row.name,
            row.term,
            row.bytes,
            editions_text(row.editions) or None,
            " ".join(row.dialects) or None,
            row.clause,
        )
        for row in (page.row for page in pages)
    ]
    print_table(columns, rows, right=("bytes",), cut=("term", "clause"))
    click.echo("\nbytes are the fewest; editions of JT/T 808 that list it. One: jtgate messages items ID")


def item_facts(row: ItemRow) -> str:
    """Editions that list an item, and dialects that have this form of it."""
    editions = editions_words(row.editions) if row.editions else ""
    dialects = f"dialect {', '.join(row.dialects)}" if row.dialects else ""
    return ", ".join(part for part in (editions, dialects) if part)


def _parameters(which: str, *, as_json: bool) -> None:
    every = parameter_pages()
    pages = [page for page in every if not which or _is_meant(which, page.id, page.name, page.term)]
    if not pages:
        raise click.UsageError(f"no parameter is called {which!r}{nearest(which, [page.name for page in every])}")
    if as_json:
        for page in pages:
            print_json(dataclasses.asdict(page))
        return
    if which:
        for page in pages:
            told = (page.type, page.unit, editions_words(page.editions))
            _heading(f"{page.id} {page.name} {page.term}", "", ", ".join(part for part in told if part))
            for form in page.forms:
                _structure(form)
            _inner(page.structures)
        return
    rows = [
        (
            page.id,
            page.type,
            page.name,
            page.term,
            page.unit or None,
            editions_text(page.editions),
            ", ".join(form.name for form in page.forms) or None,
        )
        for page in pages
    ]
    print_table(("id", "type", "name", "term", "unit", "editions", "block"), rows, cut=("name", "term", "block"))
    click.echo("\nA block is a value with fields of its own. One: jtgate messages parameters ID")


def _is_meant(which: str, row_id: str, name: str, term: str) -> bool:
    """Whether a word is the id, the name or the term of a row."""
    if is_called(which, term, name):
        return True
    try:
        return int(which, 16) == int(row_id, 16)
    except ValueError:
        return False


def _deviations(*, as_json: bool) -> None:
    if as_json:
        for name, sentence in DEVIATIONS.items():
            print_json({"name": name, "sentence": sentence})
    else:
        print_table(("deviation", "what the sender did…"), list(DEVIATIONS.items()))


# ------------------------------------------------------------------------------------------------ one page


def _message(what: str, *, as_json: bool) -> None:
    try:
        msg_id = find_message(what)
    except LookupError as error:
        raise click.UsageError(str(error.args[0])) from error
    if msg_id not in CATALOGUE:
        raise click.UsageError(f"no standard names 0x{msg_id:04x}; list what there is with: jtgate messages")
    page = message_page(msg_id)
    if as_json:
        print_json(dataclasses.asdict(page))
        return
    row = page.row
    clause = page.page.clause if page.page is not None else ""
    _heading(f"{row.id} {row.name} {row.term}", clause, message_facts(row))
    if page.page is None:
        click.echo("It has a name here, but its body is not decoded: it is kept as bytes.")
        return
    _structure(page.page)
    _inner(page.structures)
    _print_deviations(page)
    for example in page.examples:
        click.echo(click.style(f"example, edition {example.edition}", bold=True))
        click.echo(f"  {encode_command(row, example)}")
        for frame in example.frames:
            click.echo(f"  {frame}")


def message_facts(row: MessageRow) -> str:
    """Direction, standard, editions and answer in a line."""
    parts = [_ARROWS[row.direction], row.standard, editions_words(row.editions)]
    if row.answer is not None:
        info = CATALOGUE[int(row.answer, 16)]
        parts.append(f"answered with {row.answer} {info.name} {info.term}")
    return ", ".join(parts)


def _heading(title: str, clause: str, facts: str) -> None:
    click.echo(click.style(title, bold=True, fg="cyan") + (f"  {clause}" if clause else ""))
    if facts:
        click.echo(facts)
    click.echo()


def _structure(page: StructurePage) -> None:
    """What it is, its layouts, the meaning of its codes."""
    if note := note_of(page):
        click.echo(note + "\n")
    for layout in page.layouts:
        if len(page.layouts) > 1:
            least = f": at least {counted(layout.bytes)}" if layout.bytes else ""
            click.echo(click.style(f"edition {', '.join(layout.editions)}{least}", bold=True))
        if layout.fields:
            _fields(layout.fields, page.clause)
        else:
            click.echo("The body is empty.")
        click.echo()
    for field, codes in tables_of(page):
        _codes(field, codes)


def _fields(fields: Sequence[FieldRow], clause: str) -> None:
    """A table without the columns that would be empty."""
    columns = ("offset…", "type…", "field", "term", "unit", "values…", "there…", "clause")
    rows = [
        (
            row.offset,
            row.type,
            row.name,
            row.term,
            row.unit,
            values_text(row),
            row.condition,
            row.clause if row.clause != clause else "",
        )
        for row in fields
    ]
    kept = [at for at in range(len(columns)) if any(row[at] for row in rows)]
    print_table([columns[at] for at in kept], [[row[at] for at in kept] for row in rows], cut=("term",))


def _codes(field: str, codes: Codes) -> None:
    of = f" of {codes.label}" if codes.label else ""
    click.echo(click.style(f"{field}: {'bits' if codes.is_bits else 'codes'}{of}", bold=True))
    with_editions = any(row.editions for row in codes.rows)
    rows = [(row.code, row.zh, row.en, editions_text(row.editions))[: 4 if with_editions else 3] for row in codes.rows]
    columns = ("bit" if codes.is_bits else "code", "中文…", "English…", "editions")
    print_table(columns[: 4 if with_editions else 3], rows, right=("code", "bit"))
    click.echo()


def _inner(pages: Iterable[StructurePage]) -> None:
    """The structures that the fields of others are made of, each once."""
    for inner in {page.name: page for page in pages}.values():
        click.echo(click.style(inner.name, bold=True) + f"  {inner.clause}")
        _structure(inner)


def _print_deviations(page: MessagePage) -> None:
    if page.deviations:
        click.echo(click.style("deviations tolerated", bold=True))
        print_facts(page.deviations)
        click.echo()


# --------------------------------------------------------------------------------------------------- words


def editions_text(editions: Sequence[str]) -> str:
    """Editions in few letters: "all" for all."""
    return "all" if tuple(editions) == _ALL_EDITIONS else " ".join(editions)


def counted(count: int) -> str:
    """A number of bytes in words."""
    return f"{count} byte" if count == 1 else f"{count} bytes"


def note_of(page: StructurePage) -> str:
    """What a declaration says about itself beyond its id and term, "" when that is all."""
    return page.text if re.search(r"[a-z]{2}", page.text) else ""


def editions_words(editions: Sequence[str]) -> str:
    """Editions in words."""
    if tuple(editions) == _ALL_EDITIONS:
        return "all editions"
    return f"edition {' and '.join(editions)}"


def values_text(row: FieldRow) -> str:
    """What values a field can have, where its type does not say it."""
    if row.items:
        return f"see {row.items}"
    if row.valid is not None:
        return f"{row.valid[0]:g} to {row.valid[1]:g}"
    return row.possible if "in steps of" in row.possible else ""


def tables_of(page: StructurePage) -> list[tuple[str, Codes]]:
    """The tables of all fields of a structure, each once, with the names of the fields that have it."""
    found: dict[Codes, list[str]] = {}
    for layout in page.layouts:
        for row in layout.fields:
            for codes in row.codes:
                names = found.setdefault(codes, [])
                if row.name not in names:
                    names.append(row.name)
    return [(", ".join(names), codes) for codes, names in found.items()]


def encode_command(row: MessageRow, example: Example) -> str:
    """The command that builds an example."""
    words = [_field_word(name, value) for name, value in example.given.items()]
    edition = ["--edition", example.edition]
    header = ["--phone", EXAMPLE_PHONE, "--serial", str(EXAMPLE_SERIAL)]
    return shlex.join(["jtgate", "encode", row.name, *words, *edition, *header])


def _field_word(name: str, value: Any) -> str:
    if isinstance(value, str) and value[:1] not in ("[", "{", '"') and value != "null":
        return f"{name}={value}"
    return f"{name}={json.dumps(value, ensure_ascii=False)}"
