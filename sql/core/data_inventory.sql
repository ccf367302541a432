-- Data inventory: what every column of every table holds of a person, why, and what becomes of it.
-- Tables: core.data_inventory

-- name: list_data_inventory :many
-- A few hundred rows that only migrations write.
SELECT i.object, i.column_name, i.class AS class_, i.purpose, i.export_rule, i.erase_rule, i.retention, i.reason
FROM core.data_inventory AS i
ORDER BY i.object, i.column_name;
