"""Options of `jtgate simulate` about evidence files 报警附件 of alarms."""

from collections.abc import Callable
from pathlib import Path

import click

from jtgate.codecs.jsatl12.alarm_number import SIZES_OF
from jtgate.codecs.profile import Dialect
from jtgate.simulators.evidence import FILES_MAX, EvidenceRules
from jtgate.simulators.evidence_faults import EVIDENCE_FAULTS, LATE_S, EvidenceFault, EvidenceFaultPlan

EVIDENCE_FAULT_HELP = "\n".join(
    f"  {fault.value:<13} {EVIDENCE_FAULTS[fault].rate:<4} {EVIDENCE_FAULTS[fault].about}" for fault in EvidenceFault
)

_NO_FAULTS = "none"
_BYTES = click.IntRange(0, 1 << 30)
_COUNT = click.IntRange(0, FILES_MAX)

_OPTIONS = (
    click.option(
        "--evidence",
        metavar="LIST",
        help="Alarms have files, handed over on 0x9208. LIST says what goes wrong: `none`, `all`, or names with rates, "
        "see below.",
    ),
    click.option("--evidence-pictures", type=_COUNT, default=1, show_default=True, help="Pictures of an alarm."),
    click.option("--evidence-videos", type=_COUNT, default=1, show_default=True, help="Videos of an alarm."),
    click.option("--picture-bytes", type=_BYTES, default=60_000, show_default=True, help="Length of a picture."),
    click.option("--video-bytes", type=_BYTES, default=1_000_000, show_default=True, help="Length of a video."),
    click.option(
        "--dialect",
        type=click.Choice([dialect.value for dialect in SIZES_OF]),
        default=Dialect.SU.value,
        show_default=True,
        help="Provincial dialect of alarm numbers and data packets.",
    ),
    click.option("--evidence-udp", is_flag=True, help="Hand over by UDP where 0x9208 names a port."),
    click.option(
        "--evidence-late-by",
        type=click.FloatRange(min=0.0, max=86_400.0),
        default=LATE_S,
        show_default=True,
        help="Seconds that a late terminal is late.",
    ),
    click.option(
        "--evidence-ledger",
        type=click.Path(path_type=Path, dir_okay=False, readable=False, writable=True),
        metavar="FILE",
        help="Write a JSON line for every evidence file, with its SHA-256.",
    ),
)


def evidence_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options to a command."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def evidence_rules(  # one argument for each option
    *,
    evidence: str | None,
    evidence_pictures: int,
    evidence_videos: int,
    picture_bytes: int,
    video_bytes: int,
    dialect: str,
    evidence_udp: bool,
    evidence_late_by: float,
) -> EvidenceRules | None:
    """What the options say; None without --evidence.

    Raises:
        click.BadParameter: --evidence names what is no fault.
    """
    if evidence is None:
        return None
    try:
        plan = EvidenceFaultPlan.parse("" if evidence.strip() == _NO_FAULTS else evidence, evidence_late_by)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--evidence") from error
    return EvidenceRules(
        pictures=evidence_pictures,
        videos=evidence_videos,
        picture_bytes=picture_bytes,
        video_bytes=video_bytes,
        dialect=Dialect(dialect),
        datagrams=evidence_udp,
        faults=plan,
    )
