-- What is derived: tables for all rows of it, see the rows of the same names in jtgate.storage.model. Nothing filled
-- these tables before, so those that were there are made anew. In each of them `id` rises with arrival.

DROP VIEW jtgate_v1.episodes;
DROP VIEW jtgate_v1.evidence_of_alarm;
DROP VIEW jtgate_v1.who_drove_what;
DROP VIEW jtgate_v1.trips;
DROP TABLE episodes;
DROP TABLE evidence_files;
DROP TABLE bindings;
DROP TABLE trips;

-- Reports that are one and the same alarm.
CREATE TABLE episodes (
    id bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    terminal_id integer NOT NULL,
    source text NOT NULL,
    alarm_type bigint NOT NULL,
    started timestamptz NOT NULL,
    ended timestamptz, -- NULL: still open
    last timestamptz NOT NULL,
    state text NOT NULL,
    ended_by text,
    level integer,
    report_count integer NOT NULL,
    repeat_count integer NOT NULL,
    latitude double precision,
    longitude double precision,
    speed_max_kmh double precision,
    peak timestamptz,
    places text NOT NULL, -- JSON
    risk_class text NOT NULL,
    risk_started timestamptz NOT NULL,
    serial integer,
    alarm_event_id integer,
    confirmed timestamptz,
    alarm_number text,
    alarm_numbers text NOT NULL, -- JSON
    evidence_state text NOT NULL,
    plate text,
    plate_color integer,
    person text,
    person_confidence double precision,
    waybill text,
    updated timestamptz NOT NULL,
    UNIQUE (terminal_id, source, alarm_type, started)
);
CREATE INDEX episodes_time ON episodes (started);
CREATE INDEX episodes_terminal ON episodes (terminal_id, started);
CREATE INDEX episodes_open ON episodes (terminal_id) WHERE ended IS NULL;
CREATE INDEX episodes_plate ON episodes (plate, started);
CREATE INDEX episodes_changed ON episodes (updated, id);

-- Files of evidence and multimedia.
CREATE TABLE evidence_files (
    id bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    terminal_id integer NOT NULL,
    alarm_number text NOT NULL,
    file_name text NOT NULL,
    file_type integer,
    channel integer,
    announced_bytes bigint,
    stored_bytes bigint,
    sha256 text,
    path text,
    state text NOT NULL,
    missing text, -- JSON: [[offset, length], …]
    announced timestamptz NOT NULL,
    completed timestamptz,
    updated timestamptz NOT NULL,
    UNIQUE (terminal_id, alarm_number, file_name)
);
CREATE INDEX evidence_files_time ON evidence_files (announced);
CREATE INDEX evidence_files_hash ON evidence_files (sha256) WHERE sha256 IS NOT NULL;
CREATE INDEX evidence_files_changed ON evidence_files (updated, id);

-- Who was on a vehicle; a row of a later revision corrects one.
CREATE TABLE bindings (
    id bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    plate text NOT NULL,
    plate_color integer NOT NULL,
    role text NOT NULL,
    person text NOT NULL, -- "" unknown
    started timestamptz NOT NULL,
    revision integer NOT NULL,
    ended timestamptz, -- NULL: still on board
    confidence double precision NOT NULL,
    sources text NOT NULL, -- JSON
    conflict text, -- JSON
    terminal_id integer,
    corrects text, -- JSON
    reason text,
    updated timestamptz NOT NULL,
    UNIQUE (plate, plate_color, role, person, started, revision)
);
CREATE INDEX bindings_time ON bindings (started);
CREATE INDEX bindings_person ON bindings (person, started);
CREATE INDEX bindings_changed ON bindings (updated, id);

-- Evidence about persons that does not agree.
CREATE TABLE binding_conflicts (
    id bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    plate text NOT NULL,
    plate_color integer NOT NULL,
    role text NOT NULL,
    kind text NOT NULL,
    person text NOT NULL,
    other text NOT NULL,
    started timestamptz NOT NULL,
    ended timestamptz,
    facts text NOT NULL, -- JSON
    state text NOT NULL,
    updated timestamptz NOT NULL,
    UNIQUE (plate, plate_color, role, kind, person, other, started)
);
CREATE INDEX binding_conflicts_time ON binding_conflicts (started);
CREATE INDEX binding_conflicts_changed ON binding_conflicts (updated, id);

