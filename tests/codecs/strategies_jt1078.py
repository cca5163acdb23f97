"""Strategies for what JT/T 1078 has to itself: the packets of the media stream."""

from declared_strategies import SPECIAL
from hypothesis import strategies as st

from jtgate.codecs.edition import Edition
from jtgate.codecs.jt1078.packets import DATA_TYPES, SUBPACKET_MARKS, TIMED, VIDEO, Packet

BODY_BYTES_MAX = 60


@st.composite
def packets(draw: st.DrawFn, cls: type[Packet], edition: Edition) -> Packet:
    """A packet of a data type of the standard, with the fields that it has; all else may have any value."""
    data_type = draw(st.sampled_from(list(DATA_TYPES))).code
    mark = draw(st.sampled_from(list(SUBPACKET_MARKS))).code
    sim_bytes = 10 if edition is Edition.V2019 else 6
    word = st.integers(0, 0xFFFF)
    return cls(
        flags=draw(st.just(0x81) | st.integers(0, 255)),
        marker_and_type=draw(st.integers(0, 255)),
        serial=draw(word),
        sim=draw(st.binary(min_size=sim_bytes, max_size=sim_bytes)).hex().upper(),
        channel=draw(st.integers(0, 255)),
        type_and_mark=data_type << 4 | mark,
        timestamp_ms=draw(st.integers(0, 2**64 - 1)) if data_type in TIMED else None,
        last_i_interval_ms=draw(word) if data_type in VIDEO else None,
        last_interval_ms=draw(word) if data_type in VIDEO else None,
        body=draw(st.binary(max_size=BODY_BYTES_MAX)),
    )


SPECIAL[Packet] = packets
