-- Why:      an API key that is used from where it never was may be in other hands: its owner is told.
-- Change:   core.api_key_network.
-- Locks:    SHARE ROW EXCLUSIVE on core.api_key while the foreign key is added.
-- Data:     rows of the data inventory only.
-- Old code: notes no networks.
-- Rollback: drops what was noted; later every network is new once more.
-- depends: 20261123_45_pre_core_delete_workspace

SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

CREATE TABLE core.api_key_network (
    workspace_id uuid        NOT NULL,
    api_key_id   uuid        NOT NULL,
    network      bytea       NOT NULL CONSTRAINT api_key_network_network_length CHECK (octet_length(network) = 16),
    seen_at      timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT api_key_network_pkey PRIMARY KEY (workspace_id, api_key_id, network),
    CONSTRAINT api_key_network_api_key_fkey FOREIGN KEY (workspace_id, api_key_id)
        REFERENCES core.api_key (workspace_id, id) ON DELETE CASCADE
);

COMMENT ON TABLE core.api_key_network IS 'owned. From where a key was used: kept for 90 days after the last time.';
COMMENT ON COLUMN core.api_key_network.network IS 'HMAC of the /24 or /48, keyed with the secret of the API key, which nobody has but who uses it.';

ALTER TABLE core.api_key_network ENABLE ROW LEVEL SECURITY;
ALTER TABLE core.api_key_network FORCE ROW LEVEL SECURITY;

CREATE POLICY tenant ON core.api_key_network TO fivefold_api, fivefold_worker
USING (workspace_id = (SELECT core.current_workspace_id()));
-- The worker drops what was not seen for 90 days.
CREATE POLICY worker_old ON core.api_key_network TO fivefold_worker
USING (
    (SELECT core.current_workspace_id()) = (SELECT core.system_workspace_id())
    AND seen_at < now() - interval '90 days'
);
-- allow always-true-policy: without it the owner's back-fills, foreign keys and dumps miss rows in silence.
CREATE POLICY owner ON core.api_key_network TO fivefold_owner USING (true) WITH CHECK (true);

GRANT SELECT, INSERT, UPDATE (seen_at) ON core.api_key_network TO fivefold_api;
GRANT SELECT, DELETE ON core.api_key_network TO fivefold_worker;

INSERT INTO core.data_inventory (object, column_name, class, purpose, export_rule, erase_rule, retention, reason) VALUES
('core.api_key_network', 'workspace_id', 'technical', 'security', 'omit', 'delete', '90 days', NULL),
('core.api_key_network', 'api_key_id', 'technical', 'security', 'include', 'delete', '90 days', NULL),
('core.api_key_network', 'network', 'personal', 'security', 'omit', 'delete', '90 days', 'A keyed hash, which tells nobody anything.'),
('core.api_key_network', 'seen_at', 'personal', 'security', 'include', 'delete', '90 days', NULL);
