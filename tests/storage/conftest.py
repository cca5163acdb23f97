"""The back ends under test: each contract test runs once for every name here."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
from storage_backends import STORE_BACKENDS, SpoolUnderTest, StoreUnderTest

from jtgate.storage.contract import migrated
from jtgate.storage.directory import Directory
from jtgate.storage.sqlite.directory import SqliteDirectory
from jtgate.storage.store import Store

StoreOpener = Callable[[], Store]
DirectoryOpener = Callable[[], Directory]


@pytest.fixture
def cleanup() -> Iterator[ExitStack]:
    """Closes what a test opened."""
    with ExitStack() as stack:
        yield stack


@pytest.fixture(params=STORE_BACKENDS)
def backend(request: pytest.FixtureRequest, tmp_path: Path) -> StoreUnderTest:
    """An empty place for a store on one of the back ends."""
    name: str = request.param
    if name == "sqlite":
        return StoreUnderTest(name, path=tmp_path / "store.db")
    schema = request.getfixturevalue(f"{name}_schema")
    return StoreUnderTest(name, url=request.getfixturevalue(f"{name}_url"), schema=schema)


@pytest.fixture
def open_store(backend: StoreUnderTest, cleanup: ExitStack) -> StoreOpener:
    """Opens the store of this test, as often as there are processes in its story."""
    return lambda: cleanup.enter_context(closing(backend.open()))


@pytest.fixture
def store(open_store: StoreOpener) -> Store:
    """A migrated store that knows terminals 13800000001 to 13800000003 as 1 to 3."""
    return migrated(open_store)


@pytest.fixture(params=["sqlite"])
def open_directory(request: pytest.FixtureRequest, tmp_path: Path, cleanup: ExitStack) -> DirectoryOpener:
    """Opens the directory of this test."""
    return lambda: cleanup.enter_context(closing(SqliteDirectory(tmp_path / "directory.db")))


@pytest.fixture(params=["sqlite"])
def spool(request: pytest.FixtureRequest, tmp_path: Path, cleanup: ExitStack) -> SpoolUnderTest:
    """The spool of this test."""
    return SpoolUnderTest(tmp_path / "spool", cleanup)
