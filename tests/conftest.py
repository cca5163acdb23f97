"""What holds for every test: the long forms, the shared vectors, and no mercy in CI."""

import os
from pathlib import Path

import pytest

SHARED_VECTORS = Path(__file__).resolve().parents[2] / "shared" / "vectors"


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip long forms unless asked for, and tests of the shared vectors where there are none (in CI they fail)."""
    if item.get_closest_marker("soak") and os.environ.get("JTGATE_SOAK", "") in {"", "0"}:
        pytest.skip("long form; runs with make soak")
    if item.get_closest_marker("shared") and not SHARED_VECTORS.is_dir():
        if os.environ.get("CI") == "true":
            pytest.fail(f"no folder {SHARED_VECTORS}, and CI=true")
        pytest.skip("no folder ../shared/vectors")


@pytest.fixture(scope="session")
def shared_vectors() -> Path:
    """The folder of vectors that is shared beside the repository; for tests with the marker `shared`."""
    return SHARED_VECTORS
