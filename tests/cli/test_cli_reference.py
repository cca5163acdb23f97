"""The pages printed from the program, and what every help text must hold."""

import subprocess
import sys
from pathlib import Path

import click
import pytest

from jtgate import cli
from jtgate.cli import reference

DOCS = Path(__file__).resolve().parents[2] / "docs"
COMMANDS = dict(reference.commands())


def test_pages_are_current(tmp_path: Path) -> None:
    """The pages in docs/ are those the program prints; `python -m jtgate.cli.reference` writes them.

    In a process of its own, as one writes them: click keeps the help option of a command as it was first used, and a
    test that calls a command without the root of the command line makes it one without `-h`.
    """
    subprocess.run(
        [sys.executable, "-m", "jtgate.cli.reference", str(tmp_path)], check=True, timeout=60, cwd=DOCS.parent
    )

    written = {path.name: path.read_text(encoding="utf-8") for path in tmp_path.iterdir()}
    assert written == {name: (DOCS / name).read_text(encoding="utf-8") for name in reference.PAGES}


@pytest.mark.parametrize("path", COMMANDS)
def test_command_has_help_and_an_example_of_itself(path: str) -> None:
    """A command says what it does, and shows a line to copy."""
    context = COMMANDS[path]
    assert context.command.help, f"{path} has no help"
    assert "Example" in context.get_help()
    assert f"\n    {path}" in context.get_help(), f"the help of {path} shows no example of it"


@pytest.mark.parametrize("path", COMMANDS)
def test_every_option_is_explained(path: str) -> None:
    """No option without a word about it."""
    for param in COMMANDS[path].command.params:
        if isinstance(param, click.Option):
            assert param.help, f"{path} {param.opts[0]}"


@pytest.mark.parametrize("path", [path for path, ctx in COMMANDS.items() if not isinstance(ctx.command, click.Group)])
def test_every_command_prints_json(path: str) -> None:
    """Programs can read every command."""
    assert any("--json" in param.opts for param in COMMANDS[path].command.params)


def test_the_list_of_commands_says_what_their_help_says() -> None:
    """`jtgate --help` does not load the commands: their summaries stand in a table of its own."""
    said = {
        name: " ".join((COMMANDS[f"jtgate {name}"].command.help or "").split("\n\n")[0].split())
        for name in cli.COMMANDS
    }
    assert said == cli.COMMANDS


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["send", "--help"], ["commands", "ls", "--help"]])
def test_light_commands_load_no_declarations(arguments: list[str]) -> None:
    """Help comes at once: the messages of the standards, which take half a second, are loaded by who needs them."""
    program = (
        "import sys; from jtgate.cli import main\n"
        "try: main(sys.argv[1:])\n"
        "finally: assert 'jtgate.codecs.jt808' not in sys.modules"
    )
    subprocess.run(
        [sys.executable, "-c", program, *arguments],
        check=True,
        timeout=30,
        cwd=DOCS.parent,
        stdout=subprocess.DEVNULL,
    )
