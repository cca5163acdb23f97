"""`jtgate encode`: frames from names and values, or from what `jtgate decode --json` printed."""

import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple, Self

import click

from jtgate.cli.common import EX_FAULTS, examples
from jtgate.cli.field_words import Fields, json_objects, put_field, word_pairs
from jtgate.cli.frame_table import print_shown, shown_frame
from jtgate.cli.profile_option import profile_named, profile_option
from jtgate.codecs.catalogue import message_name
from jtgate.codecs.compose import Composed, compose, find_message, recompose_all
from jtgate.codecs.describe import walk_wire
from jtgate.codecs.edition import Edition
from jtgate.codecs.errors import EncodeError
from jtgate.codecs.examples import as_given, example
from jtgate.codecs.header import BODY_BYTES_MAX, PART_BYTES
from jtgate.codecs.profile import Profile
from jtgate.codecs.registry import message_class

#: Options that fields may be called like.
_HEADER_OPTIONS: Final = ("phone", "serial", "edition", "profile")

_EXIT_EPILOG: Final = (
    "\n\n\b\nExit codes:\n  0   every frame is built\n  1   an object of --json could not be built\n"
    "  2   a message, field or value is wrong; nothing is printed"
)


@click.command(
    context_settings={"ignore_unknown_options": True},
    epilog=examples(
        'jtgate encode text_message flags=8 text="前方限速60" --phone 13800138000',
        "jtgate encode 0x8202 --interval-s 10 --validity-s 600 --annotate",
        "jtgate encode location_report --example speed_kmh=85.5 items[0].mileage_km=12.3 --edition 2019",
        'jtgate encode 设置终端参数 \'parameters=[{"name": "heartbeat_interval_s", "value": 30}]\'',
        "jtgate decode --json --file frames.hex | jtgate encode --json -",
    )
    + _EXIT_EPILOG,
)
@click.argument("words", metavar="MESSAGE [FIELD=VALUE]...", nargs=-1, type=click.UNPROCESSED)
@click.option(
    "--edition", type=click.Choice(list(map(str, Edition))), help="Edition of header and body. [default: 2013]"
)
@click.option("--phone", metavar="DIGITS", help="Phone number in the header. [default: all zeros]")
@click.option("--serial", type=click.IntRange(0, 0xFFFF), help="Serial of the first frame. [default: 0]")
@profile_option
@click.option(
    "--part-bytes",
    type=click.IntRange(1, BODY_BYTES_MAX),
    default=PART_BYTES,
    show_default=True,
    help="Bytes of body in each part of a message that is cut into parts.",
)
@click.option("--example", "from_example", is_flag=True, help="Fields not given are those of the message's example.")
@click.option(
    "--json",
    "json_path",
    type=click.Path(path_type=Path, exists=True, dir_okay=False, allow_dash=True),
    metavar="FILE",
    help="With MESSAGE its fields, as one object; without, objects as `jtgate decode --json` prints them. - is "
    "standard input.",
)
@click.option("--annotate", is_flag=True, help="Print the table of `jtgate decode` instead of hex.")
def encode(
    words: tuple[str, ...],
    edition: str | None,
    phone: str | None,
    serial: int | None,
    profile: str | None,
    part_bytes: int,
    from_example: bool,
    json_path: Path | None,
    annotate: bool,
) -> None:
    """Build frames: one line of hex for each.

    MESSAGE is an id (0x8300), an English name (text_message) or a Chinese term. Each field is FIELD=VALUE, or
    --field-name VALUE where no option above has that name. Fields inside of others have a path: location.speed_kmh,
    items[0].id. A VALUE is a number, text, a time, hex, a word of the field's table, or JSON when it begins with
    [, { or ". `jtgate messages MESSAGE` shows fields, values and an example.

    What a receiver will read otherwise than you wrote it, or take for a deviation, is said on standard error; it is
    built all the same.
    """
    known = profile_named(profile)
    if words:
        fields = _Fields.of(words, edition, from_example=from_example, given=json_path)
        built = fields.compose(phone or "0", serial or 0, known, part_bytes)
        faults = _print(iter([built]), known, annotate=annotate)
    elif json_path is None or from_example:
        raise click.UsageError("nothing to build; give a MESSAGE with its fields, or --json FILE")
    else:
        header = {name: value for name, value in (("phone", phone), ("serial", serial)) if value is not None}
        objects = (_with_header(one, header, edition) for one in json_objects(json_path))
        faults = _print(
            recompose_all(objects, profile=known, part_bytes=part_bytes), known, annotate=annotate, numbered=True
        )
    if faults:
        sys.exit(EX_FAULTS)


