"""The command line as a client of the HTTP API: of the gateway on this machine, or of one by address and token."""

import functools
from collections.abc import Callable, Iterator, Mapping
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

_ANOTHER: Final = "give one with --token-file FILE or JTGATE_TOKEN; an admin makes it with: jtgate tokens add"
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
        is_local: on this machine, so no proxy of the environment stands between.
    """

    def __init__(self, url: str, token: str, *, is_local: bool = False) -> None:
        import httpx

        self.url = url
        self._http = httpx.Client(
            base_url=url,
            headers={"Authorization": f"Bearer {token}"},
            timeout=httpx.Timeout(ANSWER_S, connect=CONNECT_S),
            trust_env=not is_local,
        )

    @classmethod
    def of(cls, config: Settings, url: str, token: str, token_file: Path | None) -> Self:
        """The client of what was said, or of the gateway on this machine.

        The token in the data folder is for the gateway of that folder: it is never sent to another address.

        Raises:
            Failure: there is no gateway, or no token.
        """
        facts = runfiles.running(config.data, runfiles.API)
        own = f"http://{facts.get('http')}" if facts else ""
        if url:
            url = _checked(url)
        elif own:
            url = own
        else:
            raise Failure(f"no gateway is running over {config.data}", _NOBODY, EX_UNAVAILABLE)
        if token_file is not None:
            token = _read(token_file, "name the file that `jtgate tokens add` was written to")
        elif not token and url != own:
            raise Failure(f"there is no token for {url}", _ANOTHER, EX_CONFIG)
        elif not token:
            token = _read(config.data / runfiles.API_TOKEN, _ANOTHER)
        return cls(url, token, is_local=url == own)

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
        if not answer.is_success and (answer.status_code != 503 or healthy_only):
            raise self._refused(answer)
        if not answer.content:
            return None
        try:
            return answer.json()
        except ValueError:
            raise self._stranger() from None

    def text(self, path: str) -> str:
        """What is no JSON."""
        answer = self._answer("GET", path)
        if not answer.is_success:
            raise self._refused(answer)
        return answer.text

    def download(self, path: str, take: Callable[[bytes], object]) -> None:
        """Hand on what is no JSON, piece by piece.

        Args:
            path: behind the address.
            take: called with each piece.

        Raises:
            ApiFailure: the API says no.
            Failure: it cannot be reached, or the connection breaks.
        """
        import httpx

        try:
            with self._http.stream("GET", path) as answer:
                if not answer.is_success:
                    answer.read()
                    raise self._refused(answer)
                for piece in answer.iter_bytes():
                    take(piece)
        except httpx.HTTPError as error:
            raise self._unreachable(error) from None

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

    def _stranger(self, status: int = 200) -> Failure:
        """What answers is something else: another server, or a proxy whose gateway is away."""
        advice = "see that the address is that of a gateway, and what stands between"
        return Failure(f"{self.url} does not answer as jtgate does (status {status})", advice, EX_UNAVAILABLE)

    def _unreachable(self, error: Exception) -> Failure:
        import httpx

        if isinstance(error, httpx.ReadTimeout):
            return Failure(f"{self.url} does not answer in time", "look with: jtgate doctor", EX_UNAVAILABLE)
        return Failure(f"{self.url} cannot be reached: {error}", _NOBODY, EX_UNAVAILABLE)

    def _refused(self, answer: "httpx.Response") -> ApiFailure:
        try:
            problem: Any = answer.json()
        except ValueError:
            problem = None
        status = answer.status_code
        if not isinstance(problem, dict) or "title" not in problem:
            raise self._stranger(status)
        message = str(problem["title"])
        if problem.get("detail"):
            message += f": {problem['detail']}"
        if problem.get("pointer"):
            message += f" (at {problem['pointer']})"
        advice, code = _ADVICE.get(status, ("see docs/api.md", EX_FAULTS))
        advice = _ADVICE_OF.get(str(problem.get("type", "")).rpartition(":")[2], advice)
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


#: What is more helpful for one kind of problem than for all of its status.
_ADVICE_OF: Final[dict[str, str]] = {
    "command-not-found": "list those there are: jtgate commands ls",
    "episode-not-found": "list those there are: jtgate alarms ls",
    "not-confirmable": "alarms of bits 0, 3, 20, 21, 22, 27 and 28 can be; handle others where they are handled",
    "file-not-found": "list those there are: jtgate evidence ls",
    "file-not-there": "ask the terminal for it: jtgate evidence fetch ID --ask",
    "file-gone": "look what is missing: jtgate evidence verify",
    "file-damaged": "look what is damaged: jtgate evidence verify",
    "no-evidence": "see what it is: jtgate alarms show ID",
    "too-many-asks": "wait until some have come: jtgate evidence ls --state arriving",
    "vehicle-not-found": "list those there are: jtgate registry ls vehicles",
    "token-exists": "revoke it first with jtgate tokens rm NAME, or choose another name",
    "too-many-tokens": "revoke those that nobody needs: jtgate tokens ls",
}


def _checked(url: str) -> str:
    """An address without path.

    Raises:
        Failure: it is none, or holds a user or password, which would be printed with it.
    """
    bad = Failure("--api is no address of an API", "write it as https://HOST or http://HOST:PORT", EX_CONFIG)
    try:
        parts = urlsplit(url if "://" in url else f"http://{url}")
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.port == 0:
            raise bad
    except ValueError:  # the port
        raise bad from None
    if parts.username is not None:
        raise Failure(
            "--api holds a user name", "the API knows tokens only: --token-file FILE, JTGATE_TOKEN", EX_CONFIG
        )
    return f"{parts.scheme}://{parts.netloc}{parts.path}".rstrip("/")


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
