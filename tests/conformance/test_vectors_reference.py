"""The vectors say what a second decoder says that was written from the standard alone (reference_decoder.py)."""

from collections import Counter
from functools import cache
from typing import Any

import pytest
import reference_decoder as reference

from jtgate.codecs.declare import MESSAGES
from jtgate.conformance.vectors import Vector, differences_of, files, read_file

ONE_FRAME = 1


@cache
def all_vectors() -> tuple[Vector, ...]:
    """Vectors of exactly one frame in one piece, whose edition is known."""
    found = (vector for path in files() for vector in read_file(path))
    return tuple(vector for vector in found if len(vector.chunks) == len(vector.expect) == ONE_FRAME and vector.edition)


def edition_of(vector: Vector) -> str:
    """The layout of the body: what the vector expects, else whose terminals send it."""
    return str(vector.expect[0].get("edition") or vector.edition.split("/")[-1])


def differences(vector: Vector, found: dict[str, Any], expected: Any) -> list[str]:
    """Where the vector expects something else than the second decoder found; what that does not read is left out."""
    return [
        difference
        for difference in differences_of(found, expected, "body")
        if not difference.partition(": ")[2].startswith("nothing expected")
    ]


def test_good_frames_are_read_alike() -> None:
    """Every value that the second decoder reads is the one that the vector expects, for each id it knows."""
    compared: Counter[str] = Counter()
    wrong = []
    for vector in all_vectors():
        (expected,) = vector.expect
        if expected.get("error") is not None or vector.deviations or "part" in expected["body"]:
            continue
        try:
            header, body = reference.decode(vector.chunks[0], edition_of(vector))
        except reference.NotRead:
            continue
        wrong += [(vector.id, difference) for difference in differences_of(header, expected["header"], "header")]
        if body is not None:
            wrong += [(vector.id, difference) for difference in differences(vector, body, expected["body"])]
            compared[header["msg_id"]] += 1
    assert not wrong
    assert set(compared) == {f"0x{msg_id:04x}" for msg_id in reference.MESSAGES}
    assert min(compared.values()) >= 5, compared


def test_whole_frames_that_only_we_read_are_few_and_named() -> None:
    """The second decoder reads the canonical vectors of its ids; where it does not, there is a reason."""
    unread = []
    for vector in all_vectors():
        (expected,) = vector.expect
        if not vector.canonical or int(expected["header"]["msg_id"], 16) not in reference.MESSAGES:
            continue
        try:
            reference.decode(vector.chunks[0], edition_of(vector))
        except reference.NotRead as reason:
            unread.append((vector.id, str(reason)))
    assert not unread


def test_bad_bodies_are_bad_for_both() -> None:
    """What the vectors refuse the second decoder does not read either, and the place is where the cut is."""
    refused = 0
    for vector in all_vectors():
        error = vector.expect[0].get("error")
        if not error or error["code"] != "body.truncated":
            continue
        payload = reference.unframe(vector.chunks[0])
        header, _, body = reference.header(payload)
        assert len(payload) - len(body) <= error["offset"] <= len(payload), vector.id
        if int(header["msg_id"], 16) in reference.MESSAGES:
            refused += 1
            with pytest.raises(reference.NotRead):
                reference.decode(vector.chunks[0], edition_of(vector))
    assert refused > 50


def test_wrong_check_bytes_are_wrong_for_both() -> None:
    """Every vector with a wrong check byte fails the second decoder's own check."""
    refused = 0
    for vector in all_vectors():
        error = vector.expect[0].get("error")
        if error and error["code"] == "frame.checksum":
            refused += 1
            with pytest.raises(reference.NotRead):
                reference.unframe(vector.chunks[0])
    assert refused > 50


#: A field begins with its length, of at most so many bytes, when it has one.
LENGTH_BYTES_MAX = 4


def test_a_cut_is_blamed_on_the_field_that_is_cut() -> None:
    """The field of the error is the one that begins where the body ends, and the offset is its first byte.

    Left out are messages whose bodies tell their edition: cut, they may look like one of another edition.
    """
    compared = 0
    for vector in all_vectors():
        error = vector.expect[0].get("error")
        if not error or error["code"] != "body.truncated" or " before the last byte" in vector.note:
            continue
        if "-cut-" not in vector.id or MESSAGES[int(vector.id[:6], 16)].DETECT is not None:
            continue
        name = vector.note.partition(" before ")[2].partition(",")[0]
        end = len(reference.unframe(vector.chunks[0]))
        same = name in (error["field"], f"{error['field']}.length") or error["field"].startswith(f"{name}[")
        assert same, vector.id
        assert 0 <= end - error["offset"] <= LENGTH_BYTES_MAX, vector.id
        compared += 1
    assert compared > 500
