"""What any spool does, whatever stands behind it."""

from contextlib import ExitStack

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from storage_backends import SpoolUnderTest

from jtgate.storage.spool import Group, SpoolFull, SpoolReader, SpoolWriter

NOW_US = 1_790_000_000_000_000


def read_all(reader: SpoolReader, after_seq: int = 0, **limits: int) -> list[Group]:
    """Follow a spool to its end."""
    groups: list[Group] = []
    while found := reader.read(groups[-1].seq if groups else after_seq, **limits):
        groups += found
    return groups


def fill(writer: SpoolWriter, count: int, size: int = 1000, at_us: int = NOW_US) -> list[int]:
    """Append groups; their numbers."""
    return [writer.append(b"x" * size, 1, at_us + number) for number in range(count)]


def test_groups_come_back_as_they_were_appended(spool: SpoolUnderTest) -> None:
    """A reader gets number, time, frames and data of each group."""
    writer, reader = spool.writer(), spool.reader()

    first = writer.append(b"\x00\x7e\xff", 3, NOW_US)
    second = writer.append(b"y" * 300_000, 1000, NOW_US + 5)

    assert reader.read(0) == [Group(first, NOW_US, 3, b"\x00\x7e\xff"), Group(second, NOW_US + 5, 1000, b"y" * 300_000)]
    assert (first, second) == (1, 2)


def test_a_reader_may_come_before_the_writer(spool: SpoolUnderTest) -> None:
    """A reader of a spool that does not exist finds nothing, and finds the groups once there are some."""
    reader = spool.reader()
    assert reader.read(0) == []
    assert reader.last_seq() == 0

    writer = spool.writer()
    assert reader.read(0) == []
    writer.append(b"a", 1, NOW_US)

    assert [group.seq for group in reader.read(0)] == [1]
    assert reader.last_seq() == 1


def test_a_reader_crosses_segments(spool: SpoolUnderTest) -> None:
    """Following gives every group once and in order, while segments come and go."""
    writer, reader = spool.writer(), spool.reader()
    seen: list[int] = []
    for _ in range(20):
        fill(writer, 7)
        seen += [group.seq for group in read_all(reader, seen[-1] if seen else 0)]

    assert seen == list(range(1, 141))
    assert writer.info().segments > 10
    assert [group.seq for group in read_all(spool.reader())] == seen


def test_limits_of_a_read(spool: SpoolUnderTest) -> None:
    """A read stops at its number of groups and before its number of bytes, but never at nothing."""
    writer, reader = spool.writer(segment_bytes=1 << 20), spool.reader()
    fill(writer, 10, size=1000)

    assert [group.seq for group in reader.read(2, groups_max=3)] == [3, 4, 5]
    assert [group.seq for group in reader.read(2, bytes_max=2500)] == [3, 4]
    assert [group.seq for group in reader.read(2, bytes_max=1)] == [3]


def test_numbers_go_on_after_a_restart(spool: SpoolUnderTest) -> None:
    """A new writer continues after the highest number, with all groups in place."""
    writer = spool.writer()
    fill(writer, 9)
    writer.close()
    writer = spool.writer()

    assert writer.info().last_seq == 9
    assert writer.append(b"b", 1, NOW_US) == 10
    assert [group.seq for group in read_all(spool.reader())] == list(range(1, 11))


def test_retention_deletes_what_is_consumed_and_old(spool: SpoolUnderTest) -> None:
    """What is not consumed stays however old, what is consumed stays while it is young."""
    writer, reader = spool.writer(keep_us=10_000), spool.reader()
    fill(writer, 50)

    assert writer.retain(0, NOW_US + 10**9) == 0
    assert writer.retain(25, NOW_US + 60) == 0
    assert [group.seq for group in read_all(reader)] == list(range(1, 51))

    assert writer.retain(25, NOW_US + 10**9) > 0
    left = [group.seq for group in read_all(reader)]
    assert left == list(range(left[0], 51))
    assert 20 < left[0] <= 26
    assert writer.info().first_seq == left[0]


def test_numbers_survive_the_deletion_of_everything(spool: SpoolUnderTest) -> None:
    """When every group has been deleted, by retention, and the writer starts anew, numbers still rise."""
    writer = spool.writer(keep_us=1000)
    fill(writer, 20)
    for _ in range(3):
        writer.retain(20, NOW_US + 10**12)
    assert read_all(spool.reader()) == []
    assert spool.reader().last_seq() == 20
    writer.close()

    writer = spool.writer(keep_us=1000)
    assert writer.append(b"b", 1, NOW_US) == 21
    assert [group.seq for group in spool.reader().read(0)] == [21]
    assert [group.seq for group in spool.reader().read(20)] == [21]


