"""`jtgate decode`: what bytes from the wire mean, as a table or as JSON."""

import sys
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import Final, NamedTuple

import click
from rich.text import Text

from jtgate.cli.common import EX_FAULTS, examples, json_option, print_json
from jtgate.cli.frame_table import Shown, print_shown, shown_frame
from jtgate.cli.profile_option import profile_named, profile_option
from jtgate.cli.wire_input import wire_bytes
from jtgate.codecs.describe import Described, open_frame, walk_wire
from jtgate.codecs.edition import Edition
from jtgate.codecs.errors import BadPacket, FrameError, ProtocolError
from jtgate.codecs.framing import FLAG, Frame
from jtgate.codecs.jsatl12.filestream import MAGIC, MEDIA_MARK, DataPacket, FileStreamReader
from jtgate.codecs.jt808 import compressed
from jtgate.codecs.jt1078.packets import Packet, PacketReader, describe_packet, packet_rows
from jtgate.codecs.opening import Opener
from jtgate.codecs.profile import Profile
from jtgate.codecs.wire import Span
from jtgate.storage.rsa_key import PlatformKey, RsaKeyError

_EXIT_EPILOG: Final = (
    "\n\n\b\nExit codes:\n  0   every frame is good\n  1   at least one is not\n  2   the input is not hex"
)


class Found(NamedTuple):
    """Something found in the input.

    Args:
        json: as the object of design section 5.
        shown: for people; takes its number.
        inside: what is inside of it, for people only: the JSON has it in its body.
        bad_bytes: of a stretch that is no frame.
    """

    json: dict[str, object]
    shown: Callable[[str], Shown]
    inside: Iterable["Found"] = ()
    bad_bytes: bytes = b""

    @property
    def is_bad(self) -> bool:
        """Whether it has an error."""
        return self.json["error"] is not None


@click.command(
    epilog=examples(
        "jtgate decode 7e000200000139123456780001337e",
        'jtgate decode "7E 00 02 00 00 01 39 12 34 56 78 00 01 33 7E" --json',
        "jtgate decode --file capture.bin --clauses",
        "jtgate decode --file video.bin --protocol jt1078",
        "grep -o '7e.*7e' gateway.log | jtgate decode -",
        "jtgate decode --json --file frames.hex | jtgate encode --json -",
    )
    + _EXIT_EPILOG
)
@click.argument("hex_words", metavar="[HEX|-]...", nargs=-1)
@click.option(
    "--file",
    "path",
    type=click.Path(path_type=Path, exists=True, dir_okay=False, allow_dash=True),
    metavar="PATH",
    help="Read from a file: lines of hex or bytes as they went over the wire, whichever it is.",
)
@click.option("--binary", is_flag=True, help="The input is bytes, not hex, even if it looks like hex.")
@click.option(
    "--protocol",
    type=click.Choice(["jt808", "jt1078", "jsatl12"]),
    default="jt808",
    show_default=True,
    help="What the bytes are: frames of JT/T 808; media packets of JT/T 1078; the attachment link of T/JSATL 12, "
    "which has frames and file data.",
)
@click.option(
    "--edition",
    type=click.Choice([str(Edition.V2013), str(Edition.V2019)]),
    help="Read headers as this edition, whatever their length says (2011 has the header of 2013).",
)
@profile_option
@click.option(
    "--rsa-key",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    metavar="FILE",
    help="Private key that opens encrypted bodies: rsa_key.pem of the data folder, or your own.",
)
@click.option("--clauses", is_flag=True, help="Show the clause of every field, on narrow terminals too.")
@json_option
def decode(
    hex_words: tuple[str, ...],
    path: Path | None,
    binary: bool,
    protocol: str,
    edition: str | None,
    profile: str | None,
    rsa_key: Path | None,
    clauses: bool,
    as_json: bool,
) -> None:
    """Decode frames: every field with its bytes, value, meaning and clause.

    HEX are frames with their 7e flags, in one word or many; blanks, commas and 0x do not matter. `-` reads
    standard input. Parts of a sub-packaged message are joined when all of them are there. What is wrong has its
    place; what was tolerated has a name and a sentence. `jtgate messages ID` explains a message.
    """
    if edition is not None and protocol != "jt808":
        raise click.UsageError("--edition is for frames of JT/T 808")
    chunks = wire_bytes(hex_words, path, binary=binary, with_flags=protocol == "jt808")
    force = Edition(edition) if edition else None
    faults = number = 0
    hinted = False
    opener = _opener(rsa_key)
    for number, found in enumerate(_walk(protocol, chunks, force, profile_named(profile), opener), start=1):
        faults += found.is_bad
        if as_json:
            print_json(found.json)
        else:
            print_shown(found.shown(str(number)), clauses=clauses)
            for part, inner in enumerate(found.inside, start=1):
                print_shown(inner.shown(f"{number}.{part}"), clauses=clauses)
        if protocol == "jt808" and not hinted:
            hinted = _hint(found)
    if not number:
        raise click.UsageError("there is not a single byte between two flags; give at least one whole frame")
    if faults:
        sys.exit(EX_FAULTS)


