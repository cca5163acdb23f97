"""`jtgate bindings import-faces|import-phones|override`: what is known elsewhere about who was on a vehicle."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, BinaryIO, Final, NamedTuple

import click

from jtgate.cli.client import ApiFailure, Client, with_api
from jtgate.cli.common import EX_FAULTS, Failure, examples, json_option, print_json
from jtgate.cli.registry_files import FILE_BYTES_MAX, FileFault, RawRow, read

#: Rows of one request; the API takes no more.
FACES_MAX: Final = 500
FIXES_MAX: Final = 1000
#: Faults that are told; the others are counted.
FAULTS_SHOWN: Final = 20

_TRUE: Final = frozenset({"true", "1", "yes", "是"})
_FALSE: Final = frozenset({"false", "0", "no", "否", ""})
_AT: Final = re.compile(r"^\$\.\w+\[(\d+)\]\.?(\w*)")

Row = dict[str, Any]


def _text(value: object) -> str:
    return str(value).strip()


def _number(value: object) -> float:
    try:
        return float(_text(value))
    except ValueError:
        raise ValueError("is no number") from None


def _flag(value: object) -> bool:
    word = _text(value).lower()
    if word not in _TRUE | _FALSE:
        raise ValueError("is neither true nor false")
    return word in _TRUE


class _Form(NamedTuple):
    """How the rows of a file look, and where they go."""

    path: str
    list_name: str
    rows_max: int
    needed: tuple[str, ...]
    fields: Mapping[str, Callable[[object], object]]


_FACES: Final = _Form(
    "/v1/faces/results",
    "results",
    FACES_MAX,
    ("terminal", "time", "fingerprint", "engine"),
    {
        "terminal": _text,
        "time": _text,
        "fingerprint": _text,
        "engine": _text,
        "score": _number,
        "threshold": _number,
        "person": _text,
        "no_face": _flag,
    },
)
_FIXES: Final = _Form(
    "/v1/phone-fixes",
    "fixes",
    FIXES_MAX,
    ("person", "time", "latitude", "longitude", "accuracy_m"),
    {
        "person": _text,
        "time": _text,
        "latitude": _number,
        "longitude": _number,
        "accuracy_m": _number,
        "speed_kmh": _number,
        "heading_deg": _number,
        "check_in": _flag,
    },
)


class _Fault(NamedTuple):
    line: int
    message: str


@click.command(
    "import-faces",
    epilog=examples(
        "jtgate bindings import-faces results.csv",
        "engine --from /var/lib/jtgate/files | jtgate bindings import-faces -",
    ),
)
@click.argument("file", type=click.File("rb"))
@click.option("--dry-run", is_flag=True, help="Read and check the file, send nothing.")
@with_api
@json_option
def import_faces(file: BinaryIO, client: Client, *, dry_run: bool, as_json: bool) -> None:
    """Tell what a face engine found, from FILE (CSV or JSON lines; - for standard input).

    Headings: terminal, time, fingerprint (as GET /v1/faces tells them), engine, score, threshold, person, no_face. A
    score from the threshold on is a match, one at most 5 % below is near, any other speaks against the person.
    """
    _import(_FACES, file, client, dry_run=dry_run, as_json=as_json)


@click.command(
    "import-phones",
    epilog=examples("jtgate bindings import-phones fixes.jsonl", "jtgate bindings import-phones fixes.csv --dry-run"),
)
@click.argument("file", type=click.File("rb"))
@click.option("--dry-run", is_flag=True, help="Read and check the file, send nothing.")
@with_api
@json_option
def import_phones(file: BinaryIO, client: Client, *, dry_run: bool, as_json: bool) -> None:
    """Tell where phones of drivers and escorts were, from FILE (CSV or JSON lines; - for standard input).

    Headings: person, time, latitude, longitude (WGS-84), accuracy_m, speed_kmh, heading_deg, check_in. Only persons who
    agreed to it (location_consent of the registry) are ever compared with a vehicle.
    """
    _import(_FIXES, file, client, dry_run=dry_run, as_json=as_json)


@click.command(
    "override",
    epilog=examples(
        "jtgate bindings override 测A12345 P0002 --from '2026-05-11 08:00' --to '2026-05-11 12:00' "
        "--evidence 'roadside inspection no. 17'",
        "jtgate bindings override 测A12345 --take-back --from '2026-05-11 08:00' --evidence 'entered by mistake'",
    ),
)
@click.argument("plate")
@click.argument("person", default="")
@click.option("--from", "from_", required=True, metavar="TIME", help="Begin, +08:00 unless an offset is given.")
@click.option("--to", metavar="TIME", help="End. [default: ignition off for 20 minutes, 12 h at most]")
@click.option("--evidence", required=True, help="What the decision rests on.")
@click.option("--role", type=click.Choice(("driver", "escort")), default="driver", show_default=True, help="As what.")
@click.option("--color", default=2, show_default=True, type=click.IntRange(0, 255), help="车牌颜色 by JT/T 697.7.")
@click.option("--take-back", is_flag=True, help="Take back what was decided for this begin before.")
@with_api
@json_option
def override(
    plate: str,
    person: str,
    from_: str,
    to: str | None,
    evidence: str,
    role: str,
    color: int,
    client: Client,
    *,
    take_back: bool,
    as_json: bool,
) -> None:
    """Decide that PERSON was on the vehicle with PLATE: it stands over every other source. City and county only."""
    if bool(person) == take_back:
        raise click.UsageError("name a PERSON, or --take-back without one")
    body = {"plate": plate, "plate_color": color, "role": role, "person": person, "from": from_, "evidence": evidence}
    made = client.ask("POST", "/v1/bindings/overrides", body=body if to is None else body | {"to": to})
    if as_json:
        print_json(made)
    elif take_back:
        click.echo(f"the decision for {made['started']} is taken back")
    else:
        click.echo(f"{person} was the {role} of {plate} from {made['started']} to {made['ended'] or 'its end'}")


def _import(form: _Form, file: BinaryIO, client: Client, *, dry_run: bool, as_json: bool) -> None:
    data = file.read(FILE_BYTES_MAX + 1)
    try:
        headings, raw = read(file.name, data)
    except FileFault as error:
        raise Failure(f"{file.name}: {error}", "correct the file, then import it again") from None
    if unknown := [name for name in headings if name not in form.fields]:
        raise Failure(f"there is no field {', '.join(unknown)}", f"the fields are {', '.join(form.fields)}")
    rows: list[tuple[int, Row]] = []
    faults: list[_Fault] = []
    for one in raw:
        row, found = _checked(form, one)
        faults += found
        if row is not None:
            rows.append((one.line, row))
    if faults:
        _refuse(faults, as_json=as_json)
    sent = 0 if dry_run else _send(form, rows, client)
    if as_json:
        print_json({"rows": len(rows), "sent": sent})
    else:
        click.echo(f"{len(rows)} rows, nothing was sent: --dry-run" if dry_run else f"{sent} rows")


def _checked(form: _Form, one: RawRow) -> tuple[Row | None, list[_Fault]]:
    """A row of a file as the API wants it; what is empty is left out."""
    if one.values is None:
        return None, [_Fault(one.line, one.message)]
    row: Row = {}
    faults = []
    for name, value in one.values.items():
        if name not in form.fields:
            faults.append(_Fault(one.line, f"{name}: there is no such field"))
        elif value is not None and _text(value):
            try:
                row[name] = form.fields[name](value)
            except ValueError as error:
                faults.append(_Fault(one.line, f"{name}: {error}"))
    faults += [_Fault(one.line, f"{name}: is missing") for name in form.needed if name not in (one.values or {})]
    faults += [
        _Fault(one.line, f"{name}: is empty")
        for name in form.needed
        if name in one.values and (one.values[name] is None or not _text(one.values[name]))
    ]
    return (None if faults else row), faults


def _send(form: _Form, rows: Sequence[tuple[int, Row]], client: Client) -> int:
    """Send rows, a batch at a time; each batch is taken as a whole.

    Raises:
        Failure: a row was refused; those of the batches before were taken.
    """
    sent = 0
    for batch in _batches(rows, form.rows_max):
        try:
            client.ask("POST", form.path, body={form.list_name: [row for _, row in batch]})
        except ApiFailure as error:
            place = _AT.match(str(error.problem.get("pointer", "")))
            if place is None:
                raise
            line = batch[int(place.group(1))][0]
            title = error.problem.get("detail") or error.problem["title"]
            field = f"{place.group(2)}: " if place.group(2) else ""
            raise Failure(
                f"line {line}: {field}{title}; {sent} rows before it were taken",
                "correct the row, then import the whole file again: what was taken is not taken twice",
                error.exit_code,
            ) from None
        sent += len(batch)
    return sent


def _batches(rows: Sequence[tuple[int, Row]], size: int) -> Iterator[list[tuple[int, Row]]]:
    left = iter(rows)
    while batch := list(islice(left, size)):
        yield batch


def _refuse(faults: Sequence[_Fault], *, as_json: bool) -> None:
    """Tell faults and end; nothing was sent."""
    for fault in faults[:FAULTS_SHOWN]:
        if as_json:
            print_json({"fault": {"line": fault.line, "message": fault.message}})
        else:
            click.echo(f"line {fault.line}: {fault.message}")
    hidden = len(faults) - FAULTS_SHOWN
    more = f", {hidden} more than are shown" if hidden > 0 else ""
    raise Failure(f"{len(faults)} faults{more}; nothing was sent", "correct the rows, then try again", EX_FAULTS)