def _print(
    results: Iterable[Composed | EncodeError | LookupError], profile: Profile, *, annotate: bool, numbered: bool = False
) -> int:
    """Print frames as they are built, remarks and errors on standard error.

    Returns:
        How many could not be built.
    """
    faults = shown = 0
    for number, built in enumerate(results, start=1):
        where = f"object {number}: " if numbered else ""
        if not isinstance(built, Composed):
            click.echo(f"error: {where}{_text(built)}", err=True)
            faults += 1
            continue
        for remark in built.remarks:
            click.echo(f"note: {where}{remark}", err=True)
        if not annotate:
            for frame in built.frames:
                click.echo(frame.hex())
            continue
        for described in walk_wire(built.frames, profile=profile):
            shown += 1
            print_shown(shown_frame(str(shown), described))
    return faults


def _text(error: Exception) -> str:
    """The sentence of an error; a LookupError would put quotes around it."""
    return str(error.args[0]) if error.args and not isinstance(error, EncodeError) else str(error)


# -------------------------------------------------------------------------------------- fields from words


class _Fields(NamedTuple):
    """What the words of the command line ask for."""

    msg_id: int
    edition: Edition
    fields: Fields

    @classmethod
    def of(cls, words: Sequence[str], edition: str | None, *, from_example: bool, given: Path | None) -> Self:
        """Read MESSAGE and its fields; later ones win over earlier ones, all over a file, a file over the example."""
        if words[0].startswith("--"):
            raise click.UsageError(f"the MESSAGE comes first, then its fields; {words[0]} is none")
        try:
            msg_id = find_message(words[0])
        except LookupError as error:
            raise click.UsageError(_text(error)) from error
        layout = Edition(edition) if edition else _usual_edition(msg_id)
        fields: Fields = {}
        message = message_class(msg_id)
        if from_example:
            if message is None:
                raise click.UsageError(f"{words[0]} has no example: its fields are not known; give its body as raw=HEX")
            fields = as_given(example(message, layout))
        if given is not None:
            objects = list(json_objects(given))
            if len(objects) != 1:
                raise click.UsageError(f"--json with a MESSAGE takes one object, the fields; there are {len(objects)}")
            fields |= objects[0]
        for path, value in word_pairs(words[1:]):
            put_field(fields, path, value)
        return cls(msg_id, layout, fields)

    def compose(self, phone: str, serial: int, profile: Profile, part_bytes: int) -> Composed:
        """Build it; what is wrong is a usage error that says where to look."""
        try:
            return compose(
                self.msg_id,
                self.fields,
                edition=self.edition,
                phone=phone,
                serial=serial,
                profile=profile,
                part_bytes=part_bytes,
            )
        except EncodeError as error:
            taken = [name for name in error.field.split(", ") if name in _HEADER_OPTIONS and "needed" in error.message]
            hint = f"; --{taken[0]} is that of the header, give the field as {taken[0]}=VALUE" if taken else ""
            raise click.UsageError(f"{error}{hint}\n  next: jtgate messages 0x{self.msg_id:04x}") from error


def _usual_edition(msg_id: int) -> Edition:
    """2013, or the newest edition that has the message."""
    editions = message_name(msg_id).editions
    return Edition.V2013 if not editions or Edition.V2013 in editions else editions[-1]


def _with_header(one: Fields, header: Mapping[str, object], edition: str | None) -> Fields:
    """An object with the header and edition that options of the command line ask for."""
    changed = {**one, "header": {**(one.get("header") or {}), **header}} if header else one
    return changed if edition is None else {**changed, "edition": edition}
