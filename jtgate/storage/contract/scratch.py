"""Places for the contract beside a store of an operator: nothing of the store itself is touched.

    SQLite        a folder jtgate-check-… beside the file
    PostgreSQL    a schema jtgate_check_… (and that of its views) in the same database

Both are removed at the end, also after Ctrl-C.
"""

import secrets
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from jtgate.storage.contract.checking import StoreOpener
from jtgate.storage.contract.running import Place
from jtgate.storage.open import Server, store_file, store_server
from jtgate.storage.sqlite.store import SqliteStore
from jtgate.storage.store import Store, StoreError, StoreUnavailable, StoreUrlError

SCHEMA_PREFIX: Final = "jtgate_check_"
_FOLDER_PREFIX: Final = "jtgate-check-"
#: Longest wait for a store to close that is in the middle of something, seconds.
_CLOSE_S: Final = 5.0
_DROP_S: Final = 60


@contextmanager
def scratch_place(url: str, data: Path) -> Iterator[tuple[str, Place]]:
    """Make room for the contract beside the store of a URL: where it is, and a place for one check after the other.

    Args:
        url: as for `open_store`.
        data: the data folder.

    Raises:
        StoreUrlError: no back end answers to the URL.
        StoreUnavailable: there is no room, or what was made could not be removed.
    """
    file, server = store_file(url, data), store_server(url)
    if file is not None:
        with _scratch_folder(file.parent) as folder:
            yield str(folder), _files(folder)
    elif server is not None:
        schema = SCHEMA_PREFIX + secrets.token_hex(6)
        _reach(server)
        try:
            yield f"schema {schema}", lambda: _schema(server, schema)
        finally:
            _drop(server, schema)  # once more: Ctrl-C may have come while a check was tidied up
    else:
        raise StoreUrlError(f"no store answers to {url.partition(':')[0]}")


@contextmanager
def _scratch_folder(parent: Path) -> Iterator[Path]:
    try:
        with tempfile.TemporaryDirectory(prefix=_FOLDER_PREFIX, dir=parent) as name:
            yield Path(name)
    except OSError as error:
        raise StoreUnavailable(f"no folder can be made in {parent}: {error.strerror}") from error


def _files(folder: Path) -> Place:
    numbers = iter(range(1_000_000))

    @contextmanager
    def place() -> Iterator[StoreOpener]:
        path = folder / str(next(numbers)) / "store.db"
        with _closing(lambda: SqliteStore(path)) as open_store:
            yield open_store
        for left in path.parent.glob("*"):
            left.unlink(missing_ok=True)

    return place


@contextmanager
def _schema(server: Server, schema: str) -> Iterator[StoreOpener]:
    from jtgate.storage.postgres.store import PostgresStore  # noqa: PLC0415  who has no server loads no driver

    try:
        with _closing(lambda: PostgresStore(server.url, schema=schema, timescale=server.timescale)) as open_store:
            yield open_store
    finally:
        _drop(server, schema)


def _reach(server: Server) -> None:
    """Fail before anything is made when the server cannot be reached."""
    from jtgate.storage.postgres.examine import examine  # noqa: PLC0415

    examine(server.url)


def _drop(server: Server, schema: str) -> None:
    from jtgate.storage.postgres.connection import Link  # noqa: PLC0415
    from jtgate.storage.postgres.schema import drop, views_schema  # noqa: PLC0415

    link = Link(server.url, schema, "check", _DROP_S)
    try:
        drop(link, schema)
    except StoreError as error:
        raise StoreUnavailable(
            f"the schemas {schema} and {views_schema(schema)} could not be dropped ({error}): drop them by hand"
        ) from error
    finally:
        link.close()


@contextmanager
def _closing(opener: Callable[[], Store]) -> Iterator[StoreOpener]:
    """Gives what opens the store until the end, and closes what was opened: a check that hangs must not go on."""
    opened: list[Store] = []
    lock, ended = threading.Lock(), threading.Event()

    def open_store() -> Store:
        with lock:
            store = None if ended.is_set() else opener()
            if store is None or ended.is_set():  # the end may have come while it was opened
                if store is not None:
                    store.close()
                raise StoreError("the check was given up")
            opened.append(store)
            return store

    def close() -> None:
        with lock:
            for store in opened:
                with suppress(StoreError):
                    store.close()

    try:
        yield open_store
    finally:
        ended.set()
        closing = threading.Thread(target=close, name="contract-close", daemon=True)
        closing.start()
        closing.join(_CLOSE_S)
