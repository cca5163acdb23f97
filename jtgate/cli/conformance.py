"""`jtgate conformance`: check any JT/T 808 platform or terminal from outside, or a codec by its vectors."""

import asyncio
import json
import math
from collections.abc import Callable, Iterable, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click
from rich.console import Console
from rich.live import Live
from rich.text import Text

from jtgate import release
from jtgate.cli import conformance_vectors
from jtgate.cli.common import EX_FAULTS, Failure, examples, print_table
from jtgate.codecs.edition import Edition

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jtgate.conformance.report import Report, Result
    from jtgate.conformance.scenario import Role, Scenario

EX_UNREACHABLE: Final = 3

_EXIT_CODES: Final = (
    "\n\n\b\nExit codes:\n"
    "  0  every rule of the standard (must) holds\n"
    "  1  some does not; the report names rule, clause and bytes\n"
    "  2  the command line makes no sense\n"
    "  3  there was nobody to test"
)

#: Longest wait for one answer, seconds.
_TIMEOUT_MAX: Final = 600.0
_PHONE_DIGITS_MAX: Final = 12


class _Seconds(click.FloatRange):
    """A number of seconds; nan is in every range and is refused."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Check a flag; a bad one is a usage error."""
        number = float(super().convert(value, param, ctx))
        if not math.isfinite(number):
            self.fail(f"{value} is no finite number.", param, ctx)
        return number


def _only(wanted: Callable[..., None]) -> Callable[..., None]:
    """The options that both kinds of scenarios have."""
    for option in (
        click.option(
            "--html",
            type=click.Path(path_type=Path, dir_okay=False),
            metavar="FILE",
            help="Write the report as a page.",
        ),
        click.option(
            "--json",
            "json_file",
            type=click.Path(path_type=Path, dir_okay=False, allow_dash=True),
            metavar="FILE",
            help="Write the report as JSON; - prints it in place of the text.",
        ),
        click.option("--list", "only_list", is_flag=True, help="Say which scenarios there are, and end."),
        click.option(
            "--only",
            multiple=True,
            metavar="PATTERN",
            help="Scenarios to play: ids, topics or patterns (framing, parts.missing, *.resend). Repeatable.",
        ),
    ):
        wanted = option(wanted)
    return wanted


@click.group(
    epilog=examples(
        "jtgate conformance server 127.0.0.1:6808", "jtgate conformance terminal --listen 6809 --html report.html"
    )
)
def conformance() -> None:
    """Check a platform, a terminal or a codec from outside, whoever made it.

    The scenarios are files in conformance/; docs/conformance.md tells how they are scored and how to add one.
    """


conformance.add_command(conformance_vectors.vectors)


