"""Commands to terminals: send, wait for the answer, look at what became of them, give them up."""

from collections.abc import Collection
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from jtgate.api.context import Api, decode_cursor, encode_cursor
from jtgate.api.operations import (
    Answer,
    Asked,
    Call,
    Caller,
    Id,
    Moment,
    Page,
    PageQuery,
    ProblemError,
    Reply,
    Scope,
    Terminal,
    operation,
)
from jtgate.api.times import FromTime, ToTime
from jtgate.api.writing import check_writing
from jtgate.codecs.catalogue import message_name
from jtgate.codecs.compose import find_message
from jtgate.codecs.timebase import iso_ms, now_ms
from jtgate.storage.commands import (
    KEY_LENGTH_MAX,
    Command,
    CommandConflict,
    CommandsFull,
    CommandState,
    CommandTooLong,
    NewCommand,
    UnknownCommand,
)

WAIT_S_MAX: Final = 60
EXPIRES_S_MAX: Final = 30 * 24 * 3600
#: How long a command is worth something when nobody says: one that waits for its vehicle, one that does not.
EXPIRES_QUEUED_S: Final = 24 * 3600
EXPIRES_S: Final = 60
#: First id of messages of a platform.
DOWN_FROM: Final = 0x8000
#: Messages that tell of drivers: whoever is shown one is noted in the audit log. 0x0E.. and 0x8E.. are about faces.
_PERSONAL: Final = frozenset({0x0700, 0x0702})
_FACES: Final = 0x0E

READERS: Final = (Scope.READ, Scope.COMMAND)

Wait = Annotated[float, Meta(ge=0, le=WAIT_S_MAX, description="How long to wait for its end, seconds.")]


class SendCommand(Asked):
    """What a terminal is to be told."""

    terminal: Terminal
    message: Annotated[
        str,
        Meta(
            min_length=1,
            max_length=100,
            description="Id (0x8300), English name or Chinese term; GET /v1/messages lists them.",
            examples=["text_message"],
        ),
    ]
    fields: Annotated[dict[str, Any], Meta(description='Of the body by name; {"raw": HEX} is a body as it is.')] = (
        msgspec.field(default_factory=dict)
    )
    queue: Annotated[bool, Meta(description="Keep it until the vehicle is online; false gives up when it is not.")] = (
        False
    )
    expires_seconds: Annotated[
        Annotated[float, Meta(ge=1, le=EXPIRES_S_MAX)] | None,
        Meta(description="After that it is given up; without it 60, and 24 hours for one that is queued."),
    ] = None
    wait_seconds: Wait = 0
    encrypted: Annotated[bool, Meta(description="Encrypt it with the key that the terminal sent.")] = False


class SendHeaders(msgspec.Struct):
    """Headers of a request that sends."""

    idempotency_key: Annotated[
        str,
        Meta(
            max_length=KEY_LENGTH_MAX,
            description="The same key of the same token is the same command, however often it is sent.",
        ),
    ] = msgspec.field(name="Idempotency-Key", default="")


class CommandSummary(msgspec.Struct, kw_only=True):
    """A command and what has become of it.

    Args:
        id: rises with submission.
        terminal: digits without leading zeros.
        message: English name.
        term: Chinese term.
        msg_id: 消息ID.
        state: waiting and sent are open, all others are the end.
        queued: it waits for its vehicle to come online.
        encrypted: its body is encrypted.
        asked_by: name of the token, or the part of jtgate that wants it.
        created: when it was submitted.
        expires: when it is given up.
        sent: when it first went out.
        finished: when it ended.
        result: 结果 of the general answer of the terminal.
        answer_id: 消息ID of the message that answered it.
        error: half a sentence on what went wrong; empty for nothing.
        edition: of the terminal when it was written.
        attempts: how often it went out.
        serial: 流水号 of its first frame.
    """

    id: int
    terminal: str
    message: str
    term: str
    msg_id: str
    state: CommandState
    queued: bool
    encrypted: bool
    asked_by: str
    created: Moment
    expires: Moment
    sent: Moment | None
    finished: Moment | None
    result: int | None
    answer_id: str | None
    error: str
    edition: str
    attempts: int
    serial: int | None


class AnswerMessage(msgspec.Struct):
    """The message of a terminal that answered a command; `body` as `jtgate decode --json` prints it."""

    msg_id: str
    message: str
    term: str
    body: dict[str, Any]


