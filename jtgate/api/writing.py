"""Whether a command can be written for its terminal, as far as it is known here; the gateway has the last word."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from jtgate.api.context import Api
from jtgate.api.operations import ProblemError
from jtgate.codecs.compose import compose
from jtgate.codecs.edition import Edition
from jtgate.codecs.errors import EncodeError
from jtgate.codecs.registry import message_class
from jtgate.storage.store import StoreError

#: Longest sentence about a field, which may quote its value.
_DETAIL_MAX: Final = 300
#: Where a sentence names its field: "flags: 400 cannot be …", "text_type is needed …", "TextMessage.text_type does …".
_PLACE: Final = re.compile(r"(?:[A-Z]\w*\.)?([a-z]\w*(?:[.\[]\S*?)?)(?=: | is | does )")


class _Form(NamedTuple):
    """How a terminal may read: edition of its headers, and how it is connected."""

    edition: Edition
    transport: str = ""


def check_writing(api: Api, terminal: str, msg_id: int, fields: Mapping[str, Any]) -> list[str]:
    """Write a command for its terminal and throw it away; for one that nobody knows any edition will do.

    Args:
        api: knows the terminal.
        terminal: digits without leading zeros.
        msg_id: 消息ID.
        fields: of the body by name.

    Returns:
        What the terminal will read otherwise.

    Raises:
        ProblemError: 422, with the path of the field as pointer.
    """
    problem: ProblemError | None = None
    for form in _forms(api, terminal):
        profile = api.assignments.choose(terminal, None, None, form.transport)
        try:
            return list(compose(msg_id, fields, edition=form.edition, profile=profile).remarks)
        except EncodeError as error:
            problem = problem or _problem(
                f"{error.message[:_DETAIL_MAX]} (edition {form.edition})", _path(error, msg_id)
            )
        except RecursionError:
            problem = _problem("it is nested too deeply", "")
    assert problem is not None  # noqa: S101  there is a form, so it returned or failed
    raise problem


def _problem(detail: str, path: str) -> ProblemError:
    pointer = f"$.fields.{path}" if path else "$.fields"
    return ProblemError(422, "bad-fields", "The message cannot be written so", detail, pointer)


def _path(error: EncodeError, msg_id: int) -> str:
    """The field that an error is about: it has it, or its sentence begins with it; "" when it is none or several."""
    cls = message_class(msg_id)
    named = _PLACE.match(error.message)
    path = error.field or (named.group(1) if named is not None else "")
    first = re.split(r"[.\[]", path, maxsplit=1)[0]
    is_ours = bool(error.field) or (cls is not None and any(spec.name == first for spec in cls.SPECS))
    return path if is_ours and "," not in path else ""


def _forms(api: Api, terminal: str) -> Iterator[_Form]:
    session = api.directory.session(terminal)
    if session is not None and session.edition in tuple(Edition):
        yield _Form(Edition(session.edition), session.transport)
        return
    try:
        with api.store() as store:
            rows = store.terminals(prefix=terminal, limit=1)  # in the order of their numbers, so it is the first
    except StoreError:  # the bus keeps the command all the same
        rows = []
    if rows and rows[0].get("terminal") == terminal and rows[0].get("edition") in tuple(Edition):
        yield _Form(Edition(str(rows[0]["edition"])))
        return
    yield _Form(Edition.V2013)
    yield _Form(Edition.V2019)
