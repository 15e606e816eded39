-- New rows at the right end of what the index holds of their service: pages there fill up before they
-- are split, and reading backwards costs nothing.
DROP INDEX spans_by_service;
CREATE INDEX spans_by_service ON spans (service_id, start_time);

DROP INDEX traces_by_start;
CREATE INDEX traces_by_start ON traces (first_start);
