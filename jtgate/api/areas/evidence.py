"""Files of evidence 报警附件 and multimedia: how far they have come, the files themselves, asking once more."""

import base64
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta
from starlette.responses import FileResponse

from jtgate.api.areas.listing import FactsQuery, told_of
from jtgate.api.areas.listing import listed as list_rows
from jtgate.api.areas.rows import answer_type, moment, number, page_of
from jtgate.api.context import Api
from jtgate.api.operations import Asked, Call, Id, Moment, Page, ProblemError, Scope, operation
from jtgate.codecs.timebase import now_ms
from jtgate.storage.evidence import Ask, AskState, FileState, NewAsk, TooManyAsks
from jtgate.storage.files import FileMissing
from jtgate.storage.model import EvidenceFileRow
from jtgate.storage.store import Row

#: States of rows that are told unless another one is asked for.
STATES: Final = frozenset({"asked", "arriving", "complete", "incomplete", "refused"})
_CONTENT: Final = "application/octet-stream"

Evidence: Final = answer_type(
    "Evidence",
    EvidenceFileRow,
    "A file of evidence 报警附件, or all that is known of those that were asked for: then it has no name.",
    also={"id": int, "percent": int | None},
)


class EvidenceQuery(FactsQuery):
    """Which files."""

    alarm_number: Annotated[str, Meta(max_length=100, description="报警标识号 as hex.")] = ""
    state: Annotated[
        str,
        Meta(
            pattern=f"^({'|'.join(sorted(STATES))})?$",
            description="How far it has come; without it any.",
        ),
    ] = ""
    file_type: Annotated[
        Annotated[int, Meta(ge=0, le=255)] | None,
        Meta(description="0 picture, 1 sound, 2 video, 3 text, 4 other."),
    ] = None


class FilePath(Asked):
    """Which file."""

    file_id: Id


class AsksQuery(Asked):
    """Of which episode."""

    episode: Annotated[Id, Meta(description="Id of the episode.")]


class AskBody(Asked):
    """What is to be asked for."""

    episode: Annotated[Id, Meta(description="Id of the episode whose evidence is wanted.")]


class AskedFile(msgspec.Struct):
    """A file that the terminal has told of.

    Args:
        bytes: as announced; 0 when that is not known.
        received: bytes on disk.
    """

    name: str
    bytes: int
    received: int
    state: FileState


class AskTold(msgspec.Struct):
    """Evidence that was asked for.

    Args:
        alarm_number: 报警标识号 as hex.
        count: files that the alarm announced.
        tries: how often 0x9208 was sent.
        asked: since when it is asked for.
        due: when it is asked for next.
        reason: why it was given up.
    """

    alarm_number: str
    source: str
    state: AskState
    count: int
    tries: int
    asked: Moment | None
    due: Moment | None
    reason: str | None
    files: list[AskedFile]


def evidence_also(row: Row) -> dict[str, Any]:
    """What is told of a file beside its columns."""
    return {"id": number(row, "id"), "percent": percent_of(row)}


