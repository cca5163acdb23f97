"""Where the session of a simulated terminal stands, and what it wants done with its link."""

from enum import StrEnum


class State(StrEnum):
    """Where the session stands."""

    OFFLINE = "offline"
    REGISTERING = "registering"
    AUTHENTICATING = "authenticating"
    ONLINE = "online"


class LinkOrder(StrEnum):
    """What the shell is to do with the link."""

    OPEN = "open"
    CLOSE = "close"  # after what is queued has been written
    ABORT = "abort"  # at once
    ABANDON = "abandon"  # leave it half open, open another one later
