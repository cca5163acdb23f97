"""`jtgate simulate`: simulated terminals against this platform or any other."""

import math
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource
from rich.console import Console
from rich.live import Live
from rich.text import Text

from jtgate.cli.common import (
    EX_CONFIG,
    EX_FAULTS,
    EX_UNAVAILABLE,
    Failure,
    examples,
    json_option,
    print_facts,
    print_json,
    print_table,
)
from jtgate.cli.naming import message_title
from jtgate.cli.simulate_evidence import EVIDENCE_FAULT_HELP, evidence_options, evidence_rules
from jtgate.cli.simulate_scenario import scenario
from jtgate.codecs.edition import Edition
from jtgate.mqtt.address import parse_address
from jtgate.simulators.command_faults import COMMAND_FAULTS, LATE_S, CommandFault, CommandFaultPlan
from jtgate.simulators.faults import FAULTS, Fault, FaultPlan
from jtgate.simulators.mqtt_options import (
    CONNECTIONS_MAX,
    DOWN,
    PER_CONNECTION,
    UP,
    MqttOptions,
    check_topic,
    default_connections,
)

if TYPE_CHECKING:
    from jtgate.simulators.fleet import Fleet

#: Where the address of the broker is looked for when --mqtt is not given: it may have a password in it.
MQTT_VARIABLE = "JTGATE_SIM_MQTT"

_FAULT_HELP = "\n".join(f"  {fault.value:<9} {FAULTS[fault].rate:<6} {FAULTS[fault].about}" for fault in Fault)

_COMMAND_FAULT_HELP = "\n".join(
    f"  {fault.value:<13} {COMMAND_FAULTS[fault].rate:<4} {COMMAND_FAULTS[fault].about}" for fault in CommandFault
)

_FLEET_EPILOG = (
    "\b\nFaults and their usual rates (share of frames; storm: share of terminals, about once a minute):\n"
    + _FAULT_HELP
    + "\n\n\b\nFaults in answers to commands and their usual rates (share of commands):\n"
    + _COMMAND_FAULT_HELP
    + "\n\n\b\nFaults in handing over evidence files and their usual rates (share of orders 0x9208):\n"
    + EVIDENCE_FAULT_HELP
    + "\n\n"
    + examples(
        "jtgate simulate fleet --terminals 100",
        "jtgate simulate fleet --terminals 5000 --duration 300 --alarms 0.01 --blind 0.002",
        "jtgate simulate fleet --mqtt mqtt://127.0.0.1:1883 --terminals 10000",
        "jtgate simulate fleet --port 6808 --transport udp --edition 2019 --duration 60 --json",
        "jtgate simulate fleet --terminals 50 --faults all --duration 60",
        "jtgate simulate fleet --faults checksum:0.05,storm --ledger acknowledged.jsonl --duration 30",
        "jtgate simulate fleet --command-faults late=0.1,never=0.05 --commands-ledger executed.jsonl",
        "jtgate simulate fleet --terminals 200 --alarms 0.1 --evidence drop=0.5 --video-bytes 10000000",
    )
    + "\n\n\b\nExit codes:\n"
    "  0   everything sent was answered, nothing was lost\n"
    "  1   something stayed unanswered or was lost (the summary says what)\n"
    "  2   the command line makes no sense\n"
    "  69  nothing answers there\n"
    "  78  this machine does not allow so many connections"
)


class _Finite(click.FloatRange):
    """A range of numbers; nan, which is in every range, and infinity are refused."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Check a flag; a bad one is a usage error."""
        number = float(super().convert(value, param, ctx))
        if not math.isfinite(number):
            self.fail(f"{value} is no finite number.", param, ctx)
        return number


_RATE = _Finite(0.0, 1.0)
_ABOVE_ZERO = _Finite(min=0.0, min_open=True)


@click.group(
    epilog=examples(
        "jtgate simulate fleet --terminals 100 --duration 60", "jtgate simulate scenario scripted-day --speed 600"
    )
)
def simulate() -> None:
    """Simulated terminals, with all their faults."""


simulate.add_command(scenario)


