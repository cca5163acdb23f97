"""A file that is there whole or not at all."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


@contextmanager
def output(path: Path, *, force: bool = False) -> Iterator[BinaryIO]:
    """Open a file beside `path` that takes its place when the block ends well, and is removed when it does not.

    Args:
        path: the file to be made.
        force: replace one that is there.

    Raises:
        FileExistsError: there is one, and it is not to be replaced.
        OSError: it cannot be written.
    """
    _refuse(path, force=force)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with part.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        _refuse(path, force=force)  # it may have come meanwhile
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def _refuse(path: Path, *, force: bool) -> None:
    if path.exists() and not force:
        raise FileExistsError(f"{path} is there already")
