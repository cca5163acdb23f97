"""What every store promises, as checks that run against any server (design D7).

Each module holds the promises of one theme as plain functions. The tests make them on every back end; `jtgate doctor`
makes them on the server of the operator, in a place of their own.
"""

from types import ModuleType
from typing import Final

from jtgate.storage.contract import (
    figures,
    messages,
    pages,
    positions,
    readers,
    reads,
    registries,
    repeats,
    retention,
    schema,
    sessions,
)
from jtgate.storage.contract.checking import Check, ContractBroken, StoreOpener, migrated
from jtgate.storage.contract.running import LIMIT_S, Place, Result, run

_THEMES: Final[tuple[ModuleType, ...]] = (
    schema,
    positions,
    repeats,
    sessions,
    messages,
    reads,
    pages,
    registries,
    retention,
    figures,
    readers,
)
#: Every promise, theme by theme.
CHECKS: Final[tuple[Check, ...]] = tuple(
    value for theme in _THEMES for value in vars(theme).values() if isinstance(value, Check)
)

__all__ = ["CHECKS", "LIMIT_S", "Check", "ContractBroken", "Place", "Result", "StoreOpener", "migrated", "run"]