@conformance.command(
    epilog=examples(
        "jtgate conformance server 127.0.0.1:6808",
        "jtgate conformance server gateway.example:6808 --edition 2019 --only framing --only parts",
        "jtgate conformance server 127.0.0.1:6808 --policy strict --phone 13800000001 --phone 13800000002",
        "jtgate conformance server 127.0.0.1:6808 --json report.json --html report.html",
        "jtgate conformance server --list",
    )
    + _EXIT_CODES
)
@click.argument("address", metavar="HOST:PORT", required=False)
@click.option(
    "--edition",
    "editions",
    type=click.Choice([edition.value for edition in Edition]),
    multiple=True,
    help="Edition to play; repeatable.  [default: all]",
)
@click.option(
    "--transport",
    type=click.Choice(["auto", "tcp", "udp"]),
    default="auto",
    show_default=True,
    help="auto: TCP, and UDP when it answers.",
)
@click.option(
    "--timeout",
    type=_Seconds(min=0.05, max=_TIMEOUT_MAX),
    default=5.0,
    show_default=True,
    help="Seconds to wait for an answer, where a scenario does not say.",
)
@click.option(
    "--phone",
    "phones",
    multiple=True,
    metavar="DIGITS",
    help="Terminal that the platform knows; repeatable, some scenarios play several.  [default: invented ones]",
)
@click.option(
    "--phone-base",
    type=click.IntRange(1, 10**12 - 1),
    default=80_800_000,
    show_default=True,
    help="First of the invented ones.",
)
@click.option("--auth-code", default="", metavar="CODE", help="Code of the terminals, when they cannot register.")
@click.option(
    "--policy",
    type=click.Choice(["auto", "open", "strict"]),
    default="auto",
    show_default=True,
    help="strict: the platform must refuse wrong codes; open: it takes any; auto: say what it does, score nothing.",
)
@click.option("--jobs", type=click.IntRange(1, 64), default=8, show_default=True, help="Scenarios played at a time.")
@_only
def server(
    address: str | None,
    editions: tuple[str, ...],
    transport: str,
    timeout: float,
    phones: tuple[str, ...],
    phone_base: int,
    auth_code: str,
    policy: str,
    jobs: int,
    only: tuple[str, ...],
    only_list: bool,
    json_file: Path | None,
    html: Path | None,
) -> None:
    """Score a JT/T 808 platform: we connect as its terminals.

    The terminals are invented, register and report from a parking lot; nothing else is asked of the platform. Without
    --phone each scenario has terminals of its own, so that several run at a time.
    """
    from jtgate.conformance.play import Patience, Unreachable
    from jtgate.conformance.scenario import Role
    from jtgate.conformance.server import ServerOptions, run

    scenarios = _chosen(Role.SERVER, only)
    if only_list:
        _print_list(scenarios)
        return
    if address is None:
        raise click.UsageError("name the platform as HOST:PORT")
    host, port = _address(address)
    options = ServerOptions(
        host=host,
        port=port,
        scenarios=tuple(scenarios),
        editions=tuple(edition for edition in Edition if not editions or edition.value in editions),
        transports=("tcp", "udp") if transport == "auto" else (transport,),
        probe_udp=transport == "auto",
        phones=tuple(_phone(phone) for phone in phones),
        phone_base=phone_base,
        auth_code=auth_code,
        policy=policy,
        jobs=jobs,
        patience=Patience(timeout),
    )
    with _progress() as show, _kit_errors():
        try:
            report = asyncio.run(run(options, release(), show))
        except Unreachable as error:
            raise Failure(str(error), "start the platform, or name the right address", EX_UNREACHABLE) from error
    _tell(report, json_file, html)


@conformance.command(
    epilog=examples(
        "jtgate conformance terminal --listen 6809",
        "jtgate conformance terminal --listen 192.168.1.10:6809 --phone 13800000001 --html report.html",
        "jtgate conformance terminal --listen 6809 --only commands --only parts.command",
        "jtgate conformance terminal --list",
    )
    + _EXIT_CODES
)
@click.option("--listen", metavar="[HOST:]PORT", help="TCP address on which the terminal is awaited.")
@click.option(
    "--edition",
    type=click.Choice([edition.value for edition in Edition]),
    help="Edition the terminal speaks; 2011 has to be said.  [default: as its header says]",
)
@click.option("--phone", metavar="DIGITS", help="The terminal to test.  [default: the first that connects]")
@click.option(
    "--timeout",
    type=_Seconds(min=0.05, max=_TIMEOUT_MAX),
    default=10.0,
    show_default=True,
    help="Seconds to wait for an answer, where a scenario does not say.",
)
@click.option(
    "--wait",
    type=_Seconds(min=0.1, max=86_400.0),
    default=120.0,
    show_default=True,
    help="Seconds to wait for the terminal, at first and whenever it has to come back.",
)
@_only
def terminal(
    listen: str | None,
    edition: str | None,
    phone: str | None,
    timeout: float,
    wait: float,
    only: tuple[str, ...],
    only_list: bool,
    json_file: Path | None,
    html: Path | None,
) -> None:
    """Score a JT/T 808 terminal: we listen as its platform, it connects.

    Set the terminal to this address and leave it alone. Parameters that a scenario changes (intervals, time-outs) are
    set back afterwards; nothing is switched off, erased or upgraded.
    """
    from jtgate.conformance.play import Patience, Unreachable
    from jtgate.conformance.scenario import Role
    from jtgate.conformance.terminal import TerminalOptions, run

    scenarios = _chosen(Role.TERMINAL, only)
    if only_list:
        _print_list(scenarios)
        return
    if listen is None:
        raise click.UsageError("say where the terminal is awaited: --listen [HOST:]PORT")
    host, port = _address(listen if ":" in listen else f":{listen}", "0.0.0.0")  # noqa: S104  terminals are elsewhere
    options = TerminalOptions(
        host=host,
        port=port,
        scenarios=tuple(scenarios),
        edition=Edition(edition) if edition else None,
        phone=_phone(phone).lstrip("0") if phone else "",
        wait_s=wait,
        patience=Patience(timeout),
    )
    with _progress() as show, _kit_errors():
        try:
            report = asyncio.run(run(options, release(), show, _say_where))
        except Unreachable as error:
            raise Failure(str(error), "set the terminal to this address, see --wait", EX_UNREACHABLE) from error
    _tell(report, json_file, html)


