"""Which terminal has which profile, as the pipeline needs to know it (design D11).

Most terminals have the default, and cost one look when their phone is met for the first time: after that the fast
lane knows their id and asks no more. A terminal whose profile reads locations otherwise never gets there.
"""

from typing import Final

from jtgate.codecs.edition import Edition
from jtgate.codecs.profile import AUTO, Profile
from jtgate.profiles import Assignments
from jtgate.storage.records import Transport
from jtgate.storage.store import Store

#: Terminals whose profile is remembered; then all are looked up anew.
REMEMBERED_MAX: Final = 200_000

_NAMES: Final = {int(transport): transport.name.lower() for transport in Transport}


class Assigned:
    """Profiles of terminals; rebuilt from the store like everything the pipeline remembers (design D8).

    Args:
        assignments: from the files of profiles.
        store: knows registrations, sessions and the zones of before.

    Raises:
        StoreError: the store cannot be read now.
    """

    def __init__(self, assignments: Assignments, store: Store) -> None:
        self._rows = assignments
        self._store = store
        self._chosen: dict[int, Profile | None] = {}  # by number or registration
        self._registered: dict[int, Profile] = {}
        if assignments.ask_models:
            found = {terminal_id: assignments.of_model(*told) for terminal_id, told in store.models().items()}
            self._registered = {terminal_id: profile for terminal_id, profile in found.items() if profile is not None}
        self._of_listener = {number: assignments.of_listener(name) for number, name in _NAMES.items()}
        self._zones = {terminal_id: set(zones) for terminal_id, zones in store.zones().items()}
        self._new_zones: list[tuple[int, int]] = []
        #: Terminals met that have another profile than the default.
        self.special: dict[int, Profile] = {}

    def rules_listener(self, transport: int) -> bool:
        """Whether everybody on a listener has a profile for that: then the phone alone does not tell the profile."""
        return self._of_listener.get(transport) is not None

    def header_edition(self, transport: int) -> Edition | None:
        """The edition that headers on a listener have whatever they look like; None: they tell it themselves."""
        profile = self._of_listener.get(transport)
        return None if profile is None else profile.forced_edition

    def of(self, terminal_id: int, terminal: str, transport: int | None, session_id: int) -> Profile:
        """The profile of a terminal.

        Args:
            terminal_id: in the store.
            terminal: digits without leading zeros.
            transport: that its message came by, None when that was not kept with it.
            session_id: that its message came on.
        """
        if not self._rows.rows:
            return AUTO
        if terminal_id not in self._chosen:
            if len(self._chosen) >= REMEMBERED_MAX:
                self._chosen.clear()
            by_number = self._rows.of_terminal(terminal)
            self._chosen[terminal_id] = by_number or self._registered.get(terminal_id)
        found = self._chosen[terminal_id]
        if found is None:
            found = self._by_listener(transport, session_id)
        if found is AUTO:
            self.special.pop(terminal_id, None)
        else:
            self.special[terminal_id] = found
            self._note_zone(terminal_id, found.time_zone_minutes)
        return found

    def _by_listener(self, transport: int | None, session_id: int) -> Profile:
        if transport is not None:
            return self._of_listener.get(transport) or AUTO
        if not any(self._of_listener.values()):
            return AUTO
        return self._rows.of_listener(self._store.transport_of(session_id)) or AUTO

    def registered(self, terminal_id: int, manufacturer: str, model: str) -> bool:
        """A registration tells the model; True when that changes the profile of the terminal."""
        profile = self._rows.of_model(manufacturer, model)
        if profile is self._registered.get(terminal_id):
            return False
        if profile is None:
            del self._registered[terminal_id]
        else:
            self._registered[terminal_id] = profile
        self._chosen.pop(terminal_id, None)
        return True

    def is_fast(self, terminal_id: int, profile: Profile) -> bool:
        """Whether the compiled columns may read the locations of a terminal."""
        return not profile.rereads_locations and terminal_id not in self._zones

    def zones_besides(self, terminal_id: int, profile: Profile) -> list[int]:
        """Zones other than that of the profile in which times of the terminal may have been read before."""
        zones = {AUTO.time_zone_minutes, *self._zones.get(terminal_id, ())}
        return sorted(zones - {profile.time_zone_minutes})

    def take_zones(self) -> list[tuple[int, int]]:
        """Zones that are to be stored with the next batch."""
        found, self._new_zones = self._new_zones, []
        return found

    def _note_zone(self, terminal_id: int, minutes: int) -> None:
        if minutes == AUTO.time_zone_minutes:
            return
        known = self._zones.setdefault(terminal_id, set())
        if minutes not in known:
            known.add(minutes)
            self._new_zones.append((terminal_id, minutes))
