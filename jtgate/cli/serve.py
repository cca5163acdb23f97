"""`jtgate serve`: check, lock the data folder, run the supervisor, say what listens where."""

import asyncio
import os
import resource
import shutil
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

import click

from jtgate import logs, release, runfiles, settings
from jtgate.cli.common import (
    EX_UNAVAILABLE,
    SPARE_FILES,
    Failure,
    config_option,
    examples,
    load_settings,
    print_json,
    refuse_settings,
    setting_option,
    store_name,
)
from jtgate.mqtt.address import parse_address
from jtgate.settings import EX_CONFIG, Settings, SettingsError
from jtgate.storage import open_store
from jtgate.storage.store import StoreTooNew, StoreUnavailable
from jtgate.supervisor import (
    STOP_ORDER,
    ChildSpec,
    ConfigurationStop,
    StartFailed,
    Supervisor,
    child_specs,
)

#: Lines of a child that explain why it could not start.
_LAST_LINES: Final = 3

#: A killed supervisor leaves children that finish their work, the pipeline for 20 s at most.
_ORPHANS_WAIT_S: Final = 25.0


class _GroupedOptions(click.Command):
    """A command whose help shows the settings under the headings of the table."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write one section per group, then what is no setting."""
        groups = {entry.name: entry.group for entry in settings.TABLE}
        sections: dict[str, list[tuple[str, str]]] = {}
        for param in self.get_params(ctx):
            record = param.get_help_record(ctx)
            if record is not None:
                sections.setdefault(groups.get(param.name or "", "Options"), []).append(record)
        for title, records in sections.items():
            with formatter.section(title):
                formatter.write_dl(records)


def _all_settings(command: "click.decorators.FC") -> "click.decorators.FC":
    for entry in reversed(settings.TABLE):
        command = setting_option(entry)(command)  # type: ignore[assignment]
    return command


@click.command(
    cls=_GroupedOptions,
    epilog=examples(
        "jtgate serve --demo 20",
        "jtgate serve --data /var/lib/jtgate --policy known",
        "jtgate serve --tls-cert chain.pem --tls-key key.pem",
    ),
)
@_all_settings
@config_option
@click.option(
    "--json", "as_json", is_flag=True, help='Print one line {"event": "ready", "port": …} instead of the block.'
)
def serve(*, config: Path | None, as_json: bool, **flags: object) -> None:
    """Run the gateway: listen, keep, answer, decode, store.

    Every setting is a flag, a JTGATE_… variable and a key of jtgate.toml, in that order of
    precedence. Ctrl-C or SIGTERM stops in order: nothing acknowledged is lost.
    """
    wanted = load_settings(flags, config)
    try:
        settings.check_release(wanted)
    except SettingsError as error:
        raise refuse_settings(error) from error
    wanted = replace(wanted, log_format=logs.resolve_format(wanted.log_format))
    logs.configure(wanted, process="supervisor")
    fd = _lock(wanted.data)
    try:
        _prepare_store(wanted)
        _raise_file_limit(wanted.connections_max)
        asyncio.run(_supervise(wanted, child_specs(wanted), fd, as_json=as_json))
    except ConfigurationStop as stop:
        raise Failure(
            f"{stop.child} cannot start: {_explanation(stop)}",
            f"change the setting it names, or look with: jtgate doctor --data {wanted.data}",
            EX_CONFIG,
        ) from stop
    except StartFailed as failed:
        raise Failure(
            f"{failed.child} was not ready in time; its last words: {_explanation(failed)}",
            f"start again with --log-level debug, or look with: jtgate doctor --data {wanted.data}",
            EX_UNAVAILABLE,
        ) from failed
    finally:
        os.close(fd)
    if not as_json:
        click.echo("stopped; everything that was acknowledged is kept")


async def _supervise(wanted: Settings, specs: list[ChildSpec], fd: int, *, as_json: bool) -> None:
    def ready(facts: Mapping[str, Mapping[str, object]]) -> None:
        if as_json:
            print_json(_ready_line(wanted, facts))
        else:
            click.echo(_ready_block(wanted, facts))

    await Supervisor(wanted, specs, stop_order=STOP_ORDER, lock_fd=fd, on_ready=ready).run()


