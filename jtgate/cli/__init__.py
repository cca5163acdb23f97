"""The command line: one module per noun, each thin over the storage, the codecs or the HTTP API."""

from typing import Final

import click

from jtgate import release
from jtgate.cli.common import EXIT_CODES, examples, quiet_logs
from jtgate.cli.root import Root

#: The commands in the order in which one needs them, each in the module of its name, with the first sentence of its
#: help text: a module is loaded when its command is called, which takes a second for some of them.
COMMANDS: Final[dict[str, str]] = {
    "serve": "Run the gateway: listen, keep, answer, decode, store.",
    "simulate": "Simulated terminals, with all their faults.",
    "decode": "Decode frames: every field with its bytes, value, meaning and clause.",
    "encode": "Build frames: one line of hex for each.",
    "messages": "List messages, or explain one: its fields in each edition, codes, limits, deviations, an example.",
    "conformance": "Check a platform, a terminal or a codec from outside, whoever made it.",
    "sessions": "Connected terminals 在线终端, and the story of one.",
    "tail": "Show what terminals send, decoded, as it comes.",
    "terminals": "Terminals 终端: who may register, and who ever did.",
    "send": "Send a message to terminals and show what they answer.",
    "text": "Show or read out a text in a vehicle 文本信息下发.",
    "locate": "Ask a terminal where it is 位置信息查询, or follow it for a while 临时位置跟踪.",
    "photo": "Take pictures with a camera of a vehicle 摄像头立即拍摄.",
    "params": "Parameters 终端参数 of a terminal.",
    "areas": "Areas and routes 区域 路线 that a terminal watches by itself.",
    "commands": "Commands 指令 to terminals, and what has become of them.",
    "alarms": "Alarms 报警, each once: reports that are one and the same alarm are put together.",
    "evidence": "Evidence 报警附件: pictures, sound and video of alarms, and multimedia of terminals.",
    "bindings": "Who was on which vehicle 人车关联, and how sure that is.",
    "trips": "Trips 行程: from the first moving point after a rest of 20 minutes to the next rest.",
    "zones": "Zones 区域: parks, yards, forbidden areas and roads; who is in them, and who was.",
    "tokens": "Tokens 令牌: who may use the API.",
    "profiles": "List profiles of terminals, or explain one: how a kind of terminal reads what the standards leave "
    "open.",
    "store": "The store 数据存储: what was decoded and kept.",
    "registry": "Registries 档案: who and what is supervised, each row with the time it is valid for.",
    "quarantine": "Messages that cannot be decoded 隔离区.",
    "doctor": "Check this machine, the data folder, the database server and what is running.",
}

_EPILOG = (
    examples("jtgate serve --demo 20", "jtgate tail --count 10")
    + "\n\n\b\nExit codes:\n"
    + "\n".join(f"  {code:<3} {meaning}" for code, meaning in EXIT_CODES)
)


def _print_release(ctx: click.Context, _param: click.Parameter, asked: bool) -> None:
    if asked:
        click.echo(f"jtgate {release()}")
        ctx.exit()


@click.group(
    cls=Root,
    epilog=_EPILOG,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=_print_release, help="Say which release."
)
def main() -> None:
    """A gateway for vehicle terminals: JT/T 808, T/JSATL 12 and JT/T 1078."""
    quiet_logs()


for _name, _summary in COMMANDS.items():
    main.add_later(_name, _summary)
