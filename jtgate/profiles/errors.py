"""What can be wrong with files of profiles. Every error names the file and the key.

SettingsError               exit code 78, as for every impossible configuration
└── ProfilesError
    ├── ProfilesFileError       a file cannot be read or is not TOML
    ├── BadProfileKey           a key or a value that a profile or an assignment cannot have
    └── UnknownProfile          a `base` or an assignment names a profile that nobody defines, or itself

The advice of an error is the next step to try.
"""

from jtgate.settings import SettingsError


class ProfilesError(SettingsError):
    """Something is wrong with a file of profiles."""

    code = "profiles"


class ProfilesFileError(ProfilesError):
    """The file cannot be read or is not TOML."""

    code = "profiles.file"


class BadProfileKey(ProfilesError):
    """A key or a value that a profile or an assignment cannot have."""

    code = "profiles.key"


class UnknownProfile(ProfilesError):
    """A name that no profile has, or a profile that is its own base."""

    code = "profiles.unknown"
