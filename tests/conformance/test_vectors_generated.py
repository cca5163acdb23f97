"""The checked-in vectors are those that the declarations make, and there are all kinds of them for every message."""

import json
from collections import Counter
from functools import cache
from pathlib import Path

import pytest

from jtgate.codecs.declare import MESSAGES
from jtgate.codecs.deviations import DEVIATIONS
from jtgate.codecs.edition import ALL_EDITIONS
from jtgate.codecs.framing import Frame, FrameReader
from jtgate.codecs.header import parse_header
from jtgate.codecs.items import ITEMS
from jtgate.codecs.jt808.parameters import PARAMETER_ROWS
from jtgate.conformance.generate import __main__ as generator
from jtgate.conformance.generate.__main__ import BY_HAND, FOLDERS, stale, write
from jtgate.conformance.generate.headers import header_files
from jtgate.conformance.generate.messages import vectors_of
from jtgate.conformance.kit import KitError, folder
from jtgate.conformance.vectors import Vector, files, read_file

ROOT = folder("vectors")
BYTES_MAX = 6 << 20
#: What every message has in every edition.
KINDS = ("typical", "minimum", "maximum", "escaped", "checksum")


@cache
def by_file() -> dict[str, tuple[Vector, ...]]:
    """All vectors, by path below the folder."""
    return {path.relative_to(ROOT).as_posix(): tuple(read_file(path)) for path in files(ROOT)}


def all_vectors() -> list[Vector]:
    """All vectors."""
    return [vector for vectors in by_file().values() for vector in vectors]


def file_of(msg_id: int) -> str:
    """The file of a message."""
    info = MESSAGES[msg_id].INFO
    return f"{FOLDERS.get(info.standard, 'vendor')}/0x{msg_id:04x}_{info.name}.jsonl"


def test_generating_again_changes_nothing() -> None:
    """Expected values change only when somebody runs the generator and looks at what it did."""
    assert sorted(stale(ROOT)) == [], "python -m jtgate.conformance.generate, then read the difference"


def test_the_generator_repairs_what_was_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Changed, missing and superfluous files are found and put right; those made by hand are left alone."""
    few = [*header_files(), (file_of(0x0002), vectors_of(MESSAGES[0x0002]))]
    monkeypatch.setattr(generator, "generate", lambda: iter(few))
    write(tmp_path, stale(tmp_path))
    one = next((tmp_path / "jt808").glob("0x0002_*"))
    one.write_text(one.read_text(encoding="utf-8").replace('"serial": 258', '"serial": 259'), encoding="utf-8")
    (tmp_path / "framing" / "headers.jsonl").unlink()
    (tmp_path / "jt808" / "0x0f0f_gone.jsonl").write_text("{}\n", encoding="utf-8")
    (tmp_path / BY_HAND).mkdir()
    (tmp_path / BY_HAND / "mine.jsonl").write_text("{}\n", encoding="utf-8")

    changed = stale(tmp_path)
    write(tmp_path, changed)

    assert sorted(changed) == ["framing/headers.jsonl", f"jt808/{one.name}", "jt808/0x0f0f_gone.jsonl"]
    assert (tmp_path / BY_HAND / "mine.jsonl").exists()
    assert not (tmp_path / "jt808" / "0x0f0f_gone.jsonl").exists()


def test_every_id_stands_once() -> None:
    """A vector is named by its id alone."""
    counted = Counter(vector.id for vector in all_vectors())
    assert [vector_id for vector_id, count in counted.items() if count > 1] == []


@pytest.mark.parametrize("msg_id", [pytest.param(msg_id, id=f"{msg_id:04x}") for msg_id in sorted(MESSAGES)])
def test_every_message_has_every_kind_in_every_edition(msg_id: int) -> None:
    """Typical, minimum, maximum, escaped, wrong check byte; cut wherever it has a field."""
    cls = MESSAGES[msg_id]
    vectors = by_file()[file_of(msg_id)]
    for edition in cls.INFO.editions or ALL_EDITIONS:
        mine = [vector for vector in vectors if str(edition) in vector.edition.split("/")]
        kinds = {vector.id.split("-", 2)[2] for vector in mine}
        assert set(KINDS) <= kinds, edition
        typical = next(vector for vector in mine if vector.id.endswith("-typical"))
        if typical.expect[0]["header"]["body_length"]:
            assert any(kind.startswith("cut-") for kind in kinds)


def test_every_item_and_parameter_has_vectors() -> None:
    """Each known form of an additional item and each parameter of the table is there."""
    ids = " ".join(vector.id for vector in all_vectors())
    for forms in ITEMS.values():
        for form in forms:
            assert f"item-0x{form.id:02x}-{form.name}-typical" in ids
    for row in PARAMETER_ROWS:
        assert f"parameter-0x{row.id:04x}-" in ids


def test_escaped_vectors_are_escaped() -> None:
    """7d in the serial, 7e in the check byte; a body with fields that can has both."""
    found = 0
    for vector in all_vectors():
        if vector.id.startswith("0x") and vector.id.endswith("-escaped"):
            (event,) = FrameReader().feed(vector.chunks[0])
            assert isinstance(event, Frame)
            assert vector.chunks[0].endswith(b"\x7d\x02\x7e"), vector.id
            assert parse_header(event.payload)[0].serial >> 8 == 0x7D
            found += b"\x7d" in parse_header(event.payload)[1]
    assert found > 100


def test_maximum_vectors_fill_the_frame() -> None:
    """Messages with a list, text or data that may be long go to the end of a frame, or as far as a count reaches."""
    lengths = [vector.expect[0]["header"]["body_length"] for vector in all_vectors() if vector.id.endswith("-maximum")]
    assert max(lengths) == 1023
    assert sum(length > 500 for length in lengths) > 50


def test_deviations_have_names() -> None:
    """Only deviations that are explained are expected; most of them are."""
    named = {name for vector in all_vectors() for name in vector.deviations}
    assert named <= set(DEVIATIONS)
    assert len(named) > 20


def test_canonical_vectors_are_tolerated_nothing() -> None:
    """What must be written as it stands is of one piece and of one object."""
    canonical = [vector for vector in all_vectors() if vector.canonical]
    assert all(len(vector.expect) == 1 for vector in canonical)
    assert len(canonical) > 1000


def test_the_vectors_are_not_too_many() -> None:
    """They are read by people and carried by every wheel."""
    assert sum(path.stat().st_size for path in files(ROOT)) < BYTES_MAX


def test_lines_are_as_they_are_written() -> None:
    """Reading and writing a vector gives the same line, so that the files have one form; by hand as well."""
    for path in files(ROOT):
        for line in path.read_text(encoding="utf-8").splitlines():
            assert Vector.from_line(line).to_line() == line, path
            assert json.loads(line)["note"].endswith((".", "。")), path


@pytest.mark.parametrize(
    "line", ["", "[]", "{}", '{"id": "a", "clause": "", "note": "", "hex": "7", "expect": {}}', '{"id": 1, "hex": 2}']
)
def test_what_is_no_vector_is_refused(line: str) -> None:
    """A line that is no vector is an error that shows it."""
    with pytest.raises(KitError):
        Vector.from_line(line)


def test_asking_for_files_that_are_not_there() -> None:
    """A word that no path has is a mistake, not an empty success."""
    assert files(ROOT, ["0x0200"])
    with pytest.raises(KitError):
        files(ROOT, ["0xffff"])
