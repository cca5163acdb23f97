"""Pictures and films that do not come through the attachment server, and pictures of drivers.

    0x0800 多媒体事件信息上传            a row of evidence that is "asked": told of, and not here
    0x0801 多媒体数据上传                the medium without its head as a file, "complete"; linked to its alarm
    0x0E10 驾驶员身份识别上报            a comparison that the terminal made, with its picture
    0x65 types 0x10, 0x11               a capture 自动抓拍 or a change of driver 驾驶员变更, to be compared elsewhere

Rows go where those of the fold go, so they are written in one transaction with the cursor. Doing it again changes
nothing: files have their hash for a name, and what somebody made of a picture meanwhile is left alone.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, cast

from jtgate import logs
from jtgate.codecs.edition import Edition
from jtgate.codecs.errors import ProtocolError
from jtgate.codecs.jsatl12.identity import IdentityComparison
from jtgate.codecs.jt808.location import LocationBase
from jtgate.codecs.jt808.multimedia import MediaEvent, MediaUpload
from jtgate.codecs.registry import decode_body
from jtgate.codecs.timebase import TIME_GOOD, time_state, to_ms
from jtgate.pipeline.alarms import SOURCE_FLAG
from jtgate.pipeline.derive import metrics, reading
from jtgate.pipeline.derive.facts import Key, Rows
from jtgate.storage.files import FileStore
from jtgate.storage.model import (
    ALARM_NUMBERS_MAX,
    AlarmEventRow,
    EpisodeRow,
    EvidenceFileRow,
    FaceEventRow,
    MessageRow,
    StoreBatch,
)
from jtgate.storage.store import Store
from jtgate.storage.suffixes import HEAD_BYTES, suffix_of
from jtgate.storage.tables import EPISODES, EVIDENCE_FILES, FACE_EVENTS, Table

#: What stands for 报警标识号 in the rows of multimedia, before its number.
NUMBER_PREFIX: Final = "media:"
#: A medium belongs to an alarm that was on so shortly before or after it.
NEAR_MS: Final = 10_000
#: 0x0801 of the 2011 form may bring a medium in pieces; more of them are not put together.
PIECES_MAX: Final = 1024
#: Who compared when the terminal did.
ENGINE_TERMINAL: Final = "terminal"
#: A score so little below its threshold is near (regulation §6).
NEAR_SHARE: Final = 0.95

_UPLOAD: Final = 0x0801
_DSM: Final = f"{reading.ITEM_PREFIX}0x65"
_FACE_KINDS: Final = {0x10: "capture", 0x11: "driver_change"}
_SUFFIXES: Final = {0: ".jpg", 1: ".tif", 2: ".mp3", 3: ".wav", 4: ".wmv"}  # 多媒体格式编码
#: 事件项编码 -> bits of 报警标志 that cause it: 紧急报警; 碰撞预警 and 侧翻预警.
_BITS_OF_EVENT: Final = {2: (0,), 3: (29, 30)}
_MATCH, _MISMATCH = 0, 1  # 比对结果

log = logs.get_logger("deriver")


class Media:
    """Makes rows of multimedia messages and of pictures of drivers.

    Args:
        store: what is known already.
        files: where media are kept.
    """

    def __init__(self, store: Store, files: FileStore) -> None:
        self._store = store
        self._files = files

    def add(self, batch: StoreBatch, name_of: Callable[[int], str], rows: Rows) -> None:
        """Put the rows of a batch beside those of the fold.

        Args:
            batch: what terminals sent, as the pipeline has stored it.
            name_of: digits of a terminal by its number.
            rows: of the fold; episodes in it may get a medium more.

        Raises:
            StoreError, FileStoreError: they are away; the same call may be repeated.
        """
        for event in batch.alarm_events:
            if event.source == _DSM and event.alarm_type in _FACE_KINDS:
                self._capture(event, name_of(event.terminal_id), rows)
        for message in batch.messages:
            body = _decoded(message)
            name = name_of(message.terminal_id)
            if isinstance(body, MediaEvent):
                self._announced(body, message, name, rows)
            elif isinstance(body, MediaUpload):
                self._uploaded(body, message, name, rows)
            elif isinstance(body, IdentityComparison):
                self._compared(body, message, name, rows)

    # ------------------------------------------------------------------------------------------- multimedia

    def _announced(self, event: MediaEvent, message: MessageRow, name: str, rows: Rows) -> None:
        """0x0800: there is a medium. One of its number that is here, or is awaited, stays as it is."""
        suffix = _SUFFIXES.get(event.media_format, "")
        row = _file_row(message, event, f"{event.media_id}{suffix}")
        if self._stored(EVIDENCE_FILES, row, message.received_ms, name, rows) is None:
            rows.put(EVIDENCE_FILES.name, _key(EVIDENCE_FILES, row), row)

    def _uploaded(self, upload: MediaUpload, message: MessageRow, name: str, rows: Rows) -> None:
        """0x0801: keep the medium, and link it to the alarm that it shows."""
        content = self._content(upload, name)
        if not content:
            metrics.EVENTS.labels("media_incomplete").inc()
            return
        suffix = suffix_of(f"medium{_SUFFIXES.get(upload.media_format, '')}", content[:HEAD_BYTES])
        sha256, path = self._files.put(content, suffix)
        row = _file_row(message, upload, f"{upload.media_id}{_SUFFIXES.get(upload.media_format, '')}")
        before = self._stored(EVIDENCE_FILES, row, message.received_ms, name, rows)
        if before is not None and before.sha256 not in (None, sha256):  # terminals begin to count anew
            row = row._replace(file_name=f"{upload.media_id}-{sha256[:8]}{_SUFFIXES.get(upload.media_format, '')}")
            before = self._stored(EVIDENCE_FILES, row, message.received_ms, name, rows)
        if before is None or before.state != "complete":
            row = row._replace(
                stored_bytes=len(content),
                announced_bytes=len(content),
                sha256=sha256,
                path=path,
                state="complete",
                announced_ms=row.announced_ms if before is None else before.announced_ms,
                completed_ms=message.received_ms,
            )
            rows.put(EVIDENCE_FILES.name, _key(EVIDENCE_FILES, row), row)
            metrics.EVENTS.labels("media_kept").inc()
        self._link(upload, message, name, rows)

    def _content(self, upload: MediaUpload, name: str) -> bytes:
        """The medium; empty while pieces of the 2011 form are missing."""
        total = upload.package_total or 1
        if total == 1:
            return upload.content()
        if total > PIECES_MAX:
            return b""
        pieces: dict[int, bytes] = {upload.package_no or 0: upload.content()}
        for row in self._store.messages(terminal=name, msg_id=_UPLOAD, limit=PIECES_MAX):
            other = _upload(cast("bytes", row["raw"]), str(row["edition"]))
            if other is None or (other.media_id, other.package_total) != (upload.media_id, upload.package_total):
                continue
            pieces.setdefault(other.package_no or 0, other.data)  # the newest of each number comes first
        return b"".join(pieces[number] for number in sorted(pieces)) if len(pieces) == total else b""

    def _link(self, upload: MediaUpload, message: MessageRow, name: str, rows: Rows) -> None:
        """Tell the episode that was on when the medium was made; one of the flag bits that caused it comes first."""
        at_ms = _time_of(upload.location, message)
        bits = set(_BITS_OF_EVENT.get(upload.event, ()))
        if upload.location is not None:
            flags = int(upload.location.alarm_flags)
            bits |= {bit for bit in range(32) if flags >> bit & 1}
        near = [row for row in self._episodes_at(at_ms, message.terminal_id, name, rows) if _is_on(row, at_ms)]
        caused = [row for row in near if row.source == SOURCE_FLAG and row.alarm_type in bits]
        short = [row for row in near if row.source.startswith(reading.ITEM_PREFIX)]
        for row in (caused or short)[:1]:
            numbers = json.loads(row.alarm_numbers)
            number = f"{NUMBER_PREFIX}{upload.media_id}"
            if number in numbers or len(numbers) >= ALARM_NUMBERS_MAX:
                continue
            state = "complete" if row.evidence_state == "none" else row.evidence_state
            after = row._replace(alarm_numbers=json.dumps([*numbers, number]), evidence_state=state)
            rows.put(EPISODES.name, _key(EPISODES, after), after)

    def _episodes_at(self, at_ms: int, terminal_id: int, name: str, rows: Rows) -> list[EpisodeRow]:
        """Episodes that may have been on at a time, newest first, as they are about to be written."""
        stored = reading.pages(self._store, EPISODES.name, name, at_ms - 3_600_000, at_ms + NEAR_MS)
        stored += reading.pages(self._store, EPISODES.name, name, 0, at_ms, state="open")
        found = {_key(EPISODES, row): row for row in (EpisodeRow(**_columns(EPISODES, one)) for one in stored)}
        written = cast("dict[Key, EpisodeRow]", rows.tables.get(EPISODES.name, {}))
        found |= {_key(EPISODES, row): row for row in written.values() if row.terminal_id == terminal_id}
        return sorted(found.values(), key=lambda row: (-row.started_ms, row.source, row.alarm_type))

    # -------------------------------------------------------------------------------------------- drivers

    def _capture(self, event: AlarmEventRow, name: str, rows: Rows) -> None:
        """0x65 with a picture of the driver, which comes through the attachment server."""
        if time_state(event.alarm_time_ms, event.received_ms) != TIME_GOOD:
            return
        row = FaceEventRow(
            terminal_id=event.terminal_id,
            event_time_ms=event.alarm_time_ms,
            fingerprint=event.fingerprint,
            received_ms=event.received_ms,
            session_id=event.session_id,
            spool_seq=event.spool_seq,
            serial=event.serial,
            kind=_FACE_KINDS[event.alarm_type],
            alarm_number=event.alarm_number,
            image_sha256=None,
            image_path=None,
            engine=None,
            score=None,
            threshold=None,
            result=None,
            person=None,
            updated_ms=0,
        )
        if self._stored(FACE_EVENTS, row, row.event_time_ms, name, rows) is None:
            rows.put(FACE_EVENTS.name, _key(FACE_EVENTS, row), row)

    def _compared(self, body: IdentityComparison, message: MessageRow, name: str, rows: Rows) -> None:
        """0x0E10: with result 0 or 1 it was compared, else there is a reason why not, and nothing to judge by."""
        is_judged = body.result in (_MATCH, _MISMATCH)
        row = FaceEventRow(
            terminal_id=message.terminal_id,
            event_time_ms=_time_of(body.location, message),
            fingerprint=message.fingerprint,
            received_ms=message.received_ms,
            session_id=message.session_id,
            spool_seq=message.spool_seq,
            serial=message.serial,
            kind="compare",
            alarm_number=None,
            image_sha256=None,
            image_path=None,
            engine=ENGINE_TERMINAL,
            score=round(body.similarity_percent / 100, 6) if is_judged else None,
            threshold=body.threshold_percent / 100 if is_judged else None,
            result=_result(body) if is_judged else None,
            person=self._person(body.face_id) if is_judged else None,
            updated_ms=0,
        )
        if self._stored(FACE_EVENTS, row, row.event_time_ms, name, rows) is not None:
            return
        if body.picture:
            sha256, path = self._files.put(body.picture, suffix_of("picture.jpg", body.picture[:HEAD_BYTES]))
            row = row._replace(image_sha256=sha256, image_path=path)
        rows.put(FACE_EVENTS.name, _key(FACE_EVENTS, row), row)

    def _person(self, face_id: str) -> str | None:
        """The person of a face, whose id is the person's key where the platform gave it; None for another one."""
        if not face_id:
            return None
        found = self._store.registry_rows("persons", key=(face_id,), limit=1)
        return str(found[0]["person"]) if found else None

    def _stored(self, table: Table, row: Any, at_ms: int, name: str, rows: Rows) -> Any:
        """The row of the same key that is about to be written, or is in the store; None when there is none."""
        key = _key(table, row)
        about = rows.tables.get(table.name, {}).get(key)
        if about is not None:
            return about
        if table is EVIDENCE_FILES:  # its time is that of the first word of it
            same = {"alarm_number": row.alarm_number, "file_name": row.file_name}
            found = self._store.page(table.name, terminals=[name], matching=same, limit=1)
        else:
            same = {"fingerprint": row.fingerprint}
            found = self._store.page(table.name, terminals=[name], from_ms=at_ms, to_ms=at_ms, matching=same, limit=1)
        return type(row)(**_columns(table, found[0])) if found else None


