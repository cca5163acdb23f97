-- Views for other programs. Their columns do not change within a version of the schema: what is added is added at the end, what
-- would change goes into views under the next number. Times are ISO 8601 with +08:00; the column `…_ms` beside a time is the same
-- in milliseconds since 1970, and conditions on it use the index.

CREATE INDEX terminals_plate ON terminals (plate) WHERE plate IS NOT NULL;

DROP VIEW jtgate_v1_last_position;
DROP VIEW jtgate_v1_alarm_events;
DROP VIEW jtgate_v1_sessions;

-- The newest live report of each terminal that has a fix: located, not sent late (盲区补报), not from a clock over a day ahead.
CREATE VIEW jtgate_v1_last_position AS
SELECT
    t.terminal,
    strftime('%Y-%m-%dT%H:%M:%f', p.device_time_ms / 1000.0, 'unixepoch', '+8 hours') || '+08:00' AS device_time,
    strftime('%Y-%m-%dT%H:%M:%f', p.received_ms / 1000.0, 'unixepoch', '+8 hours') || '+08:00' AS received,
    p.latitude,
    p.longitude,
    p.altitude_m,
    p.speed_kmh,
    p.heading_deg,
    p.mileage_km,
    p.status,
    p.alarm_flags,
    p.video_alarm_flags,
    p.device_time_ms,
    t.plate,
    t.plate_color
FROM terminals AS t
INNER JOIN positions AS p
    ON (p.device_time_ms, p.terminal_id, p.fingerprint) = (
        SELECT n.device_time_ms, n.terminal_id, n.fingerprint
        FROM positions AS n
        WHERE
            n.terminal_id = t.id AND n.backfill = 0 AND n.time_state = 0 AND n.status & 2
            AND n.latitude IS NOT NULL AND n.longitude IS NOT NULL
            AND n.device_time_ms <= (unixepoch() + 86400) * 1000
        ORDER BY n.device_time_ms DESC, n.received_ms DESC
        LIMIT 1
    );

-- Every report with a calendar time. Ask for one terminal and a stretch of device_time (in SQLite device_time_ms).
CREATE VIEW jtgate_v1_track AS
SELECT
    t.terminal,
    t.plate,
    t.plate_color,
    strftime('%Y-%m-%dT%H:%M:%f', p.device_time_ms / 1000.0, 'unixepoch', '+8 hours') || '+08:00' AS device_time,
    strftime('%Y-%m-%dT%H:%M:%f', p.received_ms / 1000.0, 'unixepoch', '+8 hours') || '+08:00' AS received,
    p.latitude,
    p.longitude,
    p.altitude_m,
    p.speed_kmh,
    p.heading_deg,
    p.mileage_km,
    p.fuel_l,
    p.recorder_speed_kmh,
    p.status,
    p.alarm_flags,
    p.video_alarm_flags,
    p.video_loss_channels,
    p.video_cover_channels,
    p.storage_fault_flags,
    p.abnormal_driving_flags,
    p.fatigue_degree,
    p.vehicle_signals,
    p.io_status,
    p.analog_0,
    p.analog_1,
    p.signal_strength,
    p.satellites,
    p.alarm_event_id,
    p.extra_items,
    p.backfill,
    p.time_state,
    p.msg_id,
    p.serial,
    p.session_id,
    p.spool_seq,
    p.device_time_ms
FROM positions AS p
INNER JOIN terminals AS t ON t.id = p.terminal_id
WHERE p.device_time_ms > 0;

-- Sessions of terminals; closed is NULL while one is open.
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
    s.bytes_in,
    s.online_ms,
    s.closed_ms,
    t.plate,
    t.plate_color
FROM sessions AS s
LEFT JOIN terminals AS t ON t.id = s.terminal_id;

