"""What must hold for the repository as a whole."""

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))

FILE_LINES_MAX = {"jtgate": 620, "tests": 850}
FUNCTION_LINES_MAX = {"jtgate": 70, "tests": 100}

#: Allowed to be longer, with the reason.
LONG_FILES = {
    "jtgate/codecs/twins/columns.py": "one pass over a location report; a call per item would cost more than the item",
}
LONG_FUNCTIONS = {
    "jtgate/codecs/twins/lane.py:feed": "the byte loop; its state lives in C locals, which do not cross a call",
}

#: The wall clock is read in one place (design D12).
CLOCK = re.compile(
    r"\b(datetime\.(now|today|utcnow|fromtimestamp|utcfromtimestamp)|date\.today|_?time\.time(_ns)?)\s*\("
)
CLOCK_OWNER = "jtgate/codecs/timebase.py"

#: Paths that exist on one machine only, and addresses of package registries.
MACHINE = re.compile(r"(?<![\w.])/(work|home|root|Users)/\w|/opt/(pypi|wheels)|pypi\.org|pythonhosted|registry\.npmjs")

SOURCE_FOLDERS = ("jtgate", "tests", "benchmarks", "fuzz")
TEXT_ENDINGS = {".py", ".c", ".h", ".md", ".toml", ".lock", ".sql", ".json", ".cfg", ""}


def python_files() -> Iterator[Path]:
    """Every Python source of the repository."""
    yield ROOT / "setup.py"
    for folder in SOURCE_FOLDERS:
        yield from sorted((ROOT / folder).rglob("*.py"))


def text_files() -> Iterator[Path]:
    """Every file a person wrote, or a tool for people."""
    yield from (path for path in sorted(ROOT.iterdir()) if path.is_file() and path.suffix in TEXT_ENDINGS)
    yield ROOT / ".ci" / "run"
    for folder in (*SOURCE_FOLDERS, "docs"):
        for path in sorted((ROOT / folder).rglob("*")):
            built = {"bin", "results", "__pycache__"} & set(path.parts)
            if path.is_file() and path.suffix in TEXT_ENDINGS and not built:
                yield path


def name_of(path: Path) -> str:
    """Path within the repository."""
    return path.relative_to(ROOT).as_posix()


def limit(limits: dict[str, int], path: Path) -> int:
    """Tests may be longer: a table of cases is easy to read at any length."""
    return limits["tests" if path.is_relative_to(ROOT / "tests") else "jtgate"]


def test_the_wall_clock_is_read_in_one_module() -> None:
    """Only timebase.py asks what time it is; everyone else is told."""
    found = [
        f"{name_of(path)}:{number}: {line.strip()}"
        for path in sorted((ROOT / "jtgate").rglob("*.py"))
        if name_of(path) != CLOCK_OWNER
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if CLOCK.search(line)
    ]
    assert not found


@pytest.mark.parametrize(
    ("line", "caught"),
    [
        ("now = datetime.now(UTC)", True),
        ("now = datetime.datetime.utcnow()", True),
        ("now = time.time()", True),
        ("now = _time.time_ns()", True),
        ("day = datetime.fromtimestamp(ms / 1000, UTC)", True),
        ("now = time.monotonic()", False),
        ("now = loop.time()", False),
        ("at = timebase.now_ms()", False),
    ],
)
def test_the_search_for_clocks_finds_clocks(line: str, caught: bool) -> None:
    """The pattern above tells wall clocks from others."""
    assert bool(CLOCK.search(line)) is caught


def test_nothing_names_one_machine_or_a_package_registry() -> None:
    """No path of the machine it was written on, no address of a package index."""
    found = [
        f"{name_of(path)}:{number}: {line.strip()[:100]}"
        for path in text_files()
        if path != Path(__file__).resolve()
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if MACHINE.search(line)
    ]
    assert not found