def _decoded(message: MessageRow) -> object:
    """The body of a message of interest; None for another one, and for one that cannot be read."""
    if message.msg_id not in (0x0800, _UPLOAD, 0x0E10):
        return None
    try:
        return decode_body(message.msg_id, message.raw, Edition(message.edition), [])
    except (ProtocolError, ValueError):
        metrics.EVENTS.labels("media_unreadable").inc()
        return None


def _upload(raw: bytes, edition: str) -> MediaUpload | None:
    try:
        body = decode_body(_UPLOAD, raw, Edition(edition), [])
    except (ProtocolError, ValueError):
        return None
    return body if isinstance(body, MediaUpload) else None


def _file_row(message: MessageRow, told: MediaEvent | MediaUpload, file_name: str) -> EvidenceFileRow:
    return EvidenceFileRow(
        terminal_id=message.terminal_id,
        alarm_number=f"{NUMBER_PREFIX}{told.media_id}",
        file_name=file_name,
        file_type=int(told.media_type),  # 0 图像, 1 音频, 2 视频: the same numbers
        channel=told.channel,
        announced_bytes=None,
        stored_bytes=None,
        sha256=None,
        path=None,
        state="asked",
        missing=None,
        announced_ms=message.received_ms,
        completed_ms=None,
        updated_ms=0,
    )


def _time_of(location: LocationBase | None, message: MessageRow) -> int:
    """When it was made: as its head says, else when it came."""
    time_ms = 0 if location is None else to_ms(location.time)
    return time_ms if time_ms and time_state(time_ms, message.received_ms) == TIME_GOOD else message.received_ms


def _is_on(row: EpisodeRow, at_ms: int) -> bool:
    """Whether an alarm was on at a time, or nearly."""
    if row.state == "withdrawn" or row.started_ms > at_ms + NEAR_MS:
        return False
    return row.ended_ms is None or at_ms <= max(row.ended_ms, row.last_ms) + NEAR_MS


def _result(body: IdentityComparison) -> str:
    if body.result == _MATCH:
        return "match"
    return "near" if body.similarity_percent >= NEAR_SHARE * body.threshold_percent else "no_match"


def media_numbers(alarm_numbers: Iterable[str]) -> list[str]:
    """Those of the numbers of an episode that are of media."""
    return [number for number in alarm_numbers if number.startswith(NUMBER_PREFIX)]


def _columns(table: Table, row: Mapping[str, object]) -> dict[str, Any]:
    return {name: row[name] for name in table.columns}


def _key(table: Table, row: Any) -> Key:
    return tuple(getattr(row, name) for name in table.key)