-- Alarm facts as they were reported, one row each; 1970-01-01 is no time.
CREATE VIEW jtgate_v1_alarm_events AS
SELECT
    a.id,
    t.terminal,
    a.source,
    a.alarm_type,
    a.phase,
    a.level,
    strftime('%Y-%m-%dT%H:%M:%f', a.alarm_time_ms / 1000.0, 'unixepoch', '+8 hours') || '+08:00' AS alarm_time,
    strftime('%Y-%m-%dT%H:%M:%f', a.received_ms / 1000.0, 'unixepoch', '+8 hours') || '+08:00' AS received,
    a.latitude,
    a.longitude,
    a.speed_kmh,
    a.alarm_number,
    a.attachment_count,
    a.body,
    a.alarm_time_ms,
    t.plate,
    t.plate_color,
    a.serial,
    a.session_id,
    a.spool_seq
FROM alarm_events AS a
INNER JOIN terminals AS t ON t.id = a.terminal_id;

-- Alarms that began, by day (+08:00), source, type and level; ends are not counted.
CREATE VIEW jtgate_v1_alarms_per_day AS
SELECT
    t.terminal,
    t.plate,
    t.plate_color,
    date(a.alarm_time_ms / 1000, 'unixepoch', '+8 hours') AS day,
    a.source,
    a.alarm_type,
    a.level,
    count(*) AS alarm_count
FROM alarm_events AS a
INNER JOIN terminals AS t ON t.id = a.terminal_id
WHERE a.phase <> 'end'
GROUP BY 1, 2, 3, 4, 5, 6, 7;

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
    e.ended_ms
FROM episodes AS e
INNER JOIN terminals AS t ON t.id = e.terminal_id;

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
    f.file_name,
    f.file_type,
    f.channel,
    f.announced_bytes,
    f.stored_bytes,
    f.sha256,
    f.path,
    f.state AS file_state,
    strftime('%Y-%m-%dT%H:%M:%f', f.announced_ms / 1000.0, 'unixepoch', '+8 hours') || '+08:00' AS announced,
    strftime('%Y-%m-%dT%H:%M:%f', f.completed_ms / 1000.0, 'unixepoch', '+8 hours') || '+08:00' AS completed,
    a.alarm_time_ms
FROM alarm_events AS a
INNER JOIN terminals AS t ON t.id = a.terminal_id
LEFT JOIN evidence_files AS f ON f.terminal_id = a.terminal_id AND f.alarm_number = a.alarm_number
WHERE a.alarm_number IS NOT NULL;

-- Who was on which vehicle, in which role, from when to when, and how sure that is; names as they were valid then.
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
    strftime('%Y-%m-%dT%H:%M:%f', b.corrects_ms / 1000.0, 'unixepoch', '+8 hours') || '+08:00' AS corrects,
    b.reason,
    t.terminal,
    b.started_ms,
    b.ended_ms
FROM bindings AS b
LEFT JOIN terminals AS t ON t.id = b.terminal_id
LEFT JOIN persons AS p
    ON p.person = b.person AND p.valid_from_ms <= b.started_ms AND (p.valid_to_ms IS NULL OR p.valid_to_ms > b.started_ms)
LEFT JOIN vehicles AS v
    ON
        v.plate = b.plate AND v.plate_color = b.plate_color
        AND v.valid_from_ms <= b.started_ms AND (v.valid_to_ms IS NULL OR v.valid_to_ms > b.started_ms);

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
    r.ended_ms
FROM trips AS r
INNER JOIN terminals AS t ON t.id = r.terminal_id;

-- Kilometres by the odometer (0x01 里程) and counts of reports, by day (+08:00), of reports with a good time.
CREATE VIEW jtgate_v1_mileage_per_day AS
SELECT
    t.terminal,
    t.plate,
    t.plate_color,
    date(h.hour_ms / 1000, 'unixepoch', '+8 hours') AS day,
    max(h.mileage_max_km) - min(h.mileage_min_km) AS mileage_km,
    min(h.mileage_min_km) AS mileage_first_km,
    max(h.mileage_max_km) AS mileage_last_km,
    sum(h.point_count) AS point_count,
    sum(h.located_count) AS located_count,
    sum(h.moving_count) AS moving_count,
    max(h.speed_max_kmh) AS speed_max_kmh,
    strftime('%Y-%m-%dT%H:%M:%f', min(h.first_time_ms) / 1000.0, 'unixepoch', '+8 hours') || '+08:00' AS first_time,
    strftime('%Y-%m-%dT%H:%M:%f', max(h.last_time_ms) / 1000.0, 'unixepoch', '+8 hours') || '+08:00' AS last_time