@simulate.command(epilog=_FLEET_EPILOG)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address of the platform.")
@click.option("--port", type=click.IntRange(1, 65535), default=6808, show_default=True, help="Its port.")
@click.option("--transport", type=click.Choice(["tcp", "udp"]), default="tcp", show_default=True, help="Carrier.")
@click.option(
    "--mqtt",
    metavar="URL",
    envvar=MQTT_VARIABLE,
    show_envvar=True,
    help="Through a broker instead: mqtt://USER@HOST:1883, or mqtts:// for TLS. Put passwords into the variable, "
    "where no list of processes shows them.",
)
@click.option("--mqtt-up", default=UP, show_default=True, help="Topic of a terminal's frames; {phone}: its number.")
@click.option("--mqtt-down", default=DOWN, show_default=True, help="Topic on which a terminal hears the platform.")
@click.option(
    "--mqtt-connections",
    type=click.IntRange(1, CONNECTIONS_MAX),
    metavar="N",
    help=f"Connections that carry all terminals.  [default: one for {PER_CONNECTION} terminals]",
)
@click.option("--terminals", type=click.IntRange(1, 500_000), default=100, show_default=True, help="How many.")
@click.option("--interval", type=_ABOVE_ZERO, default=10.0, show_default=True, help="Seconds between reports.")
@click.option("--heartbeat", type=_ABOVE_ZERO, default=60.0, show_default=True, help="Seconds between heartbeats.")
@click.option("--duration", type=_ABOVE_ZERO, metavar="SECONDS", help="Length of the run.  [default: until Ctrl-C]")
@click.option("--ramp", type=_ABOVE_ZERO, default=200.0, show_default=True, help="Connections begun per second.")
@click.option(
    "--edition",
    type=click.Choice(["mix", *(edition.value for edition in Edition)]),
    default="mix",
    show_default=True,
    help="Edition of JT/T 808 spoken; mix: 2013 and 2019, and 2011 for a few.",
)
@click.option(
    "--phone-base",
    type=click.IntRange(1, 10**12 - 1),
    default=13_800_000_000,
    show_default=True,
    help="Phone number of the first terminal; the others follow.",
)
@click.option("--alarms", type=_RATE, default=0.01, show_default=True, help="Chance of an alarm with each report.")
@click.option(
    "--blind", type=_RATE, default=0.0, show_default=True, help="Chance of losing the network with each report."
)
@click.option(
    "--pictures", type=_RATE, default=0.0, show_default=True, help="Chance of a picture (0x0801) with each report."
)
@click.option("--faults", default="", metavar="LIST", help="What to do wrong: `all`, or names with rates, see below.")
@click.option(
    "--answer-timeout", type=_ABOVE_ZERO, default=10.0, show_default=True, help="Seconds to wait for an answer."
)
@click.option("--retries", type=click.IntRange(0, 20), default=3, show_default=True, help="Retransmissions.")
@click.option(
    "--speedup",
    type=_Finite(min=0.1, max=1000.0),
    default=1.0,
    show_default=True,
    help="Simulated seconds per second. With --duration the device clocks end at the present, else they run ahead.",
)
@click.option(
    "--seed",
    type=int,
    default=1,
    show_default=True,
    help="Decides all that chance decides: the n-th report of a terminal carries the same vehicle state and alarms in "
    "every run. Serials, retransmissions and what is batched depend on timing too.",
)
@click.option(
    "--ledger",
    type=click.Path(path_type=Path, dir_okay=False, readable=False, writable=True),
    metavar="FILE",
    help="Write a JSON line for everything that was acknowledged.",
)
@click.option(
    "--command-faults", default="", metavar="LIST", help="Which commands to answer wrongly: see below; `all` is all."
)
@click.option(
    "--late-by", type=_ABOVE_ZERO, default=LATE_S, show_default=True, help="Seconds that a late answer is late."
)
@click.option(
    "--commands-ledger",
    type=click.Path(path_type=Path, dir_okay=False, readable=False, writable=True),
    metavar="FILE",
    help="Write a JSON line for every command that was executed: once, however often it came.",
)
@evidence_options
@json_option
def fleet(
    host: str,
    port: int,
    transport: str,
    mqtt: str | None,
    mqtt_up: str,
    mqtt_down: str,
    mqtt_connections: int | None,
    terminals: int,
    interval: float,
    heartbeat: float,
    duration: float | None,
    ramp: float,
    edition: str,
    phone_base: int,
    alarms: float,
    blind: float,
    pictures: float,
    faults: str,
    answer_timeout: float,
    retries: int,
    speedup: float,
    seed: int,
    ledger: Path | None,
    command_faults: str,
    late_by: float,
    commands_ledger: Path | None,
    as_json: bool,
    **evidence: Any,
) -> None:
    """Drive any number of simulated vehicles.

    They register, report, raise alarms, lose the network and come back.

    Ends after --duration or with Ctrl-C, waits up to 5 s for the last answers and prints what was sent,
    answered and lost, and how long answers took.
    """
    from jtgate.simulators.fleet import FleetError, FleetOptions, run_fleet
    from jtgate.simulators.rules import Rules

    if phone_base + terminals > 10**12:
        raise click.UsageError(f"the phone numbers from {phone_base} on do not fit twelve digits")
    try:
        plan = FaultPlan.parse(faults, datagrams=transport == "udp" or bool(mqtt))
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--faults") from error
    try:
        command_plan = CommandFaultPlan.parse(command_faults, late_by)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--command-faults") from error
    evidence_ledger: Path | None = evidence.pop("evidence_ledger")
    files = evidence_rules(**evidence)
    broker = _broker(mqtt, mqtt_up, mqtt_down, mqtt_connections or default_connections(terminals)) if mqtt else None
    if broker is not None:
        host, port, transport = broker.host, broker.port, "mqtt"
    _resolve(host, port, "--mqtt" if broker else "--host")
    options = FleetOptions(
        host=host,
        port=port,
        terminals=terminals,
        rules=Rules(interval, heartbeat, answer_timeout, retries, alarms, blind, pictures, plan, command_plan, files),
        datagrams=transport == "udp",
        mqtt=broker,
        ramp=ramp,
        duration_s=duration if duration is not None else float("inf"),
        speedup=speedup,
        seed=seed,
        phone_base=phone_base,
        edition=None if edition == "mix" else Edition(edition),
        ledger=ledger,
        commands_ledger=commands_ledger,
        evidence_ledger=evidence_ledger,
    )
    screen = Console(stderr=True, highlight=False)
    try:
        if screen.is_terminal:
            with Live(console=screen, transient=True, auto_refresh=False) as live:
                done = run_fleet(options, lambda now: live.update(_progress(now), refresh=True))
        else:
            done = run_fleet(options)
    except FleetError as error:
        raise Failure(str(error), "see ulimit -n, and --terminals", EX_CONFIG) from error
    except OSError as error:
        what = f"{error.filename}: {error.strerror}" if error.filename else str(error)
        raise Failure(what, "check --ledger, --commands-ledger, --evidence-ledger and --host", EX_CONFIG) from error
    if as_json:
        print_json(done.summary())
    else:
        _print_summary(done)
    if not done.tally.connected or (done.tally.sent and not done.tally.answered):
        raise Failure(
            f"nothing answers at {host}:{port} ({transport})",
            "start a platform: jtgate serve --mqtt URL" if broker else "start a platform: jtgate serve",
            EX_UNAVAILABLE,
        )
    if done.failed:
        raise click.exceptions.Exit(EX_FAULTS)


