"""What the commands share: options, errors that say what to do next, exit codes, tables and JSON.

Exit codes, the same for every command:

    0   done
    1   done, and faults were found; or what was asked for is not there; or nobody takes the output
    2   the command line makes no sense
    69  nothing is running, or it does not answer (EX_UNAVAILABLE)
    78  the configuration is impossible (EX_CONFIG)
"""

import functools
import importlib
import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import click

from jtgate import logs, runfiles, settings
from jtgate.codecs.timebase import iso_ms, now_ms
from jtgate.settings import Settings, SettingsError

if TYPE_CHECKING:  # what most commands do without is loaded by those that need it: it takes long
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from jtgate.storage.directory import Directory
    from jtgate.storage.spool import SpoolReader
    from jtgate.storage.store import Store

EX_FAULTS: Final = 1
EX_CONFIG: Final = settings.EX_CONFIG
EX_UNAVAILABLE: Final = 69

EXIT_CODES: Final = (
    (0, "done"),
    (EX_FAULTS, "done, and faults were found; or what was asked for is not there; or nobody takes the output"),
    (2, "the command line makes no sense"),
    (EX_UNAVAILABLE, "nothing is running, or it does not answer"),
    (EX_CONFIG, "the configuration is impossible"),
)

#: What to do when a data folder is closed to whoever asks.
OTHER_USER: Final = "do it as the user that serves, or change the owner of the folder"

#: Digits of the longest phone number: BCD[10] in the header of 2019.
_PHONE_DIGITS_MAX: Final = 20

#: Descriptors a gateway needs besides connections: spool, directory, listeners, logs.
SPARE_FILES: Final = 256

#: Width of tables that are not read on a terminal: wide enough that nothing is cut.
_PIPE_COLUMNS: Final = 400
#: Blanks between two columns, and the least that is left of one that gives way: a message id and "…".
_GAP: Final = 2
_FLEXIBLE_COLUMNS_MIN: Final = 7


class Failure(click.ClickException):
    """A command could not do what was asked.

    Args:
        message: what is wrong.
        advice: what to do next.
        exit_code: one of EXIT_CODES.
    """

    def __init__(self, message: str, advice: str, exit_code: int = EX_FAULTS) -> None:
        super().__init__(message)
        self.advice = advice
        self.exit_code = exit_code  # type: ignore[misc]

    def show(self, file: IO[Any] | None = None) -> None:
        """Print it on standard error, advice below."""
        click.echo(f"error: {self.message}\n  next: {self.advice}", file=file or sys.stderr)


class Group(click.Group):
    """A group that lists its commands in the order in which one needs them, and loads them when they are called."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._modules: dict[str, str] = {}

    def add_later(self, name: str, summary: str, module: str = "") -> None:
        """Add a command without loading it.

        Args:
            name: of the command, and of its function in the module.
            summary: first sentence of its help text, for the list of commands.
            module: in `jtgate.cli`; "" for the name.
        """
        self.commands[name] = click.Command(name, help=summary)
        self._modules[name] = f"jtgate.cli.{module or name}"

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """Names in the order they were added."""
        return list(self.commands)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """A command, loaded."""
        module = self._modules.pop(cmd_name, "")
        if module:
            self.commands[cmd_name] = getattr(importlib.import_module(module), cmd_name)
        return super().get_command(ctx, cmd_name)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands without loading them."""
        names = self.list_commands(ctx)
        if names:
            room = formatter.width - 6 - max(map(len, names))
            with formatter.section("Commands"):
                formatter.write_dl([(name, self.commands[name].get_short_help_str(room)) for name in names])


def refuse_settings(error: SettingsError) -> Failure:
    """The failure that a configuration error is."""
    return Failure(error.message, error.advice, EX_CONFIG)


