-- The numbers of each series in buckets that begin from from_time to before to_time; a bucket
-- without a number is absent. The planner puts the function's body in its place, and so reads
-- the samples of that time only: a condition on the buckets of a view would not do that.
CREATE FUNCTION metric_every(width interval, from_time timestamptz, to_time timestamptz)
RETURNS TABLE (
    bucket timestamptz, robot_id text, mission_id text, name text, average double precision,
    minimum double precision, maximum double precision, last double precision, count bigint
)
LANGUAGE sql STABLE PARALLEL SAFE AS $$
SELECT date_bin(width, m.time, TIMESTAMPTZ '2000-01-01 00:00:00+00'),
       m.robot_id, m.mission_id, m.name, avg(m.value), min(m.value), max(m.value),
       (array_agg(m.value ORDER BY m.time DESC))[1], count(*)
FROM metric AS m
WHERE m.value IS NOT NULL AND m.time >= from_time AND m.time < to_time + width
GROUP BY 1, 2, 3, 4
HAVING date_bin(width, m.time, TIMESTAMPTZ '2000-01-01 00:00:00+00') >= from_time
   AND date_bin(width, m.time, TIMESTAMPTZ '2000-01-01 00:00:00+00') < to_time
$$;

CREATE VIEW metric_1s AS
SELECT * FROM metric_every(INTERVAL '1 second', '-infinity', 'infinity');

CREATE VIEW metric_1min AS
SELECT * FROM metric_every(INTERVAL '1 minute', '-infinity', 'infinity');
