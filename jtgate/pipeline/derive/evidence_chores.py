"""What the deriver does about evidence beside the folding: asking for files, and noting what has come."""

from contextlib import ExitStack

from jtgate import runfiles
from jtgate.pipeline.derive.asking import Asker
from jtgate.pipeline.derive.mirror import Mirror
from jtgate.profiles import Assignments
from jtgate.settings import Settings, split_address
from jtgate.storage.open import open_commands, open_evidence
from jtgate.storage.store import Store


def evidence_chores(
    settings: Settings, store: Store, assignments: Assignments, stack: ExitStack
) -> list[Asker | Mirror]:
    """Asker and mirror over the desk in the data folder; without an attachment server nothing is asked for.

    Args:
        settings: data folder, attachment server and limits.
        store: alarm events and episodes.
        assignments: which terminal has which profile.
        stack: closes what is opened here.

    Raises:
        EvidenceError, CommandError: desk or bus cannot be opened now.
    """
    desk = open_evidence(settings.data, asks_max=settings.evidence_asks_max)
    stack.callback(desk.close)
    mirror = Mirror(desk, store)
    if settings.attachment_port < 0:
        return [mirror]
    bus = open_commands(settings.data)
    stack.callback(bus.close)
    host, port = split_address(settings.attachment_address)
    asker = Asker(
        desk,
        bus,
        store,
        address=lambda: runfiles.evidence_address(settings.data, host, port),
        assignments=assignments,
    )
    return [asker, mirror]