def _broker(url: str, up: str, down: str, connections: int) -> "MqttOptions":
    """The broker of --mqtt; --transport, --host and --port are for fleets without one."""
    given = click.get_current_context().get_parameter_source
    for name in ("transport", "host", "port"):
        if given(name) is ParameterSource.COMMANDLINE:
            raise click.UsageError(f"--{name} means nothing with a broker (--mqtt or {MQTT_VARIABLE})")
    try:
        address = parse_address(url)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--mqtt") from error
    for name, topic in (("--mqtt-up", up), ("--mqtt-down", down)):
        try:
            check_topic(topic)
        except ValueError as error:
            raise click.BadParameter(str(error), param_hint=name) from error
    if up == down:
        raise click.UsageError("--mqtt-up and --mqtt-down are the same topic")
    return MqttOptions(
        address.host, address.port, connections, address.is_tls, address.username, address.password, up, down
    )


def _resolve(host: str, port: int, flag: str) -> None:
    """Fail when the name of the host means nothing, which would look like a platform that is away."""
    try:
        socket.getaddrinfo(host, port)
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or "no such name"
        raise Failure(f"the host {host!r} cannot be found: {reason}", f"check {flag}", EX_UNAVAILABLE) from error


def _progress(now: "Fleet") -> Text:
    """The line shown while the fleet runs."""
    tally = now.tally
    p99_us = tally.latency.percentile_us(99)
    p99 = "-" if p99_us is None else f"{p99_us / 1000:.1f} ms"
    return Text(
        f"online {now.online}/{now.options.terminals}   sent {tally.sent.total()}   "
        f"answered {tally.answered.total()}   waiting {now.in_flight}   unanswered {tally.unanswered.total()}   "
        f"p99 {p99}   (Ctrl-C ends the run)"
    )