class SettingType(click.ParamType[object]):
    """The type of one setting as click sees it.

    Args:
        setting: the row of the table.
    """

    def __init__(self, setting: settings.Setting) -> None:
        self.name = setting.name
        self._setting = setting

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> object:
        """Check a flag; a bad one is a usage error."""
        try:
            return self._setting.parse(value, self._setting.flag)
        except SettingsError as error:
            reason = error.message.removeprefix(f"{self._setting.flag}: ")
            self.fail(f"{reason}. {self._setting.help}", param, ctx)


def setting_option(setting: settings.Setting) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """The click option of one setting; values come as None when they are not given."""
    shown = "" if setting.default in (None, "", ()) else f"; default {settings.shown(setting)}"
    return click.option(
        setting.flag,
        setting.name,
        type=SettingType(setting),
        metavar=setting.metavar,
        help=f"{setting.help} [{setting.variable}{shown}]",
    )


_DATA: Final = next(entry for entry in settings.TABLE if entry.name == "data")

config_option = click.option(
    "--config",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    envvar="JTGATE_CONFIG",
    help="Settings file. [JTGATE_CONFIG; default jtgate.toml if there is one]",
)

json_option = click.option(
    "--json", "as_json", is_flag=True, help="Print JSON, one object a line where there are many."
)


def with_settings(command: Callable[..., None]) -> Callable[..., None]:
    """Add --data and --config to a command and hand it `config`, the settings in force."""

    @setting_option(_DATA)
    @config_option
    @functools.wraps(command)
    def wrapper(*args: object, data: Path | None, config: Path | None, **others: object) -> None:
        command(*args, config=load_settings({"data": data}, config), **others)

    return wrapper


def load_settings(flags: Mapping[str, object], config: Path | None) -> Settings:
    """The settings in force, or a Failure."""
    try:
        return settings.load(flags, env=os.environ, config=config)
    except SettingsError as error:
        raise refuse_settings(error) from error


def examples(*lines: str) -> str:
    """The end of a help text: commands to copy, each on a line of its own."""
    return "\b\n" + ("Examples:" if len(lines) > 1 else "Example:") + "".join(f"\n  {line}" for line in lines)


# ------------------------------------------------------------------------------------------------- storage


def need_folder(data: Path) -> None:
    """Fail when there is no data folder, because nothing was ever served from here, or when it is closed to us."""
    try:
        is_there = data.is_dir()
        is_open = not is_there or os.access(data, os.R_OK | os.X_OK)
    except OSError:  # a folder above it is closed
        is_there, is_open = False, False
    if not is_open:
        raise Failure(f"the data folder {data} cannot be read: permission denied", OTHER_USER, EX_CONFIG)
    if not is_there:
        raise Failure(
            f"there is no data folder {data}",
            "name it with --data DIR or JTGATE_DATA, or start one: jtgate serve --data DIR",
            EX_UNAVAILABLE,
        )


@contextmanager
def storage_errors(data: Path) -> Iterator[None]:
    """Errors of the storage as failures that say what to do."""
    from jtgate.storage.directory import DirectoryError
    from jtgate.storage.spool import SpoolError
    from jtgate.storage.store import StoreError, StoreTooNew

    try:
        yield
    except StoreTooNew as error:
        raise Failure(str(error), "use the newer jtgate that wrote this store", EX_CONFIG) from error
    except (StoreError, SpoolError, DirectoryError, OSError) as error:
        if isinstance(error, OSError) and error.filename is None:
            raise  # of no file: it is the output that cannot be written
        advice = f"look with: jtgate doctor --data {data}"
        if not os.access(data, os.W_OK):
            advice = OTHER_USER
        elif runfiles.lock_holder(data) is None:
            advice = f"nothing is serving: start with jtgate serve --data {data}, or name the right folder"
        raise Failure(f"{data}: {error}", advice, EX_UNAVAILABLE) from error


def store_name(url: str) -> str:
    """A store on a server as people may see it: without user, password and options."""
    try:
        parts = urlsplit(url)
        port = f":{parts.port}" if parts.port else ""
        return f"{parts.scheme}://{parts.hostname or ''}{port}{parts.path}"
    except ValueError:
        return f"{url.partition('://')[0]}://…"


