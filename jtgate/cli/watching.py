"""What `jtgate sessions watch` knows: figures, sessions and alarms of a gateway, asked for again and again."""

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from time import monotonic
from typing import Any, Final

from jtgate.cli.client import ApiFailure, Client
from jtgate.codecs.timebase import iso_ms, now_ms, read_ms

#: Rates are told of so much time, seconds. A terminal reports every ten or so: while it is watched for a shorter time
#: than TERMINAL_RATE_MIN_S its rate is that since it came online.
GATEWAY_RATE_S: Final = 10.0
TERMINAL_RATE_S: Final = 30.0
TERMINAL_RATE_MIN_S: Final = 10.0
ALARM_RATE_S: Final = 60.0
#: Looks remembered for it; with shorter intervals the rates are of less time.
_LOOKS_MAX: Final = 120
#: Plates remembered, and how many are asked for with one look: a screen is complete after a few of them.
_PLATES_MAX: Final = 10_000
_PLATES_A_LOOK: Final = 10
#: Alarms looked through for those of some terminals.
_ALARMS_MAX: Final = 200
#: A clock in a terminal may go so much ahead; alarms further in the future would stand on top for ever.
_AHEAD_MS: Final = 600_000

_FRAMES: Final = "jtgate_gateway_frames_total"
_ONLINE: Final = "jtgate_gateway_sessions_online"
_ALARMS: Final = 'jtgate_pipeline_rows_total{table="alarm_events"}'
_LAG: Final = "jtgate_pipeline_lag_seconds"


@dataclass(frozen=True, slots=True)
class Look:
    """What one look at the gateway found.

    Args:
        at_ms: when, milliseconds since 1970.
        online: sessions of the whole gateway.
        frames_per_s: frames in; None while there is nothing to compare with.
        alarms_per_min: alarm events stored.
        lag_s: how far the store is behind the spool.
        problems: what is wrong with the gateway, by its own account.
        sessions: as the API tells them, latest online first, with `frames_per_s`, `plate` and `position`.
        more: sessions that are not among those.
        alarms: as the API tells them, newest first.
    """

    at_ms: int
    online: int
    frames_per_s: float | None
    alarms_per_min: float | None
    lag_s: float
    problems: Sequence[str]
    sessions: Sequence[Mapping[str, Any]]
    more: bool
    alarms: Sequence[Mapping[str, Any]]

    def as_json(self) -> dict[str, object]:
        """For programs."""
        return {
            "at": iso_ms(self.at_ms),
            "online": self.online,
            "frames_per_s": self.frames_per_s,
            "alarms_per_min": self.alarms_per_min,
            "lag_s": self.lag_s,
            "problems": list(self.problems),
            "sessions": list(self.sessions),
            "more": self.more,
            "alarms": list(self.alarms),
        }


@dataclass(slots=True)
class _Counted:
    """Counters at one time."""

    at_s: float
    frames: float
    alarms: float
    of_sessions: dict[str, int] = field(default_factory=dict)


