"""A small data folder with tokens of every kind and vehicles of two enterprises, and an application over it."""

import asyncio
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

import httpx
import uvicorn

from jtgate.api.__main__ import QuietServer, listen
from jtgate.api.app import create_app
from jtgate.api.context import Api
from jtgate.api.operations import Operation
from jtgate.codecs.timebase import now_ms
from jtgate.settings import Settings
from jtgate.storage import open_store
from jtgate.storage.access import Access, NewToken, digest_of, new_secret
from jtgate.storage.contract.rows import alarm, card, message, opened, position, quarantined, write
from jtgate.storage.directory import LiveSession
from jtgate.storage.open import open_access, open_directory
from jtgate.storage.registry import checked

#: Vehicles of two enterprises in two counties, each with its terminal.
OURS: Final = ("13800138000", "13800138001")
THEIRS: Final = ("13900139000",)
ENTERPRISE: Final = "E001"
COUNTY: Final = "211102"
_VEHICLES: Final = (
    ("测A00001", OURS[0], "E001", "211102"),
    ("测A00002", OURS[1], "E001", "211103"),
    ("测B00001", THEIRS[0], "E002", "211102"),
)

#: Id of no token: who asks at the door for a token to be revoked must not shut out the tests that follow.
NOBODY: Final = "999999"
#: name -> scopes, enterprise, county.
TOKENS: Final[dict[str, tuple[set[str], str, str]]] = {
    "read": ({"read"}, "", ""),
    "command": ({"command"}, "", ""),
    "admin": ({"admin"}, "", ""),
    "limited": ({"read", "command", "admin"}, ENTERPRISE, ""),
    "county": ({"read", "command"}, "", COUNTY),
    "nothing-there": ({"read", "command"}, "E999", ""),
}


def fill(data: Path) -> dict[str, str]:
    """Make store, registry, sessions and tokens; name of a token -> its text."""
    store = open_store("", data)
    store.migrate()
    rows = [
        checked(
            "vehicles",
            {
                "plate": plate,
                "plate_color": "黄",
                "vehicle_kind": "TRACTOR",
                "enterprise": enterprise,
                "county": county,
                "terminal": terminal,
            },
            now_ms=now_ms() - 60_000,
        ).row
        for plate, terminal, enterprise, county in _VEHICLES
    ]
    store.registry_put("vehicles", rows, now_ms() - 60_000)
    numbers = store.terminal_ids([*OURS, *THEIRS], now_ms())
    write(
        store,
        positions=[position(number) for number in numbers.values()],
        alarm_events=[alarm(number) for number in numbers.values()],
        card_events=[card(number) for number in numbers.values()],
        messages=[message(number) for number in numbers.values()],
        opened=[opened(100 + number, number) for number in numbers.values()],
        quarantine=[quarantined()],
    )
    store.close()
    directory = open_directory(data)
    directory.publish([session(1, OURS[0], "2013"), session(2, THEIRS[0], "2019")], [])
    directory.close()
    access = open_access(data)
    texts = {name: token(access, name, *told) for name, told in TOKENS.items()}
    access.close()
    return texts


def token(
    access: Access, name: str, scopes: set[str], enterprise: str = "", county: str = "", expires_ms: int | None = None
) -> str:
    """Make a token; its text."""
    text = new_secret()
    new = NewToken(name, frozenset(scopes), enterprise, county, expires_ms)
    access.add(new, digest_of(text), now_ms())
    return text


def session(session_id: int, terminal: str, edition: str) -> LiveSession:
    """A terminal that is online."""
    at_ms = now_ms()
    return LiveSession(
        session_id, terminal, terminal.zfill(12), edition, "tcp", "192.0.2.1:50000", "online", "authenticated",
        at_ms - 60_000, at_ms - 1000, 10, 0, 1000, 0x0200,
    )  # fmt: skip


@contextmanager
def served(settings: Settings, api: Api) -> Iterator[str]:
    """Serve an application on a thread; its address."""
    config = uvicorn.Config(create_app(settings, api), log_config=None, access_log=False, lifespan="off")
    server = QuietServer(config)
    listener = listen("127.0.0.1", 0)
    thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[listener])))
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive()
            time.sleep(0.005)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.servers[0].get_loop().call_soon_threadsafe(api.stop)
        server.should_exit = True
        thread.join(10)
        api.close()
        assert not thread.is_alive()


@dataclass
class ApiWorld:
    """An application and who may ask it."""

    settings: Settings
    texts: dict[str, str]
    api: Api
    client: httpx.Client

    @classmethod
    @contextmanager
    def over(cls, data: Path) -> Iterator[Self]:
        """An application over a data folder that is filled."""
        texts = fill(data)
        settings = Settings(data=data)
        api = Api(settings)
        with served(settings, api) as address, httpx.Client(base_url=address, timeout=30) as client:
            yield cls(settings, texts, api, client)

    def ask(
        self,
        method: str,
        path: str,
        token: str | None = "admin",
        *,
        headers: Mapping[str, str] | None = None,
        **more: Any,
    ) -> httpx.Response:
        """Ask as one of the tokens; None asks without."""
        sent = dict(headers or {})
        if token is not None:
            sent["Authorization"] = f"Bearer {self.texts.get(token, token)}"
        return self.client.request(method, path, headers=sent, **more)

    def get(self, path: str, token: str | None = "admin", **params: Any) -> httpx.Response:
        """GET with parameters."""
        return self.ask("GET", path, token, params=params)


def problem(answer: httpx.Response, status: int) -> dict[str, Any]:
    """The problem that an answer is."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    found: dict[str, Any] = answer.json()
    assert found["status"] == status
    assert found["type"].startswith("urn:jtgate:problem:")
    return found


def possible_request(operation: Operation) -> tuple[str, dict[str, Any]]:
    """A path and more for `ask` with which an operation is called; not what it wants, but enough to get to the door."""
    path = operation.path
    for name in operation.path_names:
        path = path.replace(f"{{{name}}}", NOBODY if name == "token_id" else "1")
    return path, {"json": {}} if operation.body is not None else {}
