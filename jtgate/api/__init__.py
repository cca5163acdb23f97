"""HTTP over what the other processes keep: what is known, commands, metrics and health."""
