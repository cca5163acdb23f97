"""Who has logged in since one last looked, read out of the sessions of the store."""

from typing import Any, Final, NamedTuple

from jtgate.storage.store import Store

#: How often one looks for new sessions, milliseconds.
LOOK_EVERY_MS: Final = 5000
#: Sessions that one call reads.
PAGE_ROWS: Final = 1000
#: A session has its id from the moment it connects and is stored when it is authenticated: so many before the newest
#: that is known may still turn up.
LATE_SESSIONS: Final = 1000

_CONSUMER: Final = "asking.sessions"


class Login(NamedTuple):
    """A terminal came online."""

    terminal: str
    online_ms: int


class Logins:
    """Sessions as they turn up, each at least once; the place is kept in the store.

    Args:
        store: knows the sessions.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._place: int | None = None  # newest session of the last sweep
        self._top: int | None = None  # newest session of the sweep that is under way
        self._before: int | None = None
        self._told: set[int] = set()  # by the last sweep
        self._telling: set[int] = set()
        self._next_ms = 0

    def take(self, now_ms: int) -> list[Login]:
        """At most PAGE_ROWS logins; whoever calls again has dealt with those of before.

        Raises:
            StoreError: the store cannot be read or written now; the same call may be repeated.
        """
        place = self._known_place()
        if self._before is None and now_ms < self._next_ms:
            return []
        page = self._store.sessions(before=self._before, limit=PAGE_ROWS)
        rows: list[tuple[int, Any, Any]] = [
            (_number(row["session_id"]), row["terminal"], row["online_ms"]) for row in page
        ]
        if self._top is None:
            self._top = rows[0][0] if rows else place
        floor = place - LATE_SESSIONS
        fresh = [row for row in rows if row[0] > floor and row[0] not in self._told]
        self._telling.update(number for number, *_ in rows if number > self._top - LATE_SESSIONS)
        if len(rows) < PAGE_ROWS or rows[-1][0] <= floor:
            self._swept(place, now_ms)
        else:
            self._before = rows[-1][0]
        return [Login(terminal, online_ms) for _, terminal, online_ms in fresh if terminal is not None]

    def _known_place(self) -> int:
        """Where the last sweep began; sessions of before the first one of all are nobody's concern."""
        if self._place is None:
            place = self._store.cursor(_CONSUMER)
            if not place:
                newest = self._store.sessions(limit=1)
                place = _number(newest[0]["session_id"]) if newest else 0
                self._store.move_cursors({_CONSUMER: place})
            self._place = place
        return self._place

    def _swept(self, place: int, now_ms: int) -> None:
        """Everything down to the last sweep was read; ids that are far below need not be remembered."""
        top = max(self._top or 0, place)
        self._told, self._telling = self._telling, set()
        self._top = self._before = None
        self._next_ms = now_ms + LOOK_EVERY_MS
        if top != place:
            self._store.move_cursors({_CONSUMER: top})
            self._place = top


def _number(value: object) -> int:
    return value if isinstance(value, int) else 0
