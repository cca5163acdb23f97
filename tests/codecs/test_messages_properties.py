"""What holds for every declared message in every edition, whatever the values and whatever the bytes."""

import json

import pytest
from declared_strategies import structures
from hypothesis import given, settings
from hypothesis import strategies as st

from jtgate.codecs import deviations as dev
from jtgate.codecs.declare import MESSAGES, Message
from jtgate.codecs.deviations import DEVIATIONS
from jtgate.codecs.edition import ALL_EDITIONS, Edition
from jtgate.codecs.errors import BodyError
from jtgate.codecs.registry import BODY_BYTES_MIN, UnknownMessage, body_edition, decode_body, encode_body
from jtgate.codecs.wire import Span

CASES = [
    pytest.param(cls, edition, id=f"{cls.__name__}-{edition}") for cls in MESSAGES.values() for edition in ALL_EDITIONS
]


@pytest.mark.parametrize(("cls", "edition"), CASES)
def test_decode_undoes_encode(cls: type[Message], edition: Edition) -> None:
    """Every value that can be written is read back, without a deviation of the layout, and shown."""

    @settings(max_examples=25, deadline=None)
    @given(structures(cls, edition))
    def check(message: Message) -> None:
        body = message.encode(edition)
        spans: list[Span] = []
        assert cls.decode(body, edition, [], spans) == message
        assert [span.raw for span in spans if span.raw != body[span.offset : span.offset + span.length]] == []
        assert b"".join(span.raw for span in sorted(spans, key=lambda span: span.offset)) == body
        json.dumps(message.to_json())

    check()


@st.composite
def damaged(draw: st.DrawFn, cls: type[Message], edition: Edition) -> bytes:
    """A good body with bytes changed, cut off, doubled or added."""
    body = bytearray(draw(structures(cls, edition)).encode(edition))
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(body)))
        how = draw(st.sampled_from(["change", "cut", "insert", "remove"]))
        if how == "change" and at < len(body):
            body[at] = draw(st.integers(0, 255))
        elif how == "cut":
            del body[at:]
        elif how == "insert":
            body[at:at] = draw(st.binary(min_size=1, max_size=4))
        else:
            del body[at : at + 1]
    return bytes(body)


def decoded(msg_id: int, body: bytes, edition: Edition, deviations: list[str]) -> Message | UnknownMessage | BodyError:
    """The message, or the error instead of raising it."""
    try:
        return decode_body(msg_id, body, edition, deviations)
    except BodyError as error:
        return error


def survives(msg_id: int, body: bytes, edition: Edition) -> None:
    """Decoding gives a message that goes out as it came, or a BodyError that points into the body."""
    deviations: list[str] = []
    outcome = decoded(msg_id, body, edition, deviations)
    if isinstance(outcome, BodyError):
        assert outcome.msg_id == msg_id
        assert 0 <= outcome.offset <= len(body)
        assert outcome.field
        return
    assert set(deviations) <= set(DEVIATIONS)
    assert len(set(deviations)) == len(deviations)
    json.dumps(outcome.to_json()).encode()
    if msg_id in BODY_BYTES_MIN:
        assert len(body) >= BODY_BYTES_MIN[msg_id]
    # The one thing that is not given back: a length in a batch that was more than what was left.
    if dev.BATCH_ITEM_OVERRUN not in deviations:
        assert encode_body(outcome, body_edition(msg_id, body, edition)) == body


@pytest.mark.parametrize(("cls", "edition"), CASES)
def test_damaged_bodies_are_errors_of_ours_or_come_out_as_they_went_in(cls: type[Message], edition: Edition) -> None:
    """Mutated bodies raise nothing but BodyError; what is read is written again byte for byte."""

    @settings(max_examples=40, deadline=None)
    @given(damaged(cls, edition))
    def check(body: bytes) -> None:
        survives(cls.INFO.msg_id, body, edition)

    check()


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(sorted(MESSAGES)), st.binary(max_size=120), st.sampled_from(ALL_EDITIONS))
def test_random_bodies_are_errors_of_ours_or_come_out_as_they_went_in(
    msg_id: int, body: bytes, edition: Edition
) -> None:
    """Any bytes under any id raise nothing but BodyError."""
    survives(msg_id, body, edition)


@given(st.binary(max_size=50))
def test_an_unknown_id_is_kept_as_it_came(body: bytes) -> None:
    """An id of nobody is no error; its bytes go out unchanged."""
    message = decode_body(0x0F42, body, Edition.V2013, [])
    assert message == UnknownMessage(0x0F42, body)
    assert encode_body(message, Edition.V2019) == body


def test_a_body_shorter_than_the_minimum_is_refused() -> None:
    """Every body one byte shorter than BODY_BYTES_MIN fails in every edition."""
    for msg_id, least in BODY_BYTES_MIN.items():
        for edition in ALL_EDITIONS:
            for length in range(least):
                with pytest.raises(BodyError):
                    decode_body(msg_id, bytes(length), edition, [])
