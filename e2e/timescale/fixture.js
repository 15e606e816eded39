// Spans that are known beforehand, and the partial metrics that the writer would add with them.

const SPANS_PER_TRACE = 4;

/**
 * Traces of four spans over three services, spread evenly over [from, to).
 * Everything but the times follows from the number of the trace and of the span in it.
 */
export async function insertSpans(db, { from, to, traces, firstTrace = 0 }) {
  await db.query('SELECT ensure_partitions($1, $2)', [from, to]);
  await db.exec(`
    INSERT INTO services (name) VALUES ('gateway'), ('orders'), ('stock') ON CONFLICT DO NOTHING;
    INSERT INTO operations (service_id, name)
      SELECT s.id, o.name FROM services s, (VALUES ('GET /'), ('POST /')) AS o (name)
      ORDER BY 1, 2 ON CONFLICT DO NOTHING;
    INSERT INTO resources (hash, service_id, attributes, dropped_attributes_count, schema_url)
      SELECT sha256(s.name::bytea), s.id, '{"service.name":"' || s.name || '"}', 0, ''
      FROM services s ON CONFLICT DO NOTHING;
    INSERT INTO scopes (hash, name, version, attributes, dropped_attributes_count, schema_url)
      VALUES (sha256('http'), 'http', '1.0', '{}', 0, '') ON CONFLICT DO NOTHING;
  `);
  await db.query(
    `INSERT INTO spans (start_time, duration_ns, span_id, parent_span_id, trace_id, service_id,
                        operation_id, resource_id, scope_id, weight, flags, kind, status,
                        start_sub_ns, status_message, attributes)
     SELECT $1::timestamptz + ($2::timestamptz - $1::timestamptz) * ((t - $4)::float8 / $3),
            (t::bigint * 7919 + s * 104729) % 900000 * 3000,
            t * 10 + s + 1, CASE WHEN s > 0 THEN t * 10 + 1 END,
            lpad(to_hex(t + 1), 32, '0')::uuid,
            service.id, operation.id, resource.id, (SELECT min(id) FROM scopes),
            1, 1, CASE WHEN s = 0 THEN 2 ELSE 3 END, CASE WHEN (t + s) % 7 = 0 THEN 2 ELSE 0 END,
            t % 1000, CASE WHEN (t + s) % 7 = 0 THEN 'refused' END,
            '{"customer":"c' || t % 50 || '","n":' || t || '}'
     FROM generate_series($4::int, $4::int + $3::int - 1) AS t,
          generate_series(0, ${SPANS_PER_TRACE - 1}) AS s
          JOIN services service ON service.name = (ARRAY['gateway', 'orders', 'stock', 'stock'])[s + 1]
          JOIN operations operation ON operation.service_id = service.id
               AND operation.name = (ARRAY['POST /', 'POST /', 'GET /', 'GET /'])[s + 1]
          JOIN resources resource ON resource.service_id = service.id`,
    [from, to, traces, firstTrace],
  );
  await insertTracesAndMetrics(db, from, to, firstTrace);
}

/** What the writer derives from the spans at and after `firstTrace`: pieces of traces, and metrics in several parts. */
async function insertTracesAndMetrics(db, from, to, firstTrace) {
  const isNew = `trace_id >= lpad(to_hex(${Number(firstTrace) + 1}), 32, '0')::uuid`;
  await db.exec(`
    INSERT INTO traces
    SELECT trace_id, min(start_time), min(start_ns), max(start_ns + duration_ns),
           min(service_id) FILTER (WHERE parent_span_id IS NULL),
           min(operation_id) FILTER (WHERE parent_span_id IS NULL),
           min(service_id), min(operation_id), count(*), count(*) FILTER (WHERE status = 2),
           ARRAY[min(service_id)], ARRAY[count(*)::int], ARRAY[0]
    FROM (SELECT *, (extract(epoch FROM start_time) * 1000000)::bigint * 1000 + start_sub_ns AS start_ns
          FROM spans WHERE ${isNew}) AS s
    GROUP BY trace_id;

    INSERT INTO span_metrics
    SELECT minute, service_id, operation_id, kind, status, '1.0', array_agg(bucket), array_agg(bound),
           array_agg(span_count), array_agg(duration_ns_sum)
    FROM (SELECT date_trunc('minute', start_time) AS minute, service_id, operation_id, kind, status,
                 ${BUCKET} AS bucket, latency_bound(duration_ns) AS bound, span_id % 3 AS part,
                 count(*) AS span_count, sum(duration_ns) AS duration_ns_sum
          FROM spans WHERE ${isNew} GROUP BY 1, 2, 3, 4, 5, 6, 7, 8) AS cells
    GROUP BY 1, 2, 3, 4, 5, part;
  `);
}

const BUCKET = `CASE WHEN duration_ns = 0 THEN -1 ELSE floor(ln(duration_ns) / ln(1.05)) END::smallint`;

/** The metrics that plain SQL over the spans themselves gives, by `unit` of time. */
export function metricsFromSpans(unit) {
  return `SELECT date_trunc('${unit}', start_time) AS time, service_id, operation_id, kind, status,
                 '1.0' AS version, ${BUCKET} AS bucket,
                 count(*)::float8 AS span_count, sum(duration_ns)::float8 AS duration_ns_sum
          FROM spans GROUP BY 1, 2, 3, 4, 5, 6, 7 ORDER BY 1, 2, 3, 4, 5, 6, 7`;
}

/** The same from the table or view `name`, whose time is in `column`; parts of one bucket are summed. */
export function metricsFrom(name, column = 'time') {
  return `SELECT ${column} AS time, service_id, operation_id, kind, status, version, bucket,
                 sum(span_count) AS span_count, sum(duration_ns_sum) AS duration_ns_sum
          FROM ${name} WHERE operation_id <> 0 GROUP BY 1, 2, 3, 4, 5, 6, 7 ORDER BY 1, 2, 3, 4, 5, 6, 7`;
}
