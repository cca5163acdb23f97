"""Bytes to messages and back. Sans-IO: no socket, file, clock, asyncio or logging."""
