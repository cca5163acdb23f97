-- Views for other programs. Their columns do not change within a version of the schema: what is added is added at the end, what
-- would change goes into views under the next number. A time is the bare column of its table wherever there is one, so that
-- conditions on it use indexes and leave out days; the column `…_ms` beside it is the same in milliseconds, as in SQLite.

CREATE INDEX terminals_plate ON terminals (plate) WHERE plate IS NOT NULL;

-- The newest live report of each terminal that has a fix: located, not sent late (盲区补报), not from a clock over a day ahead.
CREATE VIEW jtgate_v1.last_position AS
SELECT
    t.terminal,
    p.device_time,
    p.received,
    p.latitude,
    p.longitude,
    p.altitude_m,
    p.speed_kmh,
    p.heading_deg,
    p.mileage_km,
    p.status,
    p.alarm_flags,
    p.video_alarm_flags,
    (extract(epoch FROM p.device_time) * 1000)::bigint AS device_time_ms,
    t.plate,
    t.plate_color
FROM terminals AS t
CROSS JOIN LATERAL (
    SELECT n.* FROM positions_all AS n
    WHERE
        n.terminal_id = t.id AND n.backfill = 0 AND n.time_state = 0 AND n.status & 2 <> 0
        AND n.latitude IS NOT NULL AND n.longitude IS NOT NULL
        AND n.device_time <= now() + interval '1 day'
    ORDER BY n.device_time DESC, n.received DESC
    LIMIT 1
) AS p;

-- Every report with a calendar time. Ask for one terminal and a stretch of device_time (in SQLite device_time_ms).
CREATE VIEW jtgate_v1.track AS
SELECT
    t.terminal,
    t.plate,
    t.plate_color,
    p.device_time,
    p.received,
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
    p.extra_items::json AS extra_items,
    p.backfill,
    p.time_state,
    p.msg_id,
    p.serial,
    p.session_id,
    p.spool_seq,
    (extract(epoch FROM p.device_time) * 1000)::bigint AS device_time_ms
FROM positions_all AS p
INNER JOIN terminals AS t ON t.id = p.terminal_id
WHERE p.device_time > 'epoch';

-- Sessions of terminals; closed is NULL while one is open.
CREATE VIEW jtgate_v1.sessions AS
SELECT
    s.session_id,
    t.terminal,
    s.transport,
    s.peer,
    s.edition,
    s.how,
    s.online,
    s.closed,
    s.reason,
    s.frames,
    s.bad_frames,
    s.bytes_in,
    (extract(epoch FROM s.online) * 1000)::bigint AS online_ms,
    (extract(epoch FROM s.closed) * 1000)::bigint AS closed_ms,
    t.plate,
    t.plate_color
FROM sessions AS s
LEFT JOIN terminals AS t ON t.id = s.terminal_id;

-- Alarm facts as they were reported, one row each; 1970-01-01 is no time.
CREATE VIEW jtgate_v1.alarm_events AS
SELECT
    a.id,
    t.terminal,
    a.source,
    a.alarm_type,
    a.phase,
    a.level,
    a.alarm_time,
    a.received,
    a.latitude,
    a.longitude,
    a.speed_kmh,
    a.alarm_number,
    a.attachment_count,
    a.body::json AS body,
    (extract(epoch FROM a.alarm_time) * 1000)::bigint AS alarm_time_ms,
    t.plate,
    t.plate_color,
    a.serial,
    a.session_id,
    a.spool_seq
FROM alarm_events AS a
INNER JOIN terminals AS t ON t.id = a.terminal_id;

-- Alarms that began, by day (+08:00), source, type and level; ends are not counted.
CREATE VIEW jtgate_v1.alarms_per_day AS
SELECT
    t.terminal,
    t.plate,
    t.plate_color,
    (a.alarm_time AT TIME ZONE interval '+08:00')::date AS day,
    a.source,
    a.alarm_type,
    a.level,
    count(*) AS alarm_count
FROM alarm_events AS a
INNER JOIN terminals AS t ON t.id = a.terminal_id
WHERE a.phase <> 'end'
GROUP BY 1, 2, 3, 4, 5, 6, 7;

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
    (extract(epoch FROM e.ended) * 1000)::bigint AS ended_ms
FROM episodes AS e
INNER JOIN terminals AS t ON t.id = e.terminal_id;

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
    f.file_name,
    f.file_type,
    f.channel,
    f.announced_bytes,
    f.stored_bytes,
    f.sha256,
    f.path,
    f.state AS file_state,
    f.announced,
    f.completed,
    (extract(epoch FROM a.alarm_time) * 1000)::bigint AS alarm_time_ms
