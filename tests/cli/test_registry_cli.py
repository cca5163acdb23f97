"""`jtgate registry`: files in and out, faults by their line, versions."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from jtgate.cli import main, registry_files
from jtgate.cli import registry as cli_registry
from jtgate.storage import open_store
from jtgate.storage.registry import KINDS

HEAD = "person,name,roles\n"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data folder with a migrated store."""
    store = open_store("", tmp_path)
    store.migrate()
    store.close()
    return tmp_path


def run(data: Path, *arguments: str, stdin: str | bytes = "") -> Result:
    """`jtgate registry …`."""
    return CliRunner().invoke(main, ["registry", *arguments, "--data", str(data)], input=stdin)


def names(data: Path) -> list[str]:
    """Names of the persons in force."""
    return [json.loads(line)["name"] for line in run(data, "ls", "persons", "--json").stdout.splitlines()]


@pytest.mark.parametrize("kind", list(KINDS))
@pytest.mark.parametrize("flags", [(), ("--json",)], ids=["csv", "json"])
def test_template_import_export_import(data: Path, kind: str, flags: tuple[str, ...]) -> None:
    """What `template` prints is imported, and what `export` prints comes back without a change."""
    template = CliRunner().invoke(main, ["registry", "template", kind, *flags]).stdout
    assert "1 new" in run(data, "import", kind, "-", stdin=template).output
    exported = run(data, "export", kind, *flags).stdout
    assert "1 unchanged" in run(data, "import", kind, "-", stdin=exported).output
    assert run(data, "export", kind, *flags).stdout == exported


def test_faults_have_lines_and_nothing_is_stored(data: Path) -> None:
    """Lines are those of the file, quoted line ends included; all rows or none."""
    text = HEAD + 'P1,"张\n三",driver\nP2,,driver\n\nP3,李四,pilot\n'
    done = run(data, "import", "persons", "-", stdin=text)
    assert done.exit_code == 1
    assert "line 4: name:" in done.output
    assert "line 6: roles" in done.output
    assert "nothing was written" in done.output
    assert names(data) == []


def test_good_rows_beside_bad_ones(data: Path) -> None:
    """With --skip-bad the good ones are stored, and the exit code still tells."""
    done = run(data, "import", "persons", "-", "--skip-bad", stdin=HEAD + "P1,张三,driver\nP2,,driver\n")
    assert done.exit_code == 1
    assert "1 new" in done.output
    assert "1 refused" in done.output
    assert names(data) == ["张三"]


def test_a_dry_run_writes_nothing(data: Path) -> None:
    """It checks everything all the same."""
    done = run(data, "import", "persons", "-", "--dry-run", stdin=HEAD + "P1,张三,driver\n")
    assert (done.exit_code, names(data)) == (0, [])
    assert "--dry-run" in done.output


def test_many_faults_are_counted(data: Path) -> None:
    """The first ones are shown, the others counted; JSON has the same."""
    text = HEAD + "".join(f"P{number},,driver\n" for number in range(30))
    done = run(data, "import", "persons", "-", "--limit", "3", stdin=text)
    assert done.output.count("line ") == 3
    assert "and 27 more" in done.output
    lines = [json.loads(line) for line in run(data, "import", "persons", "-", "--json", stdin=text).stdout.splitlines()]
    assert lines[0]["fault"]["line"] == 2
    assert lines[-1]["summary"]["refused"] == 30
    assert lines[-1]["summary"]["not_shown"] == 10


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030"])
def test_encodings(data: Path, encoding: str) -> None:
    """As editors and Chinese spreadsheets write."""
    assert run(data, "import", "persons", "-", stdin=(HEAD + "P1,张三,driver\n").encode(encoding)).exit_code == 0
    assert names(data) == ["张三"]


@pytest.mark.parametrize(
    ("stdin", "said"),
    [
        (b"", "nothing in it"),
        (b"person,nmae\nP1,x\n", "line 1: the heading 'nmae' is no field"),
        (b"person,person\nP1,x\n", "stands twice"),
        (b"person,name\nP1,\xff\xff\xff\n", "line 2: neither UTF-8 nor GB18030"),
    ],
)
def test_files_that_are_none(data: Path, stdin: bytes, said: str) -> None:
    """Told with the line, before any row is read."""
    done = run(data, "import", "persons", "-", stdin=stdin)
    assert done.exit_code == 1
    assert said in done.output


