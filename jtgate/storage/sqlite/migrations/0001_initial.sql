-- The tables of jtgate.storage.model. Times are integer milliseconds since 1970 UTC (_ms) or microseconds (_us).
--
-- Layout of `positions`, measured with 20,000-row batches from 10,000 terminals: clustered on the terminal
-- 39,000 rows/s, because every terminal has its own page and every batch writes all of them; clustered on the
-- device time 130,000 rows/s, because a batch goes to the end of the table and only the narrow index on the
-- terminal is written all over.

CREATE TABLE terminals (
    id INTEGER PRIMARY KEY,
    terminal TEXT NOT NULL UNIQUE, -- 终端手机号, digits without leading zeros
    first_seen_ms INTEGER NOT NULL,
    last_seen_ms INTEGER,
    updated_ms INTEGER NOT NULL DEFAULT 0, -- time of the newest update; older ones only fill what is empty
    edition TEXT,
    phone TEXT, -- every digit on the wire
    province INTEGER, -- 省域ID
    city INTEGER, -- 市县域ID
    manufacturer TEXT, -- 制造商ID
    model TEXT, -- 终端型号
    device_id TEXT, -- 终端ID
    plate_color INTEGER, -- 车牌颜色
    plate TEXT, -- 车辆标识
    imei TEXT,
    software_version TEXT,
    registered_ms INTEGER,
    unregistered_ms INTEGER
) STRICT;

CREATE TABLE sessions (
    session_id INTEGER PRIMARY KEY,
    terminal_id INTEGER, -- NULL while only the end of the session is known
    online_ms INTEGER,
    transport TEXT,
    peer TEXT,
    edition TEXT,
    how TEXT,
    closed_ms INTEGER, -- NULL: open
    reason TEXT,
    frames INTEGER,
    bad_frames INTEGER,
    bytes_in INTEGER,
    last_received_ms INTEGER
) STRICT;
CREATE INDEX sessions_terminal ON sessions (terminal_id, session_id);
CREATE INDEX sessions_open ON sessions (session_id) WHERE closed_ms IS NULL;
CREATE INDEX sessions_closed ON sessions (closed_ms) WHERE closed_ms IS NOT NULL;

CREATE TABLE positions (
    terminal_id INTEGER NOT NULL,
    device_time_ms INTEGER NOT NULL,
    fingerprint INTEGER NOT NULL,
    received_ms INTEGER NOT NULL,
    time_state INTEGER NOT NULL,
    session_id INTEGER,
    spool_seq INTEGER,
    serial INTEGER,
    msg_id INTEGER,
    backfill INTEGER NOT NULL,
    alarm_flags INTEGER,
    status INTEGER,
    latitude REAL,
    longitude REAL,
    altitude_m INTEGER,
    speed_kmh REAL,
    heading_deg INTEGER,
    mileage_km REAL,
    fuel_l REAL,
    recorder_speed_kmh REAL,
    alarm_event_id INTEGER,
    video_alarm_flags INTEGER,
    video_loss_channels INTEGER,
    video_cover_channels INTEGER,
    storage_fault_flags INTEGER,
    abnormal_driving_flags INTEGER,
    fatigue_degree INTEGER,
    vehicle_signals INTEGER,
    io_status INTEGER,
    analog_0 INTEGER,
    analog_1 INTEGER,
    signal_strength INTEGER,
    satellites INTEGER,
    extra_items TEXT,
    PRIMARY KEY (device_time_ms, terminal_id, fingerprint)
) STRICT, WITHOUT ROWID;
CREATE INDEX positions_terminal ON positions (terminal_id, device_time_ms);
-- Retention walks by device time; it finds what has none, or a wrong one, here.
CREATE INDEX positions_bad_time ON positions (received_ms) WHERE time_state <> 0;

-- In the tables that follow, `id` rises with arrival, so that retention reads from the low end.

