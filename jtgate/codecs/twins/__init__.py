"""Hot code twice: compiled by Cython where a C compiler was at hand, the same files as plain Python elsewhere.

`load(name)` is the one switch. `JTGATE_PURE=1` forces the plain form; `load_pure(name)` gives it beside
the compiled one, so that tests and benchmarks can hold them against each other.
"""

import importlib
import importlib.util
import os
import sys
from pathlib import Path
from types import ModuleType

_HERE = Path(__file__).parent


def load(name: str) -> ModuleType:
    """The twin module `name`: compiled if it was built and JTGATE_PURE is not set, else plain Python."""
    if os.environ.get("JTGATE_PURE", "") not in ("", "0"):
        return load_pure(name)
    return importlib.import_module(f"{__name__}.{name}")


def load_pure(name: str) -> ModuleType:
    """The plain-Python form of a twin, whether or not it was also compiled."""
    qualified = f"{__name__}.{name}__pure"
    if qualified in sys.modules:
        return sys.modules[qualified]
    spec = importlib.util.spec_from_file_location(qualified, _HERE / f"{name}.py")
    if spec is None or spec.loader is None:
        raise ImportError(f"no twin called {name!r}")
    module = importlib.util.module_from_spec(spec)
    sys.modules[qualified] = module
    spec.loader.exec_module(module)
    return module


def is_compiled(module: ModuleType) -> bool:
    """True when a twin runs as machine code."""
    return not str(module.__file__).endswith(".py")
