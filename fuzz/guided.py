"""Fuzz one entry, guided by coverage: `python -m fuzz.guided ENTRY [--seconds N]`; needs atheris.

Starts from the stored corpus; what it finds new goes to `build/fuzz/ENTRY`, an input that breaks a rule to
`build/fuzz/crash-ENTRY-…`. Exit code 0 when nothing was found, 69 without atheris, else that of the fuzzer.
`python -m fuzz` runs several.
"""

import argparse
import importlib.util
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CORPUS = ROOT / "fuzz" / "corpus"
SCRATCH = ROOT / "build" / "fuzz"

#: Bytes of an input; two frames of the greatest length, or a body with everything in it.
INPUT_BYTES_MAX = 4096
#: One input may take so long, under instrumentation and on a busy machine.
INPUT_SECONDS_MAX = 60
MEMORY_MIB_MAX = 2048

EX_UNAVAILABLE = 69


def main() -> None:
    """Run the fuzzer; it ends the process."""
    parser = argparse.ArgumentParser(description="Fuzz one parser entry, guided by coverage.")
    parser.add_argument("entry")
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--scratch", type=Path, default=SCRATCH)
    args = parser.parse_args()
    if importlib.util.find_spec("atheris") is None:
        print("atheris is not installed: there is no wheel of it for this platform", file=sys.stderr)
        sys.exit(EX_UNAVAILABLE)
    import atheris  # noqa: PLC0415  not there on every platform

    with atheris.instrument_imports(include=["jtgate.codecs", "construct"]):
        from fuzz.entries import ENTRIES  # noqa: PLC0415  must be imported under instrumentation
    if args.entry not in ENTRIES:
        parser.error(f"there is no entry {args.entry!r}; it is one of {', '.join(ENTRIES)}")
    found = args.scratch / args.entry
    found.mkdir(parents=True, exist_ok=True)
    options = [
        sys.argv[0],
        str(found),
        *([str(CORPUS / args.entry)] if (CORPUS / args.entry).is_dir() else []),
        f"-max_total_time={args.seconds}",
        f"-max_len={INPUT_BYTES_MAX}",
        f"-timeout={INPUT_SECONDS_MAX}",
        f"-rss_limit_mb={MEMORY_MIB_MAX}",
        f"-artifact_prefix={args.scratch / f'crash-{args.entry}-'}",
        "-print_final_stats=1",
    ]
    atheris.Setup(options, ENTRIES[args.entry])
    atheris.Fuzz()


if __name__ == "__main__":
    main()
