"""How far back the store is whole: what retention may have deleted, by the settings and by hand."""

from typing import Final

from jtgate.settings import Settings
from jtgate.storage.model import StoreBatch
from jtgate.storage.store import Store

#: Stands among the cursors of the store: the latest time before which `jtgate store retain` has deleted.
RETAINED: Final = "retained_before_ms"
_DAY_MS: Final = 86_400_000


def note_retained(store: Store, before_ms: int) -> None:
    """Note that rows received before a time are deleted on purpose; before the first one is."""
    if before_ms > store.cursor(RETAINED):
        store.write(StoreBatch(), consumer=RETAINED, seq=before_ms)


def kept_from_ms(store: Store, config: Settings, now_ms: int) -> int:
    """What was received before may have been deleted."""
    return max(now_ms - int(config.store_keep_days * _DAY_MS), store.cursor(RETAINED), 0)
