"""What all commands to terminals have in common: how they are sent, waited for, and told of."""

import functools
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import click

from jtgate.cli.client import ApiFailure, Client
from jtgate.cli.common import EX_FAULTS, duration, print_facts, print_json, terminal_key
from jtgate.codecs.timebase import read_ms

#: How long one waits for an answer when nobody says, and at most, seconds.
WAIT_S: Final = 30.0
WAIT_S_MAX: Final = 3600.0
#: One request waits so long at most; a longer wait is several of them.
_REQUEST_S: Final = 50.0

_SPAN: Final = re.compile(r"(\d+(?:\.\d+)?)\s*([smhd]?)")
_UNITS: Final = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86_400}
_RESULTS: Final = {0: "success", 1: "failure", 2: "message error", 3: "not supported"}


class Span(click.ParamType[float]):
    """A stretch of time: 90, 90s, 30m, 2h, 7d."""

    name = "SPAN"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Seconds."""
        found = _SPAN.fullmatch(str(value).strip())
        if found is None:
            self.fail(f"{value!r} is no stretch of time: write 90s, 30m, 2h or 7d", param, ctx)
        return float(found[1]) * _UNITS[found[2]]


@dataclass(frozen=True, slots=True)
class How:
    """How a command is sent.

    Args:
        is_queued: it waits for its vehicle.
        expires_s: when it is given up; None as the API has it.
        wait_s: how long its end is waited for.
        is_encrypted: its body is encrypted.
        key: idempotency key; "" for none.
    """

    is_queued: bool = False
    expires_s: float | None = None
    wait_s: float = WAIT_S
    is_encrypted: bool = False
    key: str = ""


def with_how(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options of sending to a command and hand it `how`."""

    @click.option(
        "--queue/--now",
        "is_queued",
        help="Keep it until the vehicle is online, or give up when it is not. [default: now]",
    )
    @click.option(
        "--expires",
        "expires_s",
        type=Span(),
        help="Give it up after this: 90s, 30m, 2h, 7d. [default: 60s, queued 24h]",
    )
    @click.option(
        "--wait", "wait_s", type=Span(), help=f"Wait so long for the answer. [default: {WAIT_S:g}s; queued: not at all]"
    )
    @click.option("--no-wait", is_flag=True, help="Do not wait for the answer.")
    @click.option(
        "--encrypted", "is_encrypted", is_flag=True, help="Encrypt it with the key that the terminal sent (0x0A00)."
    )
    @click.option(
        "--key",
        default="",
        metavar="TEXT",
        help="Idempotency key: the same key is the same command, however often it is sent.",
    )
    @functools.wraps(command)
    def wrapper(
        *args: object,
        is_queued: bool,
        expires_s: float | None,
        wait_s: float | None,
        no_wait: bool,
        is_encrypted: bool,
        key: str,
        **others: object,
    ) -> None:
        usual_s = 0.0 if is_queued else WAIT_S
        waited_s = 0.0 if no_wait else min(usual_s if wait_s is None else wait_s, WAIT_S_MAX)
        command(*args, how=How(is_queued, expires_s, waited_s, is_encrypted, key), **others)

    return wrapper


def submit(client: Client, phone: str, message: str, fields: Mapping[str, Any], how: How) -> dict[str, Any]:
    """Hand a command to the gateway; how it stands then, as the API tells it.

    Raises:
        Failure: it was not taken.
    """
    body: dict[str, Any] = {
        "terminal": terminal_key(phone),
        "message": message,
        "fields": dict(fields),
        "queue": how.is_queued,
        "encrypted": how.is_encrypted,
    }
    if how.expires_s is not None:
        body["expires_seconds"] = how.expires_s
    headers = {"Idempotency-Key": how.key} if how.key else {}
    found: dict[str, Any] = client.ask("POST", "/v1/commands", body=body, headers=headers)
    return found


