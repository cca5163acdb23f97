-- What is derived: tables for all rows of it, see the rows of the same names in jtgate.storage.model. Nothing filled
-- these tables before, so those that were there are made anew. In each of them `id` rises with arrival.

DROP VIEW jtgate_v1_episodes;
DROP VIEW jtgate_v1_evidence_of_alarm;
DROP VIEW jtgate_v1_who_drove_what;
DROP VIEW jtgate_v1_trips;
DROP TABLE episodes;
DROP TABLE evidence_files;
DROP TABLE bindings;
DROP TABLE trips;

-- Reports that are one and the same alarm.
CREATE TABLE episodes (
    id INTEGER PRIMARY KEY,
    terminal_id INTEGER NOT NULL,
    source TEXT NOT NULL,
    alarm_type INTEGER NOT NULL,
    started_ms INTEGER NOT NULL,
    ended_ms INTEGER, -- NULL: still open
    last_ms INTEGER NOT NULL,
    state TEXT NOT NULL,
    ended_by TEXT,
    level INTEGER,
    report_count INTEGER NOT NULL,
    repeat_count INTEGER NOT NULL,
    latitude REAL,
    longitude REAL,
    speed_max_kmh REAL,
    peak_ms INTEGER,
    places TEXT NOT NULL, -- JSON
    risk_class TEXT NOT NULL,
    risk_started_ms INTEGER NOT NULL,
    serial INTEGER,
    alarm_event_id INTEGER,
    confirmed_ms INTEGER,
    alarm_number TEXT,
    alarm_numbers TEXT NOT NULL, -- JSON
    evidence_state TEXT NOT NULL,
    plate TEXT,
    plate_color INTEGER,
    person TEXT,
    person_confidence REAL,
    waybill TEXT,
    updated_ms INTEGER NOT NULL,
    UNIQUE (terminal_id, source, alarm_type, started_ms)
) STRICT;
CREATE INDEX episodes_time ON episodes (started_ms);
CREATE INDEX episodes_terminal ON episodes (terminal_id, started_ms);
CREATE INDEX episodes_open ON episodes (terminal_id) WHERE ended_ms IS NULL;
CREATE INDEX episodes_plate ON episodes (plate, started_ms);
CREATE INDEX episodes_changed ON episodes (updated_ms, id);

-- Files of evidence and multimedia.
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
    missing TEXT, -- JSON: [[offset, length], …]
    announced_ms INTEGER NOT NULL,
    completed_ms INTEGER,
    updated_ms INTEGER NOT NULL,
    UNIQUE (terminal_id, alarm_number, file_name)
) STRICT;
CREATE INDEX evidence_files_time ON evidence_files (announced_ms);
CREATE INDEX evidence_files_hash ON evidence_files (sha256) WHERE sha256 IS NOT NULL;
CREATE INDEX evidence_files_changed ON evidence_files (updated_ms, id);

-- Who was on a vehicle; a row of a later revision corrects one.
CREATE TABLE bindings (
    id INTEGER PRIMARY KEY,
    plate TEXT NOT NULL,
    plate_color INTEGER NOT NULL,
    role TEXT NOT NULL,
    person TEXT NOT NULL, -- "" unknown
    started_ms INTEGER NOT NULL,
    revision INTEGER NOT NULL,
    ended_ms INTEGER, -- NULL: still on board
    confidence REAL NOT NULL,
    sources TEXT NOT NULL, -- JSON
    conflict TEXT, -- JSON
    terminal_id INTEGER,
    corrects TEXT, -- JSON
    reason TEXT,
    updated_ms INTEGER NOT NULL,
    UNIQUE (plate, plate_color, role, person, started_ms, revision)
) STRICT;
CREATE INDEX bindings_time ON bindings (started_ms);
CREATE INDEX bindings_person ON bindings (person, started_ms);
CREATE INDEX bindings_changed ON bindings (updated_ms, id);

