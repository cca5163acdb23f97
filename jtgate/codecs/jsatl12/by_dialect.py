"""Codes whose meaning depends on the dialect of the terminal (active-safety §0.2)."""

from collections.abc import Callable
from typing import Any

from jtgate.codecs.edition import Edition
from jtgate.codecs.jsatl12.alarm_number import AlarmNumber, AlarmNumberGd, AlarmNumberHlj, AlarmNumberSc
from jtgate.codecs.kinds import Number
from jtgate.codecs.profile import AUTO, Dialect, Profile
from jtgate.codecs.tables import Choice, Choices

#: Form of the alarm identification number -> dialect whose codes apply when nothing else tells; 黑标 is not
#: published, so its codes are read as those of 苏标.
DIALECT_OF: dict[type[AlarmNumber], Dialect] = {
    AlarmNumber: Dialect.SU,
    AlarmNumberHlj: Dialect.SU,
    AlarmNumberSc: Dialect.DB32,
    AlarmNumberGd: Dialect.GD,
}

#: Dialect of a profile -> the one that has its table of alarm types (§1.5, §1.6); unpublished ones as 苏标.
TABLE_OF: dict[Dialect, Dialect] = {
    Dialect.SU: Dialect.SU,
    Dialect.DB32: Dialect.DB32,
    Dialect.GD: Dialect.GD,
    Dialect.SC: Dialect.DB32,
    Dialect.CQ: Dialect.DB32,
    Dialect.HN: Dialect.HN,
    Dialect.SD: Dialect.SU,
    Dialect.JL: Dialect.SU,
    Dialect.HLJ: Dialect.SU,
    Dialect.ZJ: Dialect.SU,
    Dialect.SH: Dialect.SU,
    Dialect.GX: Dialect.SU,
}

#: From the structure of a code and the profile of the terminal to the table that applies.
TableFor = Callable[[Any, Profile], Choices]


class CodeByDialect(Number):
    """A BYTE code whose table depends on the profile of the terminal.

    Args:
        table_for: finds the table.
    """

    def __init__(self, table_for: TableFor) -> None:
        super().__init__(1, table=lambda owner: table_for(owner, AUTO))
        self.table_for = table_for

    def meaning_for(self, value: Any, owner: object, edition: Edition, profile: Profile) -> str:
        """What the code means for a terminal of this profile."""
        return self.table_for(owner, profile).meaning(value, edition)


def types_in(tables: dict[Dialect, Choices]) -> TableFor:
    """The alarm types of the profile's dialect; with auto, of the dialect that has such identification numbers."""

    def table_for(alarm: Any, profile: Profile) -> Choices:
        dialect = profile.dialect
        return tables[DIALECT_OF[type(alarm.alarm_number)] if dialect is Dialect.AUTO else TABLE_OF[dialect]]

    return table_for


def with_own_names(table_for: TableFor) -> TableFor:
    """The same, with the names that a model has for codes of its own (`Profile.dsm_types`)."""

    def named(alarm: Any, profile: Profile) -> Choices:
        table = table_for(alarm, profile)
        if not profile.dsm_types:
            return table
        rows = [row for row in table if row.code not in profile.dsm_types]
        own = [Choice(code, name, name) for code, name in profile.dsm_types.items()]
        return Choices(*sorted((*rows, *own), key=lambda row: row.code))

    return named
