"""Where the data of the kit is: `conformance/` of a source checkout, or the copy inside of the installed package."""

from pathlib import Path

#: A wheel carries the folder inside of this package (setup.py puts it there).
_INSTALLED = Path(__file__).parent / "kit"
_CHECKOUT = Path(__file__).parents[2] / "conformance"


class KitError(Exception):
    """The data of the kit is missing or makes no sense; the message says where."""


def folder(name: str = "") -> Path:
    """A folder of the kit.

    Args:
        name: path below `conformance/`, "" for the whole.

    Raises:
        KitError: it is not there.
    """
    for root in (_INSTALLED, _CHECKOUT):
        if root.is_dir():
            found = root / name
            if found.is_dir():
                return found
    raise KitError(f"the folder conformance/{name} is neither in this package nor beside it; install jtgate again")
