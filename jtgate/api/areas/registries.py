"""The registries 档案: what vehicles, persons, enterprises, tanks, policies, waybills and zones there are."""

from collections.abc import Sequence
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta

from jtgate.api.context import Api, decode_cursor, encode_cursor
from jtgate.api.operations import Asked, Call, Caller, Page, PageQuery, ProblemError, Scope, operation
from jtgate.api.times import FromTime
from jtgate.codecs.timebase import now_ms
from jtgate.storage.registry import KINDS, Checked, Kind, checked, written
from jtgate.storage.store import Row, StoreError

#: Rows of one request.
ROWS_MAX: Final = 1000
#: Rows of the store looked through for one page of a limited token.
LOOKED_MAX: Final = 20_000
_STORE_ROWS: Final = 1000

KindName = Annotated[
    Literal["vehicles", "persons", "enterprises", "tanks", "policies", "waybills", "zones"],
    Meta(description="Name of the registry."),
]
#: Places are nobody's secret.
_EVERYBODYS: Final = frozenset({"zones"})


class FieldTold(msgspec.Struct):
    """A field of a registry.

    Args:
        need: key, must, should or may.
    """

    name: str
    term: str
    kind: str
    need: str
    about: str
    choices: list[str | int]


class KindTold(msgspec.Struct):
    """A registry."""

    name: str
    term: str
    about: str
    key: list[str]
    fields: list[FieldTold]


class RowsQuery(PageQuery, kw_only=True):
    """Which rows."""

    kind: KindName
    key: Annotated[
        list[Annotated[str, Meta(max_length=100)]],
        Meta(max_length=2, description="Value of its key; of a key with several fields one parameter each, in order."),
    ] = msgspec.field(default_factory=list)
    at: Annotated[FromTime | None, Meta(description="In force at this time; without it: now.")] = None
    versions: Annotated[bool, Meta(description="Every version instead of those in force.")] = False


class PutQuery(Asked):
    """Where to."""

    kind: KindName
    dry_run: Annotated[bool, Meta(description="Check only.")] = False


class RowsBody(Asked):
    """Rows as a file of `jtgate registry import` has them."""

    rows: Annotated[list[dict[str, Any]], Meta(min_length=1, max_length=ROWS_MAX)]


class Imported(msgspec.Struct):
    """What became of rows.

    Args:
        outcomes: for each row "new", "changed" or "unchanged"; "checked" in a dry run.
        warnings: what they were stored with all the same.
    """

    outcomes: list[str]
    warnings: list[str]


@operation("GET", "/v1/registries", scope=Scope.READ, answer=list[KindTold])
def list_registries(_call: Call[None, None]) -> list[KindTold]:
    """The registries there are, with their fields."""
    return [
        KindTold(
            kind.name,
            kind.term,
            kind.about,
            list(kind.key),
            [
                FieldTold(
                    one.heading, one.term, one.kind, one.need, one.about, [choice.value for choice in one.choices]
                )
                for one in kind.fields
            ],
        )
        for kind in KINDS.values()
    ]


@operation(
    "GET",
    "/v1/registries/{kind}",
    scope=Scope.READ,
    query=RowsQuery,
    answer=Page[dict[str, Any]],
    personal=True,
)
def list_registry_rows(call: Call[RowsQuery, None]) -> Page[dict[str, Any]]:
    """Rows of a registry, by key.

    They tell of persons and enterprises, so it is noted who reads them. A token limited to an enterprise or a county
    sees its rows only.
    """
    query, api = call.query, call.api
    kind = KINDS[query.kind]
    key = _key_of(kind, query.key)
    at_ms = None if query.versions else query.at if query.at is not None else now_ms()
    after = _place(kind, query.cursor)
    found: list[Row] = []
    looked = 0
    is_more = True
    with api.store() as store:
        while is_more and len(found) <= query.limit and looked < LOOKED_MAX:
            page = store.registry_rows(kind.name, key=key, at_ms=at_ms, after=after, limit=_STORE_ROWS)
            looked += len(page)
            is_more = len(page) == _STORE_ROWS
            found += [row for row in page if may_see(api, call.caller, kind.name, row)]
            after = _after(kind, page[-1]) if page else after
    if len(found) > query.limit:
        found, is_more = found[: query.limit], True
        after = _after(kind, found[-1])
    api.note(call.caller, "list_registry_rows", "/".join((kind.name, *map(str, key))), len(found))
    return Page([written(kind, row) for row in found], encode_cursor(list(after)) if is_more else None)