def _hint(found: Found) -> bool:
    """Say what bytes may be that are no frames of JT/T 808, when they begin like something else.

    Returns:
        True when there was something to say.
    """
    at = found.bad_bytes.find(MAGIC)
    if at < 0:
        return False
    is_media = found.bad_bytes[at + len(MAGIC) : at + len(MAGIC) + 1] == bytes([MEDIA_MARK])
    what = "media packets; try --protocol jt1078" if is_media else "file data; try --protocol jsatl12"
    click.echo(f"note: there are bytes that begin like {what}", err=True)
    return True


def _opener(rsa_key: Path | None) -> Opener | None:
    """What decrypts with the key of a file."""
    if rsa_key is None:
        return None
    key = PlatformKey(rsa_key.parent, rsa_key)
    try:
        key.check()
    except RsaKeyError as error:
        raise click.UsageError(f"--rsa-key: {error}") from error
    return key.open


def _walk(
    protocol: str, chunks: Iterable[bytes], force: Edition | None, profile: Profile, opener: Opener | None
) -> Iterator[Found]:
    if protocol == "jt1078":
        return _media_packets(chunks)
    if protocol == "jsatl12":
        return _file_stream(chunks, profile)
    return _frames(chunks, force, profile, opener)


def _frames(chunks: Iterable[bytes], force: Edition | None, profile: Profile, opener: Opener | None) -> Iterator[Found]:
    for described in walk_wire(chunks, force=force, profile=profile, opener=opener):
        yield _found_frame(described, _compressed(described, profile))


def _found_frame(described: Described, inside: Iterable[Found] = ()) -> Found:
    bad_bytes = described.payload if described.header is None else b""
    return Found(described.json, partial(shown_frame, described=described), inside, bad_bytes)


def _compressed(described: Described, profile: Profile) -> Iterator[Found]:
    """The frames inside of a compressed message 数据压缩上报; what is compressed inside of them is not opened."""
    body = described.json["body"]
    content = body.get("content") if isinstance(body, dict) else None
    is_compressed = described.header is not None and described.header.msg_id == compressed.MSG_ID
    if not is_compressed or not isinstance(content, dict) or "frames" not in content:
        return
    data = compressed.CompressedData.decode(described.body).content() or b""
    if data[:1] == bytes([FLAG]):
        for one in islice(walk_wire([data], profile=profile), compressed.CONTENT_FRAMES_MAX):
            yield _found_frame(one)
    else:
        yield _found_frame(open_frame(data, profile=profile))


# ------------------------------------------------------------------------------------------- media packets


def _media_packets(chunks: Iterable[bytes]) -> Iterator[Found]:
    """The packets of one stream of JT/T 1078."""
    reader = PacketReader()
    for chunk in chunks:
        yield from map(_found_packet, reader.feed(chunk))
    yield from map(_found_packet, reader.eof())


def _found_packet(event: Packet | BadPacket) -> Found:
    return Found(describe_packet(event), partial(_shown_packet, event=event))


def _shown_packet(number: str, event: Packet | BadPacket) -> Shown:
    if isinstance(event, BadPacket):
        return _shown_bad(number, event)
    head = _head(number, "media_packet", "码流数据报文")
    head.append(f"  SIM {event.sim}  channel {event.channel}  serial {event.serial}")
    rows = packet_rows(event)
    return Shown(head, b"".join(row.raw for row in rows), rows, deviations=event.deviations())


# ----------------------------------------------------------------------------------------- attachment link


def _file_stream(chunks: Iterable[bytes], profile: Profile) -> Iterator[Found]:
    """Frames and file data of one attachment link."""
    reader = FileStreamReader(profile.dialect)
    told = 0
    for chunk in chain(chunks, (None,)):
        for event in reader.eof() if chunk is None else reader.feed(chunk):
            new, told = reader.deviations[told:], len(reader.deviations)
            yield _found_in_stream(event, profile, new)
    if reader.dropped_bytes:
        click.echo(f"note: {reader.dropped_bytes} bytes after that could not be read", err=True)


def _found_in_stream(event: Frame | DataPacket | FrameError, profile: Profile, deviations: list[str]) -> Found:
    if isinstance(event, Frame):
        return _found_frame(
            open_frame(event.payload, position=event.position, profile=profile, tolerated=event.deviation)
        )
    json: dict[str, object] = {
        "protocol": "jsatl12",
        "edition": None,
        "message": None,
        "term": None,
        "header": None,
        "body": None,
        "deviations": deviations,
        "error": None,
    }
    if isinstance(event, FrameError):
        return Found(json | {"error": event.as_json()}, partial(_shown_bad, error=event))
    rows: list[Span] = []
    data = event.encode()
    type(event).decode(data, spans=rows)
    head = "file_data", "文件数据上传"
    return Found(
        json | {"message": head[0], "term": head[1], "body": event.to_json()},
        lambda number: Shown(_head(number, *head), data, rows, deviations=deviations),
    )


def _head(number: str, name: str, term: str) -> Text:
    return Text.assemble((f"#{number}  ", "dim"), (f"{name} {term}", "bold cyan"))


def _shown_bad(number: str, error: ProtocolError) -> Shown:
    head = Text.assemble((f"#{number}  ", "dim"), ("bad bytes 无效数据", "bold red"))
    head.append(f"  {len(error.raw)} bytes at {error.offset} on the wire", "dim")
    return Shown(head, error.raw, error=error, begin=error.offset)
