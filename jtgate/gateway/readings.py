"""How the gateway reads a terminal: its profile, and the key that opens what it encrypts (design D11, §10.7).

The gateway does not look into the store: what registrations said of models, and the public keys of terminals, are
notes in the directory that outlive it.
"""

from collections.abc import Mapping

from jtgate.codecs.edition import Edition
from jtgate.codecs.encryption import PublicKey
from jtgate.codecs.profile import Profile
from jtgate.profiles import Assignments
from jtgate.storage.directory import TerminalNote
from jtgate.storage.rsa_key import PlatformKey

#: Notes waiting for the directory; beyond it the oldest go, and are made again when their terminal registers again.
NOTES_MAX = 200_000


class Readings:
    """See the module.

    Args:
        assignments: which terminal has which profile.
        key: of the platform.
        models: terminal -> manufacturer and model, of those that registered before; asked for when rows look at them.
    """

    def __init__(
        self, assignments: Assignments, key: PlatformKey, models: Mapping[str, tuple[str, str]] | None = None
    ) -> None:
        self.key = key
        self._assignments = assignments
        self._models = dict(models or {})
        self._notes: dict[str, TerminalNote] = {}
        #: Whether any profile takes frames with a wrong check byte.
        self.forgives_checksums = any(profile.bad_checksum == "accept" for _, profile in assignments.rows)

    def profile(self, terminal: str, listener: str) -> Profile:
        """The profile of a terminal.

        Args:
            terminal: digits without leading zeros.
            listener: where it is connected.
        """
        manufacturer, model = self._models.get(terminal, (None, None))
        return self._assignments.choose(terminal, manufacturer, model, listener)

    def header_edition(self, listener: str) -> Edition | None:
        """The edition that headers on a listener have whatever they look like; None: they tell it themselves."""
        profile = self._assignments.of_listener(listener)
        return None if profile is None else profile.forced_edition

    def note_model(self, terminal: str, manufacturer: str, model: str) -> None:
        """What a registration said."""
        if self._assignments.ask_models:
            self._models[terminal] = (manufacturer, model)
        self._note(TerminalNote(terminal, manufacturer, model))

    def note_key(self, terminal: str, key: PublicKey) -> None:
        """The public key of a terminal."""
        self._note(TerminalNote(terminal, key=key))

    def _note(self, note: TerminalNote) -> None:
        """Add to what waits of that terminal."""
        before = self._notes.pop(note.terminal, note)
        told = {name: value for name, value in note._asdict().items() if value is not None}
        self._notes[note.terminal] = before._replace(**told)
        while len(self._notes) > NOTES_MAX:
            del self._notes[next(iter(self._notes))]

    def take_notes(self) -> list[TerminalNote]:
        """Notes for the directory."""
        found, self._notes = list(self._notes.values()), {}
        return found

    def put_back(self, notes: list[TerminalNote]) -> None:
        """The directory did not take them; newer ones go before."""
        self._notes = {note.terminal: note for note in notes} | self._notes
