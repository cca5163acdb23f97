"""JT/T 1078-2016: what it adds to JT/T 808 messages."""
