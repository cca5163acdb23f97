"""What is known of one vehicle, put together from the directory and the store, and told in order."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

import click

from jtgate import runfiles
from jtgate.cli.common import ago, bytes_text, directory_of, duration, local_time, print_table, store_of
from jtgate.cli.naming import alarm_names, card_state, message_title, status_text, video_alarm_names
from jtgate.codecs.timebase import iso_ms, now_ms
from jtgate.settings import Settings
from jtgate.storage.directory import LiveSession
from jtgate.storage.store import Row

#: Sessions told of; alarm starts searched for the beginning of the open ones; quarantined messages counted.
_SESSIONS: Final = 5
_ALARM_STARTS: Final = 500
_QUARANTINE_COUNTED: Final = 1000

#: Slower than this is standing: GNSS speed of a parked vehicle wanders.
_STANDING_KMH: Final = 3.0

_FLAG_SOURCES: Final = {"jt808:flag": "alarm", "jt1078:video": "video alarm"}

Facts = list[tuple[str, object]]


@dataclass(slots=True)
class Story:
    """Everything `sessions show` tells."""

    terminal: str
    gateway_runs: bool = False
    live: LiveSession | None = None
    known: bool = False
    registration: Row | None = None
    position: Row | None = None
    alarm_starts: dict[tuple[str, int], int] = field(default_factory=dict)  # (source, bit) -> since
    card: Row | None = None
    history: list[Row] = field(default_factory=list)
    quarantined: int = 0

    @property
    def is_known(self) -> bool:
        """Anything at all was ever heard or said of it."""
        return bool(self.known or self.live or self.registration or self.history)

    def alarms(self) -> list[tuple[str, int | None]]:
        """Names of the alarms of the last report, with the time each began when that was seen."""
        if self.position is None:
            return []
        named = [("jt808:flag", bit, name) for bit, name in alarm_names(_int(self.position["alarm_flags"]))]
        flags = _int(self.position["video_alarm_flags"])
        named += [("jt1078:video", bit, name) for bit, name in video_alarm_names(flags)]
        return [(name, self.alarm_starts.get((source, bit))) for source, bit, name in named]


def gather(config: Settings, terminal: str) -> Story:
    """Read everything about one terminal (digits without leading zeros)."""
    story = Story(terminal)
    story.gateway_runs = runfiles.running(config.data, runfiles.GATEWAY) is not None
    with directory_of(config) as directory:
        story.known = terminal in directory.known()
        story.live = directory.session(terminal) if story.gateway_runs else None
    with store_of(config) as store:
        story.registration = next((r for r in store.terminals(prefix=terminal) if r["terminal"] == terminal), None)
        story.position = next(iter(store.last_positions(terminal=terminal, limit=1)), None)
        story.card = next(iter(store.card_events(terminal=terminal, limit=1)), None)
        story.history = store.sessions(terminal=terminal, limit=_SESSIONS)
        story.quarantined = len(store.quarantine(terminal=terminal, limit=_QUARANTINE_COUNTED))
        for event in store.alarm_events(terminal=terminal, limit=_ALARM_STARTS):  # newest first
            if event["phase"] == "start" and event["source"] in _FLAG_SOURCES:
                key = (str(event["source"]), _int(event["alarm_type"]))
                story.alarm_starts.setdefault(key, _int(event["alarm_time_ms"]))
    return story


def verdict(story: Story) -> str:
    """One sentence: what it is doing, and why."""
    parts = [f"terminal {story.terminal} is {_presence(story)}"]
    if story.position is not None:
        seen = "" if story.live else "last seen "
        parts.append(f"{seen}{_motion(story.position)} {ago(story.position['device_time_ms'])}")
    if alarms := story.alarms():
        parts.append(f"{len(alarms)} open alarm{'s' if len(alarms) > 1 else ''}: {', '.join(n for n, _ in alarms)}")
    return "; ".join(parts)


def _presence(story: Story) -> str:
    live = story.live
    if live is not None:
        since = duration((now_ms() - live.online_since_ms) / 1000)
        return f"{live.state} for {since} by {live.transport}, last heard {ago(live.last_received_ms)}"
    if not story.gateway_runs:
        return "offline, and so is every other: no gateway is running"
    if story.history:
        last = story.history[0]
        if last["closed_ms"]:
            return f"offline since {local_time(last['closed_ms'])} ({ago(last['closed_ms'])}): {last['reason']}"
        return f"offline; its last session began {local_time(last['online_ms'])} and its end is not stored yet"
    return "offline; it has not connected yet"


def _motion(position: Row) -> str:
    speed = position["speed_kmh"]
    if isinstance(speed, int | float):
        return f"driving at {speed:g} km/h" if speed >= _STANDING_KMH else "standing"
    return "somewhere"


def sections(story: Story) -> Iterator[tuple[str, Facts]]:
    """Titles and facts in the order in which one asks."""
    if story.live is not None:
        yield "session 会话", _session_facts(story.live)
    yield "terminal 终端", _terminal_facts(story)
    if story.position is not None:
        yield "last position 最后位置", _position_facts(story.position)
    if alarms := story.alarms():
        yield "open alarms 报警", [(name, f"since {local_time(at)}" if at else "start not seen") for name, at in alarms]
    if story.card is not None:
        yield "driver card 驾驶员身份", _card_facts(story.card)


def _session_facts(live: LiveSession) -> Facts:
    return [
        ("link", f"{live.transport} from {live.peer}, edition {live.edition}, {live.how}"),
        ("online since", f"{local_time(live.online_since_ms)} ({duration((now_ms() - live.online_since_ms) / 1000)})"),
        ("last heard", f"{ago(live.last_received_ms)}: {message_title(live.last_msg_id)}"),
        ("received", f"{live.frames:,} frames, {live.bad_frames:,} bad, {bytes_text(live.bytes_in)}"),
        ("session id", live.session_id),
    ]


def _terminal_facts(story: Story) -> Facts:
    row = story.registration or {}
    facts: Facts = [("admitted", "yes, by `jtgate terminals add`" if story.known else "under policy open only")]
    for label, name in (
        ("plate", "plate"),
        ("manufacturer", "manufacturer"),
        ("model", "model"),
        ("device id", "device_id"),
        ("software", "software_version"),
        ("IMEI", "imei"),
        ("edition", "edition"),
    ):
        if row.get(name):
            facts.append((label, row[name]))
    if registered := local_time(row.get("registered_ms")):
        facts.append(("registered", registered))
    if gone := local_time(row.get("unregistered_ms")):
        facts.append(("unregistered", gone))
    return [*facts, ("quarantined", _quarantined_text(story))]


def _quarantined_text(story: Story) -> str:
    if not story.quarantined:
        return "nothing"
    count = f"{story.quarantined}{'+' if story.quarantined == _QUARANTINE_COUNTED else ''}"
    noun = "message" if story.quarantined == 1 else "messages"
    return f"{count} {noun} cannot be decoded (jtgate quarantine ls --phone {story.terminal})"


def _position_facts(position: Row) -> Facts:
    latitude, longitude = position["latitude"], position["longitude"]
    where = f"{latitude:.6f}, {longitude:.6f}" if isinstance(latitude, float) and isinstance(longitude, float) else None
    facts: Facts = [
        ("time", f"{local_time(position['device_time_ms'])} ({ago(position['device_time_ms'])})"),
        ("where", where),
        ("speed", _with_unit(position["speed_kmh"], "km/h")),
        ("heading", _with_unit(position["heading_deg"], "°")),
        ("mileage", _with_unit(position["mileage_km"], "km")),
        ("fuel", _with_unit(position["fuel_l"], "L")),
        ("satellites", position["satellites"]),
        ("status", status_text(_int(position["status"]))),
    ]
    return [(name, value) for name, value in facts if value is not None]


def _card_facts(card: Row) -> Facts:
    event = card_state(_int(card["status"])) or "card read"
    return [
        ("event", f"{event}, {local_time(card['device_time_ms'])} ({ago(card['device_time_ms'])})"),
        ("driver", card["driver_name"]),
        ("certificate", card["certificate"]),
        ("issuer", card["issuer"]),
        ("expires", card["expiry"]),
    ]


def print_history(story: Story) -> None:
    """The recent sessions and how each ended."""
    if not story.history:
        return
    click.echo("\nsessions 会话记录")
    rows = [
        (
            f"  {local_time(row['online_ms']) or '?'}",
            _lasted(row),
            row["transport"],
            row["peer"],
            row["frames"],
            row["bad_frames"],
            row["reason"],
        )
        for row in story.history
    ]
    print_table(("  online", "lasted", "link", "from", "frames", "bad", "why closed"), rows, right=("frames", "bad"))


def _lasted(row: Row) -> str:
    online_ms, closed_ms = row["online_ms"], row["closed_ms"]
    if not isinstance(closed_ms, int):
        return "open"
    return duration((closed_ms - online_ms) / 1000) if isinstance(online_ms, int) else "?"


def as_json(story: Story) -> dict[str, object]:
    """The story for programs."""
    return {
        "terminal": story.terminal,
        "verdict": verdict(story),
        "known": story.known,
        "live": session_json(story.live) if story.live else None,
        "registration": story.registration,
        "last_position": story.position,
        "open_alarms": [{"name": name, "since": iso_ms(at) if at else None} for name, at in story.alarms()],
        "last_card_event": story.card,
        "sessions": story.history,
        "quarantined": story.quarantined,
    }


def session_json(session: LiveSession) -> dict[str, object]:
    """A live session for programs; times as ISO 8601."""
    facts = {name: getattr(session, name) for name in LiveSession.__slots__}
    for name in ("online_since_ms", "last_received_ms"):
        facts[name.removesuffix("_ms")] = iso_ms(facts.pop(name))
    facts["last_msg_id"] = f"0x{session.last_msg_id:04x}"
    return facts


def _with_unit(value: object, unit: str) -> str | None:
    return f"{value:g} {unit}" if isinstance(value, int | float) else None


def _int(value: object) -> int:
    return value if isinstance(value, int) else 0