def test_every_direct_dependency_is_explained() -> None:
    """docs/dependencies.md has one row for each dependency of pyproject.toml, and none beside them."""
    project = PROJECT["project"]
    declared = [*project["dependencies"], *PROJECT["build-system"]["requires"]]
    declared += [entry for extra in project["optional-dependencies"].values() for entry in extra]
    names = {re.split(r"[^\w.-]", entry, maxsplit=1)[0].lower() for entry in declared}
    page = (ROOT / "docs" / "dependencies.md").read_text(encoding="utf-8")
    explained = re.findall(r"^\| `([^`]+)` \|", page, re.MULTILINE)
    assert sorted(explained) == sorted(names)


def test_every_dependency_is_locked_with_a_hash() -> None:
    """The lock files pin each direct dependency to one version with hashes."""
    project = PROJECT["project"]
    for lock, entries in (
        ("requirements.lock", [*project["dependencies"], *PROJECT["build-system"]["requires"]]),
        ("requirements-test.lock", [*project["dependencies"], *project["optional-dependencies"]["test"]]),
    ):
        text = (ROOT / lock).read_text(encoding="utf-8")
        pinned = set(
            re.findall(r"^([\w.-]+)(?:\[[\w, -]+\])?==\S+(?: ;[^\\]*)? \\\n    --hash=sha256:", text, re.MULTILINE)
        )
        names = {re.split(r"[^\w.-]", entry, maxsplit=1)[0].lower() for entry in entries}
        assert names <= pinned, lock


def test_the_changelog_knows_this_version() -> None:
    """CHANGELOG.md has a section for the version of pyproject.toml."""
    version = re.escape(PROJECT["project"]["version"])
    assert re.search(rf"^## \[{version}\]", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)


def test_files_are_about_one_thing() -> None:
    """No Python file grows past what one can keep in mind."""
    long = {
        name_of(path): lines
        for path in python_files()
        if (lines := len(path.read_text(encoding="utf-8").splitlines())) > limit(FILE_LINES_MAX, path)
        and name_of(path) not in LONG_FILES
    }
    assert not long


def functions_of(path: Path) -> Iterator[tuple[str, int]]:
    """Name and lines, docstring apart, of every function of a file."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            skip = 1 if ast.get_docstring(node) is not None and len(node.body) > 1 else 0
            yield f"{name_of(path)}:{node.name}", (node.end_lineno or 0) - node.body[skip].lineno + 1


def longest_of(name: str) -> int:
    """Lines of the function called `file:function`."""
    return max(lines for found, lines in functions_of(ROOT / name.partition(":")[0]) if found == name)


def test_functions_fit_on_a_screen() -> None:
    """No function is longer than a screen, docstring apart."""
    long = {
        name: lines
        for path in python_files()
        for name, lines in functions_of(path)
        if lines > limit(FUNCTION_LINES_MAX, path) and name not in LONG_FUNCTIONS
    }
    assert not long


def test_allowances_are_still_needed() -> None:
    """An entry of the lists of long files and functions goes when the file or function is short again."""
    for name in LONG_FILES:
        assert len((ROOT / name).read_text(encoding="utf-8").splitlines()) > FILE_LINES_MAX["jtgate"], name
    for name in LONG_FUNCTIONS:
        assert longest_of(name) > FUNCTION_LINES_MAX["jtgate"], name


def test_the_readme_names_the_commands_that_exist() -> None:
    """Every `make TARGET` of README.md is a target of the Makefile."""
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    named = set(re.findall(r"(?:^|`)make ([a-z-]+)", (ROOT / "README.md").read_text(encoding="utf-8"), re.MULTILINE))
    assert {"run", "test"} <= named <= targets


def test_links_between_pages_lead_somewhere() -> None:
    """Relative links of README.md, CHANGELOG.md and docs/ point to files that are there."""
    broken = [
        f"{name_of(page)}: {target}"
        for page in (ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md")))
        for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
        if "://" not in target and not (page.parent / target).exists()
    ]
    assert not broken