-- Where phones of persons were.
CREATE TABLE phone_fixes (
    id bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    person text NOT NULL,
    fix_time timestamptz NOT NULL,
    fingerprint bigint NOT NULL,
    received timestamptz NOT NULL,
    latitude double precision NOT NULL,
    longitude double precision NOT NULL,
    accuracy_m double precision NOT NULL,
    speed_kmh double precision,
    heading_deg double precision,
    source text NOT NULL,
    updated timestamptz NOT NULL,
    UNIQUE (person, fix_time, fingerprint)
);
CREATE INDEX phone_fixes_time ON phone_fixes (fix_time);
CREATE INDEX phone_fixes_changed ON phone_fixes (updated, id);

-- Who drove by the word of an inspector.
CREATE TABLE driver_overrides (
    id bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    plate text NOT NULL,
    plate_color integer NOT NULL,
    role text NOT NULL,
    started timestamptz NOT NULL,
    made timestamptz NOT NULL,
    ended timestamptz,
    person text NOT NULL, -- "" takes an earlier one back
    made_by text NOT NULL,
    evidence text NOT NULL,
    updated timestamptz NOT NULL,
    UNIQUE (plate, plate_color, role, started, made)
);
CREATE INDEX driver_overrides_time ON driver_overrides (started);
CREATE INDEX driver_overrides_changed ON driver_overrides (updated, id);

-- Runs between rests.
CREATE TABLE trips (
    id bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    terminal_id integer NOT NULL,
    started timestamptz NOT NULL,
    ended timestamptz, -- NULL: still under way
    state text NOT NULL,
    plate text,
    plate_color integer,
    start_latitude double precision,
    start_longitude double precision,
    end_latitude double precision,
    end_longitude double precision,
    distance_km double precision NOT NULL,
    drive_s integer NOT NULL,
    stop_s integer NOT NULL,
    speed_max_kmh double precision,
    point_count integer NOT NULL,
    bad_point_count integer NOT NULL,
    inferred_s integer NOT NULL,
    laden integer,
    waybill text,
    driver text,
    updated timestamptz NOT NULL,
    UNIQUE (terminal_id, started)
);
CREATE INDEX trips_time ON trips (started);
CREATE INDEX trips_changed ON trips (updated, id);

-- Stops of vehicles.
CREATE TABLE stops (
    id bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    terminal_id integer NOT NULL,
    started timestamptz NOT NULL,
    ended timestamptz, -- NULL: still standing
    state text NOT NULL,
    latitude double precision,
    longitude double precision,
    is_rest integer NOT NULL,
    acc_off timestamptz,
    point_count integer NOT NULL,
    inferred_s integer NOT NULL,
    updated timestamptz NOT NULL,
    UNIQUE (terminal_id, started)
);
CREATE INDEX stops_time ON stops (started);
CREATE INDEX stops_changed ON stops (updated, id);

-- Vehicles in zones.
CREATE TABLE zone_visits (
    id bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    terminal_id integer NOT NULL,
    zone text NOT NULL,
    entered timestamptz NOT NULL,
    exited timestamptz, -- NULL: still in it
    zone_kind text NOT NULL,
    state text NOT NULL,
    uncertain integer NOT NULL,
    enter_latitude double precision,
    enter_longitude double precision,
    speed_max_kmh double precision,
    stop_s integer NOT NULL,
    plate text,
    plate_color integer,
    person text,
    waybill text,
    laden integer,
    updated timestamptz NOT NULL,
    UNIQUE (terminal_id, zone, entered)
);
CREATE INDEX zone_visits_time ON zone_visits (entered);
CREATE INDEX zone_visits_terminal ON zone_visits (terminal_id, entered);
CREATE INDEX zone_visits_zone ON zone_visits (zone, entered);
CREATE INDEX zone_visits_changed ON zone_visits (updated, id);

-- Valid points by terminal and day.
CREATE TABLE point_quality (
    id bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    terminal_id integer NOT NULL,
    day timestamptz NOT NULL,
    point_count integer NOT NULL,
    valid_count integer NOT NULL,
    faults text NOT NULL, -- JSON
    updated timestamptz NOT NULL,
    UNIQUE (terminal_id, day)
);
CREATE INDEX point_quality_time ON point_quality (day);
CREATE INDEX point_quality_changed ON point_quality (updated, id);

-- States of the derivation to begin anew from.
CREATE TABLE checkpoints (
    id bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    terminal_id integer NOT NULL,
    at timestamptz NOT NULL,
    state bytea NOT NULL,
    updated timestamptz NOT NULL,
    UNIQUE (terminal_id, at)
);
CREATE INDEX checkpoints_time ON checkpoints (at);
CREATE INDEX face_events_changed ON face_events (updated, id);