def _say_where(where: str) -> None:
    click.echo(f"waiting for the terminal on {where}", err=True)


# ------------------------------------------------------------------------------------------------- arguments


def _address(text: str, default_host: str = "") -> tuple[str, int]:
    """Host and port; IPv6 hosts in brackets."""
    host, _, port = text.rpartition(":")
    host = host.strip("[]") or default_host
    if not host or not port.isascii() or not port.isdecimal() or not 0 < int(port) < 65_536:
        raise click.UsageError(f"{text!r} is no address; give it as HOST:PORT, for instance 127.0.0.1:6808")
    return host, int(port)


def _phone(text: str) -> str:
    if not text.isascii() or not text.isdecimal() or not 1 <= len(text) <= _PHONE_DIGITS_MAX:
        raise click.UsageError(f"{text!r} is no phone of a terminal: give up to {_PHONE_DIGITS_MAX} digits")
    return text


def _chosen(role: "Role", only: Iterable[str]) -> "list[Scenario]":
    from jtgate.conformance.scenario import chosen, load

    with _kit_errors():
        return chosen(load(role), only)


@contextmanager
def _kit_errors() -> "Iterator[None]":
    """A scenario that makes no sense, or a name that means none, is a usage error."""
    from jtgate.conformance.kit import KitError

    try:
        yield
    except KitError as error:
        raise click.UsageError(str(error)) from error


# --------------------------------------------------------------------------------------------------- output


def _print_list(scenarios: "Sequence[Scenario]") -> None:
    print_table(
        ("id", "weight", "editions", "over", "what…", "clause…"),
        (
            (
                scenario.id,
                scenario.severity.value + (" if strict" if scenario.policy else ""),
                " ".join(scenario.editions),
                " ".join(scenario.transports),
                f"{scenario.title_zh} {scenario.title}",
                scenario.clause,
            )
            for scenario in scenarios
        ),
    )


@contextmanager
def _progress() -> "Iterator[Callable[[int, int, Result], None]]":
    """A line on standard error while it runs, when somebody looks."""
    screen = Console(stderr=True, highlight=False)
    if not screen.is_terminal:
        yield lambda _done, _total, _result: None
        return
    failed = 0
    with Live(console=screen, transient=True, auto_refresh=False) as live:

        def show(done: int, total: int, result: "Result") -> None:
            nonlocal failed
            failed += result.status.value in ("fail", "blocked")
            told = f"{done}/{total}   failed {failed}   {result.scenario.id} {result.edition}   (Ctrl-C ends the run)"
            live.update(Text(told), refresh=True)

        yield show


def _tell(report: "Report", json_file: Path | None, html: Path | None) -> None:
    """Write and print the report; the exit code is 1 when a rule of the standard does not hold."""
    from jtgate.conformance import page, render
    from jtgate.conformance.report import Verdict

    if json_file is not None:
        text = json.dumps(report.to_json(), ensure_ascii=False, indent=1) + "\n"
        if str(json_file) == "-":
            click.echo(text, nl=False)
        else:
            json_file.write_text(text, encoding="utf-8")
    if html is not None:
        html.write_text(page.html(report), encoding="utf-8")
    if str(json_file) != "-":
        for line in render.text(report):
            click.echo(line)
    if report.verdict is Verdict.FAIL:
        raise click.exceptions.Exit(EX_FAULTS)
