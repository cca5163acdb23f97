"""The registries in PostgreSQL: lists and geometries are jsonb, dates date, times timestamptz."""

from collections.abc import Mapping, Sequence
from typing import Any

from psycopg.types.json import Jsonb

from jtgate.storage.postgres.connection import Connection
from jtgate.storage.postgres.times import as_ms, column, columns, moment
from jtgate.storage.registry import Kind, kind_named
from jtgate.storage.registry.versions import Key, Version
from jtgate.storage.registry.versions import put as put_versions
from jtgate.storage.store import Row, StoreError
from jtgate.storage.texts import without_nul


def put(connection: Connection, kind: str, rows: Sequence[Row], now_ms: int) -> list[str]:
    """Write rows of a registry, inside the transaction of the caller; see `Store.registry_put`.

    Raises:
        StoreError: there is no such registry, or a row fits none.
    """
    declared = kind_named(kind)
    of_key = [*declared.key, "valid_from_ms"]
    facts = [name for name in declared.columns if name not in of_key]
    update = (
        f"UPDATE {kind} SET {', '.join(f'{column(name)} = %({name})s' for name in facts)} "
        f"WHERE {' AND '.join(f'{column(name)} = %({name})s' for name in of_key)}"
    )
    insert = (
        f"INSERT INTO {kind} ({columns(declared.columns)}) "
        f"VALUES ({', '.join(f'%({name})s' for name in declared.columns)})"
    )
    # Two imports at a time would each end the version that the other has just begun; readers are not held up.
    connection.execute(f"LOCK TABLE {kind} IN SHARE ROW EXCLUSIVE MODE".encode())

    def save(changed: Sequence[Version], begun: Sequence[Version]) -> None:
        with connection.cursor() as cursor:
            cursor.executemany(update.encode(), [_encoded(version) for version in changed])
            cursor.executemany(insert.encode(), [_encoded(version) for version in begun])

    return put_versions(declared, rows, now_ms, lambda keys: _load(connection, declared, keys), save)


def rows(
    connection: Connection,
    kind: str,
    key: Sequence[object],
    at_ms: int | None,
    after: Sequence[object],
    matching: Mapping[str, object],
    limit: int,
) -> list[Row]:
    """Versions of rows of a registry; see `Store.registry_rows`.

    Raises:
        StoreError: there is no such registry, or its key is another one.
    """
    declared = kind_named(kind)
    if len(key) > len(declared.key) or len(after) not in (0, len(declared.key) + 1):
        raise StoreError(f"the key of {kind} is {', '.join(declared.key)}")
    if missing := sorted(set(matching) - set(declared.columns)):
        raise StoreError(f"{kind} has no field {', '.join(missing)}")
    conditions = ["true", *(f"{column(name)} = %s" for name in (*declared.key[: len(key)], *matching))]
    params: list[object] = [*key, *matching.values()]
    if at_ms is not None:
        conditions.append("valid_from <= %s AND (valid_to IS NULL OR valid_to > %s)")
        params += [moment(at_ms)] * 2
    texts = {field.name for field in declared.facts if field.kind == "code"}
    # By code points, as the embedded store has it, and not by the language of the database.
    order = ", ".join(f'{name} COLLATE "C"' if name in texts else name for name in declared.key)
    if after:
        *own, from_ms = after
        conditions.append(f"({order}, valid_from) > ({', '.join(['%s'] * len(after))})")
        params += [*own, moment(int(str(from_ms)))]
    found = connection.execute(
        f"SELECT {_selected(declared)} FROM {kind} WHERE {' AND '.join(conditions)} "
        f"ORDER BY {order}, valid_from LIMIT %s".encode(),
        (*params, limit),
    )
    return [dict(zip(declared.columns, values, strict=True)) for values in found]


def _load(connection: Connection, kind: Kind, keys: Sequence[Key]) -> list[Version]:
    parts = [list(part) for part in zip(*keys, strict=True)]
    arrays = ", ".join(f"%s::{'integer' if isinstance(part[0], int) else 'text'}[]" for part in parts)
    found = connection.execute(
        f"SELECT {_selected(kind)} FROM {kind.name} "
        f"WHERE ({', '.join(kind.key)}) IN (SELECT * FROM unnest({arrays}))".encode(),
        parts,
    )
    return [dict(zip(kind.columns, values, strict=True)) for values in found]


def _selected(kind: Kind) -> str:
    """Every column under the name of its field: times as milliseconds, dates as text."""
    dates = {field.name for field in kind.stored if field.kind == "date"}
    return ", ".join(
        as_ms(column(name)) if name.endswith("_ms") else f"{name}::text" if name in dates else column(name)
        for name in kind.columns
    )


def _encoded(version: Version) -> dict[str, Any]:
    return {name: _parameter(name, value) for name, value in version.items()}


def _parameter(name: str, value: Any) -> Any:
    if isinstance(value, list | dict):
        return Jsonb(value)
    if isinstance(value, str):
        return without_nul(value)
    return moment(value) if name.endswith("_ms") else value
