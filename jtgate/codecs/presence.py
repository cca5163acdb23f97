"""When a field is on the wire: the conditions a declaration can name."""

from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO

from jtgate.codecs.wire import Scope, peek, remaining


class Presence:
    """When a field is on the wire; `str()` of it is the condition in words."""

    def reading(self, scope: Scope, stream: BytesIO) -> bool:
        """Whether it is there, by the fields read before and the bytes left."""
        raise NotImplementedError

    def writing(self, scope: Scope, value: object) -> bool:
        """Whether to write it, by the other fields and its value."""
        raise NotImplementedError


@dataclass(frozen=True)
class ByField(Presence):
    """There or not by the value of another field.

    Args:
        field: the other field.
        values: its values that matter.
        tolerated: deviation for a field that is there all the same; None lets it become trailing bytes.
    """

    field: str
    values: tuple[object, ...]
    tolerated: str | None = None

    def wanted(self, value: object) -> bool:
        """Whether the field belongs on the wire when the other one has this value."""
        raise NotImplementedError

    def reading(self, scope: Scope, stream: BytesIO) -> bool:
        """By what was read before."""
        if self.wanted(scope[self.field]):
            return True
        if self.tolerated is None or not remaining(stream):
            return False
        scope.run.note(self.tolerated)
        return True

    def writing(self, scope: Scope, value: object) -> bool:
        """By the other field, and by the value where that is tolerated."""
        return self.wanted(scope[self.field]) or (self.tolerated is not None and value is not None)

    def _values(self) -> str:
        return " or ".join(str(value) for value in self.values)


class When(ByField):
    """There only when another field has one of some values."""

    def wanted(self, value: object) -> bool:
        """One of the values."""
        return value in self.values

    def __str__(self) -> str:
        return f"when {self.field} is {self._values()}"


class Unless(ByField):
    """There unless another field has one of some values."""

    def wanted(self, value: object) -> bool:
        """None of the values."""
        return value not in self.values

    def __str__(self) -> str:
        return f"unless {self.field} is {self._values()}"


@dataclass(frozen=True)
class WhenPresent(Presence):
    """There only together with another field."""

    field: str

    def reading(self, scope: Scope, stream: BytesIO) -> bool:
        """By what was read before."""
        return self.writing(scope, stream)

    def writing(self, scope: Scope, _value: object) -> bool:
        """By the other field."""
        return scope[self.field] is not None

    def __str__(self) -> str:
        return f"together with {self.field}"


@dataclass(frozen=True)
class LookAhead(Presence):
    """There when the bytes left say so; `words` says how. A value that is given is written."""

    test: Callable[[bytes, Scope], bool]
    words: str

    def reading(self, scope: Scope, stream: BytesIO) -> bool:
        """By the bytes left."""
        return self.test(peek(stream), scope)

    def writing(self, _scope: Scope, value: object) -> bool:
        """By its value."""
        return value is not None

    def __str__(self) -> str:
        return self.words


@dataclass(frozen=True)
class BytesLeft(Presence):
    """At the end and possibly missing.

    Args:
        missing: deviation when it is missing, if that is one.
        after: the field before it that may be missing as well; without that one this one cannot be written.
        least: fewest bytes that are taken for it; fewer are left over.
    """

    missing: str | None = None
    after: str | None = None
    least: int = 1

    def reading(self, scope: Scope, stream: BytesIO) -> bool:
        """By whether enough is left."""
        if remaining(stream) >= self.least:
            return True
        scope.run.note(self.missing)
        return False

    def writing(self, scope: Scope, value: object) -> bool:
        """By its value and the field before it."""
        return value is not None and (self.after is None or scope[self.after] is not None)

    def __str__(self) -> str:
        number = f"{self.least} " if self.least > 1 else ""
        return f"if {number}bytes are left" + (f", behind {self.after}" if self.after else "")


#: The field is there if the body goes on.
REST = BytesLeft()


def when(field: str, *values: object, tolerated: str | None = None) -> When:
    """Present when `field` has one of `values`, see ByField."""
    return When(field, values, tolerated)


def unless(field: str, *values: object, tolerated: str | None = None) -> Unless:
    """Present when `field` has none of `values`, see ByField."""
    return Unless(field, values, tolerated)
