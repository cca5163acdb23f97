"""docs/disagreements.md says what holds: every row is there, and what it names exists."""

import ast
import dataclasses
import re
import tomllib
from functools import cache
from pathlib import Path
from typing import Final, NamedTuple

import pytest

from jtgate.codecs.deviations import DEVIATIONS
from jtgate.codecs.errors import FrameError
from jtgate.codecs.profile import AUTO, Profile, profile_from

ROOT: Final = Path(__file__).resolve().parent.parent
PAGE: Final = (ROOT / "docs" / "disagreements.md").read_text(encoding="utf-8")

#: Heading -> how the page refers to its rows, and how many there are.
REGISTERS: Final = {
    "JT/T 808, where sources disagree (§13)": ("808 §13", 34),
    "JT/T 808, what real terminals do wrong (§11)": ("808 §11", 59),
    "JT/T 1078, where sources disagree (§7)": ("1078 §7", 12),
    "JT/T 1078, what real terminals do wrong (§4.3)": ("1078 §4.3", 16),
    "Active safety, where sources disagree (§8)": ("AS §8", 22),
    "Active safety, what real terminals do wrong (§4.8)": ("AS §4.8", 14),
}
DOCUMENTS: Final = {"808": "jt808.md", "1078": "jt1078.md", "AS": "active-safety.md"}
NO_TEST: Final = "none yet"

#: Names that the gateway counts itself: constants and literals with a dot in its sources.
_GATEWAY_NAME: Final = re.compile(r"(?:session|header|limit|parts|clock)\.[a-z_]+")


class Row(NamedTuple):
    """A row of a register.

    Args:
        ref: as "808 §13 no. 5".
        number: its number.
        cells: the others.
    """

    ref: str
    number: int
    cells: list[str]

    @property
    def settings(self) -> list[str]:
        """What stands in the column "other reading" as code."""
        return re.findall(r"`([^`]+)`", self.cells[2]) if " = " in self.cells[2] else []

    @property
    def deviations(self) -> list[str]:
        """Names under which it is counted."""
        return re.findall(r"`([^`]+)`", self.cells[3])

    @property
    def tests(self) -> list[str]:
        """Tests, as path::name."""
        return re.findall(r"`([^`]+)`", self.cells[4])


def table(heading: str) -> list[list[str]]:
    """Cells of the table under a heading, without its head."""
    section = re.split(r"\n## ", PAGE.split(f"\n## {heading}\n", 1)[1])[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines[2:]]


@cache
def rows() -> list[Row]:
    """All rows of all registers."""
    found = []
    for heading, (ref, _) in REGISTERS.items():
        found += [Row(f"{ref} no. {cells[0]}", int(cells[0]), cells[1:]) for cells in table(heading)]
    return found


@cache
def functions(path: str) -> frozenset[str]:
    """Names of the functions of a file."""
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    return frozenset(node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef))


@cache
def gateway_names() -> frozenset[str]:
    """Names in the sources of the gateway, those of log events left out."""
    counted: set[str] = set()
    for path in (ROOT / "jtgate" / "gateway").glob("*.py"):
        nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
        events = {node.args[0] for node in nodes if isinstance(node, ast.Call) and is_log(node.func) and node.args}
        texts = {node.value for node in nodes if isinstance(node, ast.Constant) and node not in events}
        counted |= {text for text in texts if isinstance(text, str) and _GATEWAY_NAME.fullmatch(text)}
    return frozenset(counted - DEVIATIONS.keys())


def is_log(function: ast.expr) -> bool:
    """`log.info` and its like."""
    return isinstance(function, ast.Attribute) and isinstance(function.value, ast.Name) and function.value.id == "log"


@pytest.mark.parametrize("heading", REGISTERS)
def test_every_row_is_there_once(heading: str) -> None:
    """Numbers from 1 on, in the order of the register, and five words for each."""
    ref, count = REGISTERS[heading]
    mine = [row for row in rows() if row.ref.startswith(f"{ref} no.")]
    assert [row.number for row in mine] == list(range(1, count + 1))
    for row in mine:
        assert len(row.cells) == 5, row.ref
        assert all(row.cells), row.ref
        assert row.tests or row.cells[4] == NO_TEST, row.ref


@pytest.mark.shared
@pytest.mark.parametrize("heading", REGISTERS)
def test_registers_have_as_many_rows_as_their_documents(heading: str, shared_vectors: Path) -> None:
    """A row that is added to a document is missing here."""
    ref, count = REGISTERS[heading]
    document, section = ref.split(" §")
    text = (shared_vectors.parent / "spec" / DOCUMENTS[document]).read_text(encoding="utf-8")
    body = re.split(r"\n#+ ", re.split(rf"\n#+ {re.escape(section)}\.? ", text, maxsplit=1)[1])[0]
    listed = re.findall(r"^\d+\. ", body, re.MULTILINE) or re.findall(r"^\| ", body, re.MULTILINE)[1:]
    assert len(listed) == count


def test_every_named_test_exists() -> None:
    """A test that was renamed takes its row along; a parameter in brackets may follow its name."""
    for row in rows():
        for test in row.tests:
            path, name = test.split("::")
            assert (ROOT / path).is_file(), f"{row.ref}: {path}"
            assert name.split("[")[0] in functions(path), f"{row.ref}: {test}"
            assert name.startswith("test_"), f"{row.ref}: {test}"


def test_every_named_setting_is_possible_and_another_reading() -> None:
    """What a row offers can be pasted into a file of profiles, and changes something."""
    for row in rows():
        for line in row.settings:
            settings = tomllib.loads(line)
            profile = profile_from("test", settings)
            for name in settings:
                assert getattr(profile, name) != getattr(AUTO, name), f"{row.ref}: {line}"


def test_every_setting_of_a_profile_is_named() -> None:
    """A setting without a row would be one nobody finds."""
    named = {name for row in rows() for line in row.settings for name in tomllib.loads(line)}
    assert named == {field.name for field in dataclasses.fields(Profile)} - {"name"}


def referring(name: str) -> str:
    """The last cell of a list of names."""
    return ", ".join(row.ref for row in rows() if name in row.deviations) or "–"


def test_every_deviation_is_listed_with_its_sentence_and_its_rows() -> None:
    """Names in order, sentences as `jtgate decode` prints them."""
    wanted = [[f"`{name}`", sentence, referring(name)] for name, sentence in sorted(DEVIATIONS.items())]
    assert table("Deviations by name") == wanted


def test_every_name_of_the_gateway_is_listed_with_its_rows() -> None:
    """Those that are counted for a session and are no deviations of bytes."""
    listed = table("Further names that the gateway counts")
    assert [cells[0].strip("`") for cells in listed] == sorted(gateway_names())
    assert [cells[2] for cells in listed] == [referring(cells[0].strip("`")) for cells in listed]


def test_every_named_deviation_exists() -> None:
    """In the codecs or in the gateway, or as the code of bytes that are no frame."""
    known = DEVIATIONS.keys() | gateway_names() | {error.code for error in FrameError.__subclasses__()}
    for row in rows():
        assert set(row.deviations) <= known, row.ref


def test_what_has_no_test_is_listed() -> None:
    """All of them in one place, each with what it waits for."""
    listed = table("Without a test yet")
    assert [cells[0] for cells in listed] == [row.ref for row in rows() if row.cells[4] == NO_TEST]
    assert all(cells[1] for cells in listed)