def _print_summary(done: "Fleet") -> None:
    """The tables at the end."""
    tally = done.tally
    ids = sorted(tally.sent)
    columns = ("message", "sent", "answered", "unanswered", "carried over", "abandoned", "resent")
    counters = (tally.sent, tally.answered, tally.unanswered, tally.carried_over, tally.abandoned, tally.resent)
    rows = [(message_title(msg_id), *(counter[msg_id] for counter in counters)) for msg_id in ids]
    rows.append(("all", *(counter.total() for counter in counters)))
    print_table(columns, rows, right=columns[1:])
    click.echo()
    latency = tally.latency.percentiles()
    seconds = max(done.elapsed_s, 1e-9)
    odd = (
        f"{tally.answers_repeated} repeated, {tally.answers_late} late, {tally.answers_wrong} wrong, "
        f"{tally.answers_to_damaged} to damaged frames, {tally.frames_bad} bad frames"
    )
    positions = (
        f"{tally.positions_acknowledged} acknowledged, {tally.positions_lost} lost, "
        f"{tally.positions_unsent} unsent; other messages lost: {tally.messages_lost.total()}"
    )
    facts: list[tuple[str, object]] = [
        ("result", "failed: see unanswered, lost, unsent" if done.failed else "everything was answered, nothing lost"),
        ("terminals", f"{done.options.terminals}, registered {tally.registered}, authenticated {tally.authenticated}"),
        (
            "connections",
            f"{tally.connected} made, {tally.connect_failed} failed, {tally.never_online} never got online",
        ),
        ("time", f"{done.elapsed_s:.1f} s, {tally.sent.total() / seconds:.0f} sent/s"),
        (
            "latency ms",
            "  ".join(f"{name[:-3]} {'-' if v is None else f'{v:.1f}'}" for name, v in latency._asdict().items()),
        ),
        ("results of 0x8001", _counts({str(result): tally.results[result] for result in range(5)})),
        ("positions", positions),
        ("disconnects", _counts(tally.disconnects)),
        ("refused", _counts(tally.refused)),
        ("commands", f"{tally.commands_executed} executed, {tally.commands_repeated} repeated"),
        ("command faults", _counts(tally.command_faults)),
        ("commands answered", _counts({f"0x{msg_id:04x}": n for msg_id, n in sorted(tally.replies.items())})),
        ("pictures", _counts(tally.uploads)),
        ("evidence", _counts(tally.evidence)),
        ("evidence faults", _counts(tally.evidence_faults)),
        ("alarms", _counts(tally.alarms)),
        ("faults made", _counts(tally.faults)),
        ("resent", f"{tally.resent_after_fault} after a fault, {tally.resent_on_request} on request"),
        ("odd answers", odd),
    ]
    print_facts(facts)


def _counts(counter: "dict[str, int]") -> str:
    """Names and counts on a line."""
    return ", ".join(f"{name} {count}" for name, count in counter.items()) or "none"
