"""`jtgate text`: a text to a driver."""

import click

from jtgate.cli.client import Client, with_api
from jtgate.cli.common import examples, json_option
from jtgate.cli.sending import How, edition_of, finish, send, tell, with_how

_URGENT, _DISPLAY, _READ, _ADVERTISE = 1, 4, 8, 16
#: Bits 0 and 1 of the edition of 2019, and its text types.
_SERVICE_2019, _URGENT_2019, _NOTICE_2019 = 1, 2, 3
_TYPE_NOTICE, _TYPE_SERVICE = 1, 2


@click.command(
    epilog=examples(
        'jtgate text 13800138000 "前方施工, 请减速"',
        'jtgate text 13800138000 "立即停车" --urgent --no-display',
    )
)
@click.argument("phone")
@click.argument("text_of", metavar="TEXT")
@click.option("--urgent", is_flag=True, help="紧急.")
@click.option("--display/--no-display", default=True, help="Show it. [default: yes]")
@click.option("--read/--no-read", default=True, help="Read it aloud (TTS). [default: yes]")
@click.option("--service", is_flag=True, help="服务 in place of 通知, for terminals of 2019.")
@with_how
@with_api
@json_option
def text(
    phone: str,
    text_of: str,
    how: How,
    client: Client,
    *,
    urgent: bool,
    display: bool,
    read: bool,
    service: bool,
    as_json: bool,
) -> None:
    """Show or read out a text in a vehicle 文本信息下发."""
    flags = _DISPLAY * display + _READ * read
    fields: dict[str, object] = {"text": text_of}
    if edition_of(client, phone) == "2019":
        flags += _URGENT_2019 if urgent else _SERVICE_2019 if service else _NOTICE_2019
        fields["text_type"] = _TYPE_SERVICE if service else _TYPE_NOTICE
    else:
        flags += _URGENT * urgent
    found = send(client, phone, "text_message", fields | {"flags": flags}, how)
    tell(found, as_json=as_json)
    finish([found], how)
