"""The editions of JT/T 808 and what tells them apart on the wire."""

import enum


class Edition(enum.StrEnum):
    """An edition of JT/T 808 (版本).

    2011 and 2013 share one header; 2019 has a longer one with a version byte.
    """

    V2011 = "2011"
    V2013 = "2013"
    V2019 = "2019"

    @property
    def phone_bytes(self) -> int:
        """Length of the BCD phone number (终端手机号) in the header: 6 or 10."""
        return 10 if self is Edition.V2019 else 6


ALL_EDITIONS = (Edition.V2011, Edition.V2013, Edition.V2019)
SINCE_2013 = (Edition.V2013, Edition.V2019)
ONLY_2019 = (Edition.V2019,)
ONLY_2011 = (Edition.V2011,)
