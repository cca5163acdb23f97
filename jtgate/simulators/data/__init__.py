"""Data of the simulators: the road graph."""
