"""The back ends under test: each contract test runs once for every name here."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
from storage_backends import SpoolUnderTest

from jtgate.storage.directory import Directory
from jtgate.storage.sqlite.directory import SqliteDirectory
from jtgate.storage.sqlite.store import SqliteStore
from jtgate.storage.store import Store

StoreOpener = Callable[[], Store]
DirectoryOpener = Callable[[], Directory]


@pytest.fixture
def cleanup() -> Iterator[ExitStack]:
    """Closes what a test opened."""
    with ExitStack() as stack:
        yield stack


@pytest.fixture(params=["sqlite"])
def open_store(request: pytest.FixtureRequest, tmp_path: Path, cleanup: ExitStack) -> StoreOpener:
    """Opens the store of this test, as often as there are processes in its story."""
    return lambda: cleanup.enter_context(closing(SqliteStore(tmp_path / "store.db")))


@pytest.fixture
def store(open_store: StoreOpener) -> Store:
    """A migrated store that knows terminals 13800000001 to 13800000003 as 1 to 3."""
    store = open_store()
    store.migrate()
    ids = store.terminal_ids([f"1380000000{number}" for number in (1, 2, 3)], 5)
    assert sorted(ids.values()) == [1, 2, 3]
    return store


@pytest.fixture(params=["sqlite"])
def open_directory(request: pytest.FixtureRequest, tmp_path: Path, cleanup: ExitStack) -> DirectoryOpener:
    """Opens the directory of this test."""
    return lambda: cleanup.enter_context(closing(SqliteDirectory(tmp_path / "directory.db")))


@pytest.fixture(params=["sqlite"])
def spool(request: pytest.FixtureRequest, tmp_path: Path, cleanup: ExitStack) -> SpoolUnderTest:
    """The spool of this test."""
    return SpoolUnderTest(tmp_path / "spool", cleanup)
