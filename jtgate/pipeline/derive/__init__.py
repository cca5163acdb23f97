"""What can be judged, worked out of what is stored: episodes, trips, stops, visits of zones, and who drove.

    spool ─ what the store has ─► seconds, alarm items ─► machines ─► rows ─► store
                                        │  late ones                    │
                                        └── fold anew from a checkpoint ┘

Everything here is a function of the facts, not of the order in which they came: facts are folded in the order of their
own times, and what comes late makes the fold begin anew at a checkpoint before it.
"""

#: The name under which the store keeps how far this has come.
CONSUMER = "derive"
