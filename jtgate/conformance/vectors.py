"""Conformance vectors: bytes, and what a codec has to make of them. They are the files of `conformance/vectors/`.

A file is JSON lines, one vector a line; see conformance/vectors/README.md for the fields. `check` holds a codec
against a vector: our own (`OwnCodec`), or a program in any language that reads lines and prints lines
(`jtgate.conformance.program`).
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Protocol

from jtgate.codecs.compose import recompose
from jtgate.codecs.describe import walk_wire
from jtgate.codecs.errors import EncodeError
from jtgate.codecs.header import BODY_BYTES_MAX
from jtgate.codecs.profile import AUTO, Profile, profile_from
from jtgate.conformance.kit import KitError, folder

#: Differences that are told of one vector.
DIFFERENCES_MAX: Final = 8
#: Two numbers that differ by less are the same: a tenth of the smallest step of any field.
TOLERANCE: Final = 1e-7

Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Vector:
    """One case.

    Args:
        id: unique among all vectors.
        clause: of the standard, or of what this project made of it.
        note: what is special about it, in a sentence.
        chunks: bytes as they go over the wire, flags and escapes included, in the pieces in which they come.
        expect: the objects that come out, in order; one with nothing but `error` is a refusal.
        edition: of JT/T 808 whose terminals send this; "" where that says nothing.
        deviations: names of what is tolerated, see docs; all objects together.
        canonical: writing the one expected object must give the bytes.
        settings: what has to be known of the terminal beforehand, as a profile has it.
    """

    id: str
    clause: str
    note: str
    chunks: tuple[bytes, ...]
    expect: tuple[Json, ...]
    edition: str = ""
    deviations: tuple[str, ...] = ()
    canonical: bool = False
    settings: Json = field(default_factory=dict)

    def to_line(self) -> str:
        """The line of a file."""
        one = len(self.expect) == 1
        record: dict[str, Any] = {"id": self.id, "clause": self.clause, "note": self.note}
        if self.edition:
            record["edition"] = self.edition
        if self.settings:
            record["settings"] = dict(self.settings)
        if len(self.chunks) == 1:
            record["hex"] = self.chunks[0].hex()
        else:
            record["chunks"] = [chunk.hex() for chunk in self.chunks]
        record["expect"] = self.expect[0] if one else list(self.expect)
        if self.deviations:
            record["deviations"] = list(self.deviations)
        if self.canonical:
            record["canonical"] = True
        return json.dumps(record, ensure_ascii=False)

    @classmethod
    def from_line(cls, line: str) -> "Vector":
        """Read the line of a file.

        Raises:
            KitError: it is no vector.
        """
        try:
            record = json.loads(line)
            expect = record["expect"]
            pieces = [record["hex"]] if "hex" in record else record["chunks"]
            return cls(
                id=record["id"],
                clause=record["clause"],
                note=record["note"],
                chunks=tuple(bytes.fromhex(piece) for piece in pieces),
                expect=tuple(expect) if isinstance(expect, list) else (expect,),
                edition=record.get("edition", ""),
                deviations=tuple(record.get("deviations", ())),
                canonical=record.get("canonical", False),
                settings=record.get("settings", {}),
            )
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise KitError(f"no vector: {error!r} in {line[:100]}") from error

    @property
    def profile(self) -> Profile:
        """The settings as a profile."""
        return profile_from("vector", self.settings) if self.settings else AUTO


def read_file(path: Path) -> Iterator[Vector]:
    """The vectors of a file.

    Raises:
        KitError: a line is no vector.
    """
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.strip():
            yield Vector.from_line(line)


def files(root: Path | None = None, only: Sequence[str] = ()) -> list[Path]:
    """The files with vectors, in order.

    Args:
        root: folder, that of the kit when None.
        only: parts of path or name; a file with any of them counts.

    Raises:
        KitError: there is no such folder, or no such file in it.
    """
    base = folder("vectors") if root is None else root
    found = [
        path
        for path in sorted(base.rglob("*.jsonl"))
        if not only or any(word.lower() in path.relative_to(base).as_posix().lower() for word in only)
    ]
    if not found:
        raise KitError(f"no vectors {' or '.join(only)} in {base}".replace("  ", " "))
    return found


# -------------------------------------------------------------------------------------------------- codecs


class Unsupported(Exception):
    """The codec says that it has nothing for a vector."""


class CodecBroken(Exception):
    """The codec did not answer in the form it has to; the message says how."""


class Codec(Protocol):
    """What is held against vectors."""

    #: Whether it names deviations as we do.
    names_deviations: bool
    #: Whether it writes as well.
    encodes: bool

    def decode(self, vector: Vector) -> list[Json]:
        """The objects of the bytes of a vector.

        Raises:
            Unsupported: it does not decode such bytes.
            CodecBroken: it failed.
        """

    def encode(self, vector: Vector) -> list[bytes]:
        """The frames of the object of a vector.

        Raises:
            Unsupported: it does not write such messages.
            CodecBroken: it failed.
        """


class OwnCodec:
    """The codec of this project."""

    names_deviations = True
    encodes = True

    def decode(self, vector: Vector) -> list[Json]:
        """As `jtgate decode --json` prints it."""
        return [described.json for described in walk_wire(vector.chunks, profile=vector.profile)]

    def encode(self, vector: Vector) -> list[bytes]:
        """As `jtgate encode --json` builds it."""
        try:
            return recompose(vector.expect[-1], profile=vector.profile, part_bytes=BODY_BYTES_MAX).frames
        except (EncodeError, LookupError) as error:
            raise CodecBroken(f"refuses to encode: {error}") from error


# ------------------------------------------------------------------------------------------------- checking


@dataclass(frozen=True, slots=True)
class Checked:
    """What came of one vector.

    Args:
        vector: the vector.
        differences: sentences; none when it passed.
        supported: False when the codec has nothing for it.
    """

    vector: Vector
    differences: tuple[str, ...] = ()
    supported: bool = True

    @property
    def passed(self) -> bool:
        """Whether the codec does what the vector says."""
        return self.supported and not self.differences


def check(vector: Vector, codec: Codec) -> Checked:
    """Hold a codec against a vector."""
    try:
        differences = list(_read_differences(vector, codec.decode(vector), names_deviations=codec.names_deviations))
        if vector.canonical and codec.encodes:
            wanted = b"".join(vector.chunks)
            written = b"".join(codec.encode(vector))
            if written != wanted:
                differences.append(f"encoded: {_first_difference(wanted, written)}")
    except Unsupported:
        return Checked(vector, supported=False)
    except CodecBroken as error:
        differences = [str(error)]
    more = [f"… and {len(differences) - DIFFERENCES_MAX} more"] if len(differences) > DIFFERENCES_MAX else []
    return Checked(vector, (*differences[:DIFFERENCES_MAX], *more))


def _read_differences(vector: Vector, objects: Sequence[Json], *, names_deviations: bool) -> Iterator[str]:
    if len(objects) != len(vector.expect):
        yield f"{len(vector.expect)} objects expected, {len(objects)} came"
    for index, (wanted, found) in enumerate(zip(vector.expect, objects, strict=False)):
        where = f"[{index}]" if len(vector.expect) > 1 else ""
        yield from _object_differences(wanted, found, where)
    if names_deviations:
        names = tuple(dict.fromkeys(name for one in objects for name in one.get("deviations") or ()))
        if names != vector.deviations:
            wanted_names, found_names = ", ".join(vector.deviations) or "none", ", ".join(names) or "none"
            yield f"deviations: {wanted_names} expected, {found_names} came"


def _object_differences(wanted: Json, found: Any, where: str) -> Iterator[str]:
    """Everything that is expected of one object; what it says beyond that is its own affair, at the top only."""
    if not isinstance(found, Mapping):
        yield f"{where or 'answer'}: an object expected, {_shown(found)} came"
        return
    for key, value in wanted.items():
        path = f"{where}.{key}" if where else key
        if key == "error":
            yield from _error_differences(value, found.get(key), path)
        else:
            yield from differences_of(value, found.get(key, _MISSING), path)


def _error_differences(wanted: Json | None, found: Any, path: str) -> Iterator[str]:
    """Code, offset and field; the sentence is up to who says it."""
    if wanted is None or not isinstance(found, Mapping):
        if wanted != found:
            yield f"{path}: {_shown(wanted)} expected, {_shown(found)} came"
        return
    for key in ("code", "offset", "field"):
        yield from differences_of(wanted.get(key), found.get(key), f"{path}.{key}")


_MISSING: Final = object()


def differences_of(wanted: Any, found: Any, path: str) -> Iterator[str]:
    """Where two JSON values differ."""
    if isinstance(wanted, Mapping) and isinstance(found, Mapping):
        for key in wanted:
            yield from differences_of(wanted[key], found.get(key, _MISSING), f"{path}.{key}")
        for key in found:
            if key not in wanted:
                yield f"{path}.{key}: nothing expected, {_shown(found[key])} came"
    elif isinstance(wanted, list) and isinstance(found, list):
        if len(wanted) != len(found):
            yield f"{path}: {len(wanted)} elements expected, {len(found)} came"
        for index, (one, other) in enumerate(zip(wanted, found, strict=False)):
            yield from differences_of(one, other, f"{path}[{index}]")
    elif not _same(wanted, found):
        yield f"{path}: {_shown(wanted)} expected, {_shown(found)} came"


def _same(wanted: Any, found: Any) -> bool:
    if isinstance(wanted, bool) or isinstance(found, bool):
        return wanted is found
    if isinstance(wanted, int | float) and isinstance(found, int | float):
        return abs(wanted - found) <= TOLERANCE
    return bool(wanted == found)


def _shown(value: object) -> str:
    text = "nothing" if value is _MISSING else json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 100 else f"{text[:99]}…"


def _first_difference(wanted: bytes, found: bytes) -> str:
    at = next(
        (at for at, (a, b) in enumerate(zip(wanted, found, strict=False)) if a != b), min(map(len, (wanted, found)))
    )
    return f"byte {at}: …{wanted[at : at + 8].hex()}… expected, …{found[at : at + 8].hex()}… came"
