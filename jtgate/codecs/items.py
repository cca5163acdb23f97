"""Additional information items 附加信息项 of location reports: the list, and the table of known ids (JT/T 808 §4.4).

The forms of items are declared where their standard is: `jt808.additional`, `jt1078.items`, `jsatl12.items`.
"""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, NamedTuple, Self, TypeVar

from jtgate.codecs import declare
from jtgate.codecs import deviations as dev
from jtgate.codecs.declare import Structure, TlvItem, try_whole
from jtgate.codecs.edition import ALL_EDITIONS, Edition
from jtgate.codecs.kinds import shorten
from jtgate.codecs.wire import Scope, Span

C = TypeVar("C", bound="type[Structure]")


class ItemForm(NamedTuple):
    """A row of the table of items."""

    id: int
    name: str
    term: str
    cls: type[Structure]
    editions: tuple[Edition, ...]


#: Known items by id, filled by `@item`.
ITEMS: dict[int, ItemForm] = {}


def item(
    item_id: int,
    name: str,
    term: str,
    *,
    clause: str,
    editions: tuple[Edition, ...] = ALL_EDITIONS,
    trailing: str = dev.BODY_TRAILING_BYTES,
    layouts: Mapping[Edition, tuple[str, ...]] | None = None,
) -> Callable[[C], C]:
    """Declare the value of an additional item.

    Args:
        item_id: 附加信息ID, 1..255.
        name: English, lower case with underscores.
        term: name in the standard.
        clause: where it is defined.
        editions: of JT/T 808 that list it; it is decoded in all.
        trailing: deviation for surplus bytes; without one an item with surplus bytes is not decoded.
        layouts: as in `declare.structure`.
    """

    def decorate(cls: C) -> C:
        made = declare.structure(clause=clause, trailing=trailing, layouts=layouts)(cls)
        if item_id in ITEMS:
            raise TypeError(f"item 0x{item_id:02x} is declared twice")
        ITEMS[item_id] = ItemForm(item_id, name, term, made, editions)
        return made

    return decorate


class LocationItem(TlvItem):
    """One additional item 附加信息项: id, bytes, and their meaning if the form is known."""

    __slots__ = ()

    ID_TERM: ClassVar[str] = "附加信息ID"

    @classmethod
    def of(cls, value: Structure) -> "LocationItem":
        """The item that carries a declared value.

        Raises:
            EncodeError: the value cannot be written.
            KeyError: its class is no item.
        """
        return cls(_ID_OF[type(value)] if type(value) in _ID_OF else _find_id(type(value)), value.encode(), value)

    @property
    def name(self) -> str:
        """Name of the item, "" when the id is unknown."""
        return self.names(self.id)[0]

    @classmethod
    def names(cls, item_id: int) -> tuple[str, str, str]:
        """Snake-case name, Chinese term and English name of an id."""
        form = ITEMS.get(item_id)
        return (form.name, form.term, form.name.replace("_", " ")) if form else ("", "", "")

    @classmethod
    def read(cls, item_id: int, raw: bytes, at: int, scope: Scope) -> Self:
        """Make an item of received bytes; a form that does not fit leaves the value None."""
        run = scope.run
        form = ITEMS.get(item_id)
        value: Any = None
        if form is not None:
            value = try_whole(form.cls, raw, at, scope)
            if value is None:
                run.note(dev.ITEM_LENGTH_UNKNOWN)
        if value is None and run.spans is not None:
            with run.inside("raw"):
                term, english = (form.term, form.name.replace("_", " ")) if form else ("未知附加信息", "unknown item")
                run.spans.append(Span(run.where(), run.base + at, len(raw), raw, term, english, shorten(raw)))
        return cls(item_id, raw, value)


_ID_OF: dict[type[Structure], int] = {}


def _find_id(cls: type[Structure]) -> int:
    for form in ITEMS.values():
        if issubclass(cls, form.cls):
            _ID_OF[cls] = form.id
            return form.id
    raise KeyError(f"{cls.__name__} is no additional item")