-- Evidence about persons that does not agree.
CREATE TABLE binding_conflicts (
    id INTEGER PRIMARY KEY,
    plate TEXT NOT NULL,
    plate_color INTEGER NOT NULL,
    role TEXT NOT NULL,
    kind TEXT NOT NULL,
    person TEXT NOT NULL,
    other TEXT NOT NULL,
    started_ms INTEGER NOT NULL,
    ended_ms INTEGER,
    facts TEXT NOT NULL, -- JSON
    state TEXT NOT NULL,
    updated_ms INTEGER NOT NULL,
    UNIQUE (plate, plate_color, role, kind, person, other, started_ms)
) STRICT;
CREATE INDEX binding_conflicts_time ON binding_conflicts (started_ms);
CREATE INDEX binding_conflicts_changed ON binding_conflicts (updated_ms, id);

-- Where phones of persons were.
CREATE TABLE phone_fixes (
    id INTEGER PRIMARY KEY,
    person TEXT NOT NULL,
    fix_time_ms INTEGER NOT NULL,
    fingerprint INTEGER NOT NULL,
    received_ms INTEGER NOT NULL,
    latitude REAL NOT NULL,
    longitude REAL NOT NULL,
    accuracy_m REAL NOT NULL,
    speed_kmh REAL,
    heading_deg REAL,
    source TEXT NOT NULL,
    updated_ms INTEGER NOT NULL,
    UNIQUE (person, fix_time_ms, fingerprint)
) STRICT;
CREATE INDEX phone_fixes_time ON phone_fixes (fix_time_ms);
CREATE INDEX phone_fixes_changed ON phone_fixes (updated_ms, id);

-- Who drove by the word of an inspector.
CREATE TABLE driver_overrides (
    id INTEGER PRIMARY KEY,
    plate TEXT NOT NULL,
    plate_color INTEGER NOT NULL,
    role TEXT NOT NULL,
    started_ms INTEGER NOT NULL,
    made_ms INTEGER NOT NULL,
    ended_ms INTEGER,
    person TEXT NOT NULL, -- "" takes an earlier one back
    made_by TEXT NOT NULL,
    evidence TEXT NOT NULL,
    updated_ms INTEGER NOT NULL,
    UNIQUE (plate, plate_color, role, started_ms, made_ms)
) STRICT;
CREATE INDEX driver_overrides_time ON driver_overrides (started_ms);
CREATE INDEX driver_overrides_changed ON driver_overrides (updated_ms, id);

-- Runs between rests.
CREATE TABLE trips (
    id INTEGER PRIMARY KEY,
    terminal_id INTEGER NOT NULL,
    started_ms INTEGER NOT NULL,
    ended_ms INTEGER, -- NULL: still under way
    state TEXT NOT NULL,
    plate TEXT,
    plate_color INTEGER,
    start_latitude REAL,
    start_longitude REAL,
    end_latitude REAL,
    end_longitude REAL,
    distance_km REAL NOT NULL,
    drive_s INTEGER NOT NULL,
    stop_s INTEGER NOT NULL,
    speed_max_kmh REAL,
    point_count INTEGER NOT NULL,
    bad_point_count INTEGER NOT NULL,
    inferred_s INTEGER NOT NULL,
    laden INTEGER,
    waybill TEXT,
    driver TEXT,
    updated_ms INTEGER NOT NULL,
    UNIQUE (terminal_id, started_ms)
) STRICT;
CREATE INDEX trips_time ON trips (started_ms);
CREATE INDEX trips_changed ON trips (updated_ms, id);

-- Stops of vehicles.
CREATE TABLE stops (
    id INTEGER PRIMARY KEY,
    terminal_id INTEGER NOT NULL,
    started_ms INTEGER NOT NULL,
    ended_ms INTEGER, -- NULL: still standing
    state TEXT NOT NULL,
    latitude REAL,
    longitude REAL,
    is_rest INTEGER NOT NULL,
    acc_off_ms INTEGER,
    point_count INTEGER NOT NULL,
    inferred_s INTEGER NOT NULL,
    updated_ms INTEGER NOT NULL,
    UNIQUE (terminal_id, started_ms)
) STRICT;
CREATE INDEX stops_time ON stops (started_ms);
CREATE INDEX stops_changed ON stops (updated_ms, id);

