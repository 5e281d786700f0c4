-- Records, a partition for each day (of UTC). The key has the time, since PostgreSQL wants the partition in it: a record
-- that comes again has the same time, so (producer, record_offset) is unique, too.
CREATE TABLE {schema}.records (
    producer uuid NOT NULL,
    record_offset bigint NOT NULL,
    time timestamptz NOT NULL,
    time_ns bigint NOT NULL,
    observed_time timestamptz,
    observed_time_ns bigint,
    kind text NOT NULL,
    severity smallint,
    severity_text text,
    service text,
    host text,
    process_id bigint,
    process_name text,
    thread_id bigint,
    thread_name text,
    target text,
    module text,
    file text,
    line bigint,
    function text,
    name text,
    template text,
    message text NOT NULL,
    trace_id uuid,
    span_id text,
    parent_span_id text,
    task text,
    record_number bigint,
    outcome text,
    duration_ns bigint,
    error text,
    stack text,
    fields jsonb,
    context jsonb,
    resource jsonb,
    extra jsonb,
    PRIMARY KEY (producer, record_offset, time)
) PARTITION BY RANGE (time);

-- What has a time that no day is made for: years ago, or in the future.
CREATE TABLE {schema}.records_other PARTITION OF {schema}.records DEFAULT;

CREATE INDEX records_time ON {schema}.records (time);
CREATE INDEX records_service ON {schema}.records (service, time);
CREATE INDEX records_trace ON {schema}.records (trace_id) WHERE trace_id IS NOT NULL;

-- Room in each page, so that an end is written beside its begin.
CREATE TABLE {schema}.tasks (
    trace_id uuid NOT NULL,
    span_id text NOT NULL,
    run bigint NOT NULL,
    parent_span_id text,
    task text NOT NULL,
    name text,
    service text,
    host text,
    producer uuid NOT NULL,
    begin_time timestamptz,
    begin_time_ns bigint,
    end_time timestamptz,
    end_time_ns bigint,
    duration_ns bigint,
    outcome text,
    error text,
    is_provisional boolean NOT NULL,
    PRIMARY KEY (trace_id, span_id, run)
) WITH (fillfactor = 80);

CREATE INDEX tasks_begin ON {schema}.tasks (begin_time);
CREATE INDEX tasks_service ON {schema}.tasks (service, begin_time);
