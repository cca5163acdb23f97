"""The embedded back ends: SQLite files under the data folder, always opened through apsw (design D5)."""
