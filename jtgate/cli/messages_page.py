"""docs/messages.md and docs/coverage.md: every message, item and parameter, written from the declarations."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from jtgate.cli.messages import (
    counted,
    editions_text,
    encode_command,
    item_facts,
    message_facts,
    note_of,
    tables_of,
    values_text,
)
from jtgate.codecs.catalogue import CATALOGUE, VENDOR
from jtgate.codecs.deviations import DEVIATIONS
from jtgate.codecs.edition import ALL_EDITIONS
from jtgate.codecs.reference import (
    DECODED,
    NAMED_ONLY,
    Codes,
    FieldRow,
    MessagePage,
    MessageRow,
    StructurePage,
    coverage,
    item_pages,
    message_page,
    message_rows,
    parameter_pages,
)

#: Tables of codes longer than this are printed once and referred to after that.
_LONG_TABLE_CHARS: Final = 160
#: Frames of examples are cut behind this; the command builds them whole.
_FRAME_CHARS: Final = 240

#: Ids that have a name and no declaration, with the reason: no document at hand says what is in their bodies.
UNDECLARED: Final[dict[int, str]] = {}


class _Page:
    """The lines of the page, and what was printed already."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self._tables: dict[Codes, str] = {}
        self._structures: dict[str, StructurePage] = {}

    def add(self, *lines: str) -> None:
        """Add lines."""
        self.lines += lines

    def structure(self, page: StructurePage, title: str) -> None:
        """Layouts and codes of a structure; `title` is where later tables find these codes."""
        for layout in page.layouts:
            if len(page.layouts) > 1:
                least = f", at least {counted(layout.bytes)}" if layout.bytes else ""
                self.add("", f"Edition {', '.join(layout.editions)}{least}:")
            if layout.fields:
                self.add("", *_field_table(layout.fields, page.clause))
            else:
                self.add("", "The body is empty.")
        told = [self._codes(field, codes, title) for field, codes in tables_of(page)]
        if told:
            self.add("", *told)

    def _codes(self, field: str, codes: Codes, title: str) -> str:
        """One line for a table, or where it was printed."""
        name = f"- `{field}`" + (f" ({codes.label})" if codes.label else "")
        text = "; ".join(_code_text(row.code, row.zh, row.en, row.editions) for row in codes.rows)
        if codes in self._tables:
            return f"{name}: as in {self._tables[codes]}."
        if len(text) > _LONG_TABLE_CHARS:
            self._tables[codes] = f"{title}, `{field}`"
        return f"{name}{' bits' if codes.is_bits else ''}: {text}."

    def refer(self, pages: Iterable[StructurePage]) -> None:
        """Remember structures that are explained at the end of the page."""
        for page in pages:
            self._structures.setdefault(page.name, page)

    def referred(self) -> list[StructurePage]:
        """The structures to explain, by name."""
        return [self._structures[name] for name in sorted(self._structures)]


def _code_text(code: str, zh: str, en: str, editions: Sequence[str]) -> str:
    names = zh if zh == en else f"{zh} {en}"
    return f"{code} {names}" + (f" ({', '.join(editions)})" if editions else "")


def _field_table(fields: Sequence[FieldRow], clause: str) -> Iterator[str]:
    """A table without the columns that would be empty."""
    columns = ("offset", "type", "field", "term", "unit", "values", "there", "clause")
    rows = [
        (
            row.offset,
            _type_text(row),
            f"`{row.name}`",
            row.term,
            row.unit,
            _values(row),
            row.condition,
            row.clause if row.clause != clause else "",
        )
        for row in fields
    ]
    kept = [at for at in range(len(columns)) if any(row[at] for row in rows)]
    yield _cells(columns[at] for at in kept)
    yield "|" + "---|" * len(kept)
    for row in rows:
        yield _cells(row[at] for at in kept)


def _values(row: FieldRow) -> str:
    return {"items": "[items](#items)", "parameters": "[parameters](#parameters)"}.get(row.items) or values_text(row)