class CommandAnswer(CommandSummary, kw_only=True):
    """A command with its fields and its answer.

    Args:
        fields: of the body by name, as they were submitted.
        answer: null while there is none.
        remarks: what the terminal will read otherwise than it was written, told when it is sent.
    """

    fields: dict[str, Any]
    answer: AnswerMessage | None
    remarks: list[str] = []


class CommandPath(Asked):
    """Which command."""

    command_id: Id


class CommandQuery(CommandPath):
    """Which command, and how long to wait."""

    wait_seconds: Wait = 0


class CommandsQuery(PageQuery):
    """Which commands."""

    terminal: Terminal | None = None
    state: Annotated[list[CommandState], Meta(max_length=20, description="In one of these states.")] = msgspec.field(
        default_factory=list
    )
    from_: Annotated[FromTime | None, Meta(description="Submitted then or later.")] = msgspec.field(
        name="from", default=None
    )
    to: Annotated[ToTime | None, Meta(description="Submitted then or before.")] = None


@operation(
    "POST",
    "/v1/commands",
    scope=Scope.COMMAND,
    body=SendCommand,
    headers=SendHeaders,
    answer=CommandAnswer,
    also={202: Answer(CommandAnswer, "It is not at its end yet.", {"Location": "Where to ask what has become of it."})},
    problems=(404, 409, 429),
    example={
        "terminal": "13800138000",
        "message": "text_message",
        "fields": {"flags": 4, "text": "前方限速60"},
        "wait_seconds": 10,
    },
)
async def send_command(call: Call[None, SendCommand]) -> Reply:
    """Send a command, or queue it until the vehicle is online.

    It is written out at once for the edition that the terminal is known to have: what does not fit is a 422 whose
    pointer is the path of the field.
    """
    command, remarks = await call.api.on_thread(_submit, call)
    return await _outcome(call.api, call.caller, command, call.body.wait_seconds, "send_command", remarks)


@operation("GET", "/v1/commands", scope=READERS, query=CommandsQuery, answer=Page[CommandSummary])
def list_commands(call: Call[CommandsQuery, None]) -> Page[CommandSummary]:
    """Commands and what has become of them, newest first; without fields and answers."""
    query = call.query
    terminals: Collection[str] | None = call.api.visible(call.caller)
    if query.terminal is not None:
        wanted = query.terminal.lstrip("0")
        terminals = {wanted} if terminals is None or wanted in terminals else set()
    before_id = decode_cursor(query.cursor, Id) if query.cursor else None
    if terminals is not None and not terminals:
        return Page([])
    found = call.api.bus.find(
        terminals=terminals,
        states=frozenset(query.state),
        from_ms=query.from_ or 0,
        to_ms=None if query.to is None else query.to + 1,
        before_id=before_id,
        limit=query.limit + 1,
    )
    page = found[: query.limit]
    rows = [CommandSummary(**summary_of(one)) for one in page]
    return Page(rows, None if len(found) == len(page) else encode_cursor(page[-1].command_id))


@operation(
    "GET",
    "/v1/commands/{command_id}",
    scope=READERS,
    query=CommandQuery,
    answer=CommandAnswer,
    also={202: Answer(CommandAnswer, "It is not at its end yet.", {"Location": "Where to ask again."})},
    problems=(404,),
)
async def get_command(call: Call[CommandQuery, None]) -> Reply:
    """One command with its fields and its answer; waits for its end when asked to.

    Answers that tell of a driver (0x0700, 0x0702, faces) are noted in the audit log.
    """
    command = await call.api.on_thread(_seen, call.api, call.caller, call.query.command_id)
    return await _outcome(call.api, call.caller, command, call.query.wait_seconds, "get_command")


@operation(
    "DELETE",
    "/v1/commands/{command_id}",
    scope=Scope.COMMAND,
    query=CommandPath,
    answer=CommandSummary,
    problems=(404,),
)
def cancel_command(call: Call[CommandPath, None]) -> CommandSummary:
    """Give up a command that is open, and how it stands then; one that is out may still be obeyed."""
    _seen(call.api, call.caller, call.query.command_id)
    return CommandSummary(**summary_of(call.api.bus.cancel(call.query.command_id, now_ms())))


