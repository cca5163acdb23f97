"""What any store does, whatever stands behind it: every promise of the contract on every back end."""

import pytest
from storage_backends import StoreUnderTest

from jtgate.storage.contract import CHECKS, Check
from jtgate.storage.postgres.store import PostgresStore


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: f"{check.theme}-{check.name}")
def test_the_store_keeps_its_promise(check: Check, backend: StoreUnderTest) -> None:
    """Each promise is kept by a store in an empty place of its own."""
    check(backend.open)


@pytest.mark.parametrize(
    "check", [check for check in CHECKS if check.theme == "positions"], ids=lambda check: check.name
)
def test_several_writers_keep_what_is_promised_of_positions(
    check: Check, postgres_url: str, postgres_schema: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows that several connections write at the same time are those that one would write."""
    monkeypatch.setattr("jtgate.storage.postgres.store.SLICE_ROWS_MIN", 2)
    check(lambda: PostgresStore(postgres_url, schema=postgres_schema, writers=3))