FROM position_hours AS h
INNER JOIN terminals AS t ON t.id = h.terminal_id
GROUP BY 1, 2, 3, 4;

-- Pictures of drivers and what a comparison made of them.
CREATE VIEW jtgate_v1_face_events AS
SELECT
    f.id,
    t.terminal,
    t.plate,
    t.plate_color,
    strftime('%Y-%m-%dT%H:%M:%f', f.event_time_ms / 1000.0, 'unixepoch', '+8 hours') || '+08:00' AS event_time,
    f.kind,
    f.alarm_number,
    f.image_sha256,
    f.image_path,
    f.engine,
    f.score,
    f.threshold,
    f.result,
    f.person,
    f.event_time_ms
FROM face_events AS f
INNER JOIN terminals AS t ON t.id = f.terminal_id;

-- Driver cards put in and taken out (0x0702); the name is on the card, the number of the identity card is left out.
CREATE VIEW jtgate_v1_driver_cards AS
SELECT
    c.id,
    t.terminal,
    t.plate,
    t.plate_color,
    strftime('%Y-%m-%dT%H:%M:%f', c.device_time_ms / 1000.0, 'unixepoch', '+8 hours') || '+08:00' AS device_time,
    c.status,
    c.read_result,
    c.driver_name,
    c.certificate,
    c.issuer,
    c.expiry,
    c.device_time_ms
FROM card_events AS c
INNER JOIN terminals AS t ON t.id = c.terminal_id;

-- Messages that could not be decoded, without their bytes.
CREATE VIEW jtgate_v1_quarantine AS
SELECT
    q.id,
    strftime('%Y-%m-%dT%H:%M:%f', q.received_us / 1000000.0, 'unixepoch', '+8 hours') || '+08:00' AS received,
    q.terminal,
    q.msg_id,
    q.code,
    q."offset",
    q.field,
    q.message,
    q.state,
    strftime('%Y-%m-%dT%H:%M:%f', q.replayed_ms / 1000.0, 'unixepoch', '+8 hours') || '+08:00' AS replayed,
    q.session_id,
    q.spool_seq,
    q.received_us / 1000 AS received_ms
FROM quarantine AS q;

-- Where the frame behind a row lies: the group of the spool (spool_seq) and the session it came on; ask by device_time, which of a message is the time of receipt.
CREATE VIEW jtgate_v1_raw_frames AS
SELECT
    f.kind,
    t.terminal,
    f.msg_id,
    f.serial,
    f.spool_seq,
    f.session_id,
    strftime('%Y-%m-%dT%H:%M:%f', f.received_ms / 1000.0, 'unixepoch', '+8 hours') || '+08:00' AS received,
    f.received_ms,
    strftime('%Y-%m-%dT%H:%M:%f', f.device_time_ms / 1000.0, 'unixepoch', '+8 hours') || '+08:00' AS device_time,
    f.device_time_ms
FROM (
    SELECT 'position' AS kind, terminal_id, msg_id, serial, spool_seq, session_id, received_ms, device_time_ms FROM positions
    UNION ALL
    SELECT 'message', terminal_id, msg_id, serial, spool_seq, session_id, received_ms, received_ms FROM messages
) AS f
INNER JOIN terminals AS t ON t.id = f.terminal_id;

