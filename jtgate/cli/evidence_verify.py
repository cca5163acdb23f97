"""`jtgate evidence verify`: every file on disk is hashed and held against the store; no server need run."""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import click

from jtgate.cli.common import (
    EX_FAULTS,
    bytes_text,
    examples,
    json_option,
    print_json,
    storage_errors,
    store_of,
    with_settings,
)
from jtgate.cli.progress import Tell, progress
from jtgate.codecs.timebase import now_ms
from jtgate.settings import Settings
from jtgate.storage.store import Row, Store

#: Rows read at a time; faults told one by one unless asked for more.
_PAGE: Final = 1000
_SHOWN: Final = 50
#: A younger file may have no row yet: the store hears of it a little later than the disk.
_YOUNG_MS: Final = 600_000
#: What is counted, in the order of the summary.
_OUTCOMES: Final = ("good", "missing", "different", "orphan", "elsewhere", "young")
_FAULTS: Final = ("missing", "different", "orphan")


class Kept(NamedTuple):
    """A file that the store has a row of."""

    path: str
    sha256: str
    of: str  # "evidence 17"
    terminal: str


class Finding(NamedTuple):
    """What was found of one file."""

    outcome: str
    path: str
    of: str
    terminal: str
    detail: str


@click.command(
    epilog=examples(
        "jtgate evidence verify",
        "jtgate evidence verify --data /var/lib/jtgate --json",
        "jtgate evidence verify --remote",
    )
)
@click.option("--remote", is_flag=True, help="Also files that are on S3-compatible storage only: they are fetched.")
@click.option("--limit", type=click.IntRange(0), default=_SHOWN, show_default=True, help="Faults told one by one.")
@with_settings
@json_option
def verify(limit: int, config: Settings, *, remote: bool, as_json: bool) -> None:
    """Check every file on disk against what the store says of it.

    good       its bytes have the hash that the store says
    missing    the store has a row, the file is gone
    different  its bytes have another hash: the disk, or somebody, has changed it
    orphan     the store knows nothing of it

    The gateway may run or not. Exit code 1: something is missing, different or an orphan.
    """
    counts: Counter[str] = Counter()
    with store_of(config) as store, storage_errors(config.data), progress("hashing", "files") as tell:
        check = _Check(config, remote=remote)
        for finding in check.all(store, tell):
            counts[finding.outcome] += 1
            faults = sum(counts[name] for name in _FAULTS)
            if finding.outcome in _FAULTS and faults <= limit:
                _tell(finding, as_json=as_json)
    _summary(counts, check, limit, as_json=as_json)
    if any(counts[name] for name in _FAULTS):
        raise SystemExit(EX_FAULTS)


