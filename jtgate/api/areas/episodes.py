"""Episodes of alarms: lists, what has changed, one with all that belongs to it, and confirming by hand."""

from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from jtgate.api.areas.commands import CommandSummary, Wait, summary_of
from jtgate.api.areas.episode_story import (
    Episode,
    EpisodeStory,
    episode_also,
    episode_told,
    is_confirmable,
    story_of,
)
from jtgate.api.areas.evidence import NO_EPISODE, one_row
from jtgate.api.areas.listing import PERSONS, FactsQuery, Person, Plate, State, WithPersons, in_state, listed
from jtgate.api.areas.listing import note_persons as note
from jtgate.api.areas.rows import number, page_of
from jtgate.api.context import Api, decode_cursor, encode_cursor
from jtgate.api.operations import (
    INTEGER_MAX,
    Answer,
    Asked,
    Call,
    Id,
    Moment,
    Page,
    PageQuery,
    ProblemError,
    Reply,
    Scope,
    operation,
)
from jtgate.api.times import FromTime
from jtgate.codecs.timebase import iso_ms, now_ms
from jtgate.pipeline.derive.merging import RISKS
from jtgate.storage.commands import Command, CommandsFull, CommandState, NewCommand
from jtgate.storage.model import EpisodeRow, StoreBatch
from jtgate.storage.store import Row, Store

#: 人工确认报警消息.
CONFIRM_ALARM: Final = 0x8203
#: How long a confirmation is worth something, seconds.
CONFIRM_S: Final = 60
#: Under this name the store keeps the place of what the API writes; there is nothing to go on from.
CONSUMER: Final = "api:episodes"
#: Rows seen a moment after their time are found all the same: who asks for changes is told those of so long ago again.
AGAIN_MS: Final = 5000
#: Rows looked through for one page of a limited token.
LOOKED_MAX: Final = 10_000
EVIDENCE_STATES: Final = ("none", "asked", "arriving", "complete", "incomplete", "refused")

_Place = tuple[Annotated[int, Meta(ge=0, le=INTEGER_MAX)], Annotated[int, Meta(ge=0, le=INTEGER_MAX)]]


class EpisodesQuery(FactsQuery):
    """Which episodes."""

    plate: Plate = ""
    person: Person = ""
    source: Annotated[
        str, Meta(max_length=60, description="Where the reports come from.", examples=["jsatl12:0x65"])
    ] = ""
    alarm_type: Annotated[
        Annotated[int, Meta(ge=0, le=0xFFFF_FFFF)] | None, Meta(description="Type of the item, or number of the bit.")
    ] = None
    level: Annotated[Annotated[int, Meta(ge=0, le=255)] | None, Meta(description="报警级别.")] = None
    risk_class: Annotated[str, Meta(pattern=f"^({'|'.join(sorted(RISKS))})?$", description="What it endangers.")] = ""
    evidence_state: Annotated[
        str, Meta(pattern=f"^({'|'.join(EVIDENCE_STATES)})?$", description="How far its evidence is.")
    ] = ""
    state: State = ""
    with_persons: WithPersons = False


class ChangesQuery(PageQuery):
    """Since when."""

    since: Annotated[FromTime | None, Meta(description="Written then or later; without a cursor.")] = None


class EpisodePath(Asked):
    """Which episode."""

    episode_id: Id


class StoryQuery(EpisodePath):
    """Which episode, and what of it."""

    names: Annotated[bool, Meta(description="With the names of the persons.")] = False


class ConfirmBody(Asked):
    """How long to wait for the answer of the terminal."""

    wait_seconds: Wait = 10


class Confirmation(msgspec.Struct):
    """A confirmation by hand.

    Args:
        episode: id of the episode.
        confirmed: when the terminal answered; null while it has not.
        command: the 0x8203.
    """

    episode: int
    confirmed: Moment | None
    command: CommandSummary


@operation("GET", "/v1/episodes", scope=Scope.READ, query=EpisodesQuery, answer=page_of(Episode))
def list_episodes(call: Call[EpisodesQuery, None]) -> Page[Any]:
    """Episodes of alarms by their beginning, newest first.

    `person` and `person_confidence` are null unless persons are asked for. Withdrawn episodes are left out unless they
    are asked for.
    """
    query = call.query
    matching = {
        "plate": query.plate,
        "person": query.person,
        "source": query.source,
        "alarm_type": query.alarm_type,
        "level": query.level,
        "risk_class": query.risk_class,
        "evidence_state": query.evidence_state,
        "state": in_state(query.state),
    }
    told = query.with_persons or bool(query.person)
    page = listed(call, "episodes", matching, blank=frozenset() if told else PERSONS, also=episode_also)
    if told:
        note(call, "list_episodes", page, query.person or query.plate or query.terminal or "")
    return page