-- Vehicles: every version, with the time it was valid for.
CREATE VIEW jtgate_v1_vehicles AS
SELECT
    r.plate,
    r.plate_color,
    r.vehicle_kind,
    r.enterprise,
    r.county,
    r.state,
    r.terminal,
    r.terminal_installed_on,
    r.vin,
    r.vehicle_type,
    r.brand_model,
    r.registered_on,
    r.trailer_plate,
    r.trailer_plate_color,
    r.tank,
    r.certificate,
    r.certificate_valid_to,
    r.reviewed_on,
    r.review_valid_to,
    r.inspection_valid_to,
    r.technical_grade,
    r.grade_valid_to,
    r.rated_load_kg,
    r.curb_mass_kg,
    r.gross_mass_kg,
    r.towed_mass_kg,
    r.permitted_classes,
    r.permitted_un,
    r.blacklisted,
    r.photos,
    r.remark,
    strftime('%Y-%m-%dT%H:%M:%f', r.valid_from_ms / 1000.0, 'unixepoch', '+8 hours') || '+08:00' AS valid_from,
    strftime('%Y-%m-%dT%H:%M:%f', r.valid_to_ms / 1000.0, 'unixepoch', '+8 hours') || '+08:00' AS valid_to,
    r.source,
    r.valid_from_ms <= unixepoch() * 1000 AND (r.valid_to_ms IS NULL OR r.valid_to_ms > unixepoch() * 1000) AS is_current,
    r.valid_from_ms,
    r.valid_to_ms
FROM vehicles AS r;

-- Drivers, escorts and loaders, without numbers of identity card and licence, phone, health, birth date and picture: every version, with the time it was valid for.
CREATE VIEW jtgate_v1_persons AS
SELECT
    r.person,
    r.name,
    r.enterprise,
    r.county,
    r.state,
    r.roles,
    r.certificate,
    r.certificate_issuer,
    r.driver_valid_to,
    r.escort_certificate,
    r.escort_valid_to,
    r.loader_valid_to,
    r.permitted_classes,
    r.licence_classes,
    r.licence_valid_to,
    r.learner_until,
    r.contract_valid_to,
    r.integrity_grade,
    r.integrity_on,
    r.blacklisted,
    r.location_consent,
    r.remark,
    strftime('%Y-%m-%dT%H:%M:%f', r.valid_from_ms / 1000.0, 'unixepoch', '+8 hours') || '+08:00' AS valid_from,
    strftime('%Y-%m-%dT%H:%M:%f', r.valid_to_ms / 1000.0, 'unixepoch', '+8 hours') || '+08:00' AS valid_to,
    r.source,
    r.valid_from_ms <= unixepoch() * 1000 AND (r.valid_to_ms IS NULL OR r.valid_to_ms > unixepoch() * 1000) AS is_current,
    r.valid_from_ms,
    r.valid_to_ms
FROM persons AS r;

-- Enterprises, without names of persons: every version, with the time it was valid for.
CREATE VIEW jtgate_v1_enterprises AS
SELECT
    r.enterprise,
    r.name,
    r.county,
    r.credit_code,
    r.state,
    r.permit,
    r.permit_valid_to,
    r.permitted_classes,
    r.permitted_un,
    r.address,
    r.duty_phone,
    r.monitor_count,
    r.yard_zone,
    r.yard_area_m2,
    r.yard_valid_to,
    r.platform_code,
    r.monitored_by,
    r.monitored_from,
    r.monitored_valid_to,
    r.blacklisted,
    r.remark,
    strftime('%Y-%m-%dT%H:%M:%f', r.valid_from_ms / 1000.0, 'unixepoch', '+8 hours') || '+08:00' AS valid_from,
    strftime('%Y-%m-%dT%H:%M:%f', r.valid_to_ms / 1000.0, 'unixepoch', '+8 hours') || '+08:00' AS valid_to,
    r.source,
    r.valid_from_ms <= unixepoch() * 1000 AND (r.valid_to_ms IS NULL OR r.valid_to_ms > unixepoch() * 1000) AS is_current,
    r.valid_from_ms,
    r.valid_to_ms