class _Check:
    """Looks at the files of a data folder.

    Args:
        config: which data folder, and what stands behind it.
        remote: fetch what is not here.
    """

    def __init__(self, config: Settings, *, remote: bool) -> None:
        from jtgate.storage.open import FILES_NAME

        self._config = config
        self.root = config.data / FILES_NAME
        self._remote = remote
        self.bytes_read = 0
        self._known: set[bytes] = set()  # hashes in the names of files that have a row

    def all(self, store: Store, tell: Tell) -> Iterator[Finding]:
        """Findings of every row and every file."""
        done = 0
        opener = self._opener()
        for kept in _rows(store):
            name = _hash_in(kept.path)
            if name in self._known:
                continue
            if name is not None:
                self._known.add(name)
            yield self._row(kept, opener)
            done += 1
            tell(done, None)
        yield from self._orphans()

    def _opener(self) -> Callable[[str], Path]:
        from jtgate.storage.open import open_files

        if not self._remote:
            return lambda path: self.root / path
        return open_files(self._config.data, self._config.evidence_s3).open

    def _row(self, kept: Kept, opener: Callable[[str], Path]) -> Finding:
        from jtgate.storage.files import FileMissing, FileStoreUnavailable

        def found(outcome: str, detail: str = "") -> Finding:
            return Finding(outcome, kept.path, kept.of, kept.terminal, detail)

        if _hash_in(kept.path) is None:
            return found("missing", "the path in the store is none of ours")
        try:
            file = opener(kept.path)
            with file.open("rb") as opened:
                digest = hashlib.file_digest(opened, "sha256").hexdigest()
                self.bytes_read += opened.tell()
        except (FileMissing, FileNotFoundError):
            if self._config.evidence_s3 and not self._remote:
                return found("elsewhere")
            return found("missing")
        except (FileStoreUnavailable, OSError) as error:
            reason = error.strerror if isinstance(error, OSError) else str(error)
            return found("missing", f"it cannot be read: {reason}")
        return found("good") if digest == kept.sha256 else found("different", f"its hash is {digest}")

    def _orphans(self) -> Iterator[Finding]:
        """Files that no row speaks of; what is on its way lies elsewhere."""
        young_ms = now_ms() - _YOUNG_MS
        for file in sorted(self.root.glob("[0-9a-f][0-9a-f]/[0-9a-f][0-9a-f]/*")):
            path = file.relative_to(self.root).as_posix()
            if (name := _hash_in(path)) is not None and name in self._known:
                continue
            try:
                is_young = file.stat().st_mtime_ns // 1_000_000 > young_ms
            except FileNotFoundError:  # deleted meanwhile
                continue
            yield Finding("young" if is_young else "orphan", path, "", "", "")


def _rows(store: Store) -> Iterator[Kept]:
    """Every file that the store has a row of: evidence, multimedia, pictures of faces."""
    for table, hash_column, path_column, time in (
        ("evidence_files", "sha256", "path", "announced_ms"),
        ("face_events", "image_sha256", "image_path", "event_time_ms"),
    ):
        for row in _pages(store, table, time):
            path, sha256 = row[path_column], row[hash_column]
            if path and sha256:
                yield Kept(str(path), str(sha256), f"{table} {row['id']}", str(row["terminal"] or ""))


def _pages(store: Store, table: str, time: str) -> Iterator[Row]:
    before: tuple[int, int] | None = None
    while rows := store.page(table, before=before, limit=_PAGE):
        yield from rows
        last: Any = rows[-1]
        before = last[time], last["id"]


def _hash_in(path: str) -> bytes | None:
    """The hash that a path of ours names; None when it is none of ours."""
    from jtgate.storage.files import FileMissing
    from jtgate.storage.folder import hash_of

    try:
        return bytes.fromhex(hash_of(path))
    except (FileMissing, ValueError):
        return None


def _tell(finding: Finding, *, as_json: bool) -> None:
    if as_json:
        print_json({name: value or None for name, value in finding._asdict().items()})
        return
    of = f" ({finding.of}{f' of {finding.terminal}' if finding.terminal else ''})" if finding.of else ""
    click.echo(f"{finding.outcome:<9}  {finding.path}{of}{f': {finding.detail}' if finding.detail else ''}")


def _summary(counts: Counter[str], check: _Check, limit: int, *, as_json: bool) -> None:
    told = {name: counts[name] for name in _OUTCOMES}
    hidden = max(sum(counts[name] for name in _FAULTS) - limit, 0)
    if as_json:
        print_json({"summary": {**told, "bytes_read": check.bytes_read, "not_shown": hidden}})
        return
    if hidden:
        click.echo(f"… and {hidden} more; --limit shows them")
    words = {
        "elsewhere": "on S3 only, not looked at (--remote does)",
        "young": "too young to have a row",
        "orphan": "orphans",
    }
    parts = [f"{count} {words.get(name, name)}" for name, count in told.items() if count or name in ("good", *_FAULTS)]
    click.echo(f"{', '.join(parts)}; {bytes_text(check.bytes_read)} read in {check.root}")
