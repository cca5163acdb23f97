"""The command line as a client of the HTTP API: of the gateway on this machine, or of one by address and token."""

import functools
import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self
from urllib.parse import urlsplit

import click

from jtgate import runfiles
from jtgate.cli.common import EX_FAULTS, EX_UNAVAILABLE, Failure, with_settings
from jtgate.settings import EX_CONFIG, Settings

if TYPE_CHECKING:
    import httpx

#: For a connection, and for an answer beside what is waited for on purpose, seconds.
CONNECT_S: Final = 5.0
ANSWER_S: Final = 30.0
#: Longest answer of a list that is put together from its pages.
ROWS_MAX: Final = 1_000_000

_NOBODY: Final = "start it with: jtgate serve, or name another with --api URL and --token-file FILE"


class ApiFailure(Failure):
    """The API says no.

    Args:
        message: what it says.
        advice: what to do about it.
        exit_code: of the command.
        status: of HTTP.
        problem: its answer.
    """

    def __init__(self, message: str, advice: str, exit_code: int, status: int, problem: Mapping[str, Any]) -> None:
        super().__init__(message, advice, exit_code)
        self.status = status
        self.problem = problem


class Client:
    """Asks the API.

    Args:
        url: of the API, without path.
        token: sent with every request; never printed.
    """

    def __init__(self, url: str, token: str) -> None:
        import httpx

        self.url = url
        self._http = httpx.Client(
            base_url=url,
            headers={"Authorization": f"Bearer {token}"},
            timeout=httpx.Timeout(ANSWER_S, connect=CONNECT_S),
        )

    @classmethod
    def of(cls, config: Settings, url: str, token: str, token_file: Path | None) -> Self:
        """The client of what was said, or of the gateway on this machine.

        Raises:
            Failure: there is no gateway, or no token.
        """
        if not url:
            facts = runfiles.running(config.data, runfiles.API)
            if facts is None:
                raise Failure(f"no gateway is running over {config.data}", _NOBODY, EX_UNAVAILABLE)
            url = f"http://{facts.get('http')}"
        elif urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).hostname:
            raise Failure(f"{url} is no address of an API", "write it as http://HOST:8080", EX_CONFIG)
        if token_file is not None:
            token = _read(token_file, "name the file that `jtgate tokens add` was written to")
        elif not token:
            token = _read(config.data / runfiles.API_TOKEN, "give a token with --token-file FILE or JTGATE_TOKEN")
        return cls(url.rstrip("/"), token)

    def close(self) -> None:
        """Give up the connection."""
        self._http.close()

    def get(self, path: str, *, wait_s: float = 0, **params: Any) -> Any:
        """Ask for something."""
        return self.ask("GET", path, params=params, wait_s=wait_s)

    def rows(self, path: str, *, limit: int = ROWS_MAX, **params: Any) -> Iterator[dict[str, Any]]:
        """Rows of a list, page after page."""
        left, cursor = limit, ""
        while left > 0:
            asked = params | {"limit": min(left, 1000), "cursor": cursor or None}
            page = self.ask("GET", path, params=asked)
            yield from page["items"]
            left -= len(page["items"])
            cursor = page["next"] or ""
            if not cursor:
                return

    def ask(
        self,
        method: str,
        path: str,
        *,
        body: Mapping[str, Any] | None = None,
        params: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        wait_s: float = 0,
        healthy_only: bool = True,
    ) -> Any:
        """Ask for something to be done.

        Args:
            method: of HTTP.
            path: behind the address.
            body: sent as JSON.
            params: those that are None are left out.
            headers: further ones.
            wait_s: how long the answer may take beyond the usual, because it is waited for something.
            healthy_only: False takes an answer with status 503 as well, that of /health.

        Raises:
            ApiFailure: the API says no.
            Failure: it cannot be reached.
        """
        answer = self._answer(method, path, body, params, headers, wait_s)
        if answer.is_success or (answer.status_code == 503 and not healthy_only):
            return answer.json() if answer.content else None
        raise self._refused(answer)

    def text(self, path: str) -> str:
        """What is no JSON."""
        answer = self._answer("GET", path)
        if not answer.is_success:
            raise self._refused(answer)
        return answer.text

    def _answer(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        params: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        wait_s: float = 0,
    ) -> "httpx.Response":
        import httpx

        given = {name: value for name, value in (params or {}).items() if value is not None}
        timeout = httpx.Timeout(ANSWER_S + wait_s, connect=CONNECT_S)
        try:
            return self._http.request(
                method, path, params=given, json=body, headers=dict(headers or {}), timeout=timeout
            )
        except httpx.HTTPError as error:
            raise self._unreachable(error) from None

    @contextmanager
    def stream(self, path: str, silence_s: float, **params: Any) -> "Iterator[httpx.Response]":
        """A stream of events; the connection is given up after so much silence.

        Raises:
            ApiFailure, Failure: see `ask`.
        """
        import httpx

        try:
            timeout = httpx.Timeout(silence_s, connect=CONNECT_S)
            with self._http.stream("GET", path, params=params, timeout=timeout) as answer:
                if not answer.is_success:
                    answer.read()
                    raise self._refused(answer)
                yield answer
        except httpx.HTTPError as error:
            raise self._unreachable(error) from None

    def _unreachable(self, error: Exception) -> Failure:
        import httpx

        if isinstance(error, httpx.ReadTimeout):
            return Failure(f"{self.url} does not answer in time", "look with: jtgate doctor", EX_UNAVAILABLE)
        return Failure(f"{self.url} cannot be reached: {error}", _NOBODY, EX_UNAVAILABLE)

    def _refused(self, answer: "httpx.Response") -> ApiFailure:
        try:
            problem: dict[str, Any] = answer.json()
        except ValueError:
            problem = {}
        status = answer.status_code
        message = str(problem.get("title") or f"{self.url} answers {status}")
        if problem.get("detail"):
            message += f": {problem['detail']}"
        if problem.get("pointer"):
            message += f" (at {problem['pointer']})"
        advice, code = _ADVICE.get(status, ("see docs/api.md", EX_FAULTS))
        return ApiFailure(message, advice, code, status, problem)


