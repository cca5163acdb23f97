"""Coverage-guided fuzzing of every parser: entries, seeds, the guided run (docs/testing.md)."""
