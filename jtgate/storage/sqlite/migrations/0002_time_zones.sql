-- Zones other than GMT+8 in which times of a terminal were ever read, by the profile it had then: the same report
-- read in another zone has another key, so whoever works through a frame again must know under which to look.
CREATE TABLE terminal_zones (
    terminal_id INTEGER NOT NULL,
    zone_minutes INTEGER NOT NULL, -- east of UTC
    PRIMARY KEY (terminal_id, zone_minutes)
) STRICT, WITHOUT ROWID;
