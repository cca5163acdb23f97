"""`jtgate photo`: pictures from the cameras of a vehicle."""

from typing import Final

import click

from jtgate.cli.client import Client, with_api
from jtgate.cli.common import examples, json_option
from jtgate.cli.sending import How, Span, finish, send, tell, with_how

RESOLUTIONS: Final = {"320x240": 1, "640x480": 2, "800x600": 3, "1024x768": 4, "qcif": 5, "cif": 6, "hd1": 7, "d1": 8}
_VIDEO: Final = 0xFFFF


@click.command(
    epilog=examples(
        "jtgate photo 13800138000",
        "jtgate photo 13800138000 --channel 101 --count 3 --interval 5s --resolution 1024x768",
        "jtgate photo 13800138000 --video 10s --store",
    )
)
@click.argument("phone")
@click.option("--channel", type=click.IntRange(1, 255), default=1, show_default=True, help="通道ID; 100 ADAS, 101 DSM.")
@click.option("--count", type=click.IntRange(1, 0xFFFE), default=1, show_default=True, help="Pictures.")
@click.option("--interval", "interval_s", type=Span(), default=0.0, help="Between pictures. [default: none]")
@click.option("--video", "video_s", type=Span(), help="A video of this length in place of pictures.")
@click.option("--stop", is_flag=True, help="Stop taking pictures.")
@click.option("--store", is_flag=True, help="Keep them in the terminal in place of uploading them at once.")
@click.option(
    "--resolution",
    type=click.Choice(tuple(RESOLUTIONS), case_sensitive=False),
    default="640x480",
    show_default=True,
    help="分辨率.",
)
@click.option("--quality", type=click.IntRange(1, 10), default=5, show_default=True, help="1 is best.")
@with_how
@with_api
@json_option
def photo(
    phone: str,
    channel: int,
    count: int,
    interval_s: float,
    video_s: float | None,
    resolution: str,
    quality: int,
    how: How,
    client: Client,
    *,
    stop: bool,
    store: bool,
    as_json: bool,
) -> None:
    """Take pictures with a camera of a vehicle 摄像头立即拍摄.

    Pictures that are uploaded come as multimedia messages and are stored with the others.
    """
    fields = {
        "channel": channel,
        "command": 0 if stop else count if video_s is None else _VIDEO,
        "interval_s": round(interval_s if video_s is None else video_s),
        "save": int(store),
        "resolution": RESOLUTIONS[resolution.lower()],
        "quality": quality,
        "brightness": 128,
        "contrast": 64,
        "saturation": 64,
        "chroma": 128,
    }
    found = send(client, phone, "take_picture", fields, how)
    tell(found, as_json=as_json)
    finish([found], how)
