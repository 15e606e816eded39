-- The other end of a call as the client's or producer's span names it, as collect/write/peer.rs reads it
-- and the graph's statements write it: the number of the kind, a colon, the name.

-- The first of the keys with a text that is not empty.
CREATE FUNCTION first_text(attributes jsonb, keys text[]) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    SELECT attributes ->> k.key FROM unnest(keys) WITH ORDINALITY AS k (key, place)
    WHERE jsonb_typeof(attributes -> k.key) = 'string' AND attributes ->> k.key <> ''
    ORDER BY k.place LIMIT 1
$$;

-- host of scheme://user:password@host:port/path
CREATE FUNCTION host_of_url(url text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    SELECT nullif(CASE WHEN left(h.host, 1) = '[' THEN split_part(substr(h.host, 2), ']', 1)
                       ELSE split_part(h.host, ':', 1) END, '')
    FROM (SELECT regexp_replace(substring(substr(url, strpos(url, '://') + 3) FROM '^[^/?#]*'), '^.*@', '')
          WHERE strpos(url, '://') > 0) AS h (host)
$$;

CREATE FUNCTION call_peer(attributes jsonb) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    SELECT peer.kind || ':' || CASE WHEN octet_length(peer.name) <= 255 THEN peer.name ELSE
        left(peer.name, (SELECT max(n)::int FROM generate_series(1, 255) n
                         WHERE octet_length(left(peer.name, n)) <= 255)) END
    FROM (
        SELECT first_text(attributes, '{db.system.name,db.system}') AS db,
               first_text(attributes, '{db.namespace,db.name}') AS namespace,
               first_text(attributes, '{messaging.system}') AS messaging,
               first_text(attributes, '{messaging.destination.name,messaging.destination}') AS destination,
               coalesce(first_text(attributes, '{peer.service,server.address,net.peer.name}'),
                        host_of_url(first_text(attributes, '{url.full,http.url}')),
                        first_text(attributes, '{network.peer.address,net.peer.ip}')) AS host
    ) AS said
    CROSS JOIN LATERAL (
        SELECT CASE WHEN db IS NOT NULL THEN 4 WHEN messaging IS NOT NULL THEN 3 ELSE 5 END AS kind,
               CASE WHEN db IS NOT NULL THEN concat_ws('/', db, coalesce(namespace, host))
                    WHEN messaging IS NOT NULL THEN concat_ws('/', messaging, coalesce(destination, host))
                    ELSE host END AS name
    ) AS peer
$$;
