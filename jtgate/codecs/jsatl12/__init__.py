"""T/JSATL 12 active safety and its provincial relatives: what it adds to JT/T 808 messages."""