class Watcher:
    """Looks at one gateway.

    Args:
        client: of its API.
        prefix: only terminals whose number begins so; the figures are those of the whole gateway.
    """

    def __init__(self, client: Client, prefix: str = "") -> None:
        self.url = client.url
        self._client = client
        self.prefix = prefix
        self._counted: deque[_Counted] = deque(maxlen=_LOOKS_MAX)
        self._plates: dict[str, str] = {}

    def look(self, sessions_max: int, alarms_max: int) -> Look:
        """Ask for everything.

        Args:
            sessions_max: rows of sessions.
            alarms_max: rows of alarms.

        Raises:
            Failure: the gateway cannot be reached, or refuses.
        """
        figures = read_figures(self._client.text("/metrics"))
        health = self._client.ask("GET", "/health", healthy_only=False)
        page = self._client.get("/v1/sessions", prefix=self.prefix or None, limit=max(sessions_max, 1))
        sessions: list[dict[str, Any]] = page["items"]
        counted = _Counted(
            monotonic(),
            figures.get(_FRAMES, 0.0),
            figures.get(_ALARMS, 0.0),
            {one["session_id"]: one["frames"] for one in sessions},
        )
        self._count(counted)
        return Look(
            now_ms(),
            int(figures.get(_ONLINE, 0)),
            self._rate(GATEWAY_RATE_S, lambda one: one.frames),
            self._rate(ALARM_RATE_S, lambda one: one.alarms * 60),
            _lag(health, figures),
            [str(one) for one in health.get("problems", ())],
            self._filled(sessions),
            page["next"] is not None,
            self._alarms(alarms_max),
        )

    def forget_rates(self) -> None:
        """What was counted before the gateway was away compares with nothing that comes."""
        self._counted.clear()

    # ------------------------------------------------------------------------------------------ rates

    def _count(self, counted: _Counted) -> None:
        if self._counted and counted.frames < self._counted[-1].frames:  # it was started anew
            self._counted.clear()
        self._counted.append(counted)

    def _rate(self, seconds: float, figure: Callable[[_Counted], float]) -> float | None:
        """Growth of a figure per second, since the oldest look that is not longer ago than this, or the last one."""
        last = self._counted[-1]
        if len(self._counted) == 1:
            return None
        before = next((one for one in self._counted if last.at_s - one.at_s <= seconds and one is not last), None)
        before = before or self._counted[-2]
        return round((figure(last) - figure(before)) / max(last.at_s - before.at_s, 1e-3), 2)

    def _session_rate(self, session: Mapping[str, Any]) -> float:
        session_id, last = session["session_id"], self._counted[-1]
        for one in self._counted:
            seconds = last.at_s - one.at_s
            if TERMINAL_RATE_MIN_S <= seconds <= TERMINAL_RATE_S and session_id in one.of_sessions:
                return round(int(session["frames"] - one.of_sessions[session_id]) / seconds, 2)
        online_s = (now_ms() - read_ms(session["online_since"])) / 1000
        return round(int(session["frames"]) / max(online_s, 1.0), 2)

    # ------------------------------------------------------------------------------------------- rows

    def _filled(self, sessions: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        """Sessions with plate, rate and last position."""
        terminals = [one["terminal"] for one in sessions]
        places: dict[str, Any] = {}
        if terminals:
            page = self._client.get("/v1/positions/last", terminals=terminals, limit=len(terminals))
            places = {one["terminal"]: one for one in page["items"]}
        self._ask_plates(terminals)
        return [
            one
            | {
                "plate": self._plates.get(one["terminal"], ""),
                "frames_per_s": self._session_rate(one),
                "position": places.get(one["terminal"]),
            }
            for one in sessions
        ]

    def _ask_plates(self, terminals: Sequence[str]) -> None:
        if len(self._plates) > _PLATES_MAX:
            self._plates.clear()
        for terminal in [one for one in terminals if one not in self._plates][:_PLATES_A_LOOK]:
            try:
                known = self._client.get(f"/v1/terminals/{terminal}")
            except ApiFailure as failure:
                if failure.status != 404:
                    raise
                continue  # it is not stored yet
            self._plates[terminal] = str(known.get("plate") or "")

    def _alarms(self, alarms_max: int) -> list[dict[str, Any]]:
        limit = _ALARMS_MAX if self.prefix else max(alarms_max, 1)
        page = self._client.get("/v1/alarms", limit=limit, to=iso_ms(now_ms() + _AHEAD_MS))
        found = [one for one in page["items"] if (one["terminal"] or "").startswith(self.prefix)]
        return found[:alarms_max]


def _lag(health: Mapping[str, Any], figures: Mapping[str, float]) -> float:
    lag = health.get("pipeline")
    return float(lag["lag_seconds"]) if isinstance(lag, dict) else figures.get(_LAG, 0.0)


def read_figures(text: str) -> dict[str, float]:
    """Figures of a page for Prometheus by their names with labels."""
    return dict(_figures(text))


def _figures(text: str) -> Iterator[tuple[str, float]]:
    for line in text.splitlines():
        name, _, value = line.rpartition(" ")
        if name and not line.startswith("#"):
            try:
                yield name, float(value)
            except ValueError:
                continue
