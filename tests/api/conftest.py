"""Applications over small data folders; see api_world."""

from collections.abc import Iterator

import pytest
from api_world import ApiWorld


@pytest.fixture
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiWorld]:
    """An application of its own for each test."""
    with ApiWorld.over(tmp_path_factory.mktemp("api")) as made:
        yield made


@pytest.fixture(scope="module")
def shared_world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiWorld]:
    """One application for the tests of a file that change nothing."""
    with ApiWorld.over(tmp_path_factory.mktemp("api")) as made:
        yield made