FROM enterprises AS r;

-- Tanks: every version, with the time it was valid for.
CREATE VIEW jtgate_v1_tanks AS
SELECT
    r.tank,
    r.tank_kind,
    r.enterprise,
    r.county,
    r.state,
    r.design_code,
    r.volume_m3,
    r.filling_max_kg,
    r.media_un,
    r.media,
    r.made_on,
    r.maker,
    r.report,
    r.inspected_by,
    r.inspected_on,
    r.report_valid_to,
    r.inspection_next_on,
    r.remark,
    strftime('%Y-%m-%dT%H:%M:%f', r.valid_from_ms / 1000.0, 'unixepoch', '+8 hours') || '+08:00' AS valid_from,
    strftime('%Y-%m-%dT%H:%M:%f', r.valid_to_ms / 1000.0, 'unixepoch', '+8 hours') || '+08:00' AS valid_to,
    r.source,
    r.valid_from_ms <= unixepoch() * 1000 AND (r.valid_to_ms IS NULL OR r.valid_to_ms > unixepoch() * 1000) AS is_current,
    r.valid_from_ms,
    r.valid_to_ms
FROM tanks AS r;

-- Insurance policies: every version, with the time it was valid for.
CREATE VIEW jtgate_v1_policies AS
SELECT
    r.policy,
    r.policy_kind,
    r.insurer,
    r.enterprise,
    r.plate,
    r.plate_color,
    r.state,
    r.begins_on,
    r.ends_on,
    r.issued_on,
    r.surrendered_on,
    r.accident_sum_yuan,
    r.total_sum_yuan,
    r.covered_classes,
    r.remark,
    strftime('%Y-%m-%dT%H:%M:%f', r.valid_from_ms / 1000.0, 'unixepoch', '+8 hours') || '+08:00' AS valid_from,
    strftime('%Y-%m-%dT%H:%M:%f', r.valid_to_ms / 1000.0, 'unixepoch', '+8 hours') || '+08:00' AS valid_to,
    r.source,
    r.valid_from_ms <= unixepoch() * 1000 AND (r.valid_to_ms IS NULL OR r.valid_to_ms > unixepoch() * 1000) AS is_current,
    r.valid_from_ms,
    r.valid_to_ms
FROM policies AS r;

-- Waybills, without persons and their phones: every version, with the time it was valid for.
CREATE VIEW jtgate_v1_waybills AS
SELECT
    r.waybill,
    r.state,
    r.revision,
    strftime('%Y-%m-%dT%H:%M:%f', r.created_ms / 1000.0, 'unixepoch', '+8 hours') || '+08:00' AS created,
    strftime('%Y-%m-%dT%H:%M:%f', r.plan_depart_ms / 1000.0, 'unixepoch', '+8 hours') || '+08:00' AS plan_depart,
    strftime('%Y-%m-%dT%H:%M:%f', r.depart_ms / 1000.0, 'unixepoch', '+8 hours') || '+08:00' AS depart,
    strftime('%Y-%m-%dT%H:%M:%f', r.plan_arrive_ms / 1000.0, 'unixepoch', '+8 hours') || '+08:00' AS plan_arrive,
    strftime('%Y-%m-%dT%H:%M:%f', r.arrive_ms / 1000.0, 'unixepoch', '+8 hours') || '+08:00' AS arrive,
    r.urban_delivery,
    r.consignor,
    r.loader,
    r.consignee,
    r.load_address,
    r.load_latitude,
    r.load_longitude,
    r.load_zone,
    r.unload_address,
    r.unload_latitude,
    r.unload_longitude,
    r.unload_zone,
    r.enterprise,
    r.carrier,
    r.carrier_permit,
    r.county,
    r.plate,
    r.plate_color,
    r.certificate,
    r.trailer_plate,
    r.trailer_plate_color,
    r.trailer_certificate,
    r.tank,
    r.tank_volume_m3,
    r.goods,
    r.full_load,
    r.route,
    r.distance_km,
    r.route_permit,
    strftime('%Y-%m-%dT%H:%M:%f', r.dispatched_ms / 1000.0, 'unixepoch', '+8 hours') || '+08:00' AS dispatched,
    r.source_datum,
    r.remark,
    strftime('%Y-%m-%dT%H:%M:%f', r.valid_from_ms / 1000.0, 'unixepoch', '+8 hours') || '+08:00' AS valid_from,
    strftime('%Y-%m-%dT%H:%M:%f', r.valid_to_ms / 1000.0, 'unixepoch', '+8 hours') || '+08:00' AS valid_to,
    r.source,
    r.valid_from_ms <= unixepoch() * 1000 AND (r.valid_to_ms IS NULL OR r.valid_to_ms > unixepoch() * 1000) AS is_current,
    r.valid_from_ms,
    r.valid_to_ms
