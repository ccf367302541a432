-- Why:      a sign-in at a provider is a journey of some minutes through a browser, which must end where it began, once.
-- Change:   core.sign_in, and the functions that take it from step to step.
-- Locks:    SHARE ROW EXCLUSIVE on core.account while the foreign key is added.
-- Data:     rows of the data inventory only.
-- Old code: nothing reads it yet.
-- Rollback: drops what is under way: those people start again.
-- depends: 20261122_15_pre_core_add_meet_identity

SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

CREATE TABLE core.sign_in (
    id           uuid        NOT NULL DEFAULT uuidv7() CONSTRAINT sign_in_pkey PRIMARY KEY,
    account_id   uuid        CONSTRAINT sign_in_account_id_fkey REFERENCES core.account (id),
    created_at   timestamptz NOT NULL DEFAULT now(),
    expires_at   timestamptz NOT NULL,
    secret_hash  bytea       NOT NULL CONSTRAINT sign_in_secret_hash_key UNIQUE
        CONSTRAINT sign_in_secret_hash_length CHECK (octet_length(secret_hash) = 32),
    browser_hash bytea       CONSTRAINT sign_in_browser_hash_length CHECK (octet_length(browser_hash) = 32),
    challenge    bytea       NOT NULL CONSTRAINT sign_in_challenge_length CHECK (octet_length(challenge) = 32),
    acceptable   boolean,
    proven       boolean,
    stage        text        NOT NULL CONSTRAINT sign_in_stage_known CHECK (stage IN ('TICKET', 'STATE', 'TAKEN', 'CODE')),
    provider     text        NOT NULL CONSTRAINT sign_in_provider_length CHECK (length(provider) BETWEEN 1 AND 40),
    return_to    text        NOT NULL CONSTRAINT sign_in_return_to_length CHECK (length(return_to) BETWEEN 1 AND 500),
    issuer       text        CONSTRAINT sign_in_issuer_length CHECK (length(issuer) BETWEEN 1 AND 400),
    subject      text        CONSTRAINT sign_in_subject_length CHECK (length(subject) BETWEEN 1 AND 400),
    email        text        CONSTRAINT sign_in_email_length CHECK (length(email) BETWEEN 3 AND 254),
    display_name text        CONSTRAINT sign_in_display_name_length CHECK (length(display_name) BETWEEN 1 AND 200)
);

-- Serves the deletion of what ran out.
CREATE INDEX sign_in_expires_at_idx ON core.sign_in (expires_at);
-- Serves the foreign key, and the one link of an account that is under way.
CREATE INDEX sign_in_account_id_idx ON core.sign_in (account_id);

COMMENT ON TABLE core.sign_in IS 'identity. A sign-in at a provider that is under way, for some minutes.';
COMMENT ON COLUMN core.sign_in.account_id IS 'Who links one more way to sign in; NULL for who signs in.';
COMMENT ON COLUMN core.sign_in.secret_hash IS 'sha256 of what takes it to the next step: a ticket, then the state, then a code. Each works once.';
COMMENT ON COLUMN core.sign_in.browser_hash IS 'sha256 of the cookie of the browser that began it.';
COMMENT ON COLUMN core.sign_in.challenge IS 'sha256 of what the front end keeps, and shows at the end.';
COMMENT ON COLUMN core.sign_in.stage IS 'TICKET: to be opened in a browser. STATE: at the provider. TAKEN: came back. CODE: the front end may end it.';

ALTER TABLE core.sign_in ENABLE ROW LEVEL SECURITY;
ALTER TABLE core.sign_in FORCE ROW LEVEL SECURITY;

-- allow always-true-policy: without it the owner's back-fills, foreign keys and dumps miss rows in silence.
CREATE POLICY owner ON core.sign_in TO fivefold_owner USING (true) WITH CHECK (true);

