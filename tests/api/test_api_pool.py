"""Stores that handlers borrow."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from jtgate.api import pool as pool_module
from jtgate.api.pool import STORES_MAX, StorePool
from jtgate.settings import Settings
from jtgate.storage import Store, open_store
from jtgate.storage.store import StoreError, StoreUnavailable


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[Store]:
    """Every store that the pool has opened."""
    found: list[Store] = []

    def note(url: str, data: Path) -> Store:
        found.append(open_store(url, data))
        return found[-1]

    monkeypatch.setattr(pool_module, "open_store", note)
    return found


@pytest.fixture
def pool(tmp_path: Path, opened: list[Store]) -> Iterator[StorePool]:
    """Over a store that has tables."""
    store = open_store("", tmp_path)
    store.migrate()
    store.close()
    made = StorePool(Settings(data=tmp_path))
    yield made
    made.close()


def test_a_store_is_lent_again(pool: StorePool, opened: list[Store]) -> None:
    """One after the other needs one only."""
    for _ in range(10):
        with pool.borrowed() as store:
            assert store.terminals() == []

    assert len(opened) == 1


def test_there_are_only_so_many(pool: StorePool, opened: list[Store], monkeypatch: pytest.MonkeyPatch) -> None:
    """Who waits for one too long is told that it cannot be had now."""
    monkeypatch.setattr(pool_module, "WAIT_S", 0.05)
    holding, done = threading.Barrier(STORES_MAX + 1), threading.Event()

    def hold() -> None:
        with pool.borrowed():
            holding.wait()
            done.wait()

    threads = [threading.Thread(target=hold) for _ in range(STORES_MAX)]
    for one in threads:
        one.start()
    holding.wait()
    with pytest.raises(StoreUnavailable), pool.borrowed():
        pass
    done.set()
    for one in threads:
        one.join()

    with pool.borrowed():
        assert len(opened) == STORES_MAX


def test_a_store_that_failed_is_not_lent_again(pool: StorePool, opened: list[Store]) -> None:
    """The next one gets a new one; an error of somebody else does no harm to it."""
    with pytest.raises(StoreError), pool.borrowed():
        raise StoreError("broken")
    with pytest.raises(KeyError), pool.borrowed():
        raise KeyError
    with pool.borrowed() as store:
        assert store is opened[1]

    assert len(opened) == 2


def test_a_store_that_is_lent_is_closed_when_it_comes_back(pool: StorePool) -> None:
    """When the pool was closed meanwhile."""
    with pool.borrowed() as store:
        pool.close()
        assert store.terminals() == []

    with pytest.raises(StoreError):
        store.terminals()