-- Vehicles in zones.
CREATE TABLE zone_visits (
    id INTEGER PRIMARY KEY,
    terminal_id INTEGER NOT NULL,
    zone TEXT NOT NULL,
    entered_ms INTEGER NOT NULL,
    exited_ms INTEGER, -- NULL: still in it
    zone_kind TEXT NOT NULL,
    state TEXT NOT NULL,
    uncertain INTEGER NOT NULL,
    enter_latitude REAL,
    enter_longitude REAL,
    speed_max_kmh REAL,
    stop_s INTEGER NOT NULL,
    plate TEXT,
    plate_color INTEGER,
    person TEXT,
    waybill TEXT,
    laden INTEGER,
    updated_ms INTEGER NOT NULL,
    UNIQUE (terminal_id, zone, entered_ms)
) STRICT;
CREATE INDEX zone_visits_time ON zone_visits (entered_ms);
CREATE INDEX zone_visits_terminal ON zone_visits (terminal_id, entered_ms);
CREATE INDEX zone_visits_zone ON zone_visits (zone, entered_ms);
CREATE INDEX zone_visits_changed ON zone_visits (updated_ms, id);

-- Valid points by terminal and day.
CREATE TABLE point_quality (
    id INTEGER PRIMARY KEY,
    terminal_id INTEGER NOT NULL,
    day_ms INTEGER NOT NULL,
    point_count INTEGER NOT NULL,
    valid_count INTEGER NOT NULL,
    faults TEXT NOT NULL, -- JSON
    updated_ms INTEGER NOT NULL,
    UNIQUE (terminal_id, day_ms)
) STRICT;
CREATE INDEX point_quality_time ON point_quality (day_ms);
CREATE INDEX point_quality_changed ON point_quality (updated_ms, id);

-- States of the derivation to begin anew from.
CREATE TABLE checkpoints (
    id INTEGER PRIMARY KEY,
    terminal_id INTEGER NOT NULL,
    at_ms INTEGER NOT NULL,
    state BLOB NOT NULL,
    updated_ms INTEGER NOT NULL,
    UNIQUE (terminal_id, at_ms)
) STRICT;
CREATE INDEX checkpoints_time ON checkpoints (at_ms);
CREATE INDEX face_events_changed ON face_events (updated_ms, id);

-- Alarm reports put together to one alarm; ended is NULL while it lasts.
CREATE VIEW jtgate_v1_episodes AS
SELECT
    e.id,
    t.terminal,
    e.plate,
    e.plate_color,
    e.source,
    e.alarm_type,
    strftime('%Y-%m-%dT%H:%M:%f', e.started_ms / 1000.0, 'unixepoch', '+8 hours') || '+08:00' AS started,
    strftime('%Y-%m-%dT%H:%M:%f', e.ended_ms / 1000.0, 'unixepoch', '+8 hours') || '+08:00' AS ended,
    e.state,
    e.level,
    e.report_count,
    e.latitude,
    e.longitude,
    e.speed_max_kmh,
    e.alarm_number,
    e.evidence_state,
    e.person,
    e.waybill,
    e.started_ms,
    e.ended_ms,
    strftime('%Y-%m-%dT%H:%M:%f', e.last_ms / 1000.0, 'unixepoch', '+8 hours') || '+08:00' AS last_report,
    e.ended_by,
    e.repeat_count,
    strftime('%Y-%m-%dT%H:%M:%f', e.peak_ms / 1000.0, 'unixepoch', '+8 hours') || '+08:00' AS peak,
    e.places,
    e.risk_class,
    strftime('%Y-%m-%dT%H:%M:%f', e.risk_started_ms / 1000.0, 'unixepoch', '+8 hours') || '+08:00' AS risk_started,
    strftime('%Y-%m-%dT%H:%M:%f', e.confirmed_ms / 1000.0, 'unixepoch', '+8 hours') || '+08:00' AS confirmed,
    e.alarm_numbers,
    e.person_confidence
