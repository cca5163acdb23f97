"""`jtgate tokens`: who may use the API."""

import os
from pathlib import Path
from typing import Any

import click

from jtgate.cli.client import Client, with_api
from jtgate.cli.common import Failure, Group, ago, examples, json_option, print_json, print_table
from jtgate.codecs.timebase import read_ms


@click.group(
    cls=Group,
    epilog=examples("jtgate tokens ls", "jtgate tokens add dashboard --scope read", "jtgate tokens rm dashboard"),
)
def tokens() -> None:
    """Tokens 令牌: who may use the API."""


@tokens.command("ls", epilog=examples("jtgate tokens ls", "jtgate tokens ls --json"))
@with_api
@json_option
def ls(client: Client, *, as_json: bool) -> None:
    """List tokens; their texts are nowhere."""
    found = list(client.rows("/v1/tokens"))
    if as_json:
        for one in found:
            print_json(one)
        return
    print_table(
        ("name", "scopes", "limited to", "made", "ends", "last used"),
        [
            (
                one["name"],
                ", ".join(one["scopes"]),
                " ".join(word for word in (one["enterprise"], one["county"]) if word) or "nothing",
                _since(one["created"]),
                one["expires"] or "never",
                _since(one["last_used"]),
            )
            for one in found
        ],
    )


@tokens.command(
    "add",
    epilog=examples(
        "jtgate tokens add dashboard --scope read",
        "jtgate tokens add dispatch --scope read --scope command --enterprise E001 --expires 2027-01-01",
        "jtgate tokens add city --scope read --county 211102 --file city.token",
    ),
)
@click.argument("name")
@click.option(
    "--scope", "scopes", multiple=True, required=True, type=click.Choice(("read", "command", "admin")),
    help="What it may do; may be repeated.",
)  # fmt: skip
@click.option("--enterprise", default="", metavar="CODE", help="企业编码: only the vehicles of this one.")
@click.option("--county", default="", metavar="CODE", help="区县代码: only the vehicles of this one.")
@click.option("--expires", metavar="TIME", help="When it ends. [default: never]")
@click.option(
    "--file", "path", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE",
    help="Write its text there, for this user only, in place of printing it.",
)  # fmt: skip
@with_api
@json_option
def add(
    name: str,
    scopes: tuple[str, ...],
    enterprise: str,
    county: str,
    expires: str | None,
    path: Path | None,
    client: Client,
    *,
    as_json: bool,
) -> None:
    """Make a token; its text is shown this once."""
    body: dict[str, Any] = {"name": name, "scopes": list(scopes), "enterprise": enterprise, "county": county}
    if expires is not None:
        body["expires"] = expires
    fd = None if path is None else _create(path)
    try:
        made = client.ask("POST", "/v1/tokens", body=body)
    except BaseException:
        if fd is not None and path is not None:
            os.close(fd)
            path.unlink(missing_ok=True)
        raise
    if fd is not None:
        os.write(fd, f"{made.pop('token')}\n".encode())
        os.close(fd)
    if as_json:
        print_json(made)
    elif path is not None:
        click.echo(f"token {name} is in {path}")
    else:
        click.echo(made["token"])
        click.echo("nobody can see it again: keep it in a safe place", err=True)


@tokens.command("rm", epilog=examples("jtgate tokens rm dashboard"))
@click.argument("name")
@with_api
@json_option
def rm(name: str, client: Client, *, as_json: bool) -> None:
    """Revoke a token: it ends within seconds."""
    found = [one for one in client.rows("/v1/tokens") if one["name"] == name]
    if not found:
        raise Failure(f"there is no token {name}", "list those there are: jtgate tokens ls")
    client.ask("DELETE", f"/v1/tokens/{found[0]['id']}")
    if as_json:
        print_json({"name": name, "outcome": "revoked"})
    else:
        click.echo(f"token {name} is revoked")


def _create(path: Path) -> int:
    try:
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise Failure(f"{path} cannot be written: {error.strerror}", "name a file that is not there yet") from None


def _since(moment: str | None) -> str:
    return (ago(read_ms(moment)) or "never") if moment else "never"
