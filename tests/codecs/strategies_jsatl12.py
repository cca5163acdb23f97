"""Strategies for the structures of active safety whose fields depend on each other."""

import dataclasses
from datetime import UTC, datetime
from typing import Any

import declared_strategies as base
from hypothesis import strategies as st

from jtgate.codecs.declare import Structure
from jtgate.codecs.edition import Edition
from jtgate.codecs.jsatl12.attachments import ALARM_SOURCES, AlarmSource
from jtgate.codecs.jsatl12.filestream import MAGIC, DataPacket, DataPacketHlj
from jtgate.codecs.jsatl12.record_file import VehicleRecord
from jtgate.codecs.jt808.location import LocationBase

TEN_YEARS = st.datetimes(datetime(2020, 1, 1), datetime(2029, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001


@st.composite
def alarm_sources(draw: st.DrawFn, cls: type[AlarmSource], edition: Edition) -> AlarmSource:
    """With a calendar time, by which the dialects are told apart."""
    one = draw(base.declared(cls, edition))
    assert isinstance(one, cls)
    time = draw(TEN_YEARS).replace(microsecond=0)
    return dataclasses.replace(one, alarm_number=dataclasses.replace(one.alarm_number, time=time))


@st.composite
def data_packets(draw: st.DrawFn, cls: type[DataPacket], _edition: Edition) -> DataPacket:
    """Named as §4.4 says."""
    kind = draw(st.integers(0, 5))
    name = (
        f"{kind:02}_{draw(st.sampled_from(['0', '64', '65']))}_{draw(st.text('0123456789ABCDEFabcdef_.', max_size=40))}"
    )
    offset = draw(st.integers(0, 1 << 27))
    return cls(magic=int.from_bytes(MAGIC), name=name[:50], offset=offset, data=draw(st.binary(max_size=90)))


def records(cls: type[Structure], edition: Edition) -> Any:
    """Angles whose sign is that of the status."""
    return base.SPECIAL[LocationBase](cls, edition)


for _form in ALARM_SOURCES.values():
    base.SPECIAL[_form] = alarm_sources
for _packet in (DataPacket, DataPacketHlj):
    base.SPECIAL[_packet] = data_packets
base.SPECIAL[VehicleRecord] = records