FROM episodes AS e
INNER JOIN terminals AS t ON t.id = e.terminal_id
WHERE e.state <> 'withdrawn';

-- Each alarm that announced evidence (报警附件), once for every file; without a file when none has come.
CREATE VIEW jtgate_v1_evidence_of_alarm AS
SELECT
    a.id AS alarm_event_id,
    t.terminal,
    t.plate,
    t.plate_color,
    strftime('%Y-%m-%dT%H:%M:%f', a.alarm_time_ms / 1000.0, 'unixepoch', '+8 hours') || '+08:00' AS alarm_time,
    a.source,
    a.alarm_type,
    a.phase,
    a.level,
    a.alarm_number,
    a.attachment_count,
    cast(nullif(f.file_name, '') AS text) AS file_name,
    f.file_type,
    f.channel,
    f.announced_bytes,
    f.stored_bytes,
    f.sha256,
    f.path,
    f.state AS file_state,
    strftime('%Y-%m-%dT%H:%M:%f', f.announced_ms / 1000.0, 'unixepoch', '+8 hours') || '+08:00' AS announced,
    strftime('%Y-%m-%dT%H:%M:%f', f.completed_ms / 1000.0, 'unixepoch', '+8 hours') || '+08:00' AS completed,
    a.alarm_time_ms,
    f.missing
FROM alarm_events AS a
INNER JOIN terminals AS t ON t.id = a.terminal_id
LEFT JOIN evidence_files AS f
    ON f.terminal_id = a.terminal_id AND f.alarm_number = a.alarm_number AND f.state <> 'withdrawn'
WHERE a.alarm_number IS NOT NULL;

-- Who was on which vehicle, in which role, from when to when, and how sure that is; names as they were valid then.
-- Rows that a later revision corrects are left out.
CREATE VIEW jtgate_v1_who_drove_what AS
SELECT
    b.plate,
    b.plate_color,
    b.role,
    b.person,
    p.name AS person_name,
    p.certificate,
    v.enterprise,
    strftime('%Y-%m-%dT%H:%M:%f', b.started_ms / 1000.0, 'unixepoch', '+8 hours') || '+08:00' AS started,
    strftime('%Y-%m-%dT%H:%M:%f', b.ended_ms / 1000.0, 'unixepoch', '+8 hours') || '+08:00' AS ended,
    b.confidence,
    b.sources,
    b.conflict,
    strftime(
        '%Y-%m-%dT%H:%M:%f', json_extract(b.corrects, '$.started_ms') / 1000.0, 'unixepoch', '+8 hours'
    ) || '+08:00' AS corrects,
    b.reason,
    t.terminal,
    b.started_ms,
    b.ended_ms,
    b.revision
FROM bindings AS b
LEFT JOIN terminals AS t ON t.id = b.terminal_id
LEFT JOIN persons AS p
    ON p.person = b.person AND p.valid_from_ms <= b.started_ms AND (p.valid_to_ms IS NULL OR p.valid_to_ms > b.started_ms)
LEFT JOIN vehicles AS v
    ON
        v.plate = b.plate AND v.plate_color = b.plate_color
        AND v.valid_from_ms <= b.started_ms AND (v.valid_to_ms IS NULL OR v.valid_to_ms > b.started_ms)
WHERE
    (b.ended_ms IS NULL OR b.ended_ms > b.started_ms)
    AND NOT EXISTS (
        SELECT 1 FROM bindings AS n
        WHERE
            n.plate = b.plate AND n.plate_color = b.plate_color AND n.role = b.role AND n.revision > b.revision
            AND json_extract(n.corrects, '$.person') = b.person
            AND json_extract(n.corrects, '$.started_ms') = b.started_ms
            AND json_extract(n.corrects, '$.revision') = b.revision
    );