def may_see(api: Api, caller: Caller, kind: str, row: Row) -> bool:
    """Whether a row is one of the enterprise or county that a caller is limited to."""
    if not caller.is_limited or kind in _EVERYBODYS:
        return True
    if caller.enterprise and row.get("enterprise") != caller.enterprise:
        return False
    if not caller.county:
        return True
    if "county" in row:
        return row["county"] == caller.county
    return str(row.get("enterprise") or "") in _enterprises_of(api, caller.county)


def _enterprises_of(api: Api, county: str) -> frozenset[str]:
    """Enterprises of a county; what has no county of its own is where its enterprise is."""
    with api.store() as store:
        rows = store.registry_rows("enterprises", at_ms=now_ms(), limit=LOOKED_MAX)
    return frozenset(str(row["enterprise"]) for row in rows if row["county"] == county)


@operation(
    "PUT",
    "/v1/registries/{kind}",
    scope=Scope.ADMIN,
    query=PutQuery,
    body=RowsBody,
    answer=Imported,
    is_whole=True,
)
def put_registry_rows(call: Call[PutQuery, RowsBody]) -> Imported:
    """Import rows of a registry, each as a version from its `valid_from` on: all of them, or none."""
    kind = KINDS[call.query.kind]
    return put_rows(call.api, call.caller, kind, call.body.rows, "$.rows", dry_run=call.query.dry_run)


def put_rows(
    api: Api, caller: Caller, kind: Kind, given: Sequence[dict[str, Any]], pointer: str, *, dry_run: bool
) -> Imported:
    """Check rows and store them.

    Raises:
        ProblemError: 422, with the first fault and its place.
    """
    at_ms = now_ms()
    read = [_checked(kind, row, at_ms, f"{pointer}[{number}]") for number, row in enumerate(given)]
    warnings = [f"{number}: {one}" for number, row in enumerate(read) for one in row.warnings]
    outcomes = ["checked"] * len(read)
    if not dry_run:
        with api.store() as store:
            try:
                outcomes = store.registry_put(kind.name, [row.row for row in read if row.row is not None], at_ms)
            except StoreError as error:
                if type(error) is not StoreError:
                    raise
                raise ProblemError(422, "bad-row", "A row cannot be stored", str(error), pointer) from None
        api.note(caller, f"put_{kind.name}", kind.name, len(read))
    return Imported(outcomes, warnings)


def _checked(kind: Kind, row: dict[str, Any], at_ms: int, pointer: str) -> Checked:
    unknown = [name for name in row if name.strip() not in kind.by_heading]
    if unknown:
        raise ProblemError(422, "bad-row", "A row is not as it must be", "is no field of it", f"{pointer}.{unknown[0]}")
    found = checked(kind.name, row, now_ms=at_ms, source="api")
    if found.faults:
        fault = found.faults[0]
        more = f" (and {len(found.faults) - 1} more)" if len(found.faults) > 1 else ""
        place = f"{pointer}.{fault.field}" if fault.field else pointer
        raise ProblemError(422, "bad-row", "A row is not as it must be", f"{fault.message}{more}", place)
    return found


def _key_of(kind: Kind, given: Sequence[str]) -> list[object]:
    if len(given) > len(kind.key):
        raise ProblemError(
            400, "bad-parameter", "A parameter is not as it must be", f"the key is {', '.join(kind.key)}", "$.key"
        )
    key: list[object] = []
    for name, text in zip(kind.key, given, strict=False):
        field = next(one for one in kind.facts if one.name == name)
        if field.kind in ("text", "code"):
            key.append(text)
            continue
        found = next((one.value for one in field.choices if text in (str(one.value), one.zh, one.en, *one.also)), None)
        if found is None:
            raise ProblemError(400, "bad-parameter", "A parameter is not as it must be", f"that is no {name}", "$.key")
        key.append(found)
    return key


def _after(kind: Kind, row: Row) -> tuple[object, ...]:
    return (*(row[name] for name in kind.key), row["valid_from_ms"])


def _place(kind: Kind, cursor: str) -> tuple[object, ...]:
    if not cursor:
        return ()
    found = decode_cursor(cursor, list[str | int])
    fields = [next(one for one in kind.facts if one.name == name) for name in kind.key]
    wanted = [int if field.choices and isinstance(field.choices[0].value, int) else str for field in fields] + [int]
    if [type(value) for value in found] != wanted:
        raise ProblemError(400, "bad-cursor", "This is no cursor of such a list", pointer="$.cursor")
    return tuple(found)
