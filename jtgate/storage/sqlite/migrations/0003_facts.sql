-- Facts that are worked out of what terminals sent: see the rows of the same names in jtgate.storage.model. In each of these
-- tables `id` rises with arrival.

CREATE TABLE face_events (
    id INTEGER PRIMARY KEY,
    terminal_id INTEGER NOT NULL,
    event_time_ms INTEGER NOT NULL,
    fingerprint INTEGER NOT NULL,
    received_ms INTEGER NOT NULL,
    session_id INTEGER,
    spool_seq INTEGER,
    serial INTEGER,
    kind TEXT NOT NULL,
    alarm_number TEXT,
    image_sha256 TEXT,
    image_path TEXT,
    engine TEXT,
    score REAL,
    threshold REAL,
    result TEXT,
    person TEXT,
    updated_ms INTEGER NOT NULL,
    UNIQUE (terminal_id, event_time_ms, fingerprint)
) STRICT;
CREATE INDEX face_events_time ON face_events (event_time_ms);

CREATE TABLE episodes (
    id INTEGER PRIMARY KEY,
    terminal_id INTEGER NOT NULL,
    source TEXT NOT NULL,
    alarm_type INTEGER NOT NULL,
    started_ms INTEGER NOT NULL,
    ended_ms INTEGER, -- NULL: still open
    state TEXT NOT NULL,
    level INTEGER,
    report_count INTEGER NOT NULL,
    latitude REAL,
    longitude REAL,
    speed_max_kmh REAL,
    alarm_number TEXT,
    evidence_state TEXT NOT NULL,
    plate TEXT,
    plate_color INTEGER,
    person TEXT,
    waybill TEXT,
    updated_ms INTEGER NOT NULL,
    UNIQUE (terminal_id, source, alarm_type, started_ms)
) STRICT;
CREATE INDEX episodes_time ON episodes (started_ms);
CREATE INDEX episodes_open ON episodes (terminal_id) WHERE ended_ms IS NULL;

CREATE TABLE evidence_files (
    id INTEGER PRIMARY KEY,
    terminal_id INTEGER NOT NULL,
    alarm_number TEXT NOT NULL,
    file_name TEXT NOT NULL,
    file_type INTEGER,
    channel INTEGER,
    announced_bytes INTEGER,
    stored_bytes INTEGER,
    sha256 TEXT,
    path TEXT,
    state TEXT NOT NULL,
    announced_ms INTEGER NOT NULL,
    completed_ms INTEGER,
    updated_ms INTEGER NOT NULL,
    UNIQUE (terminal_id, alarm_number, file_name)
) STRICT;
CREATE INDEX evidence_files_time ON evidence_files (announced_ms);

CREATE TABLE bindings (
    id INTEGER PRIMARY KEY,
    plate TEXT NOT NULL,
    plate_color INTEGER NOT NULL,
    role TEXT NOT NULL,
    person TEXT NOT NULL,
    started_ms INTEGER NOT NULL,
    ended_ms INTEGER, -- NULL: still on board
    confidence REAL NOT NULL,
    sources TEXT NOT NULL, -- JSON
    conflict TEXT, -- JSON
    terminal_id INTEGER,
    corrects_ms INTEGER,
    reason TEXT,
    updated_ms INTEGER NOT NULL,
    UNIQUE (plate, plate_color, role, person, started_ms)
) STRICT;
CREATE INDEX bindings_time ON bindings (started_ms);
CREATE INDEX bindings_person ON bindings (person, started_ms);

CREATE TABLE trips (
    id INTEGER PRIMARY KEY,
    terminal_id INTEGER NOT NULL,
    started_ms INTEGER NOT NULL,
    ended_ms INTEGER, -- NULL: still under way
    plate TEXT,
    plate_color INTEGER,
    start_latitude REAL,
    start_longitude REAL,
    end_latitude REAL,
    end_longitude REAL,
    distance_km REAL NOT NULL,
    drive_s INTEGER NOT NULL,
    point_count INTEGER NOT NULL,
    laden INTEGER,
    waybill TEXT,
    driver TEXT,
    updated_ms INTEGER NOT NULL,
    UNIQUE (terminal_id, started_ms)
) STRICT;
CREATE INDEX trips_time ON trips (started_ms);

CREATE INDEX alarm_events_number ON alarm_events (terminal_id, alarm_number) WHERE alarm_number IS NOT NULL;

-- Hours whose figures have to be made anew; terminal_id 0 is every terminal. `change` rises with every write that
-- touches the hour, so that a write during a roll-up is not forgotten.
CREATE TABLE hours_due (
    hour_ms INTEGER NOT NULL,
    terminal_id INTEGER NOT NULL,
    change INTEGER NOT NULL DEFAULT 1,
    PRIMARY KEY (hour_ms, terminal_id)
) STRICT, WITHOUT ROWID;

-- Hourly figures of each terminal, of positions with a good time.
CREATE TABLE position_hours (
    terminal_id INTEGER NOT NULL,
    hour_ms INTEGER NOT NULL,
    point_count INTEGER NOT NULL,
    located_count INTEGER NOT NULL,
    moving_count INTEGER NOT NULL, -- speed of 5 km/h and more
    first_time_ms INTEGER NOT NULL,
    last_time_ms INTEGER NOT NULL,
    mileage_min_km REAL,
    mileage_max_km REAL,
    speed_max_kmh REAL,
    speed_sum_kmh REAL,
    PRIMARY KEY (terminal_id, hour_ms)
) STRICT, WITHOUT ROWID;
CREATE INDEX position_hours_time ON position_hours (hour_ms);

-- What is stored already gets its figures like everything else; reading the index finds one row for each hour.
WITH RECURSIVE hours (hour_ms) AS (
    SELECT (SELECT min(device_time_ms) FROM positions WHERE device_time_ms > 0) / 3600000 * 3600000
    UNION ALL
    SELECT (SELECT min(p.device_time_ms) FROM positions AS p WHERE p.device_time_ms >= h.hour_ms + 3600000)
        / 3600000 * 3600000
    FROM hours AS h
    WHERE h.hour_ms IS NOT NULL
)
INSERT INTO hours_due (hour_ms, terminal_id) SELECT h.hour_ms, 0 FROM hours AS h WHERE h.hour_ms IS NOT NULL;
