"""Positions of phones 手机定位: told by the application of the drivers, compared with the vehicles by the deriver."""

from typing import Annotated, Final

import msgspec
from msgspec import Meta

from jtgate.api.areas.registries import may_see
from jtgate.api.operations import Asked, Call, ProblemError, Scope, operation
from jtgate.api.times import FromTime
from jtgate.codecs.fingerprint import fingerprint
from jtgate.codecs.timebase import now_ms
from jtgate.pipeline.derive.binding_inputs import CHECK_IN
from jtgate.storage.model import PhoneFixRow, StoreBatch

#: Fixes of one request.
FIXES_MAX: Final = 1000
#: Under this name the store notes who wrote; it has no place in the spool.
CONSUMER: Final = "api:phones"
#: A phone whose clock is further ahead is not believed.
AHEAD_MAX_MS: Final = 300_000


class PhoneFix(Asked, kw_only=True):
    """Where the phone of a person was."""

    person: Annotated[str, Meta(min_length=1, max_length=40, description="Key of the registry of persons.")]
    time: Annotated[FromTime, Meta(description="When.")]
    latitude: Annotated[float, Meta(ge=-90, le=90, description="WGS-84.")]
    longitude: Annotated[float, Meta(ge=-180, le=180, description="WGS-84.")]
    accuracy_m: Annotated[float, Meta(ge=0, le=100_000, description="Radius; over 100 m it is not used.")]
    speed_kmh: Annotated[Annotated[float, Meta(ge=0, le=1000)] | None, Meta(description="Speed.")] = None
    heading_deg: Annotated[Annotated[float, Meta(ge=0, le=360)] | None, Meta(description="0 is north.")] = None
    check_in: Annotated[bool, Meta(description="打卡: the driver told so on purpose, beside the vehicle.")] = False


class FixesBody(Asked):
    """A batch of fixes, in any order; the same again changes nothing."""

    fixes: Annotated[list[PhoneFix], Meta(min_length=1, max_length=FIXES_MAX)]


class FixesTaken(msgspec.Struct):
    """How many fixes were taken."""

    taken: int


@operation(
    "POST",
    "/v1/phone-fixes",
    scope=Scope.COMMAND,
    body=FixesBody,
    answer=FixesTaken,
    example={
        "fixes": [
            {
                "person": "P0001",
                "time": "2026-05-11T08:10:00+08:00",
                "latitude": 41.12,
                "longitude": 122.07,
                "accuracy_m": 12,
            }
        ]
    },
)
def put_phone_fixes(call: Call[None, FixesBody]) -> FixesTaken:
    """Tell where phones were; all of it is taken, or nothing.

    Only fixes of persons who agreed to it (`location_consent` of the registry, at the time of the fix) are compared
    with a vehicle. A token limited to an enterprise or county tells of its own persons only.
    """
    api, at_ms = call.api, now_ms()
    fixes = call.body.fixes
    _check_persons(call, {fix.person: place for place, fix in reversed(list(enumerate(fixes)))})
    rows = []
    for place, fix in enumerate(fixes):
        if fix.time > at_ms + AHEAD_MAX_MS:
            raise ProblemError(
                422, "bad-fix", "A fix is not as it must be", "its time is in the future", f"$.fixes[{place}].time"
            )
        rows.append(_row(fix, call.caller.name, at_ms))
    with api.store() as store:
        store.write(StoreBatch(phone_fixes=rows), consumer=CONSUMER, seq=0)
    api.note(call.caller, "put_phone_fixes", "*", len(rows))
    return FixesTaken(len(rows))


def _check_persons(call: Call[None, FixesBody], first: dict[str, int]) -> None:
    """Persons must be on file, and of those that the caller may see."""
    with call.api.store() as store:
        known = {person: store.registry_rows("persons", key=(person,), at_ms=now_ms(), limit=1) for person in first}
    for person, rows in known.items():
        if not rows or not may_see(call.api, call.caller, "persons", rows[0]):
            pointer = f"$.fixes[{first[person]}].person"
            raise ProblemError(422, "no-such-person", "There is no such person on file", pointer=pointer)


def _row(fix: PhoneFix, source: str, at_ms: int) -> PhoneFixRow:
    place = f"{fix.latitude:.7f},{fix.longitude:.7f},{fix.accuracy_m:.1f},{int(fix.check_in)}"
    return PhoneFixRow(
        person=fix.person,
        fix_time_ms=int(fix.time),
        fingerprint=fingerprint(place.encode()),
        received_ms=at_ms,
        latitude=fix.latitude,
        longitude=fix.longitude,
        accuracy_m=fix.accuracy_m,
        speed_kmh=fix.speed_kmh,
        heading_deg=fix.heading_deg,
        source=f"{CHECK_IN if fix.check_in else ''}{source}",
        updated_ms=at_ms,
    )
