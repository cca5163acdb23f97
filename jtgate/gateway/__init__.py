"""Terminals in: listeners, sessions, group commit, answers.

The way of a frame:  transport → Lane (fast) or Session (slow) → Batch → one spool commit → answers out.
Nothing here decodes a location or knows the store; the pipeline follows the spool in a process of its own.
"""