def test_a_reader_that_lags_behind_retention_goes_on_with_what_is_left(spool: SpoolUnderTest) -> None:
    """Groups that are deleted while a reader stands among them are skipped."""
    writer, reader = spool.writer(keep_us=0), spool.reader()
    fill(writer, 40)
    assert reader.read(0, groups_max=1)[0].seq == 1  # it holds the first segment now
    newcomer = spool.reader()
    assert newcomer.last_seq() == 40

    writer.retain(30, NOW_US + 10**9)
    fill(writer, 1)

    held = read_all(reader, 1)
    assert [group.seq for group in held][-11:] == list(range(31, 42))
    assert [group.seq for group in held] == sorted({group.seq for group in held})
    assert read_all(newcomer)[-1].seq == 41


def test_a_full_spool_refuses_before_it_writes(spool: SpoolUnderTest) -> None:
    """Data that waits is limited; what consumers have stored makes room at once, kept or not."""
    writer, reader = spool.writer(bytes_max=20_000), spool.reader()
    fill(writer, 20)
    for _ in range(3):
        with pytest.raises(SpoolFull):
            writer.append(b"z", 1, NOW_US)
    assert [group.seq for group in read_all(reader)] == list(range(1, 21))

    writer.retain(7, NOW_US)
    assert fill(writer, 7) == list(range(21, 28))
    with pytest.raises(SpoolFull):
        writer.append(b"z", 1, NOW_US)


def test_a_full_spool_is_still_full_after_a_restart(spool: SpoolUnderTest) -> None:
    """The limit counts what earlier writers left, less what consumers have published."""
    writer = spool.writer(bytes_max=20_000)
    fill(writer, 20)
    writer.close()
    writer = spool.writer(bytes_max=20_000)
    with pytest.raises(SpoolFull):
        writer.append(b"z", 1, NOW_US)
    writer.close()

    spool.progress().set("pipeline", 12)
    writer = spool.writer(bytes_max=20_000)
    assert len(fill(writer, 12)) == 12
    with pytest.raises(SpoolFull):
        writer.append(b"z", 1, NOW_US)


def test_consumed_groups_go_early_when_room_is_short(spool: SpoolUnderTest) -> None:
    """Near the limit consumed groups are deleted before their time, others never."""
    writer = spool.writer(bytes_max=1_000_000, segment_bytes=50_000)
    for round_number in range(10):
        fill(writer, 50, size=10_000)
        writer.retain(50 * (round_number + 1) - 10, NOW_US)

    info = writer.info()
    assert info.bytes_on_disk < 2_000_000
    assert [group.seq for group in read_all(spool.reader(), 490)] == list(range(491, 501))
    assert 1 < info.first_seq <= 490


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    steps=st.lists(
        st.one_of(
            st.tuples(st.just("append"), st.integers(1, 5000)),
            st.tuples(st.just("retain"), st.integers(0, 100)),
            st.tuples(st.just("restart"), st.just(0)),
            st.tuples(st.just("read"), st.integers(1, 5)),
        ),
        max_size=40,
    )
)
def test_any_story_keeps_what_is_not_consumed(
    steps: list[tuple[str, int]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Whatever the order of appends, retention, restarts and reads: numbers rise, and nothing unconsumed is lost."""
    with ExitStack() as cleanup:
        spool = SpoolUnderTest(tmp_path_factory.mktemp("story"), cleanup)
        writer, reader = spool.writer(keep_us=0), spool.reader()
        kept: dict[int, bytes] = {}
        consumed = read_to = 0
        for number, (step, value) in enumerate(steps):
            if step == "append":
                data = bytes([number % 256]) * value
                seq = writer.append(data, 1, NOW_US + number)
                assert seq > max(kept, default=0)
                kept[seq] = data
            elif step == "retain":
                consumed = max(consumed, max(kept, default=0) * value // 100)
                writer.retain(consumed, NOW_US + 10**9)
            elif step == "restart":
                writer.close()
                writer = spool.writer(keep_us=0)
            else:
                for group in reader.read(read_to, groups_max=value):
                    assert group.data == kept[group.seq]
                    read_to = group.seq
        found = {group.seq: group.data for group in read_all(spool.reader())}
        assert found.items() <= kept.items()
        assert {seq: data for seq, data in kept.items() if seq > consumed}.items() <= found.items()


def test_progress_is_the_slowest_consumer(spool: SpoolUnderTest) -> None:
    """The minimum counts every consumer, nobody being 0; one that is gone for good can be removed."""
    progress = spool.progress()
    assert progress.minimum() == 0

    progress.set("pipeline", 30)
    assert progress.minimum() == 30
    progress.set("publisher", 7)
    progress.set("pipeline", 31)
    assert spool.progress().minimum() == 7
    assert spool.progress().all() == {"pipeline": 31, "publisher": 7}

    progress.remove("publisher")
    progress.remove("publisher")
    assert progress.minimum() == 31
    with pytest.raises(ValueError, match="named with"):
        progress.set("../x", 1)
