"""How far each consumer of the embedded spool has got, for the writer's retention: a small file per consumer."""

import re
from pathlib import Path

from jtgate.storage.spool import SpoolFailed

FOLDER_NAME = "consumers"
_NAME = re.compile(r"[a-z0-9_]{1,64}")


class FileSpoolProgress:
    """`SpoolProgress` over `<spool>/consumers/<name>`: a decimal number, replaced as a whole.

    The files are not synced: after a power cut a number may be old or missing, which only keeps groups longer.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder / FOLDER_NAME

    def set(self, consumer: str, seq: int) -> None:
        """See SpoolProgress."""
        if not _NAME.fullmatch(consumer):
            raise ValueError(f"a consumer is named with 1 to 64 of a-z, 0-9 and _, not {consumer!r}")
        temporary = self._folder / f"{consumer}.tmp"
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            temporary.write_text(f"{seq}\n", encoding="ascii")
            temporary.replace(self._folder / consumer)
        except OSError as error:
            raise SpoolFailed(f"progress of {consumer} cannot be written: {error}") from error

    def all(self) -> dict[str, int]:
        """See SpoolProgress."""
        try:
            names = [path.name for path in self._folder.iterdir()]
        except FileNotFoundError:
            return {}
        return {name: self._read(name) for name in sorted(names) if _NAME.fullmatch(name)}

    def minimum(self) -> int:
        """See SpoolProgress."""
        return min(self.all().values(), default=0)

    def remove(self, consumer: str) -> None:
        """See SpoolProgress."""
        (self._folder / consumer).unlink(missing_ok=True)

    def _read(self, name: str) -> int:
        try:
            return int((self._folder / name).read_text(encoding="ascii"))
        except (OSError, ValueError):
            return 0  # gone or torn: whoever cannot be read has read nothing
