"""`python -m jtgate.conformance.generate [--check]`: write the vectors, or say whether they are as they should be."""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

from jtgate.codecs.catalogue import ACTIVE_SAFETY, DRIVER_IDENTITY, JT808, JT1078, VENDOR
from jtgate.codecs.declare import MESSAGES
from jtgate.conformance.generate.headers import header_files
from jtgate.conformance.generate.items import item_files, parameter_files
from jtgate.conformance.generate.messages import vectors_of
from jtgate.conformance.generate.parts import part_files
from jtgate.conformance.generate.recorder import recorder_files
from jtgate.conformance.generate.streams import stream_files
from jtgate.conformance.kit import folder
from jtgate.conformance.vectors import Vector

#: Written by hand; never generated, never removed.
BY_HAND = "worked"

#: Standard of the catalogue -> folder.
FOLDERS = {
    JT808: "jt808",
    JT1078: "jt1078",
    ACTIVE_SAFETY: "jsatl12",
    DRIVER_IDENTITY: "driver_identity",
    VENDOR: "vendor",
}


def generate() -> Iterator[tuple[str, list[Vector]]]:
    """Path below the folder of vectors, and the vectors of that file."""
    yield from stream_files()
    yield from header_files()
    yield from part_files()
    for msg_id, cls in sorted(MESSAGES.items()):
        place = FOLDERS.get(cls.INFO.standard, "vendor")
        yield f"{place}/0x{msg_id:04x}_{cls.INFO.name}.jsonl", vectors_of(cls)
    yield from item_files()
    yield from parameter_files()
    yield from recorder_files()


def text_of(vectors: list[Vector]) -> str:
    """A file."""
    return "".join(f"{vector.to_line()}\n" for vector in vectors)


def stale(root: Path) -> dict[str, str | None]:
    """Files that are not what would be generated now, with their text; None for those that are no longer made."""
    wanted = {path: text_of(vectors) for path, vectors in generate()}
    there = {path.relative_to(root).as_posix(): path for path in root.rglob("*.jsonl")}
    return {
        path: wanted.get(path)
        for path in sorted({*wanted, *there})
        if not path.startswith(f"{BY_HAND}/")
        and (path not in there or wanted.get(path) != there[path].read_text(encoding="utf-8"))
    }


def write(root: Path, changed: dict[str, str | None]) -> None:
    """Bring the files up to date."""
    for path, text in changed.items():
        if text is None:
            (root / path).unlink()
        else:
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text(text, encoding="utf-8")


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description="Generate conformance/vectors from the declarations.")
    parser.add_argument("--check", action="store_true", help="write nothing; exit code 1 if anything would change")
    parser.add_argument("--dir", type=Path, default=None, help="folder of the vectors")
    args = parser.parse_args()
    root = args.dir or folder() / "vectors"
    changed = stale(root)
    if not args.check:
        write(root, changed)
    for path in changed:
        sys.stdout.write(f"{path}\n")
    sys.exit(int(args.check and bool(changed)))


if __name__ == "__main__":
    main()
