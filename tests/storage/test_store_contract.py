"""What any store does, whatever stands behind it: every promise of the contract on every back end."""

import pytest
from storage_backends import StoreUnderTest

from jtgate.storage.contract import CHECKS, Check


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: f"{check.theme}-{check.name}")
def test_the_store_keeps_its_promise(check: Check, backend: StoreUnderTest) -> None:
    """Each promise is kept by a store in an empty place of its own."""
    check(backend.open)
