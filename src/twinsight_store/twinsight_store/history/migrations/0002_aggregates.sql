-- Of the numbers of each series: a bucket without a number is absent.

CREATE VIEW metric_1s AS
SELECT date_bin(INTERVAL '1 second', time, TIMESTAMPTZ '2000-01-01 00:00:00+00') AS bucket,
       robot_id, mission_id, name,
       avg(value) AS average, min(value) AS minimum, max(value) AS maximum,
       (array_agg(value ORDER BY time DESC))[1] AS last, count(*) AS count
FROM metric
WHERE value IS NOT NULL
GROUP BY 1, 2, 3, 4;

CREATE VIEW metric_1min AS
SELECT date_bin(INTERVAL '1 minute', time, TIMESTAMPTZ '2000-01-01 00:00:00+00') AS bucket,
       robot_id, mission_id, name,
       avg(value) AS average, min(value) AS minimum, max(value) AS maximum,
       (array_agg(value ORDER BY time DESC))[1] AS last, count(*) AS count
FROM metric
WHERE value IS NOT NULL
GROUP BY 1, 2, 3, 4;
