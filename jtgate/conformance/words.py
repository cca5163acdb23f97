"""Values in a scenario: what depends on the edition, labels, variables, bodies of messages, conditions on answers."""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from jtgate.codecs import registry, timebase
from jtgate.codecs.catalogue import CATALOGUE
from jtgate.codecs.edition import Edition
from jtgate.codecs.errors import EncodeError
from jtgate.codecs.profile import AUTO, Profile
from jtgate.conformance import bodies
from jtgate.conformance.kit import KitError

_EDITIONS: Final = frozenset(edition.value for edition in Edition)
_IN_HEX: Final = re.compile(r"\{([^{}]+)\}")


class Words:
    """The names that the steps of one played scenario know.

    Args:
        edition: of the terminal.
        samples: sample messages by name, as `messages.toml` has them.
    """

    def __init__(self, edition: Edition, samples: Mapping[str, Mapping[str, Any]]) -> None:
        self.edition = edition
        self.samples = samples
        self.serials: dict[str, int] = {}
        self.variables: dict[str, Any] = {}

    def value(self, given: Any) -> Any:
        """A value with everything in it replaced: editions, `@label`, `$variable`.

        Raises:
            KitError: the name is unknown, or the edition is not among those told.
        """
        if isinstance(given, Mapping):
            if given and all(_EDITIONS.issuperset(key.split()) for key in given):
                return self.value(self._of_edition(given))
            return {key: self.value(inner) for key, inner in given.items()}
        if isinstance(given, list):
            return [self.value(inner) for inner in given]
        if isinstance(given, str) and given.startswith("@"):
            return self.serial(given[1:])
        if isinstance(given, str) and given.startswith("$"):
            return self._variable(given[1:])
        return given

    def serial(self, label: str) -> int:
        """The serial of the frame with this label."""
        if label not in self.serials:
            raise KitError(f"no frame is called {label!r}")
        return self.serials[label]

    def sample(self, name: str) -> Mapping[str, Any]:
        """A sample message, or the bare row of a message of the standard."""
        if name in self.samples:
            return self.samples[name]
        for row in CATALOGUE.values():
            if row.name == name:
                return {"id": row.msg_id}
        raise KitError(f"no message is called {name!r}")

    def hex_bytes(self, text: str) -> bytes:
        """Bytes from hex with blanks; `{@label}` is the serial of a frame, `{name}` the body of a sample message."""

        def put_in(found: re.Match[str]) -> str:
            name = found[1]
            if name.startswith("@"):
                return f"{self.serial(name[1:]):04x}"
            return self.body(self.sample(name)).hex()

        try:
            return bytes.fromhex(_IN_HEX.sub(put_in, text))
        except ValueError:
            raise KitError(f"{text!r} is not hex") from None

    def body(self, message: Mapping[str, Any], edition: Edition | None = None) -> bytes:
        """The body of a message told by `id` with `body` (hex) or `fields`, filled up to `grow_to` bytes.

        What it is filled with is `grow_with` again and again, or the bytes 00, 01, 02 … by their place in the body.

        Args:
            message: table of a step or a sample.
            edition: of the layout, when it is not that of the scenario.
        """
        given = self.value(message.get("body"))
        if given is not None:
            data = self.hex_bytes(given)
        else:
            fields = self.value(message.get("fields", {}))
            try:
                data = bodies.encode(int(message["id"]), fields, edition or self.edition)
            except (EncodeError, ValueError, TypeError) as error:
                raise KitError(f"0x{message['id']:04x} cannot be built: {error}") from error
        length = int(message.get("grow_to", 0))
        pattern = bytes.fromhex(message.get("grow_with", "")) or bytes(range(256))
        return data + bytes(pattern[at % len(pattern)] for at in range(len(data), length))

    def _of_edition(self, given: Mapping[str, Any]) -> Any:
        for key, inner in given.items():
            if self.edition.value in key.split():
                return inner
        raise KitError(f"nothing is said for edition {self.edition}")

    def _variable(self, name: str) -> Any:
        if name == "now":
            return timebase.iso(timebase.utc_now())
        if name == "none":
            return None
        if name not in self.variables:
            raise KitError(f"${name} has no value")
        return self.variables[name]


# ----------------------------------------------------------------------------------------------- conditions


