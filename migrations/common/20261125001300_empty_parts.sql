-- Before the parts of metrics change their shape: what they hold goes where it belonged.
LOCK TABLE span_metrics, span_total_parts IN ACCESS EXCLUSIVE MODE;
SELECT add_up_span_totals();
SELECT roll_up_metrics();
DROP VIEW span_totals_now;
DROP FUNCTION add_up_span_totals();
DROP TABLE span_total_parts;