@contextmanager
def _server_errors(config: Settings) -> Iterator[None]:
    """Errors of a store on a server as failures that say what to do."""
    from jtgate.storage.store import StoreError, StoreTooNew, StoreUnavailable, StoreUrlError

    name = store_name(config.store)
    try:
        yield
    except StoreTooNew as error:
        raise Failure(f"{name}: {error}", "use the newer jtgate that wrote this store", EX_CONFIG) from error
    except StoreUrlError as error:
        raise Failure(str(error), "correct --store, JTGATE_STORE or the settings file", EX_CONFIG) from error
    except StoreUnavailable as error:
        if "nothing has migrated it" in str(error):
            raise Failure(f"{name}: {error}", "make its tables: jtgate store migrate", EX_UNAVAILABLE) from error
        advice = (
            "see that the server runs and lets this user in (psql with the same address tells more); "
            "frames wait in the spool meanwhile"
        )
        raise Failure(f"the store {name} does not answer: {error}", advice, EX_UNAVAILABLE) from error
    except StoreError as error:
        raise Failure(f"{name}: {error}", f"look with: jtgate doctor --data {config.data}", EX_UNAVAILABLE) from error


@contextmanager
def store_of(config: Settings) -> Iterator["Store"]:
    """The store of the data folder, or that on a server, which needs no folder."""
    from jtgate.storage.open import open_store, store_file

    if not config.store:
        need_folder(config.data)
    is_file = store_file(config.store, config.data) is not None
    with storage_errors(config.data) if is_file else _server_errors(config):
        store = open_store(config.store, config.data)
        try:
            yield store
        finally:
            store.close()


@contextmanager
def directory_of(config: Settings) -> Iterator["Directory"]:
    """The directory of the data folder."""
    from jtgate.storage.open import open_directory

    need_folder(config.data)
    with storage_errors(config.data):
        directory = open_directory(config.data)
        try:
            yield directory
        finally:
            directory.close()


@contextmanager
def spool_of(config: Settings) -> Iterator["SpoolReader"]:
    """A reader of the spool of the data folder."""
    from jtgate.storage.open import open_spool_reader

    need_folder(config.data)
    with storage_errors(config.data):
        reader = open_spool_reader(config.data)
        try:
            yield reader
        finally:
            reader.close()


# -------------------------------------------------------------------------------------------------- output


def console() -> "Console":
    """Where tables go: as wide as the terminal, or wide enough for everything when piped."""
    from rich.console import Console

    plain = Console(highlight=False, markup=False, emoji=False)
    return (
        plain
        if plain.is_terminal
        else Console(highlight=False, markup=False, emoji=False, width=_PIPE_COLUMNS, color_system=None)
    )


def print_table(
    columns: Sequence[str], rows: Iterable[Sequence[object]], *, right: Sequence[str] = (), cut: Sequence[str] = ()
) -> None:
    """Print rows under their headings.

    Args:
        columns: headings; one that ends in "…" may be wrapped on a narrow terminal, the others are kept whole.
        rows: cells, in the order of the columns; None prints as "-".
        right: headings whose cells stand on the right.
        cut: headings whose cells may be cut on a narrow terminal.
    """
    from rich.cells import cell_len
    from rich.table import Table

    cells = [[_cell(value) for value in row] for row in rows]
    flexible = [name in cut or name.endswith("…") for name in columns]
    titles = [name.rstrip("…") for name in columns]
    natural = [max([cell_len(title), *(row[at].cell_len for row in cells)]) for at, title in enumerate(titles)]
    target = console()
    widths = _fit(natural, flexible, target.width - _GAP * (len(columns) - 1))
    target.width = max(target.width, sum(widths) + _GAP * (len(columns) - 1))
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, _GAP, 0, 0))
    for name, title, width in zip(columns, titles, widths, strict=True):
        table.add_column(
            title,
            justify="right" if name in right else "left",
            no_wrap=not name.endswith("…"),
            overflow="ellipsis" if name in cut else "fold",
            width=width,
        )
    for row in cells:
        table.add_row(*row)
    _print_trimmed(table, target)


