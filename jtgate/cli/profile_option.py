"""`--profile NAME` for commands that read or write frames: which kind of terminal they are of."""

import click

from jtgate.cli.common import load_settings
from jtgate.cli.profiles import profiles_of
from jtgate.codecs.profile import AUTO, Profile
from jtgate.codecs.tables import nearest

profile_option = click.option(
    "--profile",
    metavar="NAME",
    help="Read and write as this kind of terminal does, see `jtgate profiles`; default: what the bytes say.",
)


def profile_named(name: str | None) -> Profile:
    """The profile of that name, of ours or of the files that the settings name.

    Raises:
        click.UsageError: there is none.
    """
    if name is None:
        return AUTO
    entries = profiles_of(load_settings({}, None)).entries
    if name not in entries:
        hint = nearest(name, entries) or "; list them with: jtgate profiles"
        raise click.UsageError(f"there is no profile {name!r}{hint}")
    return entries[name].profile
