"""`jtgate conformance vectors`: our codec passes, a damaged one and a wrong program are caught."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from jtgate.cli import main
from jtgate.conformance import vectors as kit
from jtgate.conformance.program import RESTARTS_MAX, NoProgram, ProgramCodec
from jtgate.conformance.vectors import (
    Checked,
    CodecBroken,
    Json,
    OwnCodec,
    Unsupported,
    Vector,
    check,
    files,
    read_file,
)

PROGRAM = Path(__file__).with_name("vector_program.py")
PASSED, FAULTS, USAGE, NOBODY = 0, 1, 2, 3


def program(how: str = "good") -> str:
    """A command line that answers so."""
    return f"{sys.executable} {PROGRAM} {how}"


def run(*arguments: str) -> Result:
    """The command as a user calls it."""
    return CliRunner().invoke(main, ["conformance", "vectors", *arguments])


def vectors(word: str) -> list[Vector]:
    """The vectors of some files."""
    return [vector for path in files(only=[word]) for vector in read_file(path)]


def failures(codec: kit.Codec, word: str) -> list[Checked]:
    """Vectors of some files that a codec does not pass."""
    return [checked for vector in vectors(word) if not (checked := check(vector, codec)).passed]


def test_our_codec_passes_every_vector() -> None:
    """The exit code is 0, and the last line counts."""
    result = run()

    assert result.exit_code == PASSED, result.output
    assert ", 0 failed" in result.output.splitlines()[-1]


# ------------------------------------------------------------------------------- damaged codecs of ours


class Damaged(OwnCodec):
    """Our codec with one thing spoilt.

    Args:
        path: of the value in the object.
        value: what it becomes.
    """

    def __init__(self, path: tuple[str, ...], value: Any) -> None:
        self.path = path
        self.value = value

    def decode(self, vector: Vector) -> list[Json]:
        """As ours, but for the one value."""
        objects: list[Any] = json.loads(json.dumps(super().decode(vector)))
        for one in objects:
            part = one
            for name in self.path[:-1]:
                part = part.get(name) if isinstance(part, dict) else None
            if isinstance(part, dict) and self.path[-1] in part:
                part[self.path[-1]] = self.value
        return objects


@pytest.mark.parametrize(
    ("path", "value", "word"),
    [
        (("header", "phone"), "13800138000", "0x0002"),
        (("header", "serial"), 257, "framing"),
        (("body", "latitude"), 39.908723, "0x0200"),
        (("body", "speed_kmh"), 61, "0x0200"),
        (("body", "time"), "2026-11-23T02:20:30+00:00", "0x0200"),
        (("body", "plate"), "辽B1234", "0x0100"),
        (("body", "items"), [], "items/0x64"),
        (("edition",), "2013", "0x0100"),
        (("error", "offset"), 1, "0x0200"),
        (("error", "code"), "frame", "framing"),
        (("error", "field"), "body", "0x8001"),
        (("deviations",), [], "headers"),
        (("body", "part"), "", "parts"),
        (("body", "parameters"), None, "parameters"),
    ],
)
def test_a_damaged_decoder_is_caught(path: tuple[str, ...], value: object, word: str) -> None:
    """One wrong value anywhere is told with its path."""
    found = failures(Damaged(path, value), word)

    assert found
    wanted = path[0] if path[0] == "deviations" else ".".join(path)
    assert any(wanted in difference for checked in found for difference in checked.differences)
    assert not failures(OwnCodec(), word)


class Encodes(OwnCodec):
    """Our codec with a wrong encoder."""

    def encode(self, vector: Vector) -> list[bytes]:
        """As ours, with the last byte lost."""
        return [frame[:-1] for frame in super().encode(vector)]


def test_a_damaged_encoder_is_caught() -> None:
    """Every canonical vector is written as well, and compared byte for byte."""
    found = failures(Encodes(), "0x8100")
    assert {checked.vector.canonical for checked in found} == {True}
    assert len(found) == sum(vector.canonical for vector in vectors("0x8100"))


class Loses(OwnCodec):
    """Our codec, losing the frame after a bad one."""

    def decode(self, vector: Vector) -> list[Json]:
        """As ours, up to the first error."""
        objects = super().decode(vector)
        for at, one in enumerate(objects):
            if one["error"]:
                return objects[: at + 1]
        return objects


def test_a_lost_frame_is_caught() -> None:
    """One object fewer is a failure of its own."""
    found = failures(Loses(), "streams")
    assert any("2 objects expected, 1 came" in checked.differences for checked in found)


def test_a_decoder_that_accepts_wrong_check_bytes_is_caught() -> None:
    """What has to be refused must not come out as a message."""
    (vector,) = [vector for vector in vectors("0x0002") if vector.id.endswith("2019-checksum")]
    good = next(vector for vector in vectors("0x0002") if vector.id.endswith("2019-typical"))
    differences = list(kit.check(vector, _Says(good.expect)).differences)
    assert any(difference.startswith("error: ") for difference in differences)


class _Says(OwnCodec):
    """Always says the same."""

    def __init__(self, objects: tuple[Json, ...]) -> None:
        self.objects = objects

    def decode(self, vector: Vector) -> list[Json]:
        """What it was given."""
        return list(self.objects)


# ------------------------------------------------------------------------------------------- programs


def test_a_good_program_passes() -> None:
    """A program that answers as described passes, decoding and encoding."""
    result = run("--command", program(), "--encode", "--only", "0x8100", "--only", "framing", "--only", "0x0900")

    assert result.exit_code == PASSED, result.output


def test_a_wrong_program_is_caught() -> None:
    """The vector, its clause, its bytes and the place of the difference are told."""
    result = run("--command", program("wrong"), "--only", "0x0002")

    assert result.exit_code == FAULTS
    assert "✗ 0x0002-2011-typical  §3.2" in result.output
    assert "header.serial: 258 expected, 259 came" in result.output
    assert "7e00020000" in result.output


def test_null_is_a_failure_unless_it_is_permitted() -> None:
    """A program may leave messages out when it says that it is partial; all of them it may not."""
    partial = ("--command", program("shy"), "--only", "0x0200", "--only", "0x0002")

    assert run(*partial).exit_code == FAULTS
    permitted = run(*partial, "--partial")
    assert permitted.exit_code == PASSED, permitted.output
    assert "unsupported" in permitted.output
    assert run("--command", program("null"), "--only", "0x0002", "--partial").exit_code == FAULTS


@pytest.mark.parametrize(("how", "words"), [("broken", "no JSON"), ("dying", "ended with exit code 7")])
def test_a_program_that_breaks_fails_what_it_was_asked(how: str, words: str) -> None:
    """Bad answers and ends are failures of the vector; the program is started again."""
    result = run("--command", program(how), "--only", "0x0004")

    assert result.exit_code == FAULTS
    assert words in result.output


def test_a_program_that_keeps_dying_is_given_up() -> None:
    """It is started again a few times only."""
    codec = ProgramCodec(f"{sys.executable} -c pass")
    told = []
    for vector in vectors("0x0002")[: RESTARTS_MAX + 3]:
        with pytest.raises(CodecBroken) as broken:
            codec.decode(vector)
        told.append(str(broken.value))
    codec.close()

    assert [message.startswith("not asked") for message in told] == [False] * (RESTARTS_MAX + 1) + [True] * 2


def test_a_program_that_is_silent_is_ended() -> None:
    """Waiting has a limit."""
    codec = ProgramCodec(program("silent"), answer_s=0.3)
    with pytest.raises(CodecBroken, match="no answer within"):
        codec.decode(vectors("0x0002")[0])
    codec.close()


def test_unsupported_is_told_apart() -> None:
    """The answer null is neither right nor wrong."""
    codec = ProgramCodec(program("null"))
    with pytest.raises(Unsupported):
        codec.decode(vectors("0x0002")[0])
    codec.close()
    codec.close()


def test_there_must_be_a_program() -> None:
    """A program that cannot be started is told with an exit code of its own."""
    assert run("--command", "/no/such/program").exit_code == NOBODY
    assert run("--command", "'unclosed").exit_code == USAGE
    with pytest.raises(NoProgram):
        ProgramCodec("")


# --------------------------------------------------------------------------------------------- report


def test_the_report_as_json(tmp_path: Path) -> None:
    """Counts by file, and every failure with bytes and differences."""
    report = tmp_path / "report.json"

    result = run("--command", program("wrong"), "--only", "0x0002", "--json", str(report))

    told = json.loads(report.read_text(encoding="utf-8"))
    assert result.exit_code == FAULTS
    assert (told["good"], told["codec"], told["unsupported"]) == (False, program("wrong"), 0)
    assert told["failed"] == len(told["failures"]) > 0
    assert sum(entry["failed"] for entry in told["files"]) == told["failed"]
    assert set(told["failures"][0]) == {"id", "clause", "note", "chunks", "differences"}


def test_the_json_may_go_to_standard_output() -> None:
    """With - it takes the place of the text."""
    told = json.loads(run("--only", "0x0002", "--json", "-").output)
    assert (told["good"], told["codec"], told["failed"]) == (True, "jtgate", 0)


def test_a_folder_of_ones_own(tmp_path: Path) -> None:
    """Vectors of somebody else are read from where they say; what is none is told with its file."""
    one = vectors("0x0002")[0]
    (tmp_path / "mine.jsonl").write_text(one.to_line() + "\n\n", encoding="utf-8")

    assert "1 vectors in 1 files: 1 passed" in run("--dir", str(tmp_path)).output
    (tmp_path / "bad.jsonl").write_text("{}\n", encoding="utf-8")
    result = run("--dir", str(tmp_path))
    assert result.exit_code == USAGE
    assert "bad.jsonl" in result.output


@pytest.mark.parametrize("arguments", [("--encode",), ("--partial",), ("--only", "0xffff"), ("--dir", "/no/folder")])
def test_command_lines_that_make_no_sense(arguments: tuple[str, ...]) -> None:
    """They are told apart from failures."""
    assert run(*arguments).exit_code == USAGE
