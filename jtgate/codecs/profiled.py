"""Kinds for points where sources disagree on a width, or set a limit: the edition decides unless a profile does."""
# ruff: noqa: D102  the methods of a kind are told by kinds.Kind

from collections.abc import Callable
from io import BytesIO
from typing import Any

from jtgate.codecs import deviations as dev
from jtgate.codecs.edition import Edition
from jtgate.codecs.kinds import ByEdition, Number, Text
from jtgate.codecs.profile import Profile
from jtgate.codecs.text import WireText
from jtgate.codecs.wire import Scope, Wire, build, build_bytes, integer, parse

#: From a profile and an edition to a width in bytes, None when the profile leaves it to the edition.
WidthOf = Callable[[Profile, Edition], int | None]


class ProfiledCount(Number):
    """A count whose width a profile may change; width 0 leaves it out.

    Args:
        width: bytes by the standard.
        width_of: the profile's own width.
    """

    def __init__(self, width: int | ByEdition[int], width_of: WidthOf) -> None:
        super().__init__(width)
        self.width_of = width_of

    def con(self, edition: Edition) -> Any:
        return _ProfiledCon(edition, self.width_of, super().con(edition), integer)


class ProfiledText(Text):
    """Text in a fixed field whose width a profile may change.

    Args:
        width: bytes by the standard.
        width_of: the profile's own width.
    """

    def __init__(self, width: int | ByEdition[int], width_of: WidthOf) -> None:
        super().__init__(width)
        self.width_of = width_of

    def con(self, edition: Edition) -> Any:
        return _ProfiledCon(edition, self.width_of, super().con(edition), lambda width: Text(width).con(edition))


class _ProfiledCon(Wire):
    """One of several constructs, by the width that applies.

    Args:
        edition: whose layout applies.
        width_of: the profile's own width.
        standard: the construct without one.
        make: the construct of a width.
    """

    def __init__(self, edition: Edition, width_of: WidthOf, standard: Any, make: Callable[[int], Any]) -> None:
        super().__init__()
        self.edition = edition
        self.width_of = width_of
        self.standard = standard
        self.make = make

    def read(self, stream: BytesIO, scope: Scope) -> Any:
        con = self._chosen(scope)
        return None if con is None else parse(con, stream, scope)

    def write(self, value: Any, stream: BytesIO, scope: Scope) -> None:
        con = self._chosen(scope)
        if con is not None:
            build(con, value, stream, scope)

    def _chosen(self, scope: Scope) -> Any:
        width = self.width_of(scope.run.profile, self.edition)
        if width is None:
            return self.standard
        return self.make(width) if width else None


class LimitedText(Text):
    """Text to the end whose length the standard limits; longer text is read, and noted, but not made.

    Args:
        bytes_max: in GBK.
    """

    def __init__(self, bytes_max: int) -> None:
        super().__init__(None)
        self.bytes_max = bytes_max

    def con(self, edition: Edition) -> Any:
        return _LimitedCon(super().con(edition), self.bytes_max)

    def possible(self, edition: Edition) -> str:  # noqa: ARG002  the same in all
        return f"text of at most {self.bytes_max} bytes in GBK"


class _LimitedCon(Wire):
    def __init__(self, con: Any, bytes_max: int) -> None:
        super().__init__()
        self.con = con
        self.bytes_max = bytes_max

    def read(self, stream: BytesIO, scope: Scope) -> str:
        start = stream.tell()
        text: str = parse(self.con, stream, scope)
        raw = bytes(stream.getbuffer()[start : stream.tell()])
        if len(raw) <= self.bytes_max:
            return text
        scope.run.note(dev.TEXT_TOO_LONG)
        return WireText(text, raw)

    def write(self, value: str, stream: BytesIO, scope: Scope) -> None:
        raw = build_bytes(self.con, value, scope)
        if len(raw) > self.bytes_max and not isinstance(value, WireText):
            raise ValueError(f"{len(raw)} bytes in GBK, {self.bytes_max} is the limit")
        stream.write(raw)