FROM alarm_events AS a
INNER JOIN terminals AS t ON t.id = a.terminal_id
LEFT JOIN evidence_files AS f ON f.terminal_id = a.terminal_id AND f.alarm_number = a.alarm_number
WHERE a.alarm_number IS NOT NULL;

-- Who was on which vehicle, in which role, from when to when, and how sure that is; names as they were valid then.
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
    b.corrects,
    b.reason,
    t.terminal,
    (extract(epoch FROM b.started) * 1000)::bigint AS started_ms,
    (extract(epoch FROM b.ended) * 1000)::bigint AS ended_ms
FROM bindings AS b
LEFT JOIN terminals AS t ON t.id = b.terminal_id
LEFT JOIN persons AS p
    ON p.person = b.person AND p.valid_from <= b.started AND (p.valid_to IS NULL OR p.valid_to > b.started)
LEFT JOIN vehicles AS v
    ON
        v.plate = b.plate AND v.plate_color = b.plate_color
        AND v.valid_from <= b.started AND (v.valid_to IS NULL OR v.valid_to > b.started);

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
    (extract(epoch FROM r.ended) * 1000)::bigint AS ended_ms
FROM trips AS r
INNER JOIN terminals AS t ON t.id = r.terminal_id;

-- Kilometres by the odometer (0x01 里程) and counts of reports, by day (+08:00), of reports with a good time.
CREATE VIEW jtgate_v1.mileage_per_day AS
SELECT
    t.terminal,
    t.plate,
    t.plate_color,
    (h.hour AT TIME ZONE interval '+08:00')::date AS day,
    max(h.mileage_max_km) - min(h.mileage_min_km) AS mileage_km,
    min(h.mileage_min_km) AS mileage_first_km,
    max(h.mileage_max_km) AS mileage_last_km,
    sum(h.point_count)::bigint AS point_count,
    sum(h.located_count)::bigint AS located_count,
    sum(h.moving_count)::bigint AS moving_count,
    max(h.speed_max_kmh) AS speed_max_kmh,
    min(h.first_time) AS first_time,
    max(h.last_time) AS last_time
FROM position_hours AS h
INNER JOIN terminals AS t ON t.id = h.terminal_id
GROUP BY 1, 2, 3, 4;

-- Pictures of drivers and what a comparison made of them.
CREATE VIEW jtgate_v1.face_events AS
SELECT
    f.id,
    t.terminal,
    t.plate,
    t.plate_color,
    f.event_time,
    f.kind,
    f.alarm_number,
    f.image_sha256,
    f.image_path,
    f.engine,
    f.score,
    f.threshold,
    f.result,
    f.person,
    (extract(epoch FROM f.event_time) * 1000)::bigint AS event_time_ms
FROM face_events AS f
INNER JOIN terminals AS t ON t.id = f.terminal_id;

-- Driver cards put in and taken out (0x0702); the name is on the card, the number of the identity card is left out.
CREATE VIEW jtgate_v1.driver_cards AS
SELECT
    c.id,
    t.terminal,
    t.plate,
    t.plate_color,
    c.device_time,
    c.status,
    c.read_result,
    c.driver_name,
    c.certificate,
    c.issuer,
    c.expiry,
    (extract(epoch FROM c.device_time) * 1000)::bigint AS device_time_ms
FROM card_events AS c
INNER JOIN terminals AS t ON t.id = c.terminal_id;

-- Messages that could not be decoded, without their bytes.
CREATE VIEW jtgate_v1.quarantine AS
SELECT
    q.id,
    to_timestamp(q.received_us / 1e6) AS received,
    q.terminal,
    q.msg_id,
    q.code,
    q."offset",
    q.field,
    q.message,
    q.state,
    q.replayed,
    q.session_id,
    q.spool_seq,
    q.received_us / 1000 AS received_ms
FROM quarantine AS q;

-- Where the frame behind a row lies: the group of the spool (spool_seq) and the session it came on; ask by device_time, which of a message is the time of receipt.
CREATE VIEW jtgate_v1.raw_frames AS
SELECT
    f.kind,
    t.terminal,
    f.msg_id,
    f.serial,
    f.spool_seq,
    f.session_id,
    f.received,
    (extract(epoch FROM f.received) * 1000)::bigint AS received_ms,
    f.device_time,
    (extract(epoch FROM f.device_time) * 1000)::bigint AS device_time_ms
FROM (
    SELECT 'position' AS kind, terminal_id, msg_id, serial, spool_seq, session_id, received, device_time FROM positions_all
    UNION ALL
    SELECT 'message', terminal_id, msg_id, serial, spool_seq, session_id, received, received FROM messages
) AS f
INNER JOIN terminals AS t ON t.id = f.terminal_id;

