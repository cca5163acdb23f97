"""`jtgate params`: read and set the parameters of a terminal."""

from typing import Any

import click

from jtgate.cli.client import Client, with_api
from jtgate.cli.common import Group, examples, json_option, print_table
from jtgate.cli.sending import How, finish, send, tell, with_how
from jtgate.codecs.tables import is_called, nearest


@click.group(
    cls=Group,
    epilog=examples("jtgate params get 13800138000", "jtgate params set 13800138000 heartbeat_interval_s=30"),
)
def params() -> None:
    """Parameters 终端参数 of a terminal."""


@params.command(
    "get", epilog=examples("jtgate params get 13800138000", "jtgate params get 13800138000 heartbeat_interval_s 0x0013")
)
@click.argument("phone")
@click.argument("names", nargs=-1, metavar="[NAME|ID|TERM]...")
@with_how
@with_api
@json_option
def get(phone: str, names: tuple[str, ...], how: How, client: Client, *, as_json: bool) -> None:
    """Ask for all parameters, or for some of them (since the edition of 2013).

    `jtgate messages parameters` lists them.
    """
    ids = [parameter_id(name) for name in names]
    message, fields = ("query_given_parameters", {"ids": ids}) if ids else ("query_parameters", {})
    found = send(client, phone, message, fields, how)
    answer = found["answer"]
    tell(found, as_json=as_json, with_answer=False)
    if answer and not as_json:
        rows = [_row(one) for one in answer["body"].get("parameters", ())]
        print_table(("id", "parameter", "term", "value…", "unit"), rows)
    finish([found], how)


@params.command(
    "set",
    epilog=examples(
        "jtgate params set 13800138000 heartbeat_interval_s=30 最高速度=80",
        "jtgate params set 13800138000 main_server=203.0.113.7 --queue --expires 7d",
    ),
)
@click.argument("phone")
@click.argument("pairs", nargs=-1, required=True, metavar="NAME=VALUE...")
@with_how
@with_api
@json_option
def set_values(phone: str, pairs: tuple[str, ...], how: How, client: Client, *, as_json: bool) -> None:
    """Set parameters; what the terminal does with each shows `params get`."""
    values = []
    for pair in pairs:
        name, is_pair, value = pair.partition("=")
        if not is_pair:
            raise click.UsageError(f"{pair!r} is no NAME=VALUE")
        values.append({"id": f"0x{parameter_id(name):08x}", "value": _value(value)})
    found = send(client, phone, "set_parameters", {"parameters": values}, how)
    tell(found, as_json=as_json)
    finish([found], how)


def parameter_id(word: str) -> int:
    """The id that an id, an English name or a Chinese term means."""
    from jtgate.codecs.jt808.parameters import PARAMETER_ROWS

    try:
        return int(word, 16 if word.lower().startswith("0x") else 10)
    except ValueError:
        rows = [row for row in PARAMETER_ROWS if is_called(word.replace("-", "_"), row.term, row.name)]
    if len(rows) != 1:
        raise click.UsageError(f"no parameter is called {word!r}{nearest(word, [row.name for row in PARAMETER_ROWS])}")
    return rows[0].id


def _value(text: str) -> object:
    try:
        return int(text, 0)
    except ValueError:
        return text


def _row(parameter: dict[str, Any]) -> tuple[object, ...]:
    from jtgate.codecs.jt808.parameters import PARAMETERS

    number = int(parameter["id"], 16)
    known = PARAMETERS.get(number)
    value = parameter.get("value")
    shown = parameter.get("raw") if value is None else value
    return f"0x{number:04X}", parameter.get("name"), parameter.get("term"), shown, known.unit if known else ""