-- Alarm reports put together to one alarm; ended is NULL while it lasts.
CREATE VIEW jtgate_v1.episodes AS
SELECT
    e.id,
    t.terminal,
    e.plate,
    e.plate_color,
    e.source,
    e.alarm_type,
    e.started,
    e.ended,
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
    (extract(epoch FROM e.started) * 1000)::bigint AS started_ms,
    (extract(epoch FROM e.ended) * 1000)::bigint AS ended_ms,
    e.last AS last_report,
    e.ended_by,
    e.repeat_count,
    e.peak,
    e.places::json AS places,
    e.risk_class,
    e.risk_started,
    e.confirmed,
    e.alarm_numbers::json AS alarm_numbers,
    e.person_confidence
FROM episodes AS e
INNER JOIN terminals AS t ON t.id = e.terminal_id
WHERE e.state <> 'withdrawn';

-- Each alarm that announced evidence (报警附件), once for every file; without a file when none has come.
CREATE VIEW jtgate_v1.evidence_of_alarm AS
SELECT
    a.id AS alarm_event_id,
    t.terminal,
    t.plate,
    t.plate_color,
    a.alarm_time,
    a.source,
    a.alarm_type,
    a.phase,
    a.level,
    a.alarm_number,
    a.attachment_count,
    nullif(f.file_name, '') AS file_name,
    f.file_type,
    f.channel,
    f.announced_bytes,
    f.stored_bytes,
    f.sha256,
    f.path,
    f.state AS file_state,
    f.announced,
    f.completed,
    (extract(epoch FROM a.alarm_time) * 1000)::bigint AS alarm_time_ms,
    f.missing::json AS missing
FROM alarm_events AS a
INNER JOIN terminals AS t ON t.id = a.terminal_id
LEFT JOIN evidence_files AS f
    ON f.terminal_id = a.terminal_id AND f.alarm_number = a.alarm_number AND f.state <> 'withdrawn'
WHERE a.alarm_number IS NOT NULL;

-- Who was on which vehicle, in which role, from when to when, and how sure that is; names as they were valid then.
-- Rows that a later revision corrects are left out.
CREATE VIEW jtgate_v1.who_drove_what AS
SELECT
    b.plate,
    b.plate_color,
    b.role,
    b.person,
    p.name AS person_name,
    p.certificate,
    v.enterprise,
    b.started,
    b.ended,
    b.confidence,
    b.sources::json AS sources,
    b.conflict::json AS conflict,
    to_timestamp((b.corrects::json ->> 'started_ms')::bigint / 1000.0) AS corrects,
    b.reason,
    t.terminal,
    (extract(epoch FROM b.started) * 1000)::bigint AS started_ms,
    (extract(epoch FROM b.ended) * 1000)::bigint AS ended_ms,
    b.revision
FROM bindings AS b
LEFT JOIN terminals AS t ON t.id = b.terminal_id
LEFT JOIN persons AS p
    ON p.person = b.person AND p.valid_from <= b.started AND (p.valid_to IS NULL OR p.valid_to > b.started)
LEFT JOIN vehicles AS v
    ON
        v.plate = b.plate AND v.plate_color = b.plate_color
        AND v.valid_from <= b.started AND (v.valid_to IS NULL OR v.valid_to > b.started)
WHERE
    (b.ended IS NULL OR b.ended > b.started)
    AND NOT EXISTS (
        SELECT 1 FROM bindings AS n
        WHERE
            n.plate = b.plate AND n.plate_color = b.plate_color AND n.role = b.role AND n.revision > b.revision
            AND n.corrects::json ->> 'person' = b.person
            AND (n.corrects::json ->> 'started_ms')::bigint = (extract(epoch FROM b.started) * 1000)::bigint
            AND (n.corrects::json ->> 'revision')::integer = b.revision
    );

-- Runs between two stops of 20 minutes; ended is NULL while one lasts.
CREATE VIEW jtgate_v1.trips AS
SELECT
    r.id,
    t.terminal,
    r.plate,
    r.plate_color,
    r.started,
    r.ended,
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
    (extract(epoch FROM r.started) * 1000)::bigint AS started_ms,
    (extract(epoch FROM r.ended) * 1000)::bigint AS ended_ms,
    r.stop_s,
    r.speed_max_kmh,
    r.bad_point_count,
    r.inferred_s