@operation("GET", "/v1/episode-changes", scope=Scope.READ, query=ChangesQuery, answer=page_of(Episode))
def list_episode_changes(call: Call[ChangesQuery, None]) -> Page[Any]:
    """Episodes as they are written, oldest change first, withdrawn ones as well.

    `next` is never null: who asks again with it is told what has changed since, and what was written within five
    seconds before once more, so nothing is missed. An episode that changes twice may be told once.
    """
    query, api = call.query, call.api
    visible = api.visible(call.caller)
    since_ms, after_id = decode_cursor(query.cursor, _Place) if query.cursor else (int(query.since or 0), 0)
    found: list[Row] = []
    looked = 0
    with api.store() as store:
        while len(found) < query.limit and looked < LOOKED_MAX:
            rows = store.changed("episodes", since_ms=since_ms, after_id=after_id, limit=query.limit)
            looked += len(rows)
            for row in rows:
                since_ms, after_id = number(row, "updated_ms"), number(row, "id")
                if visible is None or row["terminal"] in visible:
                    found.append(row)
                if len(found) == query.limit:
                    break
            if len(rows) < query.limit:  # this is all there is: look back a little the next time
                if rows:
                    since_ms, after_id = max(min(since_ms, now_ms()) - AGAIN_MS, 0), 0
                break
    return Page([episode_told(row, persons=False) for row in found], encode_cursor((since_ms, after_id)))


@operation(
    "GET",
    "/v1/episodes/{episode_id}",
    scope=Scope.READ,
    query=StoryQuery,
    answer=EpisodeStory,
    problems=(404,),
    personal=True,
)
def get_episode(call: Call[StoryQuery, None]) -> dict[str, Any]:
    """One episode: its reports and the frames behind them, evidence, who was on board and how sure that is.

    Also the other episodes of its risk event, and trip, stop and zones at its beginning. Frames are those that the
    spool still keeps; of others their place is told.
    """
    row = one_row(call, "episodes", call.query.episode_id, *NO_EPISODE)
    call.api.note(call.caller, "get_episode", str(row["terminal"]), 1)
    return story_of(call.api, row, names=call.query.names)


@operation(
    "POST",
    "/v1/episodes/{episode_id}/confirm",
    scope=Scope.COMMAND,
    query=EpisodePath,
    body=ConfirmBody,
    answer=Confirmation,
    also={202: Answer(Confirmation, "The terminal has not answered yet; the episode will tell when it has.")},
    problems=(404, 409, 429),
)
async def confirm_episode(call: Call[EpisodePath, ConfirmBody]) -> Reply:
    """Confirm an alarm by hand 人工确认报警消息 (0x8203), and note when the terminal has answered.

    Only bits 0, 3, 20, 21, 22, 27 and 28 of 报警标志 can be confirmed (§8.12); 409 for all others.
    """
    api = call.api
    episode, command = await api.on_thread(_confirm, call)
    command = await api.waits.wait(command, call.body.wait_seconds)
    if command.state.is_open:
        api.later(_note_later(api, number(episode, "id"), command))
    confirmed_ms = _answered_ms(command)
    if confirmed_ms is not None:
        await api.on_thread(_note_confirmed, api, number(episode, "id"), confirmed_ms)
    confirmed = None if confirmed_ms is None else iso_ms(confirmed_ms)
    told = Confirmation(number(episode, "id"), confirmed, CommandSummary(**summary_of(command)))
    return Reply(told, 202 if command.state.is_open else 200)


def _confirm(call: Call[EpisodePath, ConfirmBody]) -> tuple[Row, Command]:
    """Hand the confirmation of an episode to the bus."""
    api = call.api
    episode = one_row(call, "episodes", call.query.episode_id, *NO_EPISODE)
    if not is_confirmable(episode):
        detail = "withdrawn" if episode["state"] == "withdrawn" else "no bit of 报警标志 that waits for 0x8203"
        raise ProblemError(409, "not-confirmable", "Such an alarm is not confirmed by hand", f"it is {detail}")
    # §3.4: the serial of the report; 0 confirms all alarms of the type.
    fields = {"alarm_serial": number(episode, "serial"), "alarm_types": 1 << number(episode, "alarm_type")}
    at_ms = now_ms()
    new = NewCommand(
        str(episode["terminal"]), CONFIRM_ALARM, fields, call.caller.name, at_ms + CONFIRM_S * 1000, is_queued=False
    )
    try:
        return episode, api.bus.submit(new, at_ms)
    except CommandsFull as error:
        raise ProblemError(429, "too-many-commands", "Too many commands are open", str(error)) from None


def _answered_ms(command: Command) -> int | None:
    """When the terminal said yes; None when it did not."""
    return command.finished_ms if command.state is CommandState.ANSWERED else None


async def _note_later(api: Api, episode_id: int, command: Command) -> None:
    """Note a confirmation that is answered when nobody waits any more."""
    command = await api.waits.wait(command, CONFIRM_S)
    confirmed_ms = _answered_ms(command)
    if confirmed_ms is not None:
        await api.on_thread(_note_confirmed, api, episode_id, confirmed_ms)


def _note_confirmed(api: Api, episode_id: int, confirmed_ms: int) -> None:
    """Write into an episode that it was confirmed; what is derived of it stays."""
    with api.store() as store:
        write_confirmed(store, episode_id, confirmed_ms)


def write_confirmed(store: Store, episode_id: int, confirmed_ms: int) -> None:
    """Note that the terminal has answered a confirmation.

    Args:
        store: has the episode.
        episode_id: its id.
        confirmed_ms: when, milliseconds since 1970.
    """
    found = store.page("episodes", matching={"id": episode_id}, limit=1)
    if not found:
        return
    columns: dict[str, Any] = {name: found[0][name] for name in EpisodeRow._fields}
    row = EpisodeRow(**columns)._replace(confirmed_ms=confirmed_ms, updated_ms=now_ms())
    store.write(StoreBatch(episodes=[row]), consumer=CONSUMER, seq=0)
