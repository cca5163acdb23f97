"""Tables of a scenario file: every entry has its kind, and none may be left unread."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from jtgate.simulators.scenario_model import Place, ScenarioError, seconds_of

#: Most of anything in one list of a file.
LIST_MAX: Final = 10_000


class Table:
    """A table of the file, of which every entry must be known.

    Args:
        data: the table.
        where: what to call it.
    """

    def __init__(self, data: Mapping[str, Any], where: str) -> None:
        self._left = dict(data)
        self.where = where

    def take(self, key: str, kind: type, default: Any = None) -> Any:
        """An entry of a kind.

        Raises:
            ScenarioError: it is missing or of another kind.
        """
        value = self._left.pop(key, default)
        if value is None:
            raise ScenarioError(f"{self.where}: {key} is missing")
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            raise ScenarioError(f"{self.where}: {key} is no {kind.__name__}")
        return value

    def number(self, key: str, default: float | None = None) -> float:
        """A number."""
        value = self._left.pop(key, default)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ScenarioError(f"{self.where}: {key} is no number")
        return float(value)

    def time(self, key: str, default: int | None = None) -> int:
        """A moment, seconds after the start."""
        if key not in self._left and default is not None:
            return default
        try:
            return seconds_of(self.take(key, str))
        except ScenarioError as error:
            raise ScenarioError(f"{self.where}: {key}: {error}") from None

    def place(self, key: str) -> Place | None:
        """A node of the road graph, or [latitude, longitude]."""
        return place_of(self._left.pop(key), self.where) if key in self._left else None

    def rows(self, key: str) -> list[dict[str, Any]]:
        """A list of tables as they are."""
        rows: list[dict[str, Any]] = self.take(key, list, [])
        if len(rows) > LIST_MAX or not all(isinstance(row, dict) for row in rows):
            raise ScenarioError(f"{self.where}: {key} is no list of at most {LIST_MAX} tables")
        return rows

    def tables(self, key: str) -> "Iterable[Table]":
        """A list of tables, to be read."""
        for at, row in enumerate(self.rows(key), 1):
            table = Table(row, f"{self.where}: {key} {at}")
            yield table
            table.done()

    def done(self) -> None:
        """Refuse what nobody has read.

        Raises:
            ScenarioError: something is left.
        """
        if self._left:
            raise ScenarioError(f"{self.where}: nobody knows {', '.join(sorted(self._left))}")


def place_of(value: object, where: str) -> Place:
    """A node of the road graph, or [latitude, longitude].

    Raises:
        ScenarioError: it is neither.
    """
    match value:
        case str():
            return value
        case [int() | float() as latitude, int() | float() as longitude]:
            return float(latitude), float(longitude)
    raise ScenarioError(f"{where}: a place is a node of the road graph or [latitude, longitude]")
