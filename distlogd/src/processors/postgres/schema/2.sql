-- What people ask for most.
CREATE VIEW {schema}.failed_tasks AS
    SELECT begin_time, end_time, service, host, name, outcome, error, duration_ns / 1e9 AS seconds, task, trace_id
    FROM {schema}.tasks
    WHERE outcome IN ('failed', 'lost');

CREATE VIEW {schema}.running_tasks AS
    SELECT begin_time, now() - begin_time AS age, service, host, name, task, trace_id
    FROM {schema}.tasks
    WHERE end_time IS NULL;
