"""Simulated terminals: vehicles on a small road graph, their state machine, their faults, and fleets of them.

Only `jtgate.codecs` is imported, so the same fleet can be pointed at any platform.
"""