@pytest.mark.parametrize(
    "stdin", ["[" * 100_000, '[{"person": "P1"', '{"person": "P1", "name": "a", "roles": ["driver"]}\nno json\n', "[1]"]
)
def test_json_that_is_none(data: Path, stdin: str) -> None:
    """A fault of its line; the rows before it are told apart."""
    done = run(data, "import", "persons", "-", stdin=stdin)
    assert done.exit_code == 1
    assert "1 refused" in done.output


def test_versions_are_shown(data: Path) -> None:
    """Each with its time; --at picks one."""
    head = "person,name,roles,valid_from\n"
    run(data, "import", "persons", "-", stdin=head + "P1,张三,driver,2026-01-01\n")
    run(data, "import", "persons", "-", stdin=head + "P1,李四,driver,2026-06-01\n")
    shown = run(data, "show", "persons", "P1").output
    assert "张三" in shown
    assert "李四" in shown
    then = run(data, "show", "persons", "P1", "--at", "2026-03-01").output
    assert "张三" in then
    assert "李四" not in then
    assert run(data, "show", "persons", "P9").exit_code == 1


def test_rows_of_a_file_that_contradict_each_other(data: Path) -> None:
    """Two rows with one key and one beginning would correct each other at every import; the second is refused."""
    done = run(data, "import", "persons", "-", stdin=HEAD + "P1,张三,driver\nP2,王五,driver\nP1,李四,driver\n")
    assert done.exit_code == 1
    assert "line 4: repeats key and valid_from of line 2" in done.output
    assert names(data) == []


def test_a_history_out_of_order_is_stable(monkeypatch: pytest.MonkeyPatch, data: Path) -> None:
    """Versions in any order, over several transactions: the same file once more changes nothing."""
    monkeypatch.setattr(cli_registry, "BATCH_ROWS", 1)
    told = [("张三", "2026-01-01"), ("张三", "2026-05-01"), ("李四", "2026-03-01")]
    text = "person,name,roles,valid_from\n" + "".join(f"P1,{name},driver,{day}\n" for name, day in told)
    assert "1 new, 2 changed" in run(data, "import", "persons", "-", stdin=text).output
    assert "0 new, 0 changed, 3 unchanged" in run(data, "import", "persons", "-", stdin=text).output


def test_keys_as_people_write_them(data: Path) -> None:
    """A colour by its name, a plate in small letters; what cannot be a key is told."""
    template = CliRunner().invoke(main, ["registry", "template", "vehicles"]).stdout
    run(data, "import", "vehicles", "-", stdin=template)
    for words in (["测a·12345"], ["测A12345", "2"], ["测A12345", "黄"]):
        assert "测A12345" in run(data, "show", "vehicles", *words).output
    wrong = run(data, "show", "vehicles", "测A12345", "77")
    assert (wrong.exit_code, "plate_color: is none of" in wrong.stderr) == (2, True)


def test_an_export_that_is_cut_says_so(monkeypatch: pytest.MonkeyPatch, data: Path) -> None:
    """Nobody takes a part for the whole."""
    run(data, "import", "persons", "-", stdin=HEAD + "P1,张三,driver\nP2,李四,driver\n")
    monkeypatch.setattr(registry_files, "ROWS_MAX", 1)
    done = run(data, "export", "persons")
    assert done.exit_code == 1
    assert "more than 1 rows" in done.stderr


def test_limits_of_a_file(monkeypatch: pytest.MonkeyPatch, data: Path) -> None:
    """Too many rows are refused, too many bytes too."""
    monkeypatch.setattr(registry_files, "ROWS_MAX", 2)
    text = HEAD + "".join(f"P{number},a,driver\n" for number in range(5))
    assert "more than 2 rows" in run(data, "import", "persons", "-", stdin=text).output
    monkeypatch.setattr(registry_files, "FILE_BYTES_MAX", 10)
    assert "the limit is 10" in run(data, "import", "persons", "-", stdin=text).output
