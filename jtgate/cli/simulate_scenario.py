"""`jtgate simulate scenario`: a scripted day, played against a platform or written to files."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from jtgate.cli.common import (
    EX_CONFIG,
    EX_FAULTS,
    EX_UNAVAILABLE,
    Failure,
    examples,
    json_option,
    print_facts,
    print_json,
)
from jtgate.cli.naming import message_title
from jtgate.cli.simulate_evidence import EVIDENCE_FAULT_HELP, evidence_options, evidence_rules

if TYPE_CHECKING:
    from jtgate.simulators.evidence import EvidenceRules
    from jtgate.simulators.scenario_model import Scenario
    from jtgate.simulators.scenario_play import Played

_EPILOG = (
    "\b\nFaults in handing over evidence files and their usual rates (share of orders 0x9208):\n"
    + EVIDENCE_FAULT_HELP
    + "\n\n"
    + examples(
        "jtgate simulate scenario scripted-day --speed 600",
        "jtgate simulate scenario my-day.toml --port 6808 --evidence drop=0.5",
        "jtgate simulate scenario scripted-day --write day/ --only-write",
        "jtgate simulate scenario scripted-day --write day/ && jtgate bindings import-phones day/phones.jsonl",
    )
)


@click.command(epilog=_EPILOG)
@click.argument("file")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address of the platform.")
@click.option("--port", type=click.IntRange(1, 65535), default=6808, show_default=True, help="Its port.")
@click.option(
    "--speed",
    type=click.FloatRange(min=0.1, max=100_000.0),
    default=600.0,
    show_default=True,
    help="Seconds of the scenario in a second.",
)
@click.option("--own-time", is_flag=True, help="Keep the times of the file; else it is moved to end at the present.")
@click.option(
    "--linger",
    type=click.FloatRange(min=0.0, max=86_400.0),
    default=5.0,
    show_default=True,
    help="Seconds that terminals stay on line at the end.",
)
@click.option(
    "--write",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="FOLDER",
    help="Also write what is sent, phone fixes, face results and registry rows, with the same times.",
)
@click.option("--only-write", is_flag=True, help="Send nothing; times are those of the file.")
@evidence_options
@json_option
def scenario(
    file: str,
    host: str,
    port: int,
    speed: float,
    linger: float,
    folder: Path | None,
    *,
    own_time: bool,
    only_write: bool,
    as_json: bool,
    **evidence: Any,
) -> None:
    """Play a scripted day against a platform, faster than life.

    FILE is a TOML file, or the name of one that comes along: scripted-day, fleet-day. docs/simulator.md describes them.
    The registry rows, phone fixes and face results of a day are not sent: --write them, then import them.
    """
    if only_write and folder is None:
        raise click.UsageError("--only-write needs --write FOLDER")
    from jtgate.simulators.scenario import load, shipped
    from jtgate.simulators.scenario_model import ScenarioError
    from jtgate.simulators.scenario_play import moved

    ledger: Path | None = evidence.pop("evidence_ledger")
    rules = evidence_rules(**evidence)
    try:
        loaded = load(file)
        chosen = loaded if own_time or only_write else moved(loaded, speed)
        if folder is not None:
            _write(chosen, folder, as_json=as_json and only_write, is_quiet=as_json and not only_write)
        if only_write:
            return
        done = _play(chosen, host, port, speed, linger, rules, ledger)
    except ScenarioError as error:
        raise Failure(str(error), "docs/simulator.md describes the format", EX_CONFIG) from error
    except OSError as error:
        what = f"{error.filename}: {error.strerror}" if error.filename else str(error)
        raise Failure(what, f"name a file, or one of: {', '.join(shipped())}", EX_CONFIG) from error
    if as_json:
        print_json(done.as_json())
    else:
        _print_played(done)
    if done.failed:
        raise click.exceptions.Exit(EX_FAULTS)


def _play(
    chosen: "Scenario",
    host: str,
    port: int,
    speed: float,
    linger: float,
    rules: "EvidenceRules | None",
    ledger: Path | None,
) -> "Played":
    import asyncio

    from jtgate.simulators.evidence import EvidenceRules
    from jtgate.simulators.ledger import EvidenceLedger
    from jtgate.simulators.scenario_play import PlayError, PlayOptions, play

    book = EvidenceLedger(ledger) if ledger is not None else None
    try:
        options = PlayOptions(host, port, speed, rules or EvidenceRules(pictures=0, videos=0), linger)
        return asyncio.run(play(chosen, options, book))
    except PlayError as error:
        raise Failure(str(error), "start a platform: jtgate serve", EX_UNAVAILABLE) from error
    finally:
        if book is not None:
            book.close()


def _write(chosen: "Scenario", folder: Path, *, as_json: bool, is_quiet: bool) -> None:
    from jtgate.simulators.scenario_files import write_files

    counts = write_files(chosen, folder)
    if as_json:
        print_json(counts)
    if as_json or is_quiet:
        return
    for name, count in counts.items():
        click.echo(f"{folder / name}: {count} rows")


def _print_played(done: "Played") -> None:
    tally = done.tally
    facts: list[tuple[str, object]] = [
        ("result", "failed: see unanswered, refused, lost" if done.failed else "everything was answered"),
        ("time", f"{done.elapsed_s:.1f} s"),
        *((message_title(msg_id), count) for msg_id, count in sorted(done.sent.items())),
        ("answered", f"{done.answered}, refused {done.refused}, unanswered {done.unanswered}, lost {done.lost}"),
        ("commands", ", ".join(f"0x{msg_id:04x} {count}" for msg_id, count in sorted(done.commands.items())) or "none"),
        ("evidence", ", ".join(f"{name} {count}" for name, count in tally.evidence.items()) or "none"),
    ]
    print_facts(facts)
