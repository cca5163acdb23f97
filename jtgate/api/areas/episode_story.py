"""Everything about one episode: reports, frames, evidence, who drove, risk event, trip, zones."""

from collections.abc import Iterable, Sequence
from typing import Any, Final

from jtgate.api.areas.bindings import AROUND_MS, names_of_persons
from jtgate.api.areas.evidence import Evidence, files_of
from jtgate.api.areas.facts import NAMES, Alarm, names_of
from jtgate.api.areas.frames import FRAMES_MAX, FrameTold, Place, frames_at
from jtgate.api.areas.listing import PERSONS, STANDING, id_of, told_of
from jtgate.api.areas.movements import Stop, Trip, ZoneVisit
from jtgate.api.areas.rows import answer_type, list_of, number, struct_of
from jtgate.api.context import Api
from jtgate.pipeline.alarms import SOURCE_FLAG, SOURCE_VIDEO
from jtgate.pipeline.derive import merging
from jtgate.pipeline.derive.standing import standing
from jtgate.storage.model import BindingRow, EpisodeRow
from jtgate.storage.store import Row, Store

#: Reports of one episode, positions looked through for its frames, episodes of its risk event.
REPORTS_MAX: Final = 200
POSITIONS_MAX: Final = 2000
SIBLINGS_MAX: Final = 50
#: Bindings of its vehicle that are looked through, and visits of zones.
BINDINGS_MAX: Final = 1000
VISITS_MAX: Final = 100

#: Source of an episode of bits -> the column of positions that has them.
_BITS: Final = {
    SOURCE_FLAG: "alarm_flags",
    merging.SOURCE_AREA: "alarm_flags",
    SOURCE_VIDEO: "video_alarm_flags",
    merging.SOURCE_DRIVING: "abnormal_driving_flags",
}

Episode: Final = answer_type(
    "Episode", EpisodeRow, "Reports that are one and the same alarm.", also={"id": int, **NAMES}
)
OnBoard: Final = answer_type(
    "OnBoard",
    BindingRow,
    "Who was on the vehicle when the alarm began, by which sources, and how sure that is.",
    also={"id": int, "name": str | None},
)
EpisodeStory: Final = struct_of(
    "EpisodeStory",
    "An episode and all that belongs to it.",
    episode=Episode,
    confirmable=bool,
    reports=list_of(Alarm),
    more_reports=bool,
    frames=list[FrameTold],
    more_frames=bool,
    evidence=list_of(Evidence),
    on_board=list_of(OnBoard),
    risk_event=list_of(Episode),
    trip=Trip | None,
    stop=Stop | None,
    zones=list_of(ZoneVisit),
)


def episode_told(row: Row, *, persons: bool) -> dict[str, Any]:
    """What is told of an episode."""
    return told_of("episodes", row, frozenset() if persons else PERSONS, also=episode_also)


def episode_also(row: Row) -> dict[str, Any]:
    """What is told of an episode beside its columns."""
    return {**id_of(row), **names_of(row)}


def story_of(api: Api, episode: Row, *, names: bool) -> dict[str, Any]:
    """Everything about an episode, as EpisodeStory.

    Args:
        api: has store and spool.
        episode: its row.
        names: with the names of the persons.
    """
    terminal = str(episode["terminal"])
    with api.store() as store:
        reports = _reports(store, episode)
        places = _places(store, episode, reports)
        on_board = _on_board(store, episode)
        persons = names_of_persons(store, on_board) if names else {}
        siblings = _siblings(store, episode)
        at_ms = number(episode, "started_ms")
        trip = _covering(store, "trips", terminal, at_ms, "ended_ms", 2)
        stop = _covering(store, "stops", terminal, at_ms, "ended_ms", 2)
        visits = _covering(store, "zone_visits", terminal, at_ms, "exited_ms", VISITS_MAX)
    return {
        "episode": episode_told(episode, persons=True),
        "confirmable": is_confirmable(episode),
        "reports": [told_of("alarm_events", row, also=names_of) for row in reports],
        "more_reports": len(reports) == REPORTS_MAX,
        "frames": frames_at(api.settings.data, terminal, places),
        "more_frames": len(places) > FRAMES_MAX,
        "evidence": files_of(api, episode),
        "on_board": [
            {**id_of(row), "name": persons.get(str(row["person"])), **told_of("bindings", row)} for row in on_board
        ],
        "risk_event": [episode_told(row, persons=False) for row in siblings],
        "trip": told_of("trips", trip[0], PERSONS, also=id_of) if trip else None,
        "stop": told_of("stops", stop[0], also=id_of) if stop else None,
        "zones": [told_of("zone_visits", row, PERSONS, also=id_of) for row in visits],
    }


