-- Organizations: how the people of one stand together.

-- name: list_organization_aggregate :many
-- A function decides who may know what: members see only their own links, and no row is made of fewer than five people.
SELECT a.people, a.platform_id, a.coverage, a.score, a.part, a.name, a.share
FROM privacy.organization_aggregate(:categories, :groups) AS a;
