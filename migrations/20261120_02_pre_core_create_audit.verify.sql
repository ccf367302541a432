-- Every trigger of the audit, on every partition, fires whatever the session says.
SELECT count(*) > 0 AND bool_and(t.tgenabled = 'A')
FROM pg_trigger AS t
JOIN pg_class AS c ON c.oid = t.tgrelid
WHERE c.relnamespace = 'core'::regnamespace
    AND c.relname ~ '^audit_(event|detail)'
    AND NOT t.tgisinternal;
