"""Tokens and audit log as they are kept."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from jtgate.storage.access import (
    Access,
    AccessFull,
    AccessUnavailable,
    AuditEntry,
    NewToken,
    Token,
    TokenExists,
    UnknownToken,
    digest_of,
    new_secret,
)
from jtgate.storage.open import open_access
from jtgate.storage.sqlite import access as sqlite_access

READER = NewToken("reader", frozenset({"read"}), "E001", "211102", 9000)


@pytest.fixture
def access(tmp_path: Path) -> Iterator[Access]:
    """Empty."""
    made = open_access(tmp_path)
    yield made
    made.close()


def entry(number: int, who: str = "reader", subject: str = "13800138000") -> AuditEntry:
    """A row at that time."""
    return AuditEntry(number, who, "list_positions", subject, 3)


def test_a_token_is_found_by_its_digest(access: Access, tmp_path: Path) -> None:
    """As it was made, also by another process; of another text nothing is found."""
    text = new_secret()
    made = access.add(READER, digest_of(text), 1000)

    other = open_access(tmp_path)
    assert other.find(digest_of(text)) == made == Token(made.token_id, READER, 1000)
    assert other.find(digest_of(new_secret())) is None
    other.close()


def test_secrets_are_long_and_different() -> None:
    """256 bits behind the prefix."""
    found = {new_secret() for _ in range(100)}

    assert len(found) == 100
    assert {(text[:4], len(text)) for text in found} == {("jtg_", 47)}


def test_names_are_unique_until_revoked(access: Access) -> None:
    """A revoked token is forgotten, its id is never used again."""
    first = access.add(READER, b"1", 1000)
    with pytest.raises(TokenExists):
        access.add(READER, b"2", 1000)

    assert access.revoke(first.token_id) == first
    with pytest.raises(UnknownToken):
        access.revoke(first.token_id)
    assert access.add(READER, b"2", 1000).token_id > first.token_id
    assert access.find(b"1") is None


def test_there_are_only_so_many_tokens(access: Access, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond the limit none is made."""
    monkeypatch.setattr(sqlite_access, "TOKENS_MAX", 2)
    for number in range(2):
        access.add(NewToken(str(number), frozenset()), bytes([number]), 1)

    with pytest.raises(AccessFull):
        access.add(READER, b"x", 1)


def test_last_use_is_remembered(access: Access) -> None:
    """And what else is known stays; of a token that is gone nothing happens."""
    made = access.add(READER, b"1", 1000)

    access.used(made.token_id, 5000)
    access.used(made.token_id + 1, 5000)

    assert access.tokens() == [Token(made.token_id, READER, 1000, 5000)]
    assert access.tokens(after_id=made.token_id) == []


def test_a_token_ends_at_its_time() -> None:
    """One without an end never."""
    assert Token(1, READER, 0).is_valid(8999)
    assert not Token(1, READER, 0).is_valid(9000)
    assert Token(1, NewToken("x", frozenset()), 0).is_valid(10**15)


def test_the_audit_log_is_read_backwards(access: Access) -> None:
    """By token, subject and time, from any row on."""
    for number, who, subject in ((1, "a", "1"), (2, "b", "2"), (3, "a", "2")):
        access.note(entry(number, who, subject))

    def times(**wanted: object) -> list[int]:
        return [row.at_ms for row in access.audit(**wanted)]  # type: ignore[arg-type]

    assert times() == [3, 2, 1]
    assert times(who="a") == [3, 1]
    assert times(subject="2") == [3, 2]
    assert times(from_ms=2, to_ms=2) == [2]
    assert times(before_id=3) == [2, 1]
    assert times(limit=1) == [3]


def test_a_subject_is_cut(access: Access) -> None:
    """Nobody fills the log with what he asks."""
    access.note(entry(1, subject="x" * 5000))

    assert len(access.audit()[0].subject) == 200


@pytest.mark.parametrize(("name", "limit"), [("AUDIT_ROWS_MAX", 10), ("AUDIT_KEEP_MS", 10)])
def test_the_audit_log_is_bounded(access: Access, monkeypatch: pytest.MonkeyPatch, name: str, limit: int) -> None:
    """By rows and by age; the newest stay."""
    monkeypatch.setattr(sqlite_access, "TRIM_EVERY", 5)
    monkeypatch.setattr(sqlite_access, name, limit)

    for number in range(1, 41):
        access.note(entry(number))

    times = [row.at_ms for row in access.audit()]
    assert times[:10] == list(range(40, 30, -1))
    assert len(times) <= limit + 1


def test_several_threads_may_write(access: Access) -> None:
    """No row is lost."""
    threads = [threading.Thread(target=lambda: [access.note(entry(number)) for number in range(20)]) for _ in range(4)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()

    assert len(access.audit(limit=1000)) == 80


def test_files_are_for_this_user_alone(access: Access, tmp_path: Path) -> None:
    """The log tells who asked for whom."""
    access.note(entry(1))

    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o600}


def test_what_cannot_be_opened_is_a_typed_error(tmp_path: Path) -> None:
    """A folder in the place of the file."""
    (tmp_path / "access.db").mkdir()

    with pytest.raises(AccessUnavailable):
        open_access(tmp_path)
