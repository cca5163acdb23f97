"""Session records of the spool into rows: who came online, who left and why."""

from collections.abc import Mapping

from jtgate.pipeline.terminals import TerminalIds
from jtgate.storage.model import SessionClosed, SessionOpened, StoreBatch, TerminalUpdate
from jtgate.storage.records import SessionEvent, SessionRecord


def terminal_of(record: SessionRecord) -> str:
    """Key of the terminal a session record is about; "" when it is about none."""
    return _text(record.facts, "phone").lstrip("0") if record.event == SessionEvent.ONLINE else ""


def take(record: SessionRecord, ids: TerminalIds, batch: StoreBatch) -> bool:
    """Add the rows of a session record.

    Returns:
        False for an event this release does not know, or one of nobody.
    """
    at_ms = record.at_us // 1000
    facts = record.facts
    if record.event == SessionEvent.GATEWAY_STARTED:
        batch.close_sessions_before.append((record.session_id, at_ms))
    elif record.event == SessionEvent.ONLINE:
        key = terminal_of(record)
        if not key:
            return False
        terminal_id = ids.of_key(key, at_ms)
        edition = _text(facts, "edition")
        batch.opened.append(
            SessionOpened(
                session_id=record.session_id,
                terminal_id=terminal_id,
                online_ms=at_ms,
                transport=_text(facts, "transport"),
                peer=_text(facts, "peer"),
                edition=edition,
                how=_text(facts, "how"),
            )
        )
        batch.terminals.append(
            TerminalUpdate(terminal_id, at_ms, edition=edition, phone=_text(facts, "phone"), last_seen_ms=at_ms)
        )
    elif record.event == SessionEvent.CLOSED:
        batch.closed.append(
            SessionClosed(
                session_id=record.session_id,
                closed_ms=at_ms,
                reason=_text(facts, "reason"),
                frames=_number(facts, "frames"),
                bad_frames=_number(facts, "bad_frames"),
                bytes_in=_number(facts, "bytes_in"),
                last_received_ms=_number(facts, "last_received_us") // 1000,
            )
        )
    else:
        return False
    return True


def _text(facts: Mapping[str, object], name: str) -> str:
    value = facts.get(name)
    return value if isinstance(value, str) else ""


def _number(facts: Mapping[str, object], name: str) -> int:
    value = facts.get(name)
    return value if isinstance(value, int) else 0