def is_confirmable(episode: Row) -> bool:
    """Whether the terminal waits for a confirmation by hand 0x8203."""
    return episode["state"] != "withdrawn" and merging.needs_confirmation(
        str(episode["source"]), number(episode, "alarm_type")
    )


def _end_ms(episode: Row) -> int:
    return max(number(episode, "last_ms"), number(episode, "ended_ms"))


def _reports(store: Store, episode: Row) -> list[Row]:
    """Alarm events of an episode, oldest first: of a bit its edges, with the area or without."""
    source = str(episode["source"])
    family = merging.family(source)
    rows = store.page(
        "alarm_events",
        terminals=[str(episode["terminal"])],
        from_ms=number(episode, "started_ms"),
        to_ms=_end_ms(episode),
        matching={
            "source": SOURCE_FLAG if family == merging.SOURCE_AREA else source,
            "alarm_type": episode["alarm_type"],
        },
        limit=REPORTS_MAX,
    )
    return rows[::-1]


def _places(store: Store, episode: Row, reports: Sequence[Row]) -> list[Place]:
    """Where the frames behind an episode lie: of an item its reports, of a bit the positions that have it set."""
    column = _BITS.get(merging.family(str(episode["source"])))
    rows: Iterable[Row] = reports
    if column is not None:
        found = store.positions(
            terminal=str(episode["terminal"]),
            from_ms=number(episode, "started_ms"),
            to_ms=number(episode, "last_ms"),
            limit=POSITIONS_MAX,
        )
        rows = [row for row in found if number(row, column) >> number(episode, "alarm_type") & 1]
    return list(dict.fromkeys(Place(number(row, "spool_seq"), number(row, "serial")) for row in rows))


def _on_board(store: Store, episode: Row) -> list[Row]:
    """Standing bindings of the vehicle when the episode began: drivers first, the surest first."""
    if episode["plate"] is None:
        return []
    at_ms = number(episode, "started_ms")
    matching: dict[str, object] = {"plate": episode["plate"]}
    if episode["plate_color"] is not None:
        matching["plate_color"] = episode["plate_color"]
    rows = store.page(
        "bindings",
        from_ms=max(at_ms - AROUND_MS, 0),
        to_ms=at_ms + AROUND_MS,  # what corrects an interval may begin later
        matching=matching,
        limit=BINDINGS_MAX,
    )
    there = [row for row in standing(rows) if _covers(row, at_ms, "started_ms", "ended_ms")]
    return sorted(there, key=lambda row: (str(row["role"]), -float(str(row["confidence"]))))


def _siblings(store: Store, episode: Row) -> list[Row]:
    """Other episodes of its risk event, oldest first."""
    begin_ms = number(episode, "risk_started_ms")
    rows = store.page(
        "episodes",
        terminals=[str(episode["terminal"])],
        from_ms=begin_ms,
        to_ms=begin_ms + merging.RISK_LONGEST_MS,
        matching={"risk_class": episode["risk_class"], "state": STANDING},
        limit=SIBLINGS_MAX + 1,
    )
    theirs = [row for row in rows if row["risk_started_ms"] == begin_ms and row["id"] != episode["id"]]
    return theirs[::-1][:SIBLINGS_MAX]


def _covering(store: Store, table: str, terminal: str, at_ms: int, ends: str, limit: int) -> list[Row]:
    """Rows of a table that last over a time, newest first."""
    begins = "entered_ms" if table == "zone_visits" else "started_ms"
    rows = store.page(table, terminals=[terminal], to_ms=at_ms, matching={"state": STANDING}, limit=limit)
    return [row for row in rows if _covers(row, at_ms, begins, ends)]


def _covers(row: Row, at_ms: int, begins: str, ends: str) -> bool:
    return number(row, begins) <= at_ms and (row[ends] is None or number(row, ends) > at_ms)