-- Vehicles: every version, with the time it was valid for.
CREATE VIEW jtgate_v1.vehicles AS
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
    r.valid_from,
    r.valid_to,
    r.source,
    r.valid_from <= now() AND (r.valid_to IS NULL OR r.valid_to > now()) AS is_current,
    (extract(epoch FROM r.valid_from) * 1000)::bigint AS valid_from_ms,
    (extract(epoch FROM r.valid_to) * 1000)::bigint AS valid_to_ms
FROM vehicles AS r;

-- Drivers, escorts and loaders, without numbers of identity card and licence, phone, health, birth date and picture: every version, with the time it was valid for.
CREATE VIEW jtgate_v1.persons AS
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
    r.valid_from,
    r.valid_to,
    r.source,
    r.valid_from <= now() AND (r.valid_to IS NULL OR r.valid_to > now()) AS is_current,
    (extract(epoch FROM r.valid_from) * 1000)::bigint AS valid_from_ms,
    (extract(epoch FROM r.valid_to) * 1000)::bigint AS valid_to_ms
FROM persons AS r;

-- Enterprises, without names of persons: every version, with the time it was valid for.
CREATE VIEW jtgate_v1.enterprises AS
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
    r.valid_from,
    r.valid_to,
    r.source,
    r.valid_from <= now() AND (r.valid_to IS NULL OR r.valid_to > now()) AS is_current,
    (extract(epoch FROM r.valid_from) * 1000)::bigint AS valid_from_ms,
    (extract(epoch FROM r.valid_to) * 1000)::bigint AS valid_to_ms
FROM enterprises AS r;

-- Tanks: every version, with the time it was valid for.
CREATE VIEW jtgate_v1.tanks AS
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
    r.valid_from,
    r.valid_to,
    r.source,
    r.valid_from <= now() AND (r.valid_to IS NULL OR r.valid_to > now()) AS is_current,
    (extract(epoch FROM r.valid_from) * 1000)::bigint AS valid_from_ms,
    (extract(epoch FROM r.valid_to) * 1000)::bigint AS valid_to_ms
FROM tanks AS r;

-- Insurance policies: every version, with the time it was valid for.
CREATE VIEW jtgate_v1.policies AS
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
    r.valid_from,
    r.valid_to,
    r.source,
    r.valid_from <= now() AND (r.valid_to IS NULL OR r.valid_to > now()) AS is_current,
    (extract(epoch FROM r.valid_from) * 1000)::bigint AS valid_from_ms,
    (extract(epoch FROM r.valid_to) * 1000)::bigint AS valid_to_ms
FROM policies AS r;

-- Waybills, without persons and their phones: every version, with the time it was valid for.
CREATE VIEW jtgate_v1.waybills AS
SELECT
    r.waybill,
    r.state,
    r.revision,
    r.created,
    r.plan_depart,
    r.depart,
    r.plan_arrive,
    r.arrive,
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
    r.dispatched,
    r.source_datum,
    r.remark,
    r.valid_from,
    r.valid_to,
    r.source,
    r.valid_from <= now() AND (r.valid_to IS NULL OR r.valid_to > now()) AS is_current,
    (extract(epoch FROM r.valid_from) * 1000)::bigint AS valid_from_ms,
    (extract(epoch FROM r.valid_to) * 1000)::bigint AS valid_to_ms
FROM waybills AS r;

-- Zones, without contacts: every version, with the time it was valid for.
CREATE VIEW jtgate_v1.zones AS
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
    r.valid_from,
    r.valid_to,
    r.source,
    r.valid_from <= now() AND (r.valid_to IS NULL OR r.valid_to > now()) AS is_current,
    (extract(epoch FROM r.valid_from) * 1000)::bigint AS valid_from_ms,
    (extract(epoch FROM r.valid_to) * 1000)::bigint AS valid_to_ms
FROM zones AS r;

-- Minutes in which a terminal was connected, by day (+08:00). Sessions that overlap count once; an open one counts until its
-- terminal was last heard of. A condition on `terminal` reaches the sessions.
CREATE VIEW jtgate_v1.online_minutes AS
WITH spans AS (
    SELECT
        t.terminal, t.plate, t.plate_color, s.online AS began,
        greatest(s.online, coalesce(s.closed, t.last_seen, s.online)) AS ended
    FROM sessions AS s
    INNER JOIN terminals AS t ON t.id = s.terminal_id
    WHERE s.online IS NOT NULL
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
)
SELECT
    m.terminal,
    m.plate,
    m.plate_color,
    d.day::date AS day,
    round(sum(
        extract(epoch FROM least(m.ended, (d.day + interval '1 day') AT TIME ZONE interval '+08:00'))
        - extract(epoch FROM greatest(m.began, d.day AT TIME ZONE interval '+08:00'))
    ) / 60, 2)::double precision AS minutes