def _cell(value: object) -> "Text":
    from rich.text import Text

    return value if isinstance(value, Text) else Text("-" if value is None else str(value))


def _fit(natural: Sequence[int], flexible: Sequence[bool], room: int) -> list[int]:
    """Widths of columns: flexible ones give way, widest first, down to a floor; the others are kept whole.

    When that is not enough the table is wider than the terminal, which wraps its lines: better than losing a digit.
    """
    widths = list(natural)
    while sum(widths) > room:
        at = max(range(len(widths)), key=lambda index: widths[index] if flexible[index] else 0, default=0)
        if not flexible[at] or widths[at] <= _FLEXIBLE_COLUMNS_MIN:
            break
        widths[at] -= 1
    return widths


def print_facts(facts: Iterable[tuple[str, object]]) -> None:
    """Print names and values, one pair a line; long values are wrapped under themselves."""
    from rich.table import Table

    table = Table(box=None, pad_edge=False, show_header=False, padding=(0, 2, 0, 0))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in facts:
        table.add_row(name, _cell(value))
    _print_trimmed(table, console())


def _print_trimmed(table: "Table", target: "Console") -> None:
    """Print without the blanks that pad the last column: they are noise in pipes and break diffs."""
    with target.capture() as captured:
        target.print(table)
    for line in captured.get().splitlines():
        click.echo(line.rstrip())


def print_json(value: object, *, err: bool = False) -> None:
    """One line of JSON, on standard error when standard output holds something else."""
    click.echo(json.dumps(value, ensure_ascii=False, default=_as_json), err=err)


def _as_json(value: object) -> object:
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, Mapping):
        return dict(value)
    return str(value)


def local_time(ms: object) -> str | None:
    """Date and time of milliseconds since 1970 in GMT+8, as terminals and their supervisors count; None for none."""
    if not isinstance(ms, int) or ms <= 0:
        return None
    return iso_ms(ms)[:19].replace("T", " ")


_AGES: Final = ((86_400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s"))


def duration(seconds: float) -> str:
    """A length of time in its two largest units: "3 min 5 s"."""
    whole = int(max(seconds, 0))
    for size, name, small, small_name in _AGES:
        if whole >= size:
            return f"{whole // size} {name} {whole % size // small} {small_name}"
    return f"{whole} s"


def ago(ms: object) -> str | None:
    """How long ago a time in milliseconds since 1970 was; None for none."""
    if not isinstance(ms, int) or ms <= 0:
        return None
    return f"{duration((now_ms() - ms) / 1000)} ago"


def bytes_text(count: object) -> str:
    """A number of bytes as people say it."""
    if not isinstance(count, int):
        return "-"
    size = float(count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if size < 1024:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} TiB"


def terminal_key(phone: str) -> str:
    """The key of a terminal from what an operator typed: digits, leading zeros ignored.

    Raises:
        click.UsageError: it holds something else than digits and A–F, or too many of them.
    """
    key = phone.strip().upper().lstrip("0")
    if not key or any(c not in "0123456789ABCDEF" for c in key):
        raise click.UsageError(
            f"{phone!r} is no phone number of a terminal: give its digits, leading zeros are ignored"
        )
    if len(key) > _PHONE_DIGITS_MAX:
        raise click.UsageError(
            f"{phone!r} is no phone number of a terminal: it has {len(key)} digits, {_PHONE_DIGITS_MAX} is the most"
        )
    return key


def quiet_logs() -> None:
    """Commands other than `serve` say what they have to say themselves; only warnings of libraries get through."""
    logs.setup("warning", "auto")
