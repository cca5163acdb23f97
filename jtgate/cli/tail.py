"""`jtgate tail`: follow the spool and print what terminals send, decoded, as it is committed."""

import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

import click

from jtgate.cli.common import examples, json_option, print_json, spool_of, terminal_key, with_settings
from jtgate.cli.naming import frame_summary, message_ids, message_title
from jtgate.codecs.describe import describe_frame
from jtgate.codecs.errors import ProtocolError
from jtgate.codecs.header import parse_header
from jtgate.codecs.timebase import iso_ms
from jtgate.settings import Settings
from jtgate.storage.records import FramesRecord, Record, SessionRecord, Transport, unpack
from jtgate.storage.spool import SpoolReader

#: Between two looks at a spool that had nothing new: half the patience of an eye.
_LOOK_S: Final = 0.1
_GROUPS: Final = 256


@dataclass(frozen=True, slots=True)
class Filter:
    """What is shown.

    Args:
        terminal: key of the one terminal, "" for all.
        msg_ids: message ids, empty for all; session events are shown only without it.
    """

    terminal: str = ""
    msg_ids: frozenset[int] = frozenset()

    def admits(self, payload: bytes) -> bool:
        """Whether a frame is shown; one whose header cannot be read is shown when nothing is filtered."""
        if not self.terminal and not self.msg_ids:
            return True
        try:
            header, _body = parse_header(payload)
        except ProtocolError:
            return False
        return (not self.terminal or header.terminal == self.terminal) and (
            not self.msg_ids or header.msg_id in self.msg_ids
        )

    def admits_event(self, record: SessionRecord) -> bool:
        """Whether a session event is shown."""
        phone = str(record.facts.get("phone", ""))
        return not self.msg_ids and (not self.terminal or phone.lstrip("0") == self.terminal)


def _parse_messages(_ctx: click.Context, _param: click.Parameter, wanted: tuple[str, ...]) -> frozenset[int]:
    try:
        return frozenset(msg_id for one in wanted for msg_id in message_ids(one))
    except LookupError as error:
        raise click.BadParameter(str(error)) from error


@click.command(
    epilog=examples(
        "jtgate tail",
        "jtgate tail --phone 13800138000 --message location_report",
        "jtgate tail --from-start --message 0x0100 --json --count 5",
    )
)
@click.option("--phone", default="", metavar="PHONE", help="Only this terminal; leading zeros are ignored.")
@click.option(
    "--message",
    "msg_ids",
    multiple=True,
    metavar="ID|NAME",
    callback=_parse_messages,
    help="Only this message, as 0x0200 or location_report; may be repeated.",
)
@click.option("--from-start", is_flag=True, help="Begin with the oldest frame of the spool, not with the next one.")
@click.option("--count", type=click.IntRange(1), metavar="N", help="Stop after so many lines.")
@with_settings
@json_option
def tail(
    phone: str, msg_ids: frozenset[int], count: int | None, config: Settings, *, from_start: bool, as_json: bool
) -> None:
    """Show what terminals send, decoded, as it comes.

    One line per frame: time of receipt, terminal, message in Chinese and English, and what it
    says. Connections that open and close are shown too, unless messages are chosen. Ctrl-C ends.
    """
    wanted = Filter(terminal_key(phone) if phone else "", msg_ids)
    shown = 0
    with spool_of(config) as reader, suppress(KeyboardInterrupt):
        for record in follow(reader, 0 if from_start else reader.last_seq()):
            for line in lines_of(record, wanted, as_json=as_json):
                print_json(line) if isinstance(line, Mapping) else click.echo(line)
                shown += 1
                if shown == count:
                    return


def follow(reader: SpoolReader, after_seq: int) -> Iterator[Record]:
    """Records of the spool in order, waiting for more for ever."""
    while True:
        groups = reader.read(after_seq, groups_max=_GROUPS)
        for group in groups:
            yield from unpack(group.data)
            after_seq = group.seq
        if not groups:
            time.sleep(_LOOK_S)


def lines_of(record: Record, wanted: Filter, *, as_json: bool) -> Iterator[str | Mapping[str, object]]:
    """What is printed of one record."""
    if isinstance(record, SessionRecord):
        if wanted.admits_event(record):
            yield _event_json(record) if as_json else _event_line(record)
        return
    for payload in record.payloads:
        if wanted.admits(payload):
            yield _frame_json(record, payload) if as_json else _frame_line(record, payload)


def _frame_json(record: FramesRecord, payload: bytes) -> dict[str, object]:
    return {
        "received_at": iso_ms(record.received_us // 1000),
        "session_id": record.session_id,
        "transport": Transport(record.transport).name.lower(),
        **describe_frame(payload),
    }


def _frame_line(record: FramesRecord, payload: bytes) -> str:
    described = describe_frame(payload)
    try:
        header, _body = parse_header(payload)
    except ProtocolError as error:
        return f"{_clock(record.received_us)}  {'?':<12}  {error.message}: {payload.hex()}"
    head = f"{_clock(record.received_us)}  {header.terminal:<12}  {message_title(header.msg_id)}"
    return f"{head}  {frame_summary(described, iso_ms(record.received_us // 1000))}".rstrip()


def _event_json(record: SessionRecord) -> dict[str, object]:
    return {
        "received_at": iso_ms(record.at_us // 1000),
        "session_id": record.session_id,
        "event": record.event,
        **record.facts,
    }


def _event_line(record: SessionRecord) -> str:
    facts = dict(record.facts)
    terminal = str(facts.pop("phone", "")).lstrip("0")
    told = " ".join(f"{name}={value}" for name, value in facts.items() if not name.endswith("_us"))
    return f"{_clock(record.at_us)}  {terminal:<12}  -- {record.event.replace('_', ' ')}  {told}".rstrip()


def _clock(at_us: int) -> str:
    """Time of day in GMT+8 with milliseconds."""
    return iso_ms(at_us // 1000)[11:23]