def wait(client: Client, commands: Sequence[dict[str, Any]], wait_s: float) -> list[dict[str, Any]]:
    """Wait for the end of commands, together so long at most; how they stand then.

    Ctrl-C leaves them as they are and says where to look.
    """
    deadline = time.monotonic() + wait_s
    found = list(commands)
    try:
        for at, one in enumerate(found):
            while is_open(found[at]) and (left_s := deadline - time.monotonic()) > 0:
                asked_s = min(left_s, _REQUEST_S)
                now = client.get(f"/v1/commands/{one['id']}", wait_seconds=round(asked_s, 3), wait_s=asked_s)
                found[at] = now | {"remarks": one.get("remarks", [])}
    except KeyboardInterrupt:
        left = [str(one["id"]) for one in found if is_open(one)]
        if left:
            which = f"command {left[0]}" if len(left) == 1 else f"{len(left)} commands"
            look = f"show {left[0]}" if len(left) == 1 else "ls"
            click.echo(f"\n{which} may still be answered; look with: jtgate commands {look}", err=True)
        raise
    return found


def send(client: Client, phone: str, message: str, fields: Mapping[str, Any], how: How) -> dict[str, Any]:
    """Send a command and wait for its end; how it stands then, as the API tells it."""
    return wait(client, [submit(client, phone, message, fields, how)], how.wait_s)[0]


def is_open(command: Mapping[str, Any]) -> bool:
    """Whether something may still happen to a command."""
    return command["state"] in ("waiting", "sent")


def title(command: Mapping[str, Any]) -> str:
    """Message of a command: "0x8300 文本信息下发 text_message"."""
    return f"{command['msg_id']} {command['term']} {command['message']}"


def verdict(command: Mapping[str, Any]) -> str:
    """What has become of a command, in a sentence."""
    state, error = str(command["state"]), str(command["error"])
    tail = f": {error}" if error else ""
    if state == "answered":
        return f"answered{_took(command)}{f', result {result}' if (result := _result(command)) else ''}{tail}"
    if state == "refused":
        return f"refused{_took(command)}: {_result(command) or error or 'no reason given'}"
    words = {
        "waiting": "waits for its vehicle" if command["queued"] else "waits for a gateway",
        "sent": f"sent {_times(command)}, no answer yet",
        "no_answer": f"sent {_times(command)}, no answer",
        "expired": "expired before it was answered",
        "offline": "the terminal is not online",
        "cancelled": "given up",
        "impossible": f"it cannot be written for this terminal{tail}",
    }
    return words.get(state, state)


def _result(command: Mapping[str, Any]) -> str:
    result = command["result"]
    return "" if result is None else f"{result} {_RESULTS.get(result, '')}".strip()


def _times(command: Mapping[str, Any]) -> str:
    return "once" if command["attempts"] == 1 else f"{command['attempts']} times"


def _took(command: Mapping[str, Any]) -> str:
    if not command["sent"] or not command["finished"]:
        return ""
    took_ms = read_ms(command["finished"]) - read_ms(command["sent"])
    return f" in {took_ms} ms" if took_ms < 1000 else f" in {duration(took_ms / 1000)}"


def tell(command: Mapping[str, Any], *, as_json: bool, with_answer: bool = True) -> None:
    """Print a command and its answer."""
    if as_json:
        print_json(command)
        return
    for remark in command.get("remarks", ()):
        click.echo(f"note: {remark}", err=True)
    click.echo(f"{command['terminal']}  {title(command)}  {verdict(command)}")
    answer = command.get("answer")
    if answer and with_answer:
        from jtgate.cli.answers import answer_lines

        click.echo(f"  {answer['msg_id']} {answer['term']} {answer['message']}")
        print_facts((f"    {name}", value) for name, value in answer_lines(answer, command["edition"]))
    if is_open(command):
        click.echo(f"  look at it later with: jtgate commands show {command['id']}")


def finish(commands: Sequence[Mapping[str, Any]], how: How) -> None:
    """End with exit code 1 when one of them did not come through; open ones that nobody waits for are on their way."""
    if any(one["state"] != "answered" and not (is_open(one) and (one["queued"] or not how.wait_s)) for one in commands):
        raise SystemExit(EX_FAULTS)


def edition_of(client: Client, phone: str) -> str:
    """Edition of a terminal, "2013" when it is not known: 2011 and 2013 share their header."""
    try:
        found = client.get(f"/v1/terminals/{terminal_key(phone)}")["edition"]
    except ApiFailure as failure:
        if failure.status not in (403, 404):
            raise
        return "2013"
    return str(found or "2013")
