"""The pipeline: follows the spool, decodes, and writes the store (design D2, D6, D8)."""

from typing import Final

#: Its name at the cursor of the store and in the progress of the spool.
CONSUMER: Final = "store"
