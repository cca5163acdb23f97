"""The registries in the embedded store: lists and geometries are JSON, flags 0 and 1, times milliseconds."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import apsw

from jtgate.storage.registry import Kind, kind_named
from jtgate.storage.registry.versions import Key, Version
from jtgate.storage.registry.versions import put as put_versions
from jtgate.storage.store import Row, StoreError

_JSON_KINDS = ("list", "geometry")


def put(connection: apsw.Connection, kind: str, rows: Sequence[Row], now_ms: int) -> list[str]:
    """Write rows of a registry, inside the transaction of the caller; see `Store.registry_put`.

    Raises:
        StoreError: there is no such registry, or a row fits none.
    """
    declared = kind_named(kind)
    of_key = [*declared.key, "valid_from_ms"]
    update = (
        f"UPDATE {kind} SET {', '.join(f'{name} = :{name}' for name in declared.columns if name not in of_key)} "
        f"WHERE {' AND '.join(f'{name} = :{name}' for name in of_key)}"
    )
    insert = (
        f"INSERT INTO {kind} ({', '.join(declared.columns)}) "
        f"VALUES ({', '.join(f':{name}' for name in declared.columns)})"
    )

    def save(changed: Sequence[Version], begun: Sequence[Version]) -> None:
        connection.executemany(update, [_encoded(version) for version in changed])
        connection.executemany(insert, [_encoded(version) for version in begun])

    return put_versions(declared, rows, now_ms, lambda keys: _load(connection, declared, keys), save)


def rows(
    connection: apsw.Connection,
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
    conditions = ["1", *(f"{name} = ?" for name in (*declared.key[: len(key)], *matching))]
    params: list[Any] = [*key, *matching.values()]
    if at_ms is not None:
        conditions.append("valid_from_ms <= ? AND (valid_to_ms IS NULL OR valid_to_ms > ?)")
        params += [at_ms, at_ms]
    order = f"{', '.join(declared.key)}, valid_from_ms"
    if after:
        conditions.append(f"({order}) > ({', '.join('?' * (len(declared.key) + 1))})")
        params += after
    found = connection.execute(
        f"SELECT {', '.join(declared.columns)} FROM {kind} WHERE {' AND '.join(conditions)} ORDER BY {order} LIMIT ?",
        (*params, limit),
    )
    return [_decoded(declared, values) for values in found]


def _load(connection: apsw.Connection, kind: Kind, keys: Sequence[Key]) -> list[Version]:
    members = ", ".join(f"value ->> {at}" for at in range(len(kind.key)))
    found = connection.execute(
        f"SELECT {', '.join(kind.columns)} FROM {kind.name} "
        f"WHERE ({', '.join(kind.key)}) IN (SELECT {members} FROM json_each(?))",
        (json.dumps(keys),),
    )
    return [_decoded(kind, values) for values in found]


def _encoded(version: Version) -> dict[str, Any]:
    return {
        name: json.dumps(value, ensure_ascii=False) if isinstance(value, list | dict) else value
        for name, value in version.items()
    }


def _decoded(kind: Kind, values: Sequence[Any]) -> Version:
    version = dict(zip(kind.columns, values, strict=True))
    for field in kind.stored:
        value = version[field.name]
        if value is not None and field.kind in _JSON_KINDS:
            version[field.name] = json.loads(value)
        elif value is not None and field.kind == "flag":
            version[field.name] = bool(value)
    return version
