"""Terminals hand over the files of their alarms: in every dialect, over both carriers, with every fault."""

import asyncio
import hashlib
import json
import tracemalloc
from pathlib import Path

import pytest
from evidence_server import EvidenceServer

from jtgate.codecs.edition import Edition
from jtgate.codecs.jsatl12.alarm_number import read_alarm_number
from jtgate.codecs.jsatl12.attachments import RequestAttachments
from jtgate.codecs.profile import Dialect
from jtgate.codecs.timebase import from_ms
from jtgate.simulators import evidence_link
from jtgate.simulators.dice import Dice
from jtgate.simulators.evidence import ALARMS_MAX, ORDERS_MAX, EvidenceRules, EvidenceShelf, Order
from jtgate.simulators.evidence_faults import EVIDENCE_FAULTS, EvidenceFault, EvidenceFaultPlan, Outcome
from jtgate.simulators.evidence_files import EvidenceFile
from jtgate.simulators.evidence_link import Senders
from jtgate.simulators.identity import Identity
from jtgate.simulators.ledger import EvidenceLedger
from jtgate.simulators.tally import Tally

NUMBER = "5F2A9C0B7E4D41A6B3C8D9E0F1A2B3C4"
START_MS = 1_790_000_000_000
DSM, PHONE = 0x65, 0x02


def shelf_of(rules: EvidenceRules, edition: Edition = Edition.V2013, tally: Tally | None = None) -> EvidenceShelf:
    """The files of a terminal."""
    return EvidenceShelf(Identity(3, "13800138003", edition), rules, tally or Tally())


def ask(shelf: EvidenceShelf, port: int, *, sequence: int = 1, udp_port: int = 0, platform: str = NUMBER) -> Order:
    """Let an alarm happen and order its files."""
    number = shelf.number(DSM, PHONE, from_ms(START_MS), sequence)
    edition = shelf._identity.edition
    order = RequestAttachments(
        address="127.0.0.1", tcp_port=port, udp_port=udp_port, alarm_number=number, platform_number=platform
    )
    assert shelf.asked(1, order.encode(edition), 0.0).result == 0
    (taken,) = shelf.take()
    return taken


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """No long pauses between links."""
    monkeypatch.setattr(evidence_link, "BACKOFF_S", (0.01, 0.02))


def hand_over(
    server: EvidenceServer,
    fault: EvidenceFault | None = None,
    *,
    edition: Edition = Edition.V2013,
    ledger: Path | None = None,
    datagrams: bool = False,
    seed: int = 1,
    **rules: object,
) -> tuple[Tally, Order]:
    """One order, carried out to its end; every fault at full rate."""
    values: dict[str, object] = {"picture_bytes": 5_000, "video_bytes": 300_000, "answer_wait_s": 0.3}
    plan = EvidenceFaultPlan({fault: 1.0} if fault else {}, late_s=0.05)
    options = EvidenceRules(**(values | rules), faults=plan, datagrams=datagrams)  # type: ignore[arg-type]
    tally = Tally()
    shelf = shelf_of(options, edition, tally)
    book = EvidenceLedger(ledger) if ledger is not None else None

    async def live() -> Order:
        async with server:
            order = ask(shelf, server.port, udp_port=server.port if datagrams else 0)
            senders = Senders(tally, book)
            senders.begin(order, Dice(seed, 0), shelf.done)
            assert await senders.finished(10.0), "an order never ends"
            await senders.close()
            return order

    order = asyncio.run(live())
    if book is not None:
        book.close()
    return tally, order


def assert_complete(server: EvidenceServer, order: Order) -> None:
    """Every file of the order is there, byte for byte."""
    kept = {name: (kept.state, kept.sha256) for (_, name), kept in server.files.items()}
    for file in order.files:
        assert kept[file.name(order.platform_number)] == ("complete", file.sha256())


@pytest.mark.parametrize("edition", list(Edition))
@pytest.mark.parametrize("dialect", [Dialect.SU, Dialect.GD, Dialect.SC, Dialect.HLJ, Dialect.JL, Dialect.DB32])
def test_every_dialect_and_header(dialect: Dialect, edition: Edition) -> None:
    """Files arrive whole, whatever the length of the identification number and the header."""
    server = EvidenceServer()
    tally, order = hand_over(server, dialect=dialect, edition=edition)
    assert_complete(server, order)
    assert tally.evidence["complete"] == 1
    assert tally.evidence["links"] == 1
    assert server.broken == 0