-- Runs between two stops of 20 minutes; ended is NULL while one lasts.
CREATE VIEW jtgate_v1_trips AS
SELECT
    r.id,
    t.terminal,
    r.plate,
    r.plate_color,
    strftime('%Y-%m-%dT%H:%M:%f', r.started_ms / 1000.0, 'unixepoch', '+8 hours') || '+08:00' AS started,
    strftime('%Y-%m-%dT%H:%M:%f', r.ended_ms / 1000.0, 'unixepoch', '+8 hours') || '+08:00' AS ended,
    r.start_latitude,
    r.start_longitude,
    r.end_latitude,
    r.end_longitude,
    r.distance_km,
    r.drive_s,
    r.point_count,
    r.laden,
    r.waybill,
    r.driver,
    r.started_ms,
    r.ended_ms,
    r.stop_s,
    r.speed_max_kmh,
    r.bad_point_count,
    r.inferred_s
FROM trips AS r
INNER JOIN terminals AS t ON t.id = r.terminal_id
WHERE r.state <> 'withdrawn';

-- Stops of vehicles; a rest is one of 20 minutes; ended is NULL while one lasts.
CREATE VIEW jtgate_v1_stops AS
SELECT
    s.id,
    t.terminal,
    strftime('%Y-%m-%dT%H:%M:%f', s.started_ms / 1000.0, 'unixepoch', '+8 hours') || '+08:00' AS started,
    strftime('%Y-%m-%dT%H:%M:%f', s.ended_ms / 1000.0, 'unixepoch', '+8 hours') || '+08:00' AS ended,
    s.latitude,
    s.longitude,
    s.is_rest,
    strftime('%Y-%m-%dT%H:%M:%f', s.acc_off_ms / 1000.0, 'unixepoch', '+8 hours') || '+08:00' AS acc_off,
    s.point_count,
    s.inferred_s,
    s.started_ms,
    s.ended_ms
FROM stops AS s
INNER JOIN terminals AS t ON t.id = s.terminal_id
WHERE s.state <> 'withdrawn';

-- Vehicles in zones; exited is NULL while one is in it; uncertain when reports were missing at a border.
CREATE VIEW jtgate_v1_zone_visits AS
SELECT
    v.id,
    t.terminal,
    v.plate,
    v.plate_color,
    v.zone,
    v.zone_kind,
    strftime('%Y-%m-%dT%H:%M:%f', v.entered_ms / 1000.0, 'unixepoch', '+8 hours') || '+08:00' AS entered,
    strftime('%Y-%m-%dT%H:%M:%f', v.exited_ms / 1000.0, 'unixepoch', '+8 hours') || '+08:00' AS exited,
    v.uncertain,
    v.enter_latitude,
    v.enter_longitude,
    v.speed_max_kmh,
    v.stop_s,
    v.person,
    v.waybill,
    v.laden,
    v.entered_ms,
    v.exited_ms
FROM zone_visits AS v
INNER JOIN terminals AS t ON t.id = v.terminal_id
WHERE v.state <> 'withdrawn';

-- Evidence about persons that does not agree.
CREATE VIEW jtgate_v1_binding_conflicts AS
SELECT
    c.id,
    c.plate,
    c.plate_color,
    c.role,
    c.kind,
    c.person,
    c.other,
    strftime('%Y-%m-%dT%H:%M:%f', c.started_ms / 1000.0, 'unixepoch', '+8 hours') || '+08:00' AS started,
    strftime('%Y-%m-%dT%H:%M:%f', c.ended_ms / 1000.0, 'unixepoch', '+8 hours') || '+08:00' AS ended,
    c.facts,
    c.state,
    c.started_ms,
    c.ended_ms
FROM binding_conflicts AS c
WHERE c.state <> 'withdrawn';

-- Reports that are valid points, by terminal and day (+08:00), and what was wrong with the others.
CREATE VIEW jtgate_v1_point_quality AS
SELECT
    q.id,
    t.terminal,
    strftime('%Y-%m-%dT%H:%M:%f', q.day_ms / 1000.0, 'unixepoch', '+8 hours') || '+08:00' AS day,
    q.point_count,
    q.valid_count,
    q.faults,
    q.day_ms
FROM point_quality AS q
INNER JOIN terminals AS t ON t.id = q.terminal_id;
