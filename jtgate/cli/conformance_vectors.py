"""`jtgate conformance vectors`: hold a codec against the conformance vectors."""

import json
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from jtgate import release
from jtgate.cli.common import EX_FAULTS, Failure, examples

if TYPE_CHECKING:
    from jtgate.conformance.vectors import Checked, Codec

#: Failed vectors that are printed; the JSON has all of them.
FAILURES_SHOWN: Final = 20
#: Hex digits of a vector that are printed.
_HEX_SHOWN: Final = 160
EX_NOBODY: Final = 3

_EXIT_CODES: Final = (
    "\n\n\b\nExit codes:\n"
    "  0  the codec does what every vector says\n"
    "  1  it does not, or there was nothing that it decodes\n"
    "  2  the command line makes no sense\n"
    "  3  the program cannot be started"
)


@click.command(
    epilog=examples(
        "jtgate conformance vectors",
        "jtgate conformance vectors --only 0x0200 --only framing",
        "jtgate conformance vectors --command 'node codec.js' --partial",
        "jtgate conformance vectors --command ./codec --encode --json report.json",
    )
    + _EXIT_CODES
)
@click.option(
    "--dir",
    "root",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    metavar="DIR",
    help="Folder with vectors; that of this package without it.",
)
@click.option("--only", multiple=True, metavar="WORD", help="Files with this in their path; may be given again.")
@click.option("--command", metavar="PROGRAM", help="Check a program instead: it reads hex lines and prints JSON lines.")
@click.option("--encode", is_flag=True, help="Ask the program to encode as well.")
@click.option("--partial", is_flag=True, help="The program may answer null to what it does not decode.")
@click.option(
    "--json",
    "json_path",
    type=click.Path(path_type=Path, dir_okay=False, allow_dash=True),
    metavar="FILE",
    help="Write the report as JSON; - prints it in place of the text.",
)
def vectors(
    root: Path | None, only: tuple[str, ...], command: str | None, encode: bool, partial: bool, json_path: Path | None
) -> None:
    """Check a codec against the conformance vectors.

    Without --command this is the codec of jtgate itself. The protocol between this command and a program is
    described in conformance/vectors/README.md.
    """
    if command is None and (encode or partial):
        raise click.UsageError("--encode and --partial are about a program; name it with --command")
    run = _Run(root, only)
    with _codec(command, encode=encode) as codec:
        run.check(codec)
    good = not run.failed and run.passed > 0 and (partial or not run.unsupported)
    report = run.as_json(command, good=good)
    if json_path is None:
        run.print(partial=partial)
    elif str(json_path) == "-":
        click.echo(json.dumps(report, ensure_ascii=False, indent=1))
    else:
        json_path.write_text(json.dumps(report, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
        run.print(partial=partial)
    if not good:
        sys.exit(EX_FAULTS)


@contextmanager
def _codec(command: str | None, *, encode: bool) -> "Iterator[Codec]":
    from jtgate.conformance.program import NoProgram, ProgramCodec
    from jtgate.conformance.vectors import OwnCodec

    if command is None:
        yield OwnCodec()
        return
    try:
        program = ProgramCodec(command, encodes=encode)
    except NoProgram as error:
        raise Failure(str(error), "name a program that can be run, with its arguments", EX_NOBODY) from error
    except ValueError as error:
        raise click.UsageError(f"--command: {error}") from error
    with closing(program):
        yield program


class _Run:
    """One pass over the files.

    Args:
        root: folder with vectors.
        only: words of which a path must have one.
    """

    def __init__(self, root: Path | None, only: tuple[str, ...]) -> None:
        from jtgate.conformance.kit import KitError, folder
        from jtgate.conformance.vectors import files

        try:
            self.base = folder("vectors") if root is None else root
            self.files = files(root, only)
        except KitError as error:
            raise click.UsageError(str(error)) from error
        self.counts: list[tuple[str, int, int, int]] = []
        self.failures: list[Checked] = []

    def check(self, codec: "Codec") -> None:
        """Check every vector of every file."""
        from jtgate.conformance.kit import KitError
        from jtgate.conformance.vectors import check, read_file

        for path in self.files:
            try:
                checked = [check(vector, codec) for vector in read_file(path)]
            except KitError as error:
                raise click.UsageError(f"{path}: {error}") from error
            failed = [one for one in checked if one.supported and not one.passed]
            unsupported = sum(not one.supported for one in checked)
            passed = len(checked) - len(failed) - unsupported
            self.counts.append((path.relative_to(self.base).as_posix(), passed, len(failed), unsupported))
            self.failures += failed

    @property
    def passed(self) -> int:
        """Vectors that passed."""
        return sum(count[1] for count in self.counts)

    @property
    def failed(self) -> int:
        """Vectors that failed."""
        return sum(count[2] for count in self.counts)

    @property
    def unsupported(self) -> int:
        """Vectors to which the program had no answer."""
        return sum(count[3] for count in self.counts)

    def as_json(self, command: str | None, *, good: bool) -> dict[str, object]:
        """The report."""
        return {
            "kit": "jtgate conformance vectors",
            "release": release(),
            "codec": command or "jtgate",
            "good": good,
            "passed": self.passed,
            "failed": self.failed,
            "unsupported": self.unsupported,
            "files": [
                {"file": name, "passed": passed, "failed": failed, "unsupported": unsupported}
                for name, passed, failed, unsupported in self.counts
            ],
            "failures": [
                {
                    "id": one.vector.id,
                    "clause": one.vector.clause,
                    "note": one.vector.note,
                    "chunks": [chunk.hex() for chunk in one.vector.chunks],
                    "differences": list(one.differences),
                }
                for one in self.failures
            ],
        }

    def print(self, *, partial: bool) -> None:
        """The report for people: what failed and why, then one line."""
        for one in self.failures[:FAILURES_SHOWN]:
            vector = one.vector
            click.echo(f"✗ {vector.id}  {vector.clause}  {vector.note}")
            shown = " ".join(chunk.hex() for chunk in vector.chunks)
            click.echo(f"    {shown[:_HEX_SHOWN]}{'…' if len(shown) > _HEX_SHOWN else ''}")
            for difference in one.differences:
                click.echo(f"    {difference}")
        if len(self.failures) > FAILURES_SHOWN:
            click.echo(f"… and {len(self.failures) - FAILURES_SHOWN} more; --json FILE has all of them")
        total = self.passed + self.failed + self.unsupported
        told = f"{total} vectors in {len(self.counts)} files: {self.passed} passed, {self.failed} failed"
        if self.unsupported:
            told += f", {self.unsupported} unsupported"
            if not partial:
                told += " (--partial permits that)"
        click.echo(told)
