"""What a kept file is called at the end: by what is in it, for want of that by the suffix that came with it."""

from pathlib import PurePosixPath
from typing import Final

#: The only suffixes there are. Those of JT/T 808 multimedia are among them.
SUFFIXES: Final = frozenset(
    (".jpg", ".png", ".tif", ".gif", ".wav", ".mp3", ".wma", ".h264", ".mp4", ".wmv", ".avi", ".bin")
)
UNKNOWN: Final = ".bin"

#: Bytes of the beginning that are looked at.
HEAD_BYTES: Final = 16

_OTHER_NAMES: Final = {".jpeg": ".jpg", ".tiff": ".tif", ".264": ".h264"}
_BEGINNINGS: Final = (
    (b"\xff\xd8\xff", ".jpg"),
    (b"\x89PNG\r\n\x1a\n", ".png"),
    (b"GIF8", ".gif"),
    (b"II*\x00", ".tif"),
    (b"MM\x00*", ".tif"),
    (b"ID3", ".mp3"),
    (b"\x00\x00\x00\x01", ".h264"),  # Annex B of H.264
    (b"\x00\x00\x01", ".h264"),
)
_RIFF: Final = {b"WAVE": ".wav", b"AVI ": ".avi"}


def known_suffix(suffix: str) -> str:
    """A suffix of SUFFIXES; ".bin" for every other."""
    small = suffix.lower()
    small = _OTHER_NAMES.get(small, small)
    return small if small in SUFFIXES else UNKNOWN


def suffix_of(name: str, head: bytes) -> str:
    """The suffix for a file.

    Args:
        name: as a terminal calls it; a video that is called .h264 may be an MP4 (active-safety §8 item 13).
        head: its first HEAD_BYTES bytes, or as many as there are.
    """
    if head[4:8] == b"ftyp":
        return ".mp4"
    if head[:4] == b"RIFF" and head[8:12] in _RIFF:
        return _RIFF[head[8:12]]
    for beginning, suffix in _BEGINNINGS:
        if head.startswith(beginning):
            return suffix
    return known_suffix(PurePosixPath(name.replace("\0", "")).suffix)
