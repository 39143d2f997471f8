-- Plain PostgreSQL. Where TimescaleDB is there, timescale.py makes more of these tables.

CREATE TABLE metric (
    time timestamptz NOT NULL,
    robot_id text NOT NULL,
    mission_id text NOT NULL,
    name text NOT NULL,
    value double precision,
    text text
);
CREATE INDEX metric_series ON metric (robot_id, name, time DESC);
-- For a time of all robots; it takes next to no room.
CREATE INDEX metric_time ON metric USING brin (time) WITH (autosummarize = on);

CREATE TABLE mission (
    robot_id text,
    mission_id text,
    started timestamptz NOT NULL,
    ended timestamptz,
    ended_by text CHECK (ended_by IN ('request', 'lost', 'next')),
    last_seen timestamptz NOT NULL,
    labels jsonb NOT NULL DEFAULT '{}',
    PRIMARY KEY (robot_id, mission_id)
);
CREATE INDEX mission_open ON mission (last_seen) WHERE ended IS NULL;

CREATE TABLE mission_recording (
    robot_id text,
    mission_id text,
    recorder text,
    topic text,
    messages bigint NOT NULL,
    bytes bigint NOT NULL,
    PRIMARY KEY (robot_id, mission_id, recorder, topic)
);

CREATE TABLE event (
    time timestamptz NOT NULL,
    robot_id text NOT NULL,
    mission_id text NOT NULL,
    kind text NOT NULL,
    severity text NOT NULL,
    message text NOT NULL,
    data jsonb NOT NULL DEFAULT '{}'
);
CREATE INDEX event_robot ON event (robot_id, time);
CREATE INDEX event_time ON event (time);
CREATE INDEX event_mission ON event (mission_id, robot_id);

CREATE TABLE metric_info (
    robot_id text,
    name text,
    unit text NOT NULL,
    topic text NOT NULL,
    field text NOT NULL,
    PRIMARY KEY (robot_id, name)
);

-- How far each source has been written: what makes every delivery count once.
CREATE TABLE delivered (
    source text PRIMARY KEY,
    number bigint NOT NULL,
    updated timestamptz NOT NULL DEFAULT now()
);

-- One row: how long everybody's samples are kept (NULL: for ever). A recorder only lengthens it.
CREATE TABLE history_policy (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    retention interval CHECK (retention BETWEEN INTERVAL '1 minute' AND INTERVAL '1000 years'),
    compress_after interval NOT NULL
        CHECK (compress_after BETWEEN INTERVAL '1 minute' AND INTERVAL '1000 years'),
    maintained timestamptz NOT NULL DEFAULT '-infinity'
);
