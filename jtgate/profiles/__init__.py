"""Profiles of terminals as data: what is built in, what a user adds, and which terminal has which (design D11).

`load(paths)` reads the files of this package and those of the setting `profiles`; `Profiles.assignments` chooses
by terminal, registration or listener. The settings themselves are `codecs.profile.Profile`.
"""

from jtgate.profiles.assign import LISTENERS, Assignment, Assignments
from jtgate.profiles.catalogue import Entry, Profiles, load
from jtgate.profiles.errors import BadProfileKey, ProfilesError, ProfilesFileError, UnknownProfile

__all__ = [
    "LISTENERS",
    "Assignment",
    "Assignments",
    "BadProfileKey",
    "Entry",
    "Profiles",
    "ProfilesError",
    "ProfilesFileError",
    "UnknownProfile",
    "load",
]
