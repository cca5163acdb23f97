-- Facts that other parts of jtgate write (see jtgate.storage.model), and hourly figures of positions.
-- `id` rises with arrival. Nothing here touches the rows of `positions`: a store that is there can be large.

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


-- What the views ask for: the plate of a terminal, the evidence of an alarm, the alarms of a day in +08:00.
CREATE INDEX terminals_plate ON terminals (plate) WHERE plate IS NOT NULL;
CREATE INDEX alarm_events_number ON alarm_events (terminal_id, alarm_number) WHERE alarm_number IS NOT NULL;
CREATE INDEX alarm_events_day ON alarm_events (
    CAST(date(alarm_time_ms / 1000, 'unixepoch', '+8 hours') AS TEXT), terminal_id
);

-- Hourly figures of each terminal, over its positions with a good time.
CREATE TABLE position_hours (
    terminal_id INTEGER NOT NULL,
    hour_ms INTEGER NOT NULL,
    point_count INTEGER NOT NULL,
    located_count INTEGER NOT NULL, -- with a fix, 状态 bit 1 定位
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
CREATE INDEX position_hours_day ON position_hours (
    CAST(date(hour_ms / 1000, 'unixepoch', '+8 hours') AS TEXT), terminal_id
);

-- Hours whose figures have to be made anew; terminal_id 0 is every terminal.
CREATE TABLE hours_due (
    hour_ms INTEGER NOT NULL,
    terminal_id INTEGER NOT NULL,
    due_since_us INTEGER NOT NULL,
    PRIMARY KEY (hour_ms, terminal_id)
) STRICT, WITHOUT ROWID;

-- Every hour that has positions is due. One step along the key for each hour, not one for each row; hours that only
-- wrong clocks named (2000, 2099) are not worth a step.
INSERT INTO hours_due (hour_ms, terminal_id, due_since_us)
WITH RECURSIVE hours (hour_ms) AS (
    SELECT min(device_time_ms) / 3600000 * 3600000
    FROM positions
    WHERE device_time_ms >= 978278400000
    UNION ALL
    SELECT (
        SELECT min(p.device_time_ms) / 3600000 * 3600000
        FROM positions AS p
        WHERE p.device_time_ms >= hours.hour_ms + 3600000 AND p.device_time_ms <= (unixepoch() + 86400) * 1000
    )
    FROM hours
    WHERE hours.hour_ms IS NOT NULL
)
SELECT
    hour_ms,
    0,
    0
FROM hours
WHERE hour_ms IS NOT NULL AND hour_ms <= (unixepoch() + 86400) * 1000;
