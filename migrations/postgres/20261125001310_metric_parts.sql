-- What the writer adds says which of Prometheus' bounds it is of: sums since ever come from the same rows
-- as minutes, instead of rows of their own.
ALTER TABLE span_metrics ADD COLUMN bound smallint NOT NULL;
