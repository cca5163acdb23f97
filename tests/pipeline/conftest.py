"""A spool and a store in a temporary folder, and the worker between them."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from pipeline_line import Line


@pytest.fixture
def line(tmp_path: Path) -> Iterator[Line]:
    """An empty line."""
    made = Line(tmp_path)
    yield made
    made.close()
