"""What all commands to terminals have in common: how they are sent, waited for, and told of."""

import functools
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import click

from jtgate.cli.client import ApiFailure, Client
from jtgate.cli.common import EX_FAULTS, duration, print_json
from jtgate.codecs.timebase import read_ms

#: How long one waits for an answer when nobody says, and at most, seconds.
WAIT_S: Final = 30.0
WAIT_S_MAX: Final = 3600.0
#: One request waits so long at most; a longer wait is several of them.
_REQUEST_S: Final = 50.0
#: Longest value of an answer in one line.
_VALUE_MAX: Final = 500

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


def send(client: Client, phone: str, message: str, fields: Mapping[str, Any], how: How) -> dict[str, Any]:
    """Send a command and wait for its end; how it stands then, as the API tells it.

    Ctrl-C while it is waited for leaves the command as it is.
    """
    first_s = min(how.wait_s, _REQUEST_S)
    body: dict[str, Any] = {
        "terminal": phone,
        "message": message,
        "fields": dict(fields),
        "queue": how.is_queued,
        "encrypted": how.is_encrypted,
        "wait_seconds": first_s,
    }
    if how.expires_s is not None:
        body["expires_seconds"] = how.expires_s
    headers = {"Idempotency-Key": how.key} if how.key else {}
    found: dict[str, Any] = client.ask("POST", "/v1/commands", body=body, headers=headers, wait_s=first_s)
    remarks = found.get("remarks", [])
    left_s = how.wait_s - first_s
    try:
        while left_s > 0 and is_open(found):
            found = client.get(f"/v1/commands/{found['id']}", wait_seconds=min(left_s, _REQUEST_S), wait_s=_REQUEST_S)
            left_s -= _REQUEST_S
    except KeyboardInterrupt:
        click.echo(f"\ncommand {found['id']} goes on; look at it with: jtgate commands show {found['id']}", err=True)
        raise
    return found | {"remarks": remarks}


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
        took = _took(command)
        told = f", result {result}" if (result := _result(command)) else ""
        return f"answered{took}{told}{tail}"
    if state == "refused":
        return f"refused{_took(command)}: {_result(command) or 'no reason given'}{tail}"
    words = {
        "waiting": "waits for its vehicle" if command["queued"] else "waits for a gateway",
        "sent": f"sent {_times(command)}, no answer yet",
        "no_answer": f"no answer after {_times(command)}",
        "expired": "expired before it was answered",
        "offline": "the terminal is not online",
        "cancelled": "given up",
        "impossible": "it cannot be written for this terminal",
    }
    return words.get(state, state) + tail


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
        click.echo(f"  {answer['msg_id']} {answer['term']} {answer['message']}")
        for name, value in answer["body"].items():
            if value is not None:
                click.echo(f"    {name:<16} {_shown(value)}")
    if is_open(command):
        click.echo(f"  look at it later with: jtgate commands show {command['id']}")


def _shown(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _VALUE_MAX else f"{text[:_VALUE_MAX]} …"


def finish(commands: Sequence[Mapping[str, Any]]) -> None:
    """End with exit code 1 when one of them did not come through; queued ones that wait are on their way."""
    failed = [one for one in commands if not (one["state"] == "answered" or (one["queued"] and is_open(one)))]
    if failed:
        raise SystemExit(EX_FAULTS)


def edition_of(client: Client, phone: str) -> str:
    """Edition of a terminal, "2013" when it is not known: 2011 and 2013 share their header."""
    try:
        found = client.get(f"/v1/terminals/{phone}")["edition"]
    except ApiFailure as failure:
        if failure.status not in (403, 404):
            raise
        return "2013"
    return str(found or "2013")