@pytest.mark.parametrize("fault", list(EvidenceFault))
def test_every_fault_ends_as_it_says(fault: EvidenceFault, monkeypatch: pytest.MonkeyPatch) -> None:
    """A right server ends up with what the table of faults promises."""
    monkeypatch.setattr("jtgate.simulators.evidence_upload.SILENT_S", 0.05)
    server = EvidenceServer(only=frozenset({NUMBER}))
    tally, order = hand_over(server, fault, pictures=2)
    assert tally.evidence_faults[fault] == 1
    outcome = EVIDENCE_FAULTS[fault].outcome
    states = [kept.state for kept in server.files.values()]
    hashes = {kept.sha256 for kept in server.files.values() if kept.state == "complete"}
    own = [file.sha256() for file in order.files]
    if outcome is Outcome.COMPLETE:
        wanted = own[:-1] if fault is EvidenceFault.FEWER_FILES else own
        assert hashes == set(wanted)
        assert set(states) == {"complete"}
    elif outcome is Outcome.NOTHING:
        assert not server.files
    else:
        assert len(hashes) < len(states)


def test_drops_resume_with_what_is_unfinished() -> None:
    """After a drop only files that were not confirmed are listed again, as a re-upload."""
    for seed in range(8):
        server = EvidenceServer()
        tally, order = hand_over(server, EvidenceFault.DROP, pictures=3, picture_bytes=100_000, seed=seed)
        assert_complete(server, order)
        assert tally.evidence["links"] == len(server.lists) >= 2
        assert [info for _, info, _ in server.lists] == [0] + [1] * (len(server.lists) - 1)
        counts = [len(names) for _, _, names in server.lists]
        assert counts == sorted(counts, reverse=True)


def test_gaps_are_filled_and_nothing_else() -> None:
    """What is left out comes on request; the rest is not sent twice."""
    server = EvidenceServer()
    tally, order = hand_over(server, EvidenceFault.SKIP, packet_bytes=4096)
    assert_complete(server, order)
    assert tally.evidence["bytes"] == sum(file.size_bytes for file in order.files)
    assert server.seen[0x1212] > len(order.files)


def test_udp_with_losses() -> None:
    """Over UDP lost packets are asked for and lost messages are said again."""
    server = EvidenceServer(lose_every=7)
    tally, order = hand_over(server, datagrams=True, video_bytes=60_000, picture_bytes=2_000)
    assert_complete(server, order)
    assert tally.evidence["complete"] == 1


def test_an_unanswered_message_is_said_again() -> None:
    """0x1210, 0x1211 and 0x1212 without an answer come again; without any the link is dropped and another tried."""
    server = EvidenceServer(mute_first={0x1210: 1, 0x1211: 1, 0x1212: 1})
    tally, order = hand_over(server, answer_wait_s=0.05)
    assert_complete(server, order)
    assert tally.evidence["links"] == 1
    server = EvidenceServer(mute_first={0x1210: 5})
    tally, order = hand_over(server, answer_wait_s=0.02)
    assert_complete(server, order)
    assert tally.evidence["links"] == 2


def test_a_server_that_is_away_is_given_up() -> None:
    """After so many links nobody tries any more, and the order is over."""
    shelf = shelf_of(EvidenceRules())
    tally = Tally()

    async def live() -> None:
        senders = Senders(tally)
        senders.begin(ask(shelf, 1), Dice(1, 0), shelf.done)
        assert await senders.finished(10.0)

    asyncio.run(live())
    assert tally.evidence["link_failed"] == evidence_link.LINKS_MAX
    assert tally.evidence["given_up"] == 1


def test_a_long_list_goes_in_parts() -> None:
    """Twenty files make 0x1210 longer than a frame; its last part is answered for all."""
    server = EvidenceServer()
    tally, order = hand_over(server, pictures=19, picture_bytes=100)
    assert len(order.files) == 20
    assert_complete(server, order)
    assert tally.evidence["complete"] == 1