def percent_of(row: Row) -> int | None:
    """How much of a file has come; None when nobody knows."""
    if row["state"] == "complete":
        return 100
    announced, stored = number(row, "announced_bytes"), number(row, "stored_bytes")
    return min(stored * 100 // announced, 99) if announced else None


@operation("GET", "/v1/evidence", scope=Scope.READ, query=EvidenceQuery, answer=page_of(Evidence))
def list_evidence(call: Call[EvidenceQuery, None]) -> Page[Any]:
    """Files of evidence by the time they were announced, newest first, and how much of each has come."""
    query = call.query
    matching = {
        "alarm_number": query.alarm_number,
        "state": query.state or STATES,
        "file_type": query.file_type,
    }
    return list_rows(call, "evidence_files", matching, also=evidence_also)


@operation(
    "GET",
    "/v1/evidence/{file_id}/content",
    scope=Scope.READ,
    query=FilePath,
    answer=str,
    media_type=_CONTENT,
    problems=(404, 409, 410),
    personal=True,
)
def get_evidence_content(call: Call[FilePath, None]) -> FileResponse:
    """A file itself, after its hash was checked; `Repr-Digest` tells it once more.

    Pictures may show drivers, so it is noted who reads them. 409: nothing of it has come yet. 410: it is no longer
    kept, or what is kept is not what came.
    """
    row = one_row(call, "evidence_files", call.query.file_id, "file-not-found", "There is no such file")
    path, sha256 = row["path"], row["sha256"]
    if not path or not sha256:
        raise ProblemError(409, "file-not-there", "Nothing of this file has come yet", f"it is {row['state']}")
    try:
        file = call.api.files.open(str(path))
        found = _hash(file)
    except FileMissing:
        raise ProblemError(410, "file-gone", "This file is no longer kept") from None
    except FileNotFoundError:  # retention was faster
        raise ProblemError(410, "file-gone", "This file is no longer kept") from None
    if found.hex() != sha256:
        raise ProblemError(410, "file-damaged", "What is kept of this file is not what came", "its hash is another one")
    call.api.note(call.caller, "get_evidence_content", str(row["terminal"]), 1)
    digest = base64.b64encode(found).decode()
    headers = {
        "Cache-Control": "no-store",
        "X-Content-Type-Options": "nosniff",
        "Repr-Digest": f"sha-256=:{digest}:",
    }
    return FileResponse(file, media_type=_CONTENT, filename=file.name, headers=headers)


@operation("GET", "/v1/evidence/asks", scope=Scope.READ, query=AsksQuery, answer=list[AskTold], problems=(404,))
def list_evidence_asks(call: Call[AsksQuery, None]) -> list[AskTold]:
    """What was asked for an episode, and how far each file is, as of this moment."""
    episode = one_row(call, "episodes", call.query.episode, *NO_EPISODE)
    return [_told(call.api, ask) for ask in _asks(call.api, episode)]


@operation(
    "POST",
    "/v1/evidence/asks",
    scope=Scope.COMMAND,
    body=AskBody,
    answer=list[AskTold],
    problems=(404, 409, 429),
    example={"episode": 4711},
)
def ask_for_evidence(call: Call[None, AskBody]) -> list[AskTold]:
    """Ask the terminal for the evidence of an episode, also once more for what was refused or stayed incomplete.

    Complete files are not asked for again. 409: its reports have announced no files.
    """
    api = call.api
    episode = one_row(call, "episodes", call.body.episode, *NO_EPISODE)
    wanted = [new for hex_number in numbers_of(episode) if (new := _new_ask(api, episode, hex_number)) is not None]
    if not wanted:
        raise ProblemError(409, "no-evidence", "The reports of this alarm have announced no files")
    at_ms = now_ms()
    try:
        asks = [api.desk.again(api.desk.ask(new, at_ms).ask_id, at_ms) for new in wanted]
    except TooManyAsks as error:
        raise ProblemError(429, "too-many-asks", "Evidence of too many alarms is awaited", str(error)) from None
    return [_told(api, ask) for ask in asks]


NO_EPISODE: Final = ("episode-not-found", "There is no such episode")


def one_row(call: Call[Any, Any], table: str, row_id: int, kind: str, title: str) -> Row:
    """A row by its id, of a terminal that the caller may see.

    Raises:
        ProblemError: 404.
    """
    with call.api.store() as store:
        found = store.page(table, terminals=call.api.visible(call.caller), matching={"id": row_id}, limit=1)
    if not found:
        raise ProblemError(404, kind, title)
    return found[0]


def numbers_of(episode: Row) -> list[str]:
    """Identification numbers of an episode, as hex."""
    found: list[str] = json.loads(str(episode["alarm_numbers"]))
    return found


def files_of(api: Api, episode: Row) -> list[dict[str, Any]]:
    """Files of an episode as they are told, first announced first."""
    numbers = numbers_of(episode)
    if not numbers:
        return []
    with api.store() as store:
        rows = store.page(
            "evidence_files",
            terminals=[str(episode["terminal"])],
            matching={"alarm_number": frozenset(numbers), "state": STATES},
            limit=1000,
        )
    return [told_of("evidence_files", row, also=evidence_also) for row in reversed(rows)]


def _new_ask(api: Api, episode: Row, hex_number: str) -> NewAsk | None:
    """What is to be asked for; None when no report with this number announced a file."""
    matching: Mapping[str, object] = {"alarm_number": hex_number, "source": episode["source"]}
    with api.store() as store:
        rows = store.page("alarm_events", terminals=[str(episode["terminal"])], matching=matching, limit=10)
    announcing = [row for row in rows if number(row, "attachment_count") > 0]
    if not announcing:
        return None
    first = announcing[-1]
    return NewAsk(
        str(episode["terminal"]),
        str(episode["source"]),
        bytes.fromhex(hex_number),
        number(first, "alarm_time_ms"),
        number(first, "attachment_count"),
    )


def _asks(api: Api, episode: Row) -> list[Ask]:
    terminal = str(episode["terminal"])
    return [ask for one in numbers_of(episode) for ask in api.desk.of_alarm(terminal, bytes.fromhex(one))]


def _told(api: Api, ask: Ask) -> AskTold:
    files = [
        AskedFile(one.facts.name, one.facts.size, sum(end - begin for begin, end in one.received), one.state)
        for one in api.desk.files(ask.ask_id)
    ]
    return AskTold(
        ask.new.identification.hex(),
        ask.new.source,
        ask.state,
        ask.new.count,
        ask.tries,
        moment(ask.created_ms),
        moment(ask.due_ms),
        ask.reason,
        files,
    )


def _hash(file: Path) -> bytes:
    """SHA-256 of a file.

    Raises:
        FileNotFoundError: it was deleted meanwhile.
    """
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").digest()
