"""Additional information items 附加信息项 of location reports: the list, and the table of known ids (JT/T 808 §4.4).

The forms of items are declared where their standard is: `jt808.additional`, `jt1078.items`, `jsatl12.items`.
"""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, NamedTuple, Self, TypeVar

from jtgate.codecs import declare
from jtgate.codecs import deviations as dev
from jtgate.codecs.declare import Structure, TlvItem, try_whole
from jtgate.codecs.edition import ALL_EDITIONS, Edition
from jtgate.codecs.errors import EncodeError, in_field
from jtgate.codecs.groups import from_first
from jtgate.codecs.kinds import shorten
from jtgate.codecs.profile import Dialect, Profile
from jtgate.codecs.tables import is_called, nearest
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


#: Item id -> its lengths, where some senders announce one byte more than they send; filled by `one_byte_more`.
ONE_BYTE_MORE: dict[int, frozenset[int]] = {}


def one_byte_more(item_id: int, lengths: frozenset[int]) -> None:
    """Tolerate an item whose length says one byte more than it has.

    Args:
        item_id: 附加信息ID.
        lengths: the right ones.
    """
    ONE_BYTE_MORE[item_id] = lengths


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

    @classmethod
    def widths(cls, profile: Profile) -> tuple[int, int]:
        """One byte each, unless the profile says otherwise (§4.6, §11 item 29)."""
        id_bytes, length_bytes = map(int, profile.item_shape.split("+"))
        return id_bytes, length_bytes

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
    def one_too_long(cls, data: bytes) -> frozenset[int]:
        """Where items stand that announce one byte more, if the list ends as it should only without those bytes."""
        if _walk(data, {})[0] == len(data):
            return frozenset()
        end, suspects = _walk(data, ONE_BYTE_MORE)
        return suspects if end == len(data) else frozenset()

    @classmethod
    def of_value(cls, item_id: int | None, name: str | None, value: object) -> Self:
        """The item whose form has that id and name and takes the value; forms of one dialect come last."""
        forms = [
            form
            for forms in ITEMS.values()
            for form in forms
            if item_id in (None, form.id) and (name is None or is_called(name, form.term, form.name))
        ]
        forms.sort(key=lambda form: bool(form.dialects))
        if item_id is None and name is None:
            keys = set(value) if isinstance(value, Mapping) else set()
            forms = [form for form in forms if keys and keys <= {spec.name for spec in form.cls.SPECS}][:1]
        if not forms and item_id is not None:
            raise EncodeError(f"is needed; no value of item 0x{item_id:02x} {name or ''}".rstrip() + " is known", "raw")
        if not forms and name is not None:
            names = [form.name for forms in ITEMS.values() for form in forms]
            raise EncodeError(f"no item is called {name!r}{nearest(name, names)}", "name")
        if not forms:
            raise EncodeError("is needed, or the fields of an item", "id")
        with in_field("value"):
            found = from_first([form.cls for form in forms], value)
        return cls(next(form.id for form in forms if form.cls is type(found)), b"", found)

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


def _walk(data: bytes, wrong: Mapping[int, frozenset[int]]) -> tuple[int, frozenset[int]]:
    """Step from item to item.

    Returns:
        Where it ends, and where the items stand that were taken one byte shorter than they announce.
    """
    shortened: set[int] = set()
    at = 0
    while at + 2 <= len(data):
        lengths = wrong.get(data[at], frozenset())
        length = data[at + 1]
        if length - 1 in lengths and length not in lengths:
            shortened.add(at)
            length -= 1
        if at + 2 + length > len(data):
            break
        at += 2 + length
    return at, frozenset(shortened)


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
