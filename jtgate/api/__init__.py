"""HTTP over what the other processes keep: metrics and health so far."""
