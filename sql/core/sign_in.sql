-- Sign-ins at providers that are under way.
-- Table: core.sign_in

-- name: begin_sign_in :one
-- By a stranger, or by the caller to link one more way in: then its secret is a ticket for a browser.
SELECT core.begin_sign_in(:secret_hash, :browser_hash, :challenge, :provider, :return_to, :linking, :lifetime) AS id;

-- name: settle_sign_in :one
-- The provider has said who it is. NULL where it took too long.
SELECT core.settle_sign_in(:code_hash, :issuer, :subject, :email, :display_name, :acceptable, :proven, :lifetime) AS id;

-- name: take_sign_in_code :one
-- There may be no caller yet: the code and what the front end kept prove whose it is. It works once, however it ends.
SELECT t.provider, t.issuer, t.subject, t.email, t.display_name, t.acceptable, t.proven
FROM core.take_sign_in_code(:code_hash, :challenge, :linking) AS t;

-- name: take_sign_in_state :one
-- There is no caller yet: state and cookie prove that it is the browser that began. It works once.
SELECT core.take_sign_in_state(:state_hash, :provider, :browser_hash, :code_hash) AS return_to;

-- name: take_sign_in_ticket :one
-- There is no caller in a browser that opens an address: the ticket stands for who asked for it. It works once.
SELECT core.take_sign_in_ticket(:ticket_hash, :provider, :state_hash, :browser_hash) AS id;
