-- Alarm events are told to others in the order of their ids, so an id that retention has set free must not be given out
-- again: AUTOINCREMENT. That cannot be added to a table, so the rows move into one that has it.

CREATE TABLE alarm_events_moved (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    terminal_id INTEGER NOT NULL,
    source TEXT NOT NULL,
    alarm_time_ms INTEGER NOT NULL,
    fingerprint INTEGER NOT NULL,
    received_ms INTEGER NOT NULL,
    session_id INTEGER,
    spool_seq INTEGER,
    serial INTEGER,
    alarm_type INTEGER NOT NULL,
    phase TEXT NOT NULL,
    level INTEGER,
    latitude REAL,
    longitude REAL,
    speed_kmh REAL,
    alarm_number TEXT, -- 报警标识号
    attachment_count INTEGER,
    body TEXT NOT NULL,
    UNIQUE (terminal_id, alarm_time_ms, source, fingerprint)
) STRICT;
INSERT INTO alarm_events_moved SELECT * FROM alarm_events ORDER BY id;
DROP TABLE alarm_events;
-- Views name the table that is renamed here; they are not to be looked at before it is there.
PRAGMA legacy_alter_table=ON;
ALTER TABLE alarm_events_moved RENAME TO alarm_events;
PRAGMA legacy_alter_table=OFF;
CREATE INDEX alarm_events_time ON alarm_events (alarm_time_ms);
CREATE INDEX alarm_events_number ON alarm_events (terminal_id, alarm_number) WHERE alarm_number IS NOT NULL;
