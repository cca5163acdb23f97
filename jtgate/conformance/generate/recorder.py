"""Vectors of the data blocks of the driving recorder (JT/T 808 §9, GB/T 19056): each alone in a message."""

from collections.abc import Callable, Iterator
from typing import Any

from jtgate.codecs.declare import Message, Structure
from jtgate.codecs.edition import Edition
from jtgate.codecs.groups import form_name
from jtgate.codecs.jt808.recorder import RecorderAnswer, RecorderCollect, RecorderRequest, RecorderSet, RecorderUpload
from jtgate.codecs.jt808.recorder_blocks import ANSWER_BLOCKS, REQUEST_BLOCKS, RecorderBlock, UnknownBlock
from jtgate.conformance.generate.forms import FormVectors
from jtgate.conformance.vectors import Vector

#: Bytes of a block that fit into one frame, with the head and the check of GB/T 19056 around it.
_BLOCK_BYTES_MAX = 1000
_SERIAL_ASKED = 258
#: Commands from here on set something.
_FIRST_SETTING = 0x80


def recorder_files() -> Iterator[tuple[str, list[Vector]]]:
    """File and vectors of every data block, answers and requests apart."""
    for command, forms in sorted(ANSWER_BLOCKS.items()):
        vectors = [one for form in forms for one in _of_block(form, "answer", command, _answer(command))]
        yield f"recorder/0x{command:02x}_answer.jsonl", vectors
    for command, forms in sorted(REQUEST_BLOCKS.items()):
        vectors = [one for form in forms for one in _of_block(form, "request", command, _request(command))]
        yield f"recorder/0x{command:02x}_request.jsonl", vectors


def _of_block(
    form: type[RecorderBlock], way: str, command: int, around: Callable[[Structure | bytes], Message]
) -> Iterator[Vector]:
    name = f"recorder-0x{command:02x}-{way}-{form_name(form)}"
    yield from FormVectors(form, name, Edition.V2013, {}, around, _BLOCK_BYTES_MAX).all()


def _block(value: Structure | bytes) -> Any:
    return UnknownBlock(data=value) if isinstance(value, bytes) else value


def _answer(command: int) -> Callable[[Structure | bytes], Message]:
    def around(value: Structure | bytes) -> Message:
        packet = RecorderAnswer(command=command, block=_block(value))
        return RecorderUpload(answer_serial=_SERIAL_ASKED, command=command, packet=packet)

    return around


def _request(command: int) -> Callable[[Structure | bytes], Message]:
    cls = RecorderSet if command >= _FIRST_SETTING else RecorderCollect

    def around(value: Structure | bytes) -> Message:
        return cls(command=command, packet=RecorderRequest(command=command, block=_block(value)))

    return around
