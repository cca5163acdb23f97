"""The answer of a terminal in words: terms of the standard, units, and what codes mean."""

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from jtgate.codecs.compose import compose
from jtgate.codecs.edition import Edition
from jtgate.codecs.errors import EncodeError
from jtgate.codecs.registry import decode_body
from jtgate.codecs.wire import Span

#: Lines of an answer; longest value in one of them.
LINES_MAX: Final = 200
_VALUE_MAX: Final = 300

#: What only says how the message is made: which command it answers, how long its lists are.
_QUIET: Final = ("answer_serial", ".id", ".length")


def answer_lines(answer: Mapping[str, Any], edition: str) -> list[tuple[str, str]]:
    """Names and values of the fields of an answer, LINES_MAX at most.

    Args:
        answer: as the API tells it: `msg_id` and `body`.
        edition: of the terminal.
    """
    lines = list(_described(answer, edition) or _plain(answer["body"]))
    if len(lines) > LINES_MAX:
        lines[LINES_MAX:] = [("…", f"{len(lines) - LINES_MAX} more lines; --json shows all")]
    return lines


def _described(answer: Mapping[str, Any], edition: str) -> list[tuple[str, str]]:
    """By the declaration of the message; empty when it cannot be written again, so that nothing is known of it."""
    msg_id, layout = int(answer["msg_id"], 16), Edition(edition) if edition in tuple(Edition) else Edition.V2013
    spans: list[Span] = []
    try:
        decode_body(msg_id, compose(msg_id, answer["body"], edition=layout).body, layout, [], spans)
    except (EncodeError, LookupError):
        return []
    return [_line(span) for span in spans if not span.path.endswith(_QUIET)]


def _line(span: Span) -> tuple[str, str]:
    value = " ".join(part for part in (_cut(span.value), span.unit) if part)
    return (
        f"{'  ' * span.path.count('.')}{span.term} {span.name}",
        f"{value}  {span.meaning}" if span.meaning else value,
    )


def _plain(body: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name, value in body.items():
        if value is not None:
            yield name, _cut(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))


def _cut(text: str) -> str:
    return text if len(text) <= _VALUE_MAX else f"{text[:_VALUE_MAX]} …"