FROM merged AS m
CROSS JOIN LATERAL generate_series(
    date_trunc('day', m.began AT TIME ZONE interval '+08:00'), m.ended AT TIME ZONE interval '+08:00', interval '1 day'
) AS d (day)
GROUP BY 1, 2, 3, 4;

COMMENT ON VIEW jtgate_v1.last_position IS 'The newest live report of each terminal that has a fix: located, not sent late (盲区补报), not from a clock over a day ahead.';
COMMENT ON VIEW jtgate_v1.track IS 'Every report with a calendar time. Ask for one terminal and a stretch of device_time (in SQLite device_time_ms).';
COMMENT ON VIEW jtgate_v1.sessions IS 'Sessions of terminals; closed is NULL while one is open.';
COMMENT ON VIEW jtgate_v1.alarm_events IS 'Alarm facts as they were reported, one row each; 1970-01-01 is no time.';
COMMENT ON VIEW jtgate_v1.alarms_per_day IS 'Alarms that began, by day (+08:00), source, type and level; ends are not counted.';
COMMENT ON VIEW jtgate_v1.episodes IS 'Alarm reports put together to one alarm; ended is NULL while it lasts.';
COMMENT ON VIEW jtgate_v1.evidence_of_alarm IS 'Each alarm that announced evidence (报警附件), once for every file; without a file when none has come.';
COMMENT ON VIEW jtgate_v1.who_drove_what IS 'Who was on which vehicle, in which role, from when to when, and how sure that is; names as they were valid then.';
COMMENT ON VIEW jtgate_v1.trips IS 'Runs between two stops of 20 minutes; ended is NULL while one lasts.';
COMMENT ON VIEW jtgate_v1.mileage_per_day IS 'Kilometres by the odometer (0x01 里程) and counts of reports, by day (+08:00), of reports with a good time.';
COMMENT ON VIEW jtgate_v1.face_events IS 'Pictures of drivers and what a comparison made of them.';
COMMENT ON VIEW jtgate_v1.driver_cards IS 'Driver cards put in and taken out (0x0702); the name is on the card, the number of the identity card is left out.';
COMMENT ON VIEW jtgate_v1.quarantine IS 'Messages that could not be decoded, without their bytes.';
COMMENT ON VIEW jtgate_v1.raw_frames IS 'Where the frame behind a row lies: the group of the spool (spool_seq) and the session it came on; ask by device_time, which of a message is the time of receipt.';
COMMENT ON VIEW jtgate_v1.vehicles IS 'Vehicles: every version, with the time it was valid for.';
COMMENT ON VIEW jtgate_v1.persons IS 'Drivers, escorts and loaders, without numbers of identity card and licence, phone, health, birth date and picture: every version, with the time it was valid for.';
COMMENT ON VIEW jtgate_v1.enterprises IS 'Enterprises, without names of persons: every version, with the time it was valid for.';
COMMENT ON VIEW jtgate_v1.tanks IS 'Tanks: every version, with the time it was valid for.';
COMMENT ON VIEW jtgate_v1.policies IS 'Insurance policies: every version, with the time it was valid for.';
COMMENT ON VIEW jtgate_v1.waybills IS 'Waybills, without persons and their phones: every version, with the time it was valid for.';
COMMENT ON VIEW jtgate_v1.zones IS 'Zones, without contacts: every version, with the time it was valid for.';
COMMENT ON VIEW jtgate_v1.online_minutes IS 'Minutes in which a terminal was connected, by day (+08:00); sessions that overlap count once.';

-- A role that may read the views and nothing else, without login and password: GRANT jtgate_reader TO somebody. Who may not
-- create roles gets none; `jtgate store migrate` does not need it.
DO $$
BEGIN
    IF current_schema() <> 'jtgate' THEN -- a scratch store
        RETURN;
    END IF;
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'jtgate_reader') THEN
        CREATE ROLE jtgate_reader NOLOGIN;
    END IF;
    GRANT USAGE ON SCHEMA jtgate_v1 TO jtgate_reader;
    GRANT SELECT ON ALL TABLES IN SCHEMA jtgate_v1 TO jtgate_reader;
EXCEPTION
    WHEN insufficient_privilege OR duplicate_object OR unique_violation THEN
        RAISE NOTICE 'no role jtgate_reader: %', sqlerrm;
END
$$;