FROM trips AS r
INNER JOIN terminals AS t ON t.id = r.terminal_id
WHERE r.state <> 'withdrawn';

-- Stops of vehicles; a rest is one of 20 minutes; ended is NULL while one lasts.
CREATE VIEW jtgate_v1.stops AS
SELECT
    s.id,
    t.terminal,
    s.started,
    s.ended,
    s.latitude,
    s.longitude,
    s.is_rest,
    s.acc_off,
    s.point_count,
    s.inferred_s,
    (extract(epoch FROM s.started) * 1000)::bigint AS started_ms,
    (extract(epoch FROM s.ended) * 1000)::bigint AS ended_ms
FROM stops AS s
INNER JOIN terminals AS t ON t.id = s.terminal_id
WHERE s.state <> 'withdrawn';

-- Vehicles in zones; exited is NULL while one is in it; uncertain when reports were missing at a border.
CREATE VIEW jtgate_v1.zone_visits AS
SELECT
    v.id,
    t.terminal,
    v.plate,
    v.plate_color,
    v.zone,
    v.zone_kind,
    v.entered,
    v.exited,
    v.uncertain,
    v.enter_latitude,
    v.enter_longitude,
    v.speed_max_kmh,
    v.stop_s,
    v.person,
    v.waybill,
    v.laden,
    (extract(epoch FROM v.entered) * 1000)::bigint AS entered_ms,
    (extract(epoch FROM v.exited) * 1000)::bigint AS exited_ms
FROM zone_visits AS v
INNER JOIN terminals AS t ON t.id = v.terminal_id
WHERE v.state <> 'withdrawn';

-- Evidence about persons that does not agree.
CREATE VIEW jtgate_v1.binding_conflicts AS
SELECT
    c.id,
    c.plate,
    c.plate_color,
    c.role,
    c.kind,
    c.person,
    c.other,
    c.started,
    c.ended,
    c.facts::json AS facts,
    c.state,
    (extract(epoch FROM c.started) * 1000)::bigint AS started_ms,
    (extract(epoch FROM c.ended) * 1000)::bigint AS ended_ms
FROM binding_conflicts AS c
WHERE c.state <> 'withdrawn';

-- Reports that are valid points, by terminal and day (+08:00), and what was wrong with the others.
CREATE VIEW jtgate_v1.point_quality AS
SELECT
    q.id,
    t.terminal,
    q.day,
    q.point_count,
    q.valid_count,
    q.faults::json AS faults,
    (extract(epoch FROM q.day) * 1000)::bigint AS day_ms
FROM point_quality AS q
INNER JOIN terminals AS t ON t.id = q.terminal_id;

COMMENT ON VIEW jtgate_v1.stops IS 'Stops of vehicles; a rest is one of 20 minutes; ended is NULL while one lasts.';
COMMENT ON VIEW jtgate_v1.zone_visits IS 'Vehicles in zones; exited is NULL while one is in it; uncertain when reports were missing at a border.';
COMMENT ON VIEW jtgate_v1.binding_conflicts IS 'Evidence about persons that does not agree.';
COMMENT ON VIEW jtgate_v1.point_quality IS 'Reports that are valid points, by terminal and day (+08:00), and what was wrong with the others.';
COMMENT ON VIEW jtgate_v1.episodes IS 'Alarm reports put together to one alarm; ended is NULL while it lasts.';
COMMENT ON VIEW jtgate_v1.evidence_of_alarm IS 'Each alarm that announced evidence (报警附件), once for every file; without a file when none has come.';
COMMENT ON VIEW jtgate_v1.who_drove_what IS 'Who was on which vehicle, in which role, from when to when, and how sure that is; names as they were valid then; rows that a later revision corrects are left out.';
COMMENT ON VIEW jtgate_v1.trips IS 'Runs between two stops of 20 minutes; ended is NULL while one lasts.';

-- Views made after the role was: it may read them too.
DO $$
BEGIN
    IF current_schema() <> 'jtgate' THEN -- a scratch store
        RETURN;
    END IF;
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'jtgate_reader') THEN
        GRANT SELECT ON ALL TABLES IN SCHEMA jtgate_v1 TO jtgate_reader;
    END IF;
EXCEPTION
    WHEN insufficient_privilege THEN
        RAISE NOTICE 'jtgate_reader may not read the new views: %', sqlerrm;
END
$$;
