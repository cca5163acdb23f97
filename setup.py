"""Builds the compiled twins (design D3) when there is a C compiler; without one they run as plain Python.

`JTGATE_PURE=1` leaves them out altogether.
"""

import os
from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, setup

TWINS = Path("jtgate/codecs/twins")


def extensions() -> list[Extension]:
    """One optional extension per file of `jtgate/codecs/twins`."""
    if os.environ.get("JTGATE_PURE", "") not in {"", "0"}:
        return []
    found = [
        Extension(f"jtgate.codecs.twins.{path.stem}", [str(path)], extra_compile_args=["-O3"])
        for path in sorted(TWINS.glob("*.py"))
        if path.stem != "__init__"
    ]
    modules = list(cythonize(found, language_level=3, build_dir="build/cython", nthreads=2))  # type: ignore[no-untyped-call]
    for module in modules:
        # A compiler that is missing or fails costs speed, not the installation. (cythonize drops the flag.)
        module.optional = True
    return modules


setup(ext_modules=extensions())
