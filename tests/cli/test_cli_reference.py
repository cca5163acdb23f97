"""The pages printed from the program, and what every help text must hold."""

from pathlib import Path

import click
import pytest

from jtgate.cli import reference

DOCS = Path(__file__).resolve().parents[2] / "docs"
COMMANDS = dict(reference.commands())


@pytest.mark.parametrize(("name", "page"), [("cli.md", reference.cli_page), ("settings.md", reference.settings_page)])
def test_page_is_current(name: str, page: object) -> None:
    """The page in docs/ is the one the program prints; `python -m jtgate.cli.reference` writes it."""
    assert callable(page)
    assert (DOCS / name).read_text(encoding="utf-8") == page()


def test_pages_are_written_where_they_belong(tmp_path: Path) -> None:
    """The writer and the test agree on names."""
    reference.write(tmp_path)

    assert sorted(path.name for path in tmp_path.iterdir()) == ["cli.md", "settings.md"]


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