def test_the_ledger_tells_what_was_served(tmp_path: Path) -> None:
    """A line for each file, with the hash of what the server has."""
    server = EvidenceServer()
    _, order = hand_over(server, EvidenceFault.DROP, ledger=tmp_path / "served.jsonl")
    lines = [json.loads(line) for line in (tmp_path / "served.jsonl").read_text().splitlines()]
    assert [line["name"] for line in lines] == [file.name(NUMBER) for file in order.files]
    for line in lines:
        assert line["confirmed"]
        assert line["ending"] == "complete"
        assert line["fault"] == "drop"
        assert line["sha256"] == server.files[NUMBER, line["name"]].sha256
        assert line["alarm_number"] == order.alarm_number.hex()


def test_orders_are_bounded_and_not_doubled() -> None:
    """The same order twice is one; an unknown alarm, and one order too many, get result 1."""
    tally = Tally()
    shelf = shelf_of(EvidenceRules(), tally=tally)
    first = ask(shelf, 7)
    body = RequestAttachments(
        address="127.0.0.1",
        tcp_port=7,
        alarm_number=read_alarm_number(first.alarm_number),
        platform_number=NUMBER,
    ).encode()
    assert shelf.asked(2, body, 0.0).result == 0
    assert not list(shelf.take())
    for sequence in range(2, ORDERS_MAX + 1):
        ask(shelf, 7, sequence=sequence)
    one_more = RequestAttachments(
        address="127.0.0.1", tcp_port=7, alarm_number=read_alarm_number(first.alarm_number), platform_number="0" * 32
    ).encode()
    assert shelf.asked(3, one_more, 0.0).result == 1
    shelf.done(first)
    assert shelf.asked(4, one_more, 0.0).result == 0
    stranger = shelf.form(terminal_id="NOBODY", time=from_ms(START_MS), sequence=9, attachment_count=1, reserved=b"\0")
    unknown = RequestAttachments(address="h", tcp_port=7, alarm_number=stranger, platform_number=NUMBER).encode()
    assert shelf.asked(5, unknown, 0.0).result == 1
    assert tally.evidence == {"asked": ORDERS_MAX + 1, "asked_again": 1, "too_many": 1, "unknown": 1}


def test_only_so_many_alarms_keep_their_files() -> None:
    """The oldest alarm is forgotten, and that is counted."""
    tally = Tally()
    shelf = shelf_of(EvidenceRules(), tally=tally)
    for at in range(ALARMS_MAX + 3):
        shelf.number(DSM, PHONE, from_ms(START_MS + at * 1000), 1)
    assert len(shelf.kept) == ALARMS_MAX
    assert tally.evidence["forgotten"] == 3


def test_files_are_the_same_in_every_cut() -> None:
    """Whatever stretches a file is read in, its bytes are the same; two files are not."""
    one = EvidenceFile(2, 65, "6502", 0, "h264", 100_001, b"one")
    whole = b"".join(one.pieces())
    assert len(whole) == 100_001
    assert b"".join(one.read(at, 777) for at in range(0, 100_001, 777)) == whole
    assert one.read(100_001, 5) == b""
    assert hashlib.sha256(whole).hexdigest() == one.sha256()
    other = EvidenceFile(2, 65, "6502", 0, "h264", 100_001, b"other")
    assert other.sha256() != one.sha256()
    assert len(EvidenceFile(0, 65, "6502", 0, "jpg", 3, b"").read(0, 10)) == 3


def test_a_long_video_needs_no_memory() -> None:
    """A file is never held as a whole."""
    video = EvidenceFile(2, 65, "6502", 0, "h264", 20_000_000, b"long")
    video.read(0, 1)
    tracemalloc.start()
    for offset in range(0, video.size_bytes, 1 << 16):
        video.read(offset, 1 << 16)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1_000_000


def test_plans_are_read_as_written() -> None:
    """Rates as people write them; what makes no sense is refused."""
    plan = EvidenceFaultPlan.parse("drop=0.5,skip:0.25")
    assert plan.rates == {EvidenceFault.DROP: 0.5, EvidenceFault.SKIP: 0.25}
    assert EvidenceFault.SILENT not in EvidenceFaultPlan.parse("all").rates
    for text in ("nonsense", "drop=2", "drop=0.7,skip=0.7"):
        with pytest.raises(ValueError, match=r"fault|rate"):
            EvidenceFaultPlan.parse(text)
    drawn = {EvidenceFaultPlan.parse("drop=0.5").draw(Dice(1, 1), count) for count in range(50)}
    assert drawn == {None, EvidenceFault.DROP}
