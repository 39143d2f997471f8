-- Insert samples one by one; return which of them are refused for good (counted from 1), and why.
-- What is caught is what for_good() in sink.py says.
CREATE FUNCTION metric_insert(
    times timestamptz[], robots text[], missions text[], names text[], numbers float8[],
    texts text[]
)
RETURNS TABLE (refused bigint, problem text) LANGUAGE plpgsql AS $$
DECLARE
    sample record;
BEGIN
    FOR sample IN
        SELECT * FROM unnest(times, robots, missions, names, numbers, texts) WITH ORDINALITY
            AS given (at, robot, mission, series, number, words, row_number)
    LOOP
        BEGIN
            INSERT INTO metric (time, robot_id, mission_id, name, value, text)
            VALUES (sample.at, sample.robot, sample.mission, sample.series, sample.number,
                    sample.words);
        EXCEPTION
            WHEN data_exception OR integrity_constraint_violation OR program_limit_exceeded
                 OR with_check_option_violation OR raise_exception THEN
                refused := sample.row_number;
                problem := SQLERRM;
                RETURN NEXT;
        END;
    END LOOP;
END $$;