def _lock(data: Path) -> int:
    """Take the data folder, waiting for what a killed `serve` left behind."""
    try:
        data.mkdir(parents=True, exist_ok=True)
        try:
            return runfiles.take_lock(data)
        except runfiles.DataFolderBusy as busy:
            if busy.supervisor_alive:
                raise
        click.echo("children of an earlier run are still finishing; waiting for them …", err=True)
        return runfiles.take_lock(data, wait_s=_ORPHANS_WAIT_S)
    except runfiles.DataFolderBusy as busy:
        raise Failure(
            f"another jtgate serve (process {busy.pid}) uses the data folder {data}",
            f"stop it with: kill {busy.pid}, or serve another folder with --data DIR",
            EX_CONFIG,
        ) from busy
    except OSError as error:
        raise Failure(
            f"the data folder {data} cannot be written: {error.strerror}", "name another one with --data DIR", EX_CONFIG
        ) from error


def _prepare_store(wanted: Settings) -> None:
    """Make the tables before anybody asks; a store that is away does not keep the gateway from serving."""
    try:
        store = open_store(wanted.store, wanted.data)
        try:
            store.migrate()
        finally:
            store.close()
    except StoreTooNew as error:
        raise Failure(str(error), "serve it with that release, or another folder with --data DIR", EX_CONFIG) from error
    except StoreUnavailable as error:
        logs.get_logger("serve").warning("serve.store_unavailable", error=str(error))


def _raise_file_limit(connections_max: int) -> None:
    """Children inherit the limit of open files: take what the system allows, up to what is needed."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections_max + SPARE_FILES
    if hard != resource.RLIM_INFINITY:
        wanted = min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _explanation(failed: StartFailed) -> str:
    lines = [line.strip() for line in failed.output.splitlines() if line.strip()]
    return "; ".join(lines[-_LAST_LINES:]) or "it said nothing"


def _program() -> str:
    """How this program is called in the shell it was started from."""
    called = Path(sys.argv[0])
    if called.name != "jtgate":
        return "python -m jtgate.cli"
    found = shutil.which("jtgate")
    return "jtgate" if found and called.exists() and called.samefile(found) else str(called)


def _ready_line(wanted: Settings, facts: Mapping[str, Mapping[str, object]]) -> dict[str, object]:
    gateway, api = facts[runfiles.GATEWAY], facts[runfiles.API]
    return {
        "event": "ready",
        "pid": os.getpid(),
        "data": str(wanted.data),
        "port": gateway.get("port"),
        "tls_port": gateway.get("tls_port") or None,
        "attachment_port": facts.get(runfiles.ATTACHMENTS, {}).get("port"),
        "http": api.get("http"),
        "warnings": settings.warnings(wanted),
    }


def _ready_block(wanted: Settings, facts: Mapping[str, Mapping[str, object]]) -> str:
    """What listens where, what is kept, how to stop, what to try."""
    line = _ready_line(wanted, facts)
    tls = f"{wanted.host}:{line['tls_port']}" if line["tls_port"] else "off (--tls-cert, --tls-key)"
    policy = "open: any terminal may register" if wanted.policy == "open" else "known: only `jtgate terminals add`"
    answers = "after the data is on disk" if wanted.ack == "durable" else "on receipt, before the data is on disk"
    http = str(line["http"])
    rows = [
        ("terminals", f"{wanted.host}:{line['port']} (TCP and UDP)"),
        ("TLS", tls),
        ("evidence", f"{wanted.host}:{line['attachment_port']} (TCP and UDP)" if line["attachment_port"] else "off"),
        ("HTTP", f"http://{http}/health  http://{http}/metrics"),
        ("API", f"http://{http}/v1/openapi.json, token in {wanted.data / runfiles.API_TOKEN}"),
        ("data", str(wanted.data.resolve())),
        ("store", store_name(wanted.store) if wanted.store else "SQLite in the data folder"),
        ("policy", policy),
        ("answers", answers),
        ("stop", f"Ctrl-C, or kill {line['pid']}; a second time kills at once"),
    ]
    if wanted.mqtt:
        rows.insert(2, ("MQTT", f"{parse_address(wanted.mqtt).shown}, {wanted.mqtt_up} and {wanted.mqtt_down}"))
    if wanted.mqtt_out:
        outlets = (parse_address(url, settings.OUTLET_OPTIONS).shown for url in wanted.mqtt_out)
        rows.insert(-2, ("publishes", f"positions and alarms to {', '.join(outlets)}"))
    if wanted.demo:
        rows.insert(-2, ("demo", f"{wanted.demo} simulated terminals"))
    program = _program()
    where = "" if wanted.data == Path("data") else f" --data {wanted.data}"
    block = ["", f"jtgate {release()} is ready", ""]
    block += [f"  {name:<10} {text}" for name, text in rows]
    block += ["", "Try in another terminal:", ""]
    block += [f"  {program} {rest}" for rest in (f"sessions ls{where}", f"tail{where} --count 10", f"doctor{where}")]
    block += ["", *(f"warning: {text}" for text in settings.warnings(wanted))]
    return "\n".join(block)
