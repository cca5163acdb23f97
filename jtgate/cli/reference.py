"""Pages that are printed from the program: docs/cli.md, settings.md, messages.md, coverage.md, profiles.md, registry.md
and api.md.

`python -m jtgate.cli.reference [FOLDER]` writes them. A test compares the pages with what this module
prints, so they cannot grow old.
"""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import click

from jtgate import settings
from jtgate.api.page import page as api_page
from jtgate.cli import main
from jtgate.cli.common import EXIT_CODES
from jtgate.cli.messages_page import coverage_page, messages_page
from jtgate.cli.profiles import page as profiles_page
from jtgate.cli.registry import page as registry_page
from jtgate.settings import TABLE, Setting

_COLUMNS: Final = 100


def commands(
    command: click.Command = main, name: str = "jtgate", parent: click.Context | None = None
) -> Iterator[tuple[str, click.Context]]:
    """Every command with its full name and the context its help is printed in, groups before their members."""
    told = {**command.context_settings, "terminal_width": _COLUMNS, "max_content_width": _COLUMNS}
    context = click.Context(command, parent, info_name=name, **told)
    yield context.command_path, context
    if isinstance(command, click.Group):
        for member in command.list_commands(context):
            loaded = command.get_command(context, member)
            assert loaded is not None  # noqa: S101  it was listed
            yield from commands(loaded, member, context)


def cli_page() -> str:
    """The text of docs/cli.md."""
    lines = [
        "# Command line",
        "",
        "Printed from `--help` by `python -m jtgate.cli.reference`. Commands that look into a data folder take",
        "`--data DIR` (or `JTGATE_DATA`); `--json` is for programs: one object a line.",
        "",
        "| exit code | meaning |",
        "|---|---|",
        *(f"| {code} | {meaning} |" for code, meaning in EXIT_CODES),
    ]
    for path, context in commands():
        lines += ["", f"## {path}", "", "```text", context.get_help().rstrip(), "```"]
    return "\n".join(lines) + "\n"


def settings_page() -> str:
    """The text of docs/settings.md."""
    lines = [
        "# Settings",
        "",
        "Each setting is a flag of `jtgate serve`, an environment variable and a key of `jtgate.toml`. A flag wins",
        "over a variable, a variable over the file, the file over the default. The file is `./jtgate.toml` when there",
        "is one, or the one named by `--config FILE` or `JTGATE_CONFIG`. Sizes are bytes and may be written `64M`.",
        "",
        "```toml",
        "# jtgate.toml",
        'data = "/var/lib/jtgate"',
        "port = 6808",
        'policy = "known"',
        'spool_bytes_max = "16G"',
        "```",
        "",
        "Printed from the table in `jtgate/settings.py` by `python -m jtgate.cli.reference`.",
    ]
    for group in dict.fromkeys(entry.group for entry in TABLE):
        lines += ["", f"## {group}", "", "| flag | variable | key | default | meaning |", "|---|---|---|---|---|"]
        lines += [_row(entry) for entry in TABLE if entry.group == group]
    return "\n".join(lines) + "\n"


def _row(entry: Setting) -> str:
    flag = f"{entry.flag} {entry.metavar}".replace("|", "\\|")
    default = settings.shown(entry)
    default = default if default == "none" else f"`{default}`"
    return f"| `{flag}` | `{entry.variable}` | `{entry.name}` | {default} | {entry.help} |"


#: File name -> what prints it.
PAGES: Final[dict[str, Callable[[], str]]] = {
    "cli.md": cli_page,
    "settings.md": settings_page,
    "messages.md": messages_page,
    "coverage.md": coverage_page,
    "profiles.md": profiles_page,
    "registry.md": registry_page,
    "api.md": api_page,
}


def write(folder: Path) -> None:
    """Write all pages."""
    for name, page in PAGES.items():
        (folder / name).write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    write(Path(sys.argv[1]) if len(sys.argv) > 1 else Path("docs"))
