-- Spans that tail sampling dropped leave their identity, so that one that is sent again is not taken
-- for a new one: it would be counted a second time.
INSERT INTO retained_tables (table_name, signal, partition_hours)
SELECT 'sampled_out', signal, partition_hours FROM retained_tables WHERE table_name = 'traces';
