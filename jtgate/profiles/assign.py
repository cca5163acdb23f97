"""Which terminal has which profile: by its number, else by what its registration says, else by the listener."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, Final, Self

from jtgate.codecs.profile import AUTO, Profile
from jtgate.profiles.errors import BadProfileKey

#: Ways a terminal reaches us that an assignment can name.
LISTENERS: Final = ("tcp", "udp", "tls", "mqtt")

_ROW_ADVICE: Final = "a row has `profile` and one of `terminal`, `manufacturer` and `model`, or `listener`"
_PATTERN: Final = "*"


@dataclass(frozen=True, slots=True)
class Assignment:
    """A row of a file.

    Args:
        profile: name of the profile.
        terminals: digits without leading zeros, or patterns with `*`.
        manufacturer: 制造商ID of the registration, or a pattern; "" for any.
        model: 终端型号 of the registration, or a pattern; "" for any.
        listener: one of LISTENERS; "" for none.
    """

    profile: str
    terminals: tuple[str, ...] = ()
    manufacturer: str = ""
    model: str = ""
    listener: str = ""

    @classmethod
    def of(cls, row: Mapping[str, Any], where: str) -> Self:
        """Check a row.

        Args:
            row: as TOML has it.
            where: place named in the error.

        Raises:
            BadProfileKey: a key is unknown, a value has the wrong kind, or the row names nobody.
        """
        for key, value in row.items():
            if key not in ("profile", "terminal", "manufacturer", "model", "listener"):
                raise BadProfileKey(f"{where}: {key} is no part of an assignment", _ROW_ADVICE)
            if key != "terminal" and (not isinstance(value, str) or not value):
                raise BadProfileKey(f"{where}: {key} is no text", _ROW_ADVICE)
        if "profile" not in row:
            raise BadProfileKey(f"{where}: profile is missing", _ROW_ADVICE)
        ways = ("terminal" in row) + ("manufacturer" in row or "model" in row) + ("listener" in row)
        if ways != 1:
            raise BadProfileKey(f"{where}: it names {'nobody' if not ways else 'more than one kind'}", _ROW_ADVICE)
        if row.get("listener", LISTENERS[0]) not in LISTENERS:
            raise BadProfileKey(f"{where}: listener is one of {', '.join(LISTENERS)}", _ROW_ADVICE)
        named = {key: row.get(key, "") for key in ("manufacturer", "model", "listener")}
        return cls(row["profile"], _terminals(row.get("terminal", []), where), **named)


def _terminals(value: object, where: str) -> tuple[str, ...]:
    listed = [value] if isinstance(value, str) else value
    if not isinstance(listed, list) or not all(isinstance(one, str) for one in listed):
        raise BadProfileKey(f"{where}: terminal is no text and no list of texts", 'write terminal = "13800138000"')
    keys = tuple(one.strip().upper().lstrip("0") for one in listed)
    for key in keys:
        if not key or not set(key) <= set("0123456789ABCDEF*"):
            raise BadProfileKey(f"{where}: terminal: {key!r} is no number", "give digits, * stands for any")
    return keys


class Assignments:
    """All rows, ready to be asked. The most telling one counts: terminal, then registration, then listener.

    Among rows of a kind the first that fits counts; a number written out goes before patterns.

    Args:
        rows: with the profile each names.
    """

    def __init__(self, rows: Iterable[tuple[Assignment, Profile]] = ()) -> None:
        self.rows = tuple(rows)
        self._exact: dict[str, Profile] = {}
        self._patterns: list[tuple[str, Profile]] = []
        self._models: list[tuple[str, str, Profile]] = []
        self._listeners: dict[str, Profile] = {}
        for row, profile in self.rows:
            for terminal in row.terminals:
                if _PATTERN in terminal:
                    self._patterns.append((terminal, profile))
                else:
                    self._exact.setdefault(terminal, profile)
            if row.manufacturer or row.model:
                self._models.append((row.manufacturer or _PATTERN, row.model or _PATTERN, profile))
            if row.listener:
                self._listeners.setdefault(row.listener, profile)

    @property
    def ask_models(self) -> bool:
        """Whether any row looks at what a registration says."""
        return bool(self._models)

    @property
    def ask_terminals(self) -> bool:
        """Whether any row looks at the number of a terminal."""
        return bool(self._exact or self._patterns)

    def of_terminal(self, terminal: str) -> Profile | None:
        """The profile of a terminal by its number, None when no row names it.

        Args:
            terminal: digits without leading zeros.
        """
        found = self._exact.get(terminal)
        if found is not None:
            return found
        return next((profile for pattern, profile in self._patterns if fnmatchcase(terminal, pattern)), None)

    def of_model(self, manufacturer: str, model: str) -> Profile | None:
        """The profile of a model by what its registration said, None when no row fits."""
        for maker, kind, profile in self._models:
            if fnmatchcase(manufacturer, maker) and fnmatchcase(model, kind):
                return profile
        return None

    def of_listener(self, listener: str) -> Profile | None:
        """The profile of everybody on a listener, None when no row names it."""
        return self._listeners.get(listener)

    def choose(self, terminal: str, manufacturer: str | None, model: str | None, listener: str) -> Profile:
        """The profile of a terminal.

        Args:
            terminal: digits without leading zeros.
            manufacturer: of its registration, None when it never registered.
            model: of its registration.
            listener: where it is connected, "" when that is not known.
        """
        found = self.of_terminal(terminal)
        if found is None and (manufacturer is not None or model is not None):
            found = self.of_model(manufacturer or "", model or "")
        if found is None:
            found = self.of_listener(listener)
        return AUTO if found is None else found
