-- What views take for now. A test moves its clock by replacing it.
CREATE FUNCTION spanloom_now() RETURNS timestamptz
LANGUAGE sql STABLE AS 'SELECT now()';