def fault(name: str, value: Any, wanted: Any) -> str | None:
    """Why a value does not meet a condition, in a few words; None when it does.

    Args:
        name: of the field, for the sentence.
        value: what came, as JSON has it.
        wanted: a value to be equal to; a list with one of which it is equal; or a table of tests.
    """
    if isinstance(wanted, list):
        return None if value in wanted else f"{name} is {value!r}, not one of {wanted}"
    if not isinstance(wanted, Mapping):
        return None if value == wanted else f"{name} is {value!r}, not {wanted!r}"
    for test, bound in wanted.items():
        if test not in _TESTS:
            raise KitError(f"a condition has no test {test!r}")
        problem = _TESTS[test](value, bound)
        if problem:
            return f"{name} {problem}"
    return None


def _equals(value: Any, bound: Any) -> str | None:
    return None if value == bound else f"is {value!r}, not {bound!r}"


def _minimum(value: Any, bound: Any) -> str | None:
    return None if isinstance(value, int | float) and value >= bound else f"is {value!r}, less than {bound}"


def _maximum(value: Any, bound: Any) -> str | None:
    return None if isinstance(value, int | float) and value <= bound else f"is {value!r}, more than {bound}"


def _longest(value: Any, bound: Any) -> str | None:
    return None if len(value or "") <= bound else f"has {len(value)} characters or items, more than {bound}"


def _shortest(value: Any, bound: Any) -> str | None:
    return None if len(value or "") >= bound else f"has {len(value or '')} characters or items, fewer than {bound}"


def _ascii(value: Any, bound: Any) -> str | None:
    plain = isinstance(value, str) and value.isascii() and value.isprintable()
    return None if plain is bool(bound) else f"is {value!r}, not printable ASCII"


def _absent(value: Any, bound: Any) -> str | None:
    gone = value in (None, "", [])
    return None if gone is bool(bound) else f"is {value!r}, though nothing should be there" if bound else "is missing"


def _near_now(value: Any, bound: Any) -> str | None:
    try:
        apart_s = abs((datetime.fromisoformat(str(value)) - timebase.utc_now()).total_seconds())
    except (ValueError, TypeError):
        return f"is {value!r}, no time"
    return None if apart_s <= bound else f"is {value}, {apart_s:.0f} s away from now"


def _inside(value: Any, bound: Any) -> str | None:
    """A structure whose fields meet conditions of their own."""
    for key, inner in bound.items():
        problem = fault(f".{key}", (value or {}).get(key), inner)
        if problem:
            return problem
    return None


def _all_of(value: Any, bound: Any) -> str | None:
    """Every element of a list has these keys with these values."""
    for index, element in enumerate(value or ()):
        for key, inner in bound.items():
            problem = fault(f"[{index}].{key}", element.get(key), inner)
            if problem:
                return problem
    return None


def _some(value: Any, bound: Any) -> str | None:
    """Some element of a list has these keys with these values."""
    for element in value or ():
        if all(fault(key, element.get(key), inner) is None for key, inner in bound.items()):
            return None
    return f"has no element with {dict(bound)}"


_TESTS: Final = {
    "equals": _equals,
    "min": _minimum,
    "max": _maximum,
    "length_min": _shortest,
    "length_max": _longest,
    "ascii": _ascii,
    "absent": _absent,
    "near_now_s": _near_now,
    "in": _inside,
    "each": _all_of,
    "some": _some,
}


#: Nothing on the wire tells 2011 from 2013, so bodies of a terminal that is known to speak 2011 are read as such.
_READ_AS_2011: Final = Profile(name="2011", edition=Edition.V2011.value)


def read_body(
    msg_id: int, body: bytes, header: Edition, spoken: Edition, deviations: list[str] | None = None
) -> dict[str, Any]:
    """A received body as JSON values.

    Args:
        msg_id: 消息ID.
        body: all bytes.
        header: edition of the header.
        spoken: edition in which the scenario is played.
        deviations: receives the names of what had to be tolerated.

    Raises:
        BodyError: it has not the structure of its id.
    """
    profile = _READ_AS_2011 if spoken is Edition.V2011 and header is not Edition.V2019 else AUTO
    found = [] if deviations is None else deviations
    return dict(registry.decode_body(msg_id, body, header, found, profile=profile).to_json())