def _type_text(row: FieldRow) -> str:
    """The type, its structures as links; those that it does not name follow."""
    links = {name: f"[{name}](#{anchor(name)})" for name in row.structures}
    named = re.sub(r"\w+", lambda word: links.get(word.group(), word.group()), row.type)
    others = [link for name, link in links.items() if link not in named]
    return f"{named}: {', '.join(others)}" if others else named


def _cells(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def anchor(heading: str) -> str:
    """The anchor that Markdown viewers give a heading: lower case, blanks as hyphens, punctuation dropped."""
    kept = "".join(char for char in heading.lower() if char.isalnum() or char in " -_")
    return kept.replace(" ", "-")


# ------------------------------------------------------------------------------------------------ messages


def messages_page() -> str:
    """The text of docs/messages.md."""
    page = _Page()
    rows = [row for row in message_rows() if row.decoded]
    page.add(
        "# Messages",
        "",
        "Printed from the declarations in `jtgate/codecs` by `python -m jtgate.cli.reference`; `jtgate messages ID`",
        "prints one message, with `--json` for programs. Names are those of the JSON that `jtgate decode --json`",
        "prints and `jtgate encode` takes. Offsets count from the start of the body, or of the structure. A clause",
        "`§4` is a section of our digest of JT/T 808; those of other documents begin with their name.",
        "What can be decoded in which edition is in [coverage.md](coverage.md).",
        "",
    )
    _contents(page, rows)
    for row in rows:
        _message(page, message_page(int(row.id, 16)))
    _items(page)
    _parameters(page)
    _structures(page)
    page.add("", "## Deviations", "", "What is tolerated, under which name it is counted.", "")
    page.add("| name | what the sender did |", "|---|---|")
    page.add(*(_cells((f"`{name}`", sentence)) for name, sentence in DEVIATIONS.items()))
    return "\n".join(page.lines) + "\n"


def _title(row: MessageRow) -> str:
    return f"{row.id} {row.name} {row.term}"


def _contents(page: _Page, rows: Sequence[MessageRow]) -> None:
    page.add("| standard | from terminals | to terminals |", "|---|---|---|")
    for standard in dict.fromkeys(row.standard for row in rows):
        links = [
            " ".join(f"[{row.id}](#{anchor(_title(row))})" for row in rows if (row.standard, row.direction) == where)
            for where in ((standard, "up"), (standard, "down"))
        ]
        page.add(_cells((standard, *links)))
    page.add("", "[Items](#items) of 0x0200, [parameters](#parameters), [structures](#structures) that messages share,")
    page.add("[deviations](#deviations) that are tolerated.")


def _message(page: _Page, message: MessagePage) -> None:
    body = message.page
    if body is None:
        return
    row = message.row
    title = _title(row)
    clause = f"  Clause {body.clause}." if body.clause else ""
    page.add("", f"## {title}", "", f"{message_facts(row)}.{clause}")
    if note := note_of(body):
        page.add("", note)
    page.structure(body, row.id)
    page.refer(message.structures)
    if message.deviations:
        page.add("", "Tolerated: " + ", ".join(f"`{name}`" for name, _ in message.deviations) + ".")
    if message.examples:
        newest = message.examples[0]
        frames = [_shortened(frame) for frame in newest.frames]
        page.add("", "```text", "$ " + encode_command(row, newest), *frames, "```")


def _shortened(frame: str) -> str:
    return frame if len(frame) <= _FRAME_CHARS else f"{frame[:_FRAME_CHARS]}… ({len(frame) // 2} bytes)"


# ----------------------------------------------------------------------------------- items and parameters


def _items(page: _Page) -> None:
    page.add(
        "",
        "## Items",
        "",
        "Additional items 附加信息项 of 0x0200: BYTE id, BYTE length, value. Where an id has several",
    )
    page.add("forms, those of a dialect are tried first, for terminals of that dialect.")
    for item in item_pages():
        row = item.row
        facts = [part for part in (f"Clause {row.clause}" if row.clause else "", item_facts(row)) if part]
        page.add("", f"### {row.id} {row.name} {row.term}", "", f"{', '.join(facts)}.")
        page.structure(item.page, f"item {row.id}")
        page.refer(item.structures)


def _parameters(page: _Page) -> None:
    pages = parameter_pages()
    page.add("", "## Parameters", "", "Parameters 终端参数 of 0x8103 and 0x0104: DWORD id, BYTE length, value.", "")
    page.add("| id | type | name | term | unit | editions | block |", "|---|---|---|---|---|---|---|")
    for row in pages:
        blocks = ", ".join(f"[{form.name}](#{anchor(form.name)})" for form in row.forms)
        cells = (row.id, row.type, f"`{row.name}`", row.term, row.unit, editions_text(row.editions), blocks)
        page.add(_cells(cells))
        page.refer(row.forms)
        page.refer(row.structures)


def _structures(page: _Page) -> None:
    page.add("", "## Structures", "", "Parts of messages, items and parameters.")
    for structure in page.referred():
        clause = f" Clause {structure.clause}." if structure.clause else ""
        page.add("", f"### {structure.name}", "", f"{structure.text}{clause}")
        page.structure(structure, structure.name)


# ------------------------------------------------------------------------------------------------ coverage


def coverage_page() -> str:
    """The text of docs/coverage.md."""
    standards = list(dict.fromkeys(info.standard for info in CATALOGUE.values()))
    lines = [
        "# Coverage",
        "",
        "Printed from the declarations by `python -m jtgate.cli.reference`; what the messages are made of is in",
        "[messages.md](messages.md). Columns are editions of JT/T 808, ↑ from terminals and ↓ to them.",
        f"“{DECODED}” means: there is a declaration, and an example of it goes there and back in that edition.",
        "“–” means that the edition, or the direction, does not have the message.",
        "",
        "| standard | messages | decoded and encoded | named only |",
        "|---|---|---|---|",
        *(_cells(map(str, (standard, *_counts(standard)))) for standard in standards),
        "",
        *_item_counts(),
    ]
    if UNDECLARED:
        lines += ["", "Named only, and why:", ""]
        lines += [f"- 0x{msg_id:04x} {CATALOGUE[msg_id].term}: {why}" for msg_id, why in UNDECLARED.items()]
    heads = [f"{edition} {arrow}" for arrow in "↑↓" for edition in ALL_EDITIONS]
    for standard in standards:
        lines += ["", f"## {standard}", "", _cells(("id", "name", "term", *heads)), "|" + "---|" * (3 + len(heads))]
        lines += [_coverage_row(info.msg_id) for info in CATALOGUE.values() if info.standard == standard]
    return "\n".join(lines) + "\n"


def _counts(standard: str) -> tuple[int, int, int]:
    ids = [info.msg_id for info in CATALOGUE.values() if info.standard == standard]
    decoded = sum(any(coverage(msg_id, edition) == DECODED for edition in ALL_EDITIONS) for msg_id in ids)
    return len(ids), decoded, len(ids) - decoded


def _item_counts() -> Iterator[str]:
    forms = Counter(item.row.id for item in item_pages())
    pages = parameter_pages()
    blocks = [row for row in pages if row.type == "BYTE[n]"]
    yield f"Additional items of 0x0200: {len(forms)} ids in {sum(forms.values())} forms, all decoded and encoded."
    yield (
        f"Terminal parameters: {len(pages)} rows; of {len(blocks)} that are blocks of bytes, "
        f"{sum(bool(row.forms) for row in blocks)} have their fields."
    )


def _coverage_row(msg_id: int) -> str:
    info = CATALOGUE[msg_id]
    up, down = [[coverage(msg_id, edition) for edition in ALL_EDITIONS], ["–"] * len(ALL_EDITIONS)][
        :: 1 if info.upward else -1
    ]
    return _cells((f"0x{msg_id:04x}", info.name, info.term, *up, *down))


def holes() -> list[str]:
    """Ids of standards that are only named, without a reason in UNDECLARED."""
    return [
        f"0x{info.msg_id:04x} {info.name}"
        for info in CATALOGUE.values()
        if info.standard != VENDOR
        and info.msg_id not in UNDECLARED
        and any(coverage(info.msg_id, edition) == NAMED_ONLY for edition in ALL_EDITIONS)
    ]