def _submit(call: Call[None, SendCommand]) -> tuple[Command, list[str]]:
    """Check a command and hand it to the bus."""
    body, api = call.body, call.api
    terminal = body.terminal.lstrip("0")
    if not terminal:
        raise _bad_body("a terminal has a number", "$.terminal")
    api.need_visible(call.caller, terminal)
    try:
        msg_id = find_message(body.message.strip())
    except LookupError as error:
        raise _bad_body(str(error.args[0]), "$.message") from None
    if msg_id < DOWN_FROM:
        raise _bad_body(f"0x{msg_id:04x} {message_name(msg_id).name} is a message of terminals", "$.message")
    remarks = check_writing(api, terminal, msg_id, body.fields)
    if body.encrypted and not body.queue and api.directory.key_of(terminal) is None:
        raise _bad_body("the terminal has sent no key (0x0A00)", "$.encrypted")
    seconds = body.expires_seconds or (EXPIRES_QUEUED_S if body.queue else EXPIRES_S)
    at_ms = now_ms()
    new = NewCommand(
        terminal,
        msg_id,
        body.fields,
        call.caller.name,
        at_ms + round(seconds * 1000),
        body.queue,
        body.encrypted,
        call.headers.get("idempotency-key", ""),
    )
    try:
        return api.bus.submit(new, at_ms), remarks
    except CommandConflict:
        raise ProblemError(
            409, "idempotency-conflict", "The idempotency key was used for another command", "use another one"
        ) from None
    except CommandsFull as error:
        raise ProblemError(429, "too-many-commands", "Too many commands are open", str(error)) from None
    except CommandTooLong as error:
        raise _bad_body(str(error), "$.fields") from None


async def _outcome(
    api: Api, caller: Caller, command: Command, wait_s: float, what: str, remarks: list[str] | None = None
) -> Reply:
    """The answer about a command, after waiting for its end."""
    command = await api.waits.wait(command, wait_s)
    shown = {command.new.msg_id, 0 if command.answer is None else command.answer_id or 0}
    if any(msg_id in _PERSONAL or msg_id >> 8 & 0x7F == _FACES for msg_id in shown):
        await api.on_thread(api.note, caller, what, command.new.terminal, 1)
    answer = CommandAnswer(
        **summary_of(command), fields=dict(command.new.fields), answer=_answer(command), remarks=remarks or []
    )
    if not command.state.is_open:
        return Reply(answer, 200)
    return Reply(answer, 202, {"Location": f"/v1/commands/{command.command_id}"})


def _seen(api: Api, caller: Caller, command_id: int) -> Command:
    """A command that the caller may know of."""
    try:
        command = api.bus.get(command_id)
    except UnknownCommand:
        raise _unknown() from None
    if not api.may_see(caller, command.new.terminal):
        raise _unknown()
    return command


def _unknown() -> ProblemError:
    return ProblemError(404, "command-not-found", "There is no such command")


def _bad_body(detail: str, pointer: str) -> ProblemError:
    return ProblemError(422, "bad-body", "The body is not as it must be", detail, pointer)


def summary_of(command: Command) -> dict[str, Any]:
    """What is told of a command, by the names of CommandSummary."""
    new = command.new
    named = message_name(new.msg_id)
    return {
        "id": command.command_id,
        "terminal": new.terminal,
        "message": named.name,
        "term": named.term,
        "msg_id": f"0x{new.msg_id:04x}",
        "state": command.state,
        "queued": new.is_queued,
        "encrypted": new.is_encrypted,
        "asked_by": new.asked_by,
        "created": iso_ms(command.created_ms),
        "expires": iso_ms(new.expires_ms),
        "sent": _time(command.sent_ms),
        "finished": _time(command.finished_ms),
        "result": command.result,
        "answer_id": None if command.answer_id is None else f"0x{command.answer_id:04x}",
        "error": command.error,
        "edition": command.edition,
        "attempts": command.attempts,
        "serial": command.serial,
    }


def _time(at_ms: int | None) -> str | None:
    return None if at_ms is None else iso_ms(at_ms)


def _answer(command: Command) -> AnswerMessage | None:
    if command.answer is None or command.answer_id is None:
        return None
    named = message_name(command.answer_id)
    return AnswerMessage(f"0x{command.answer_id:04x}", named.name, named.term, dict(command.answer))
