"""The store in PostgreSQL 15 or later, with TimescaleDB where the server has it (design D7)."""
