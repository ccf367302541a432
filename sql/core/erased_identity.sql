-- Erased identities: that an issuer's subject was somebody here who is forgotten.
-- Table: core.erased_identity

-- name: insert_erased_identity :exec
-- In the transaction that erases: keyed hashes, and nothing else.
SELECT core.remember_erased_identity(:digests::bytea[]);

-- name: list_leaving_identity :many
-- Of what is due, which this transaction erases: it holds the account, so that no other is linked meanwhile.
SELECT i.issuer, i.subject
FROM core.list_leaving_identity(:id) AS i;