FROM waybills AS r;

-- Zones, without contacts: every version, with the time it was valid for.
CREATE VIEW jtgate_v1_zones AS
SELECT
    r.zone,
    r.name,
    r.zone_kind,
    r.county,
    r.geometry,
    r.radius_m,
    r.width_m,
    r.source_datum,
    r.windows,
    r.goods_classes,
    r.speed_limit_kmh,
    r.capacity,
    r.capacity_by_class,
    r.stay_limit_min,
    r.park,
    r.enterprise,
    r.remark,
    strftime('%Y-%m-%dT%H:%M:%f', r.valid_from_ms / 1000.0, 'unixepoch', '+8 hours') || '+08:00' AS valid_from,
    strftime('%Y-%m-%dT%H:%M:%f', r.valid_to_ms / 1000.0, 'unixepoch', '+8 hours') || '+08:00' AS valid_to,
    r.source,
    r.valid_from_ms <= unixepoch() * 1000 AND (r.valid_to_ms IS NULL OR r.valid_to_ms > unixepoch() * 1000) AS is_current,
    r.valid_from_ms,
    r.valid_to_ms
FROM zones AS r;

-- Minutes in which a terminal was connected, by day (+08:00). Sessions that overlap count once; an open one counts until its
-- terminal was last heard of. Days are numbers of days since 1970 until the end.
CREATE VIEW jtgate_v1_online_minutes AS
WITH spans AS (
    SELECT
        t.terminal, t.plate, t.plate_color, s.online_ms AS began,
        max(s.online_ms, coalesce(s.closed_ms, t.last_seen_ms, s.online_ms)) AS ended
    FROM sessions AS s
    INNER JOIN terminals AS t ON t.id = s.terminal_id
    WHERE s.online_ms IS NOT NULL
),
marked AS (
    SELECT
        *,
        began > max(ended) OVER (
            PARTITION BY terminal ORDER BY began, ended ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
        ) AS is_new
    FROM spans
),
numbered AS (
    SELECT
        *,
        count(*) FILTER (WHERE is_new) OVER (PARTITION BY terminal ORDER BY began, ended ROWS UNBOUNDED PRECEDING) AS island
    FROM marked
),
merged AS (
    SELECT terminal, plate, plate_color, island, min(began) AS began, max(ended) AS ended
    FROM numbered
    GROUP BY terminal, plate, plate_color, island
),
days AS (
    SELECT terminal, plate, plate_color, began, ended, (began + 28800000) / 86400000 AS day FROM merged
    UNION ALL
    SELECT terminal, plate, plate_color, began, ended, day + 1 FROM days WHERE (day + 1) * 86400000 - 28800000 <= ended
)
SELECT
    terminal,
    plate,
    plate_color,
    date(day * 86400, 'unixepoch') AS day,
    round(sum(min(ended, (day + 1) * 86400000 - 28800000) - max(began, day * 86400000 - 28800000)) / 60000.0, 2) AS minutes
FROM days
GROUP BY 1, 2, 3, 4;
