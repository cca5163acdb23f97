"""Builds the compiled twins (design D3) when there is a C compiler; without one they run as plain Python.

`JTGATE_PURE=1` leaves them out altogether. Packs the folder `conformance/` into the package as well.
"""

import os
import shutil
from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, setup
from setuptools.command.build_py import build_py

TWINS = Path("jtgate/codecs/twins")
KIT = Path("conformance")


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


class BuildWithKit(build_py):  # type: ignore[misc]
    """Copies `conformance/` to where `jtgate.conformance.kit` finds it when there is no source checkout."""

    def run(self) -> None:
        """Build the package; an editable one reads the folder where it stands."""
        super().run()
        if not self.editable_mode:
            shutil.copytree(KIT, Path(self.build_lib) / "jtgate" / "conformance" / "kit", dirs_exist_ok=True)


setup(ext_modules=extensions(), cmdclass={"build_py": BuildWithKit})