_ADVICE: Final[dict[int, tuple[str, int]]] = {
    400: ("look at the words of the command: --help", 2),
    401: ("give a token that is valid with --token-file FILE or JTGATE_TOKEN", EX_CONFIG),
    403: ("use a token that may do it; an admin makes one with: jtgate tokens add NAME --scope …", EX_CONFIG),
    404: ("look at what there is: jtgate terminals ls, jtgate sessions ls", EX_FAULTS),
    409: ("use another --key", EX_FAULTS),
    422: ("look at the fields of the message: jtgate messages NAME", 2),
    429: ("wait until some are through: jtgate commands ls --state waiting", EX_UNAVAILABLE),
    500: ("report this as a bug, with the log of `jtgate serve`", EX_FAULTS),
    503: ("try again in a moment, or look with: jtgate doctor", EX_UNAVAILABLE),
}


def _read(path: Path, advice: str) -> str:
    try:
        text = path.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise Failure(f"the token in {path} cannot be read: {error.strerror}", advice, EX_CONFIG) from None
    if not text.isascii() or not text.isprintable() or not text:
        raise Failure(f"{path} holds no token", advice, EX_CONFIG)
    return text


def with_api(command: Callable[..., None]) -> Callable[..., None]:
    """Add --api, --token-file, --token, --data and --config to a command and hand it `client`."""

    @with_settings
    @click.option(
        "--api", "api_url", metavar="URL", default="", envvar="JTGATE_API", help="API of another machine. [JTGATE_API]"
    )
    @click.option(
        "--token-file",
        type=click.Path(path_type=Path, dir_okay=False),
        metavar="FILE",
        help="File with the token. [default: api-token in the data folder]",
    )
    @click.option(
        "--token",
        metavar="TEXT",
        default="",
        envvar="JTGATE_TOKEN",
        help="The token; others on this machine can see it here, so better use the variable. [JTGATE_TOKEN]",
    )
    @functools.wraps(command)
    def wrapper(
        *args: object, config: Settings, api_url: str, token_file: Path | None, token: str, **others: object
    ) -> None:
        client = Client.of(config, api_url, token, token_file)
        try:
            command(*args, client=client, **others)
        finally:
            client.close()

    return wrapper


def events(answer: "httpx.Response") -> Iterator[tuple[str, dict[str, Any]]]:
    """Names and data of server-sent events as they come."""
    name = ""
    for line in answer.iter_lines():
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if field == "event":
            name = value
        elif field == "data":
            yield name, json.loads(value)


def asked_by() -> str:
    """Who sits at the keyboard, for what others are told."""
    return os.environ.get("USER", "")
