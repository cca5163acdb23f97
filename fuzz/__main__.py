"""Fuzz several entries, guided by coverage: `python -m fuzz [ENTRY…] [--seconds N] [--jobs N]` (make fuzz).

Each entry runs in a process of its own, at the lowest priority; its log is `build/fuzz/ENTRY.log`. Exit code 0 when
nothing was found, 1 when an input broke a rule, 69 without atheris.
"""

import argparse
import importlib.util
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from fuzz.entries import ENTRIES
from fuzz.guided import EX_UNAVAILABLE, ROOT, SCRATCH


class Outcome(NamedTuple):
    """What came of one entry."""

    entry: str
    code: int
    log: str

    def __str__(self) -> str:
        runs = re.search(r"^stat::number_of_executed_units: (\d+)", self.log, re.MULTILINE)
        coverage = re.findall(r"cov: (\d+) ft: (\d+) corp: (\d+)", self.log)
        found = f"{coverage[-1][0]} branches, {coverage[-1][2]} inputs kept" if coverage else "no coverage"
        verdict = "nothing new" if self.code == 0 else f"FOUND something, exit code {self.code}"
        return f"{self.entry:<12} {runs.group(1) if runs else 0:>10} runs, {found}: {verdict}"

    def blame(self) -> str:
        """The end of the traceback, and where the input is."""
        start = self.log.find(" === Uncaught Python exception: ===")
        return self.log[start if start >= 0 else -3000 :]


def fuzz(entry: str, seconds: int, scratch: Path) -> Outcome:
    """Run one entry to its end."""
    command = [sys.executable, "-m", "fuzz.guided", entry, "--seconds", str(seconds), "--scratch", str(scratch)]
    ended = subprocess.run(  # noqa: S603  our own module
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", check=False
    )
    (scratch / f"{entry}.log").write_text(ended.stdout, encoding="utf-8")
    return Outcome(entry, ended.returncode, ended.stdout)


def main() -> None:
    """Run the entries and say what came of them."""
    parser = argparse.ArgumentParser(description="Fuzz parser entries, guided by coverage.")
    parser.add_argument("entries", nargs="*", metavar="ENTRY", help=f"of {', '.join(ENTRIES)}; all without one")
    parser.add_argument("--seconds", type=int, default=60, help="for each entry")
    parser.add_argument("--jobs", type=int, default=1, help="entries at the same time")
    parser.add_argument("--scratch", type=Path, default=SCRATCH, help="folder for what is found")
    args = parser.parse_args()
    unknown = set(args.entries) - set(ENTRIES)
    if unknown:
        parser.error(f"there is no entry {', '.join(sorted(unknown))}; they are {', '.join(ENTRIES)}")
    if importlib.util.find_spec("atheris") is None:
        print("atheris is not installed: there is no wheel of it for this platform", file=sys.stderr)
        sys.exit(EX_UNAVAILABLE)
    os.nice(19)
    args.scratch.mkdir(parents=True, exist_ok=True)
    found = False
    with ThreadPoolExecutor(args.jobs) as pool:
        for outcome in pool.map(lambda entry: fuzz(entry, args.seconds, args.scratch), args.entries or ENTRIES):
            print(outcome, flush=True)
            if outcome.code:
                found = True
                print(outcome.blame(), flush=True)
    sys.exit(int(found))


if __name__ == "__main__":
    main()
