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
from jtgate.codecs.profile import Dialect
from jtgate.codecs.wire import Scope, Span

C = TypeVar("C", bound="type[Structure]")


class ItemForm(NamedTuple):
    """A row of the table of items."""

    id: int
    name: str
    term: str
    cls: type[Structure]
    editions: tuple[Edition, ...]
    dialects: tuple[Dialect, ...]
    fits: Callable[[bytes], bool] | None


#: Known forms of items by id, in the order in which they are tried; filled by `@item`.
ITEMS: dict[int, tuple[ItemForm, ...]] = {}


def item(
    item_id: int,
    name: str,
    term: str,
    *,
    clause: str,
    editions: tuple[Edition, ...] = ALL_EDITIONS,
    trailing: str = dev.BODY_TRAILING_BYTES,
    layouts: Mapping[Edition, tuple[str, ...]] | None = None,
    dialects: tuple[Dialect, ...] = (),
    fits: Callable[[bytes], bool] | None = None,
) -> Callable[[C], C]:
    """Declare a form of the value of an additional item; an id may have several.

    Args:
        item_id: 附加信息ID, 1..255.
        name: English, lower case with underscores.
        term: name in the standard.
        clause: where it is defined.
        editions: of JT/T 808 that list it; it is decoded in all.
        trailing: deviation for surplus bytes; without one an item with surplus bytes is not decoded.
        layouts: as in `declare.structure`.
        dialects: the form is tried for terminals of these only, and before the forms of everybody.
        fits: further condition on the bytes. With `dialects` it decides for terminals whose dialect is auto;
            without it such terminals never have the form.
    """

    def decorate(cls: C) -> C:
        made = declare.structure(clause=clause, trailing=trailing, layouts=layouts)(cls)
        form = ItemForm(item_id, name, term, made, editions, dialects, fits)
        others = ITEMS.get(item_id, ())
        if not dialects and any(not other.dialects for other in others):
            raise TypeError(f"item 0x{item_id:02x} is declared twice for everybody")
        ITEMS[item_id] = (form, *others) if dialects else (*others, form)
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
        return self.own_names()[0]

    @classmethod
    def names(cls, item_id: int) -> tuple[str, str, str]:
        """Snake-case name, Chinese term and English name of an id, as most terminals use it."""
        forms = ITEMS.get(item_id)
        return _names(forms[-1]) if forms else ("", "", "")

    def own_names(self) -> tuple[str, str, str]:
        """The names of the form that was found; those of the id without one."""
        for form in ITEMS.get(self.id, ()):
            if type(self.value) is form.cls:
                return _names(form)
        return self.names(self.id)

    @classmethod
    def read(cls, item_id: int, raw: bytes, at: int, scope: Scope) -> Self:
        """Make an item of received bytes; a form that does not fit leaves the value None."""
        run = scope.run
        forms = [form for form in ITEMS.get(item_id, ()) if _applies(form, raw, run.profile.dialect)]
        value: Any = None
        for form in forms:
            value = try_whole(form.cls, raw, at, scope)
            if value is not None:
                break
        if value is None and forms:
            run.note(dev.ITEM_LENGTH_UNKNOWN)
        if value is None and run.spans is not None:
            with run.inside("raw"):
                _, term, english = cls.names(item_id) if forms else ("", "未知附加信息", "unknown item")
                run.spans.append(Span(run.where(), run.base + at, len(raw), raw, term, english, shorten(raw)))
        return cls(item_id, raw, value)


def _names(form: ItemForm) -> tuple[str, str, str]:
    return form.name, form.term, form.name.replace("_", " ")


def _applies(form: ItemForm, raw: bytes, dialect: Dialect) -> bool:
    """Whether a form may be what a terminal of this dialect sent."""
    if form.dialects and dialect is not Dialect.AUTO:
        return dialect in form.dialects
    if form.fits is not None:
        return form.fits(raw)
    return not form.dialects


_ID_OF: dict[type[Structure], int] = {}


def _find_id(cls: type[Structure]) -> int:
    for form in (form for forms in ITEMS.values() for form in forms):
        if issubclass(cls, form.cls):
            _ID_OF[cls] = form.id
            return form.id
    raise KeyError(f"{cls.__name__} is no additional item")
