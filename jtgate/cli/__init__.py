"""The command line: one module per noun, each thin over the storage and the codecs."""

import click

from jtgate import release
from jtgate.cli import (
    conformance,
    decode,
    doctor,
    encode,
    messages,
    profiles,
    quarantine,
    registry,
    serve,
    sessions,
    simulate,
    store,
    tail,
    terminals,
)
from jtgate.cli.common import EXIT_CODES, examples, quiet_logs
from jtgate.cli.root import Root

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


for _command in (
    serve.serve,
    simulate.simulate,
    decode.decode,
    encode.encode,
    messages.messages,
    conformance.conformance,
    sessions.sessions,
    tail.tail,
    terminals.terminals,
    profiles.profiles,
    store.store,
    registry.registry,
    quarantine.quarantine,
    doctor.doctor,
):
    main.add_command(_command)