-- Begins one, by a stranger or, to link, by the caller, whose own earlier one ends. What ran out goes on this occasion.
CREATE FUNCTION core.begin_sign_in(
    secret_hash bytea, browser_hash bytea, challenge bytea, provider text, return_to text, linking boolean, lifetime interval
)
RETURNS uuid
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = ''
AS $$
DECLARE
    own  uuid := CASE WHEN begin_sign_in.linking THEN core.current_account_id() END;
    made uuid;
BEGIN
    IF begin_sign_in.linking AND own IS NULL THEN
        RAISE EXCEPTION 'only who is signed in can link' USING ERRCODE = 'insufficient_privilege';
    END IF;
    DELETE FROM core.sign_in AS s
    WHERE s.id IN (
        SELECT o.id FROM core.sign_in AS o WHERE o.expires_at < now() ORDER BY o.expires_at LIMIT 20 FOR UPDATE SKIP LOCKED
    );
    DELETE FROM core.sign_in AS s WHERE s.account_id = own;
    INSERT INTO core.sign_in (account_id, expires_at, secret_hash, browser_hash, challenge, stage, provider, return_to)
    VALUES (
        own, now() + begin_sign_in.lifetime, begin_sign_in.secret_hash, begin_sign_in.browser_hash, begin_sign_in.challenge,
        CASE WHEN begin_sign_in.linking THEN 'TICKET' ELSE 'STATE' END, begin_sign_in.provider, begin_sign_in.return_to
    )
    RETURNING id INTO made;
    RETURN made;
END
$$;

-- A ticket is opened, in the browser that from now on it belongs to.
CREATE FUNCTION core.take_sign_in_ticket(ticket_hash bytea, provider text, state_hash bytea, browser_hash bytea) RETURNS uuid
LANGUAGE sql VOLATILE SECURITY DEFINER
SET search_path = ''
BEGIN ATOMIC
    UPDATE core.sign_in AS s
    SET stage = 'STATE', secret_hash = take_sign_in_ticket.state_hash, browser_hash = take_sign_in_ticket.browser_hash
    WHERE s.secret_hash = take_sign_in_ticket.ticket_hash
        AND s.stage = 'TICKET'
        AND s.provider = take_sign_in_ticket.provider
        AND s.expires_at > clock_timestamp()
    RETURNING s.id;
END;

-- The browser is back from the provider: the same one, with a state that is good this once.
CREATE FUNCTION core.take_sign_in_state(state_hash bytea, provider text, browser_hash bytea, code_hash bytea) RETURNS text
LANGUAGE sql VOLATILE SECURITY DEFINER
SET search_path = ''
BEGIN ATOMIC
    UPDATE core.sign_in AS s
    SET stage = 'TAKEN', secret_hash = take_sign_in_state.code_hash
    WHERE s.secret_hash = take_sign_in_state.state_hash
        AND s.stage = 'STATE'
        AND s.provider = take_sign_in_state.provider
        AND s.browser_hash = take_sign_in_state.browser_hash
        AND s.expires_at > clock_timestamp()
    RETURNING s.return_to;
END;

-- The provider has said who it is: the front end may end it, soon.
CREATE FUNCTION core.settle_sign_in(
    code_hash bytea, issuer text, subject text, email text, display_name text, acceptable boolean, proven boolean,
    lifetime interval
)
RETURNS uuid
LANGUAGE sql VOLATILE SECURITY DEFINER
SET search_path = ''
BEGIN ATOMIC
    UPDATE core.sign_in AS s
    SET stage = 'CODE',
        issuer = settle_sign_in.issuer,
        subject = settle_sign_in.subject,
        email = settle_sign_in.email,
        display_name = settle_sign_in.display_name,
        acceptable = settle_sign_in.acceptable,
        proven = settle_sign_in.proven,
        expires_at = clock_timestamp() + settle_sign_in.lifetime
    WHERE s.secret_hash = settle_sign_in.code_hash
        AND s.stage = 'TAKEN'
        AND s.expires_at > clock_timestamp()
    RETURNING s.id;
END;