CREATE TABLE alarm_events (
    id INTEGER PRIMARY KEY,
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
CREATE INDEX alarm_events_time ON alarm_events (alarm_time_ms);

CREATE TABLE card_events (
    id INTEGER PRIMARY KEY,
    terminal_id INTEGER NOT NULL,
    device_time_ms INTEGER NOT NULL,
    fingerprint INTEGER NOT NULL,
    received_ms INTEGER NOT NULL,
    session_id INTEGER,
    spool_seq INTEGER,
    serial INTEGER,
    status INTEGER,
    read_result INTEGER,
    driver_name TEXT,
    certificate TEXT,
    issuer TEXT,
    expiry TEXT,
    id_number TEXT,
    UNIQUE (terminal_id, device_time_ms, fingerprint)
) STRICT;
CREATE INDEX card_events_time ON card_events (device_time_ms);

CREATE TABLE messages (
    id INTEGER PRIMARY KEY,
    terminal_id INTEGER NOT NULL,
    msg_id INTEGER NOT NULL,
    serial INTEGER NOT NULL,
    fingerprint INTEGER NOT NULL,
    received_ms INTEGER NOT NULL,
    session_id INTEGER,
    spool_seq INTEGER,
    edition TEXT,
    parts INTEGER NOT NULL,
    name TEXT NOT NULL,
    body TEXT,
    raw BLOB NOT NULL,
    UNIQUE (terminal_id, msg_id, serial, fingerprint, received_ms)
) STRICT;
CREATE INDEX messages_terminal ON messages (terminal_id);
CREATE INDEX messages_msg_id ON messages (msg_id);

CREATE TABLE quarantine (
    id INTEGER PRIMARY KEY AUTOINCREMENT, -- people note these numbers: they are not used twice
    received_us INTEGER NOT NULL,
    fingerprint INTEGER NOT NULL,
    session_id INTEGER,
    spool_seq INTEGER,
    terminal TEXT NOT NULL,
    msg_id INTEGER,
    code TEXT NOT NULL,
    "offset" INTEGER NOT NULL,
    field TEXT,
    message TEXT NOT NULL,
    payload BLOB NOT NULL,
    state TEXT NOT NULL DEFAULT 'held', -- held, replayed
    replayed_ms INTEGER,
    UNIQUE (received_us, fingerprint)
) STRICT;
CREATE INDEX quarantine_held ON quarantine (id) WHERE state = 'held';

CREATE TABLE parts (
    terminal_id INTEGER NOT NULL,
    msg_id INTEGER NOT NULL,
    serial INTEGER NOT NULL,
    received_us INTEGER NOT NULL,
    session_id INTEGER,
    spool_seq INTEGER,
    payload BLOB NOT NULL,
    PRIMARY KEY (terminal_id, msg_id, serial, received_us)
) STRICT;

-- How far each consumer has stored the spool; written in the transaction of the rows.
CREATE TABLE cursors (
    consumer TEXT PRIMARY KEY,
    seq INTEGER NOT NULL
) STRICT;

-- Rows of the big tables, kept by every write and every deletion: counting them takes seconds.
CREATE TABLE row_counts (
    name TEXT PRIMARY KEY,
    rows INTEGER NOT NULL
) STRICT;

-- Views for other programs. Their columns do not change; a change is a new view under the next number.
-- Times are ISO 8601 with +08:00.

-- The newest live position of each terminal (not 盲区补报, not from a clock over a day ahead).
CREATE VIEW jtgate_v1_last_position AS
SELECT
    t.terminal,
    CASE
        WHEN p.device_time_ms > 0
            THEN strftime('%Y-%m-%dT%H:%M:%f', p.device_time_ms / 1000.0, 'unixepoch', '+8 hours') || '+08:00'
    END AS device_time,
    strftime('%Y-%m-%dT%H:%M:%f', p.received_ms / 1000.0, 'unixepoch', '+8 hours') || '+08:00' AS received,
    p.latitude,
    p.longitude,
    p.altitude_m,
    p.speed_kmh,
    p.heading_deg,
    p.mileage_km,
    p.status,
    p.alarm_flags,
    p.video_alarm_flags
FROM terminals AS t
INNER JOIN positions AS p
    ON (p.device_time_ms, p.terminal_id, p.fingerprint) = (
        SELECT n.device_time_ms, n.terminal_id, n.fingerprint
        FROM positions AS n
        WHERE
            n.terminal_id = t.id AND n.backfill = 0 AND n.time_state <> 2
            AND n.device_time_ms <= (unixepoch() + 86400) * 1000
        ORDER BY n.device_time_ms DESC, n.received_ms DESC
        LIMIT 1
    );

-- Alarm facts as they were reported, one row each.
CREATE VIEW jtgate_v1_alarm_events AS
SELECT
    a.id,
    t.terminal,
    a.source,
    a.alarm_type,
    a.phase,
    a.level,
    CASE
        WHEN a.alarm_time_ms > 0
            THEN strftime('%Y-%m-%dT%H:%M:%f', a.alarm_time_ms / 1000.0, 'unixepoch', '+8 hours') || '+08:00'
    END AS alarm_time,
    strftime('%Y-%m-%dT%H:%M:%f', a.received_ms / 1000.0, 'unixepoch', '+8 hours') || '+08:00' AS received,
    a.latitude,
    a.longitude,
    a.speed_kmh,
    a.alarm_number,
    a.attachment_count,
    a.body
FROM alarm_events AS a
INNER JOIN terminals AS t ON t.id = a.terminal_id;

-- Sessions of terminals; `closed` is NULL while one is open.
CREATE VIEW jtgate_v1_sessions AS
SELECT
    s.session_id,
    t.terminal,
    s.transport,
    s.peer,
    s.edition,
    s.how,
    strftime('%Y-%m-%dT%H:%M:%f', s.online_ms / 1000.0, 'unixepoch', '+8 hours') || '+08:00' AS online,
    strftime('%Y-%m-%dT%H:%M:%f', s.closed_ms / 1000.0, 'unixepoch', '+8 hours') || '+08:00' AS closed,
    s.reason,
    s.frames,
    s.bad_frames,
    s.bytes_in
FROM sessions AS s
LEFT JOIN terminals AS t ON t.id = s.terminal_id;
