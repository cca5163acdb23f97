"""The root of the command line: what holds for every command before it starts and after it failed."""

import codecs
import io
import os
import sys
from contextlib import suppress
from typing import Any

from jtgate.cli.common import EX_FAULTS, Failure, Group

_STANDARD_FILES = 3


class Root(Group):
    """A group that prints on any terminal, and tells in a sentence that its output could not be written."""

    def main(self, *args: Any, **kwargs: Any) -> Any:
        """Run a command; a pipe that was closed ends it with exit code 1 and without a word, as click has it."""
        _fill_standard_files()
        _forgive_characters()
        try:
            return super().main(*args, **kwargs)
        except OSError as error:
            what = "the output cannot be written" if error.filename is None else str(error.filename)
            Failure(f"{what}: {error.strerror or error}", "make room or permit it, then try again").show()
            _drop_output()
            sys.exit(EX_FAULTS)


def _fill_standard_files() -> None:
    """Open what was closed before the start: a socket that became file 1 would get what is printed."""
    for number in range(_STANDARD_FILES):
        try:
            os.fstat(number)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)


def _forgive_characters() -> None:
    """Print what the terminal cannot show as "?"; a locale that never heard of anything but ASCII gets UTF-8."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            is_ascii = codecs.lookup(stream.encoding).name == "ascii"
            stream.reconfigure(encoding="utf-8" if is_ascii else stream.encoding, errors="replace")


def _drop_output() -> None:
    """Let what is left in the buffers go nowhere, so that the interpreter does not fail once more at its end."""
    with suppress(OSError, ValueError, AttributeError):
        devnull = os.open(os.devnull, os.O_WRONLY)
        os.dup2(devnull, sys.stdout.fileno())