-- The end: the row goes whoever shows the code, and is told only to whom it belongs.
CREATE FUNCTION core.take_sign_in_code(code_hash bytea, challenge bytea, linking boolean)
RETURNS TABLE (
    provider text, issuer text, subject text, email text, display_name text, acceptable boolean, proven boolean
)
LANGUAGE sql VOLATILE SECURITY DEFINER
SET search_path = ''
BEGIN ATOMIC
    WITH gone AS (
        DELETE FROM core.sign_in AS s
        WHERE s.secret_hash = take_sign_in_code.code_hash
            AND s.stage = 'CODE'
        RETURNING s.*
    )
    SELECT g.provider, g.issuer, g.subject, g.email, g.display_name, g.acceptable, g.proven
    FROM gone AS g
    WHERE g.challenge = take_sign_in_code.challenge
        AND g.expires_at > clock_timestamp()
        AND CASE
            WHEN take_sign_in_code.linking THEN g.account_id = core.current_account_id()
            ELSE g.account_id IS NULL
        END;
END;

REVOKE ALL ON FUNCTION
core.begin_sign_in(bytea, bytea, bytea, text, text, boolean, interval),
core.take_sign_in_ticket(bytea, text, bytea, bytea),
core.take_sign_in_state(bytea, text, bytea, bytea),
core.settle_sign_in(bytea, text, text, text, text, boolean, boolean, interval),
core.take_sign_in_code(bytea, bytea, boolean)
FROM PUBLIC;
GRANT EXECUTE ON FUNCTION
core.begin_sign_in(bytea, bytea, bytea, text, text, boolean, interval),
core.take_sign_in_ticket(bytea, text, bytea, bytea),
core.take_sign_in_state(bytea, text, bytea, bytea),
core.settle_sign_in(bytea, text, text, text, text, boolean, boolean, interval),
core.take_sign_in_code(bytea, bytea, boolean)
TO fivefold_api;

INSERT INTO core.data_inventory (object, column_name, class, purpose, export_rule, erase_rule, retention, reason) VALUES
('core.sign_in', 'id', 'technical', 'security', 'omit', 'delete', '15 minutes', NULL),
('core.sign_in', 'account_id', 'identifier', 'security', 'omit', 'delete', '15 minutes', 'gone before an export could be read'),
('core.sign_in', 'created_at', 'technical', 'security', 'omit', 'delete', '15 minutes', NULL),
('core.sign_in', 'expires_at', 'technical', 'security', 'omit', 'delete', '15 minutes', NULL),
('core.sign_in', 'secret_hash', 'secret', 'security', 'omit', 'delete', '15 minutes', NULL),
('core.sign_in', 'browser_hash', 'secret', 'security', 'omit', 'delete', '15 minutes', NULL),
('core.sign_in', 'challenge', 'secret', 'security', 'omit', 'delete', '15 minutes', NULL),
('core.sign_in', 'acceptable', 'technical', 'security', 'omit', 'delete', '15 minutes', NULL),
('core.sign_in', 'proven', 'technical', 'security', 'omit', 'delete', '15 minutes', NULL),
('core.sign_in', 'stage', 'technical', 'security', 'omit', 'delete', '15 minutes', NULL),
('core.sign_in', 'provider', 'personal', 'security', 'omit', 'delete', '15 minutes', 'gone before an export could be read'),
('core.sign_in', 'return_to', 'technical', 'security', 'omit', 'delete', '15 minutes', NULL),
('core.sign_in', 'issuer', 'personal', 'security', 'omit', 'delete', '15 minutes', 'gone before an export could be read'),
('core.sign_in', 'subject', 'identifier', 'security', 'omit', 'delete', '15 minutes', 'gone before an export could be read'),
('core.sign_in', 'email', 'identifier', 'security', 'omit', 'delete', '15 minutes', 'gone before an export could be read'),
('core.sign_in', 'display_name', 'identifier', 'security', 'omit', 'delete', '15 minutes', 'gone before an export could be read');
