"""The stored fuzz inputs hold, and a few seconds of guided fuzzing find nothing; `make fuzz` is the long form."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

from fuzz.entries import ENTRIES
from fuzz.guided import CORPUS, INPUT_BYTES_MAX, ROOT
from fuzz.inputs import Input, cut, stream
from fuzz.seeds import REGRESSION, SEED, Coverage, smallest, stored

#: Seconds of guided fuzzing for each entry.
SECONDS = 3
#: The whole corpus, so that nobody minds to have it.
CORPUS_BYTES_MAX = 1 << 20

WITH_ATHERIS = importlib.util.find_spec("atheris") is not None

entries = pytest.mark.parametrize("entry", ENTRIES)


@entries
def test_stored_inputs_hold(entry: str) -> None:
    """Every input that is kept, regressions above all, passes its entry without the fuzzer."""
    inputs = stored(entry)
    assert inputs, f"python -m fuzz.seeds {entry}"
    for path in inputs:
        try:
            ENTRIES[entry](path.read_bytes())
        except Exception as error:
            raise AssertionError(f"{path.relative_to(ROOT)} breaks {entry}") from error


@entries
def test_every_short_input_holds(entry: str) -> None:
    """No bytes at all, each single byte, and each pair with a flag."""
    for byte in range(256):
        for data in (bytes([byte]), bytes([byte, 0x7E]), bytes([0, 0, 0, byte, 0x7E, byte])):
            ENTRIES[entry](data)
    ENTRIES[entry](b"")


@entries
@pytest.mark.timeout(300)
def test_guided_fuzzing_finds_nothing(entry: str, tmp_path: Path) -> None:
    """A few seconds under coverage, beginning with the corpus."""
    if not WITH_ATHERIS:
        why = "there is no atheris for this platform: only the stored inputs were replayed"
        if os.environ.get("CI") == "true" and sys.platform == "linux":
            pytest.fail(why)
        pytest.skip(why)
    command = [sys.executable, "-m", "fuzz.guided", entry, "--seconds", str(SECONDS), "--scratch", str(tmp_path)]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, errors="replace", check=False)
    assert ended.returncode == 0, ended.stdout[-3000:] + ended.stderr[-3000:]
    assert "DONE" in ended.stderr


def test_the_corpus_is_small_and_told_apart() -> None:
    """One folder for each entry, files that say what they are, and not too many bytes."""
    assert {path.name for path in CORPUS.iterdir()} == set(ENTRIES)
    files = [path for entry in ENTRIES for path in stored(entry)]
    assert all(path.name.startswith((SEED, REGRESSION)) for path in files)
    assert max(path.stat().st_size for path in files) <= INPUT_BYTES_MAX
    assert sum(path.stat().st_size for path in files) < CORPUS_BYTES_MAX


def test_an_entry_that_fails_is_noticed(tmp_path: Path) -> None:
    """Guided fuzzing finds a rule that three bytes break, ends with an exit code and keeps the input."""
    if not WITH_ATHERIS:
        pytest.skip("there is no atheris for this platform")
    planted = tmp_path / "planted.py"
    planted.write_text(
        "import sys\n"
        f"sys.path.insert(0, {str(ROOT)!r})\n"
        "import fuzz.entries\n"
        "def planted(data):\n"
        "    if data[:1] == b'7':\n"
        "        if data[1:2] == b'e':\n"
        "            assert data[2:3] != b'!', 'planted'\n"
        "import atheris\n"
        "fuzz.entries.ENTRIES['header'] = atheris.instrument_func(planted)\n"
        "from fuzz.guided import main\n"
        f"sys.argv = ['x', 'header', '--seconds', '60', '--scratch', {str(tmp_path)!r}]\n"
        "main()\n",
        encoding="utf-8",
    )
    ended = subprocess.run(
        [sys.executable, str(planted)], cwd=ROOT, capture_output=True, text=True, errors="replace", check=False
    )
    assert ended.returncode != 0
    assert "planted" in ended.stdout + ended.stderr
    (crash,) = tmp_path.glob("crash-header-*")
    assert crash.read_bytes()[:3] == b"7e!"


# ---------------------------------------------------------------------------------------- the pieces of it


def test_choices_beyond_the_end_are_zero() -> None:
    """An input may be shorter than its choices."""
    given = Input(b"\x05\x01")
    assert (given.number(), given.one_of("abc"), given.number(2), given.take(3), given.rest(), len(given)) == (
        5,
        "b",
        0,
        b"",
        b"",
        0,
    )


@pytest.mark.parametrize("step", [0, 1, 7, 36, 37, 255])
def test_cutting_loses_nothing(step: int) -> None:
    """Pieces make the stream again."""
    data = bytes(range(256)) * 2
    pieces = list(cut(data, step))
    assert b"".join(pieces) == data
    assert step == 0 or max(map(len, pieces)) <= 37


def test_streams_as_they_are_and_put_together() -> None:
    """The first byte says whether the rest is the stream, or a recipe for one."""
    assert stream(Input(b"\x00abc"), lambda given, _: given.rest()) == b"abc"
    assert stream(Input(b"\x01\x02abZ\x40xy"), lambda given, what: b"<%d>" % what + given.rest()) == b"ab<90>@xy"


def test_what_reaches_nothing_new_is_not_kept() -> None:
    """Of two inputs that take the same way the smaller one stays."""
    kept = smallest(ENTRIES["header"], [b"\x00" * 12, b"\x00" * 13, b"", b"\x00", b"\x00" * 5], set())
    assert kept == [b"", b"\x00" * 13]
    assert Coverage().of(ENTRIES["header"], b"\x00" * 13)
