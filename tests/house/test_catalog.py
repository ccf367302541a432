"""The migrated database: who owns what, which policies hide what, what is indexed, audited and never switched off."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from app.kit.errors import CONSTRAINTS
from app.kit.house import root
from app.kit.migration.files import read
from app.schema import PRODUCTS, SCOPES
from tests.conftest import Database

SCHEMAS = [product.name for product in PRODUCTS]
LOGINS = ["fivefold_api", "fivefold_worker", "fivefold_auditor", "fivefold_migrator"]

OTHER_NOUN = {
    "core.audit_detail": "audit_event",
    "core.billing_customer": "billing_customer",
    "core.billing_event": "billing_event",
    "core.invoice": "invoice",
    "core.credit_pack": "plan_price",
    "core.audit_key": "audit_block",
    "core.audit_node": "audit_block",
    "core.data_export_chunk": "data_export",
    "core.data_subject": "data_inventory",
    "core.ledger_account": "wallet",
    "core.ledger_entry": "wallet",
    "core.ledger_transfer": "wallet",
    "core.plan_limit": "plan",
    "core.security_watch": "security_alert",
    "core.webhook_attempt": "webhook_delivery",
    "core.reservation": "wallet",
    "privacy.playbook_step": "playbook",
    "scans.access_outcome": "access",
    "scans.publication_address": "publication",
    "privacy.recommendation_dismissal": "recommendation",
    "privacy.rights_request_event": "rights_request",
    "privacy.setting_advice": "setting_label",
    "privacy.template_copy": "template_usage",
    "privacy.purged_snapshot": "retention",
    "scans.purged_scan": "retention",
    "privacy.scan_pace": "schedule",
    "privacy.template_setting": "template",
}
"""Tables without a file of their own in sql/, or without a migration: they live and die with another noun's."""

NOT_UNDER_WORKSPACE = {
    "core.api_key_network.api_key_network_pkey": "is of a key, once for each network",
    "privacy.acknowledgement.acknowledgement_pkey": "named as the change that it is of",
    "privacy.change.change_pkey": "derived: named by its snapshot and setting, so no third index is paid for",
    "privacy.recommendation_dismissal.recommendation_dismissal_pkey": "named by its link and setting",
    "core.usage_counter.usage_counter_pkey": "named by what is counted, and the day or month",
    "core.billing_customer.billing_customer_pkey": "one for each workspace",
    "scans.access_outcome.access_outcome_pkey": "one for each access",
    "scans.publication_address.publication_address_pkey": "named by what was published, and the address",
    "scans.engine_verdict.engine_verdict_pkey": "named by its scan and engine",
    "scans.indicator.indicator_pkey": "named by its scan, engine and kind",
    "scans.scan_result.scan_result_pkey": "one for each scan",
    "core.data_export_chunk.data_export_chunk_pkey": "named by its export and place",
    "core.idempotency.idempotency_pkey": "named by field and key, which the caller chooses",
    "core.audit_detail.audit_detail_pkey": "named by its event",
    "core.team_member.team_member_pkey": "named by team and member",
    "privacy.retention.retention_pkey": "one for each workspace",
    "scans.retention.retention_pkey": "one for each workspace",
    "core.notification.notification_pkey": "a member's list is one range of it, so no second index is paid for",
    "core.notification_preference.notification_preference_pkey": "named by its member",
}
"""Primary keys of owned tables that are not (workspace_id, id), with the reason."""

NO_INDEX = {
    "scans.scan.scan_reservation_fkey": "reservations are never deleted, and none is looked up by what it is for",
    "core.consent.consent_version_fkey": "purposes are append-only",
    "privacy.snapshot.snapshot_device_fkey": "devices are never deleted, and an index costs 40 bytes of every signed snapshot",
    "privacy.snapshot.snapshot_template_id_fkey": "templates are never deleted, and an index costs 32 bytes of every snapshot",
}
"""Foreign keys without an index, with the reason."""

PERSONAL = {
    "core.consent",
    "privacy.acknowledgement",
    "privacy.platform_link",
    "privacy.recommendation_dismissal",
    "privacy.rights_request",
    "privacy.rights_request_event",
    "privacy.snapshot",
}
"""Owned tables whose rows are one member's alone, in an organization too: it sees aggregates only."""

NOT_ENFORCED = {
    "core.ledger_entry.ledger_entry_account_fkey": "core.book_entries() looks, and accounts of the books stay",
    "core.ledger_entry.ledger_entry_transfer_fkey": "core.book_entries() looks, and transfers are append-only",
    "core.outbox.outbox_workspace_id_fkey": "policies let in rows of the caller's workspace alone, and they go after a week",
    "scans.engine_verdict.engine_verdict_scan_result_fkey": "scans.require_scan_result() and scans.keep_scan_result() look",
}
"""Foreign keys that say what is so, and are not checked row by row."""
NO_PARENT = {
    "core.audit_event": "no foreign key leaves the audit, so nothing can cascade into it",
    "core.audit_detail": "no foreign key leaves the audit, so nothing can cascade into it",
}
"""Owned tables that point to no workspace and no owned row, with the reason."""

WRITTEN_OUT = (
    "core.ledger_transfer",
    "core.reservation",
    "privacy.platform_link",
    "privacy.snapshot",
    "scans.access",
    "scans.access_outcome",
    "scans.scan",
    "scans.scan_result",
)
"""Audited by a function of their own, which core.write_audit() wrote."""
AUDIT = {"audit_insert", "audit_update", "audit_delete"}
NOT_AUDITED = {
    "core.audit_event": (AUDIT, "is the audit"),
    "core.audit_detail": (AUDIT, "is the audit"),
    "core.audit_block": (AUDIT, "is append-only, signed, and a chain"),
    "core.audit_retirement": (AUDIT, "is append-only, and each row has an event of its own"),
    "core.audit_node": (AUDIT, "is append-only, and derived from the blocks"),
    "core.api_key_network": (AUDIT, "that a key is used from a new one is an event, see core.record_action"),
    "scans.engine_verdict": (AUDIT, "is written with its result, which is audited, and says why that is so"),
    "scans.indicator": (AUDIT, "is written with its result, which is audited, and says why that is so"),
    "core.outbox": (AUDIT, "repeats what the audited rows say, for seven days"),
    "core.sign_in": (AUDIT, "says nothing that lasts: the session and the identity that it ends in are audited"),
    "core.data_inventory": (AUDIT, "written by migrations alone, whose ledger says by which"),
    "core.erased_identity": (AUDIT, "is written by an erasure, which is audited, and names nobody"),
    "core.data_export_chunk": (AUDIT, "is the file of an export, which is audited"),
    "core.data_subject": (AUDIT, "written by migrations alone, whose ledger says by which"),
    "core.credit_pack": ({"audit_update", "audit_delete"}, "is append-only"),
    "core.consent_purpose": ({"audit_update", "audit_delete"}, "is append-only"),
    "core.plan_price": ({"audit_update", "audit_delete"}, "is append-only"),
    "core.usage_counter": (AUDIT, "repeats in sum what the audited rows of the products say"),
    "core.rate_bucket": (AUDIT, "says nothing that lasts"),
    "core.email_token": (AUDIT, "what a token was used for is audited where it changes something"),
    "core.sign_up": (AUDIT, "is nobody's yet: the account that comes of it is audited"),
    "core.session": (AUDIT, "its functions say SIGN_IN, SIGN_OUT and TOKEN_REUSED in the person's own workspace"),
    "core.idempotency": (AUDIT, "repeats what the audited rows say, for seven days"),
    "core.notification": (AUDIT, "tells of what the audited rows say, for 90 days"),
    "core.security_alert": (AUDIT, "tells of what the audited rows say, for 90 days"),
    "core.security_watch": (AUDIT, "says nothing that lasts"),
    "core.webhook_attempt": (AUDIT, "says what came of a delivery, for 30 days"),
    "core.webhook_delivery": (AUDIT, "repeats what the audited rows say, for 30 days"),
    "core.ledger_account": (AUDIT, "is derived: the sums of the entries, which core.check_ledger() adds up again"),
    "core.ledger_entry": (AUDIT, "is append-only, and the transfer's event says what moved"),
    "core.ledger_transfer": (
        {"audit_update", "audit_delete"},
        "is append-only, but for the reason, which an erasure takes away",
    ),
    "scans.publication_address": (AUDIT, "is written and goes with what was published, which is audited"),
    "scans.access": ({"audit_update"}, "is append-only"),
    "scans.access_outcome": ({"audit_update"}, "is append-only"),
    "privacy.change": ({"audit_insert"}, "is derived from snapshots, whose INSERT is audited"),
    "privacy.platform_config": ({"audit_update", "audit_delete"}, "is append-only"),
    "privacy.platform_contact": ({"audit_update", "audit_delete"}, "is append-only"),
    "privacy.playbook": ({"audit_update", "audit_delete"}, "is append-only"),
    "privacy.playbook_step": (AUDIT, "is append-only, and the playbook's event holds the digest of all steps"),
    "privacy.purged_snapshot": (AUDIT, "repeats that a snapshot was deleted, which is audited"),
    "scans.purged_scan": (AUDIT, "repeats that a scan was deleted, which is audited"),
    "privacy.scan_pace": (AUDIT, "says nothing that lasts"),
    "privacy.rights_request_event": (
        {"audit_insert", "audit_update"},
        "is append-only, and repeats what the request's own events say",
    ),
    "privacy.snapshot": ({"audit_update"}, "is immutable"),
    "privacy.template_copy": (AUDIT, "is derived from the template, to be measured"),
    "privacy.template_usage": (AUDIT, "is derived: counts of snapshots"),
    "privacy.template_setting": (AUDIT, "is append-only, and the template's event holds the hash of all settings"),
}
"""Tables that lack audit triggers, which ones, and why."""

HIDDEN_AT_FIRST = {
    "privacy.template": "a proposal is seen by its proposers alone",
    "privacy.template_setting": "as its template",
    "privacy.setting_label": "as its template",
    "privacy.setting_advice": "as its template",
    "privacy.template_copy": "as its template",
    "privacy.template_usage": "as its template, and of five people or more",
    "privacy.template_analysis": "an analysis is seen once approved, and by those whose plan has it",
}
"""Shared tables whose rows are not for everybody from the beginning, with the reason."""

WORKER_WRITES = {
    "privacy.template_analysis": "jobs make analyses, and approve what nobody objected to",
}
"""Shared tables that the worker may write whole, and what for."""

SHARED_READERS = {("fivefold_api", "r"), ("fivefold_worker", "r")}

UNREACHABLE = {
    "core.account.account_time_zone_length": "create_account takes only names of the zone data",
    "core.api_key.api_key_hint_length": "cut by the code",
    "core.api_key.api_key_scopes_known": "check_scopes",
    "core.api_key.api_key_secret_hash_key": "256 random bits",
    "core.api_key.api_key_secret_hash_length": "made by the code",
    "core.api_key_network.api_key_network_network_length": "made by the code",
    "core.audit_event.audit_event_action_known": "written by the trigger only",
    "core.audit_event.audit_event_commitment_length": "written by the trigger only",
    "core.audit_detail.audit_detail_salt_length": "written by the trigger only",
    "core.consent.consent_ends_later": "the later of the two moments is written",
    "core.consent.consent_ends_once": "each statement asks for an open one",
    "core.consent.consent_open_idx": "givers take turns, and end the one before",
    "core.erased_identity.erased_identity_digest_length": "made by the code",
    "core.data_export_chunk.data_export_chunk_sealed": "made by the code",
    "core.consent_purpose.consent_purpose_version_positive": "the next number",
    "core.data_key.data_key_id_key": "made by the code, at random",
    "core.data_key.data_key_workspace_id_key": "insert_data_key does nothing then",
    "core.data_key.data_key_wrapped_length": "made by the code",
    **{
        f"core.{name}": "made by the sealer"
        for name in (
            "audit_block.audit_block_era_horizon_key",
            "audit_block.audit_block_era_not_negative",
            "audit_block.audit_block_key_id_length",
            "audit_block.audit_block_leaves_length",
            "audit_block.audit_block_number_positive",
            "audit_block.audit_block_previous_length",
            "audit_block.audit_block_root_length",
            "audit_block.audit_block_signature_length",
            "audit_key.audit_key_origin_form",
            "audit_key.audit_key_public_key_length",
            "audit_key.audit_key_public_key_origin_key",
            "audit_retirement.audit_retirement_ends_later",
            "audit_retirement.audit_retirement_events_not_negative",
            "audit_node.audit_node_hash_length",
            "audit_node.audit_node_index_not_negative",
            "audit_node.audit_node_level_known",
        )
    },
    "core.data_inventory.data_inventory_class_known": "written by migrations only",
    "core.data_inventory.data_inventory_erase_rule_known": "written by migrations only",
    "core.data_inventory.data_inventory_export_rule_known": "written by migrations only",
    "core.data_inventory.data_inventory_purpose_known": "written by migrations only",
    "core.data_inventory.data_inventory_reason_given": "written by migrations only",
    "core.data_inventory.data_inventory_reason_length": "written by migrations only",
    "core.data_inventory.data_inventory_retention_length": "written by migrations only",
    "core.data_export.data_export_link_hash_key": "256 random bits",
    "core.data_export.data_export_open_idx": "insert_data_export does nothing then",
    "core.data_export.data_export_used_hash_key": "256 random bits",
    "core.data_subject.data_subject_kind_known": "written by migrations only",
    "core.device.device_public_key_length": "check_key",
    "core.credential.credential_password_hash_form": "made by the code",
    "core.email_token.email_token_email_form": "check_email",
    "core.email_token.email_token_kind_known": "written by functions as a literal",
    "core.email_token.email_token_token_hash_key": "256 random bits",
    "core.email_token.email_token_token_hash_length": "made by the code",
    "core.sign_up.sign_up_email_form": "check_email",
    "core.sign_up.sign_up_password_hash_form": "made by the code",
    "core.sign_up.sign_up_time_zone_length": "check_time_zone",
    "core.sign_up.sign_up_token_hash_key": "256 random bits",
    "core.sign_up.sign_up_token_hash_length": "made by the code",
    "core.erasure.erasure_account_open_idx": "insert_erasure does nothing then",
    "core.erasure.erasure_ends_once": "update_canceled_erasure asks for it",
    "core.erasure.erasure_of_one": "written by statements as it is",
    "core.erasure.erasure_workspace_open_idx": "insert_erasure does nothing then",
    "core.idempotency.idempotency_input_hash_length": "made by the code",
    "core.ledger_account.ledger_account_balance_range": "core.reserve_credits() looks first, under the wallet's lock",
    "core.ledger_account.ledger_account_kind_key": "core.post_transfer() does nothing then",
    "core.ledger_account.ledger_account_kind_known": "a literal of core.post_transfer()",
    "core.ledger_entry.ledger_entry_amount_not_zero": "an amount of a transfer",
    "core.ledger_transfer.ledger_transfer_amount_range": "check_amount",
    "core.ledger_transfer.ledger_transfer_has_reservation": "written by functions of the owner together",
    "core.ledger_transfer.ledger_transfer_key_key": "core.post_transfer() does nothing then",
    "core.ledger_transfer.ledger_transfer_key_length": "made by the code",
    "core.ledger_transfer.ledger_transfer_kind_known": "a literal of the functions",
    "core.reservation.reservation_amount_range": "check_amount",
    "core.reservation.reservation_ended_has_time": "written by one statement together",
    "core.reservation.reservation_key_length": "made by the products' code",
    "core.reservation.reservation_purpose_form": "a literal of the products' code",
    "core.reservation.reservation_settled_has_amount": "core.end_reservation() looks first",
    "core.reservation.reservation_status_known": "an enum of the schema",
    "core.reservation.reservation_transition_allowed": "core.end_reservation() looks first, under the wallet's lock",
    "core.identity.identity_issuer_length": "our own, or one of the operator's settings",
    "core.identity.identity_subject_length": "the new account's id, or checked with the token",
    **{
        f"core.sign_in.sign_in_{name}": "checked or made by the code"
        for name in (
            "browser_hash_length",
            "challenge_length",
            "display_name_length",
            "email_length",
            "issuer_length",
            "provider_length",
            "return_to_length",
            "secret_hash_key",
            "secret_hash_length",
            "stage_known",
            "subject_length",
        )
    },
    "core.member.member_role_known": "an account is the owner of its personal workspace",
    "core.outbox.outbox_detail_form": "a mapping of the code",
    "core.outbox.outbox_kind_form": "a literal of the code",
    "core.plan.plan_name_length": "plans are made by migrations",
    "core.plan.plan_slug_form": "plans are made by migrations",
    "core.plan.plan_slug_key": "plans are made by migrations",
    "core.billing_customer.billing_customer_provider_customer_id_key": "made by the provider for one workspace",
    "core.billing_customer.billing_customer_provider_customer_id_length": "made by the provider",
    "core.billing_event.billing_event_detail_form": "made by the code",
    "core.billing_event.billing_event_provider_event_id_key": "core.receive_billing_event() does nothing then",
    "core.billing_event.billing_event_provider_event_id_length": "text()",
    "core.billing_event.billing_event_state_known": "written by statements as a literal",
    "core.billing_event.billing_event_type_length": "text()",
    **{
        f"core.credit_purchase.credit_purchase_{name}": "written by core.settle_payment() alone"
        for name in (
            "amount_range",
            "credits_have_unit",
            "credits_range",
            "disputed_amount_range",
            "provider_payment_id_key",
            "provider_payment_id_length",
            "refunded_amount_range",
            "taken_range",
        )
    },
    "core.invoice.invoice_currency_form": "told by the provider to a job",
    "core.invoice.invoice_hosted_url_form": "apply_invoice",
    "core.invoice.invoice_number_length": "told by the provider to a job",
    "core.invoice.invoice_provider_invoice_id_key": "upsert_invoice",
    "core.invoice.invoice_provider_invoice_id_length": "told by the provider to a job",
    "core.invoice.invoice_status_known": "told by the provider to a job",
    "core.subscription.subscription_canceled_has_time": "written by statements together",
    "core.subscription.subscription_grace_is_for_past_due": "written by statements together",
    "core.subscription.subscription_provider_subscription_id_key": "upsert_subscription",
    "core.subscription.subscription_provider_subscription_id_length": "told by the provider to a job",
    "core.subscription.subscription_status_known": "an enum of the schema",
    "core.subscription.subscription_transition_allowed": "upsert_subscription leaves what was canceled alone",
    "core.subscription.subscription_trial_has_end": "core.start_trial()",
    "core.subscription.subscription_trial_only_ends": "statements name the provider's subscription",
    "core.plan.plan_trial_days_range": "plans are made by migrations",
    "core.plan_limit.plan_limit_period_known": "limits are made by migrations",
    "core.plan_price.plan_price_billing_interval_known": "an enum of the schema",
    "core.usage_counter.usage_counter_name_form": "a literal of the products' code",
    "core.usage_counter.usage_counter_used_range": "update_usage stops at nothing",
    "core.plan_limit.plan_limit_name_form": "limits are made by migrations",
    "core.notification.notification_detail_form": "made by the code",
    "core.notification.notification_kind_known": "an enum of the schema",
    "core.notification_preference.notification_preference_minimum_significance_known": "an enum of the schema",
    "core.notification_preference.notification_preference_quiet_from_range": "read from HH:MM",
    "core.notification_preference.notification_preference_quiet_is_a_window": "both are given or none, and they differ",
    "core.notification_preference.notification_preference_quiet_until_range": "read from HH:MM",
    "core.rate_bucket.rate_bucket_tokens_positive": "its function takes no more than there is",
    "core.session.session_address_length": "made by the code",
    "core.session.session_client_length": "cut by the code",
    "core.session.session_family_hash_key": "256 random bits",
    "core.session.session_family_hash_length": "made by the code",
    "core.session.session_method_form": "a literal of the code",
    "core.session.session_turn_hash_length": "made by the code",
    "core.session.session_idle_before_end": "the smaller of the two",
    "core.domain.domain_challenge_form": "made by the code",
    "core.domain.domain_failures_range": "counted by a job",
    "core.domain.domain_joining_known": "an enum of the schema",
    "core.domain.domain_name_form": "check_domain",
    "core.invitation.invitation_closed_has_no_token": "written by statements together",
    "core.invitation.invitation_closed_has_time": "written by statements together",
    "core.invitation.invitation_email_form": "check_email",
    "core.invitation.invitation_role_known": "an enum of the schema",
    "core.invitation.invitation_state_known": "written by statements as a literal",
    "core.invitation.invitation_token_hash_key": "256 random bits",
    "core.invitation.invitation_token_hash_length": "made by the code",
    "core.team.team_name_length": "check_line",
    "core.workspace.workspace_color_form": "check_color",
    "core.workspace.workspace_logo_url_form": "check_logo_url",
    "core.security_alert.security_alert_detail_form": "made by the code",
    "core.security_alert.security_alert_key_key": "its function does nothing then",
    "core.security_alert.security_alert_key_length": "made by the code",
    "core.security_alert.security_alert_kind_known": "an enum of the code",
    "core.security_watch.security_watch_is_one": "made by a migration",
    "core.webhook.webhook_disabled_has_reason": "written by statements together",
    "core.webhook.webhook_disabled_reason_known": "written by statements as a literal",
    "core.webhook.webhook_kinds_count": "checked_kinds",
    "core.webhook.webhook_previous_has_end": "written by one statement together",
    "core.webhook.webhook_previous_secret_length": "made by the code",
    "core.webhook.webhook_secret_length": "made by the code",
    "core.webhook.webhook_url_length": "check_url",
    "core.webhook_attempt.webhook_attempt_failure_form": "a literal of the code",
    "core.webhook_attempt.webhook_attempt_milliseconds_not_negative": "measured",
    "core.webhook_delivery.webhook_delivery_detail_form": "copied from the outbox",
    "core.webhook_delivery.webhook_delivery_event_key": "a row of the outbox is inserted once, and a replay does nothing then",
    "core.webhook_delivery.webhook_delivery_kind_form": "copied from the outbox",
    "core.webhook_delivery.webhook_delivery_status_known": "written by statements as a literal",
    "core.webhook_delivery.webhook_delivery_tries_not_negative": "counted",
    "core.webhook_delivery.webhook_delivery_turn_not_negative": "counted",
    "core.webhook_delivery.webhook_delivery_waits_until": "written by statements together",
    "core.workspace.workspace_kind_known": "made with the account",
    "core.workspace.workspace_name_length": "check_name; or the account's display name, whose own check comes first",
    "core.workspace.workspace_personal_account_id_key": "made with the account",
    "core.workspace.workspace_personal_has_account": "made with the account",
    "privacy.acknowledgement.acknowledgement_reopen_reason_known": "written by statements as a literal",
    "privacy.acknowledgement.acknowledgement_reopened_has_reason": "written by statements together",
    "privacy.change.change_confidence_range": "computed",
    "privacy.change.change_origin_known": "an enum of the code",
    "privacy.change.change_significance_known": "an enum of the code",
    "privacy.crowd_evidence.crowd_evidence_people_positive": "counted",
    "privacy.crowd_evidence.crowd_evidence_relabeled_not_negative": "counted",
    "privacy.crowd_evidence.crowd_evidence_seen_in_order": "the first and the last of a list in order",
    "privacy.crowd_evidence.crowd_evidence_structure_hash_length": "a template's",
    "privacy.crowd_evidence.crowd_evidence_window_hours_positive": "a setting, or a payload of the code",
    "privacy.platform.platform_domain_length": "curated files, checked by pydantic",
    "privacy.platform.platform_name_length": "curated files, checked by pydantic",
    "privacy.platform.platform_privacy_url_form": "curated files, checked by pydantic",
    "privacy.platform.platform_slug_form": "curated files, checked by pydantic",
    "privacy.platform.platform_slug_key": "upsert_platform",
    "privacy.platform.platform_website_url_form": "curated files, checked by pydantic",
    "privacy.platform_config.platform_config_platform_id_version_key": "the next number, under the platform's lock",
    "privacy.platform_config.platform_config_cooldown_minutes_range": "check_content",
    "privacy.platform_config.platform_config_requests_per_minute_range": "check_content",
    "privacy.platform_config.platform_config_selectors_form": "check_content",
    "privacy.platform_config.platform_config_url_patterns_count": "check_content",
    "privacy.platform_config.platform_config_version_positive": "the next number, under the platform's lock",
    **{
        f"privacy.platform_contact.platform_contact_{name}": "check_content"
        for name in (
            "email_form",
            "has_address",
            "organization_length",
            "postal_address_length",
            "quality_known",
            "regime_known",
            "required_elements_count",
            "url_form",
            "verified_has_time",
        )
    },
    "privacy.rights_request.rights_request_action_known": "an enum of the schema",
    "privacy.rights_request.rights_request_answer_takes_time": "computed",
    "privacy.rights_request.rights_request_closed_has_time": "written by statements together",
    "privacy.rights_request.rights_request_expired_is_overdue": "the statement asks for it",
    "privacy.rights_request.rights_request_reason_known": "an enum of the schema",
    "privacy.rights_request.rights_request_regime_known": "an enum of the schema",
    "privacy.rights_request.rights_request_status_known": "an enum of the schema",
    "privacy.rights_request_event.rights_request_event_reason_known": "copied from the request",
    "privacy.rights_request_event.rights_request_event_status_known": "copied from the request",
    "privacy.rights_request_event.rights_request_event_version_key": "each version writes its own, in one transaction",
    "privacy.platform_contact.platform_contact_digest_length": "made by the code",
    "privacy.platform_contact.platform_contact_platform_id_regime_version_key": "the next number, under the platform's lock",
    "privacy.platform_contact.platform_contact_version_positive": "the next number, under the platform's lock",
    **{
        f"privacy.{name}": "curated files, checked by pydantic"
        for name in (
            "playbook.playbook_digest_length",
            "playbook.playbook_platform_id_slug_version_key",
            "playbook.playbook_slug_form",
            "playbook.playbook_summary_length",
            "playbook.playbook_title_length",
            "playbook.playbook_version_positive",
            "playbook_step.playbook_step_direct_link_form",
            "playbook_step.playbook_step_number_range",
            "playbook_step.playbook_step_setting_form",
            "playbook_step.playbook_step_setting_has_target",
            "playbook_step.playbook_step_target_length",
            "playbook_step.playbook_step_text_length",
        )
    },
    "privacy.platform_link.platform_link_consecutive_failures_positive": "counted by the code",
    "privacy.platform_link.platform_link_failures_are_told": "written by one statement together",
    "privacy.platform_link.platform_link_frequency_known": "an enum of the schema",
    "privacy.platform_link.platform_link_health_known": "derived from the columns beside it",
    "privacy.platform_link.platform_link_last_failure_known": "an enum of the schema",
    "privacy.platform_link.platform_link_manual_has_no_next": "next_scan tells of none then",
    "privacy.platform_link.platform_link_scan_milliseconds_range": "check_duration",
    "privacy.platform_link.platform_link_scan_minute_range": "parse_local_time",
    "privacy.platform_link.platform_link_status_known": "written by statements as a literal",
    "privacy.platform_link.platform_link_weekday_known": "an enum of the schema",
    "privacy.platform_link.platform_link_unlinked_has_time": "written by one statement together",
    "privacy.proposal.proposal_locale_form": "parse_locale",
    "privacy.proposal.proposal_submitter_key": "written by privacy.propose_template() alone, which updates then",
    "privacy.setting_advice.setting_advice_source_known": "written by statements as a literal",
    "privacy.setting_label.setting_label_locale_form": "parse_locale",
    "privacy.setting_label.setting_label_source_known": "written by statements as a literal",
    "privacy.purged_snapshot.purged_snapshot_change_count_positive": "counted",
    "privacy.purged_snapshot.purged_snapshot_change_hash_length": "a digest",
    "privacy.retention.retention_keep_known": "an enum of the schema",
    "scans.retention.retention_scans_keep_known": "an enum of the schema",
    "scans.purged_scan.purged_scan_state_known": "copied from a scan",
    "scans.purged_scan.purged_scan_state_final": "copied from a scan that is finished",
    "privacy.scan_pace.scan_pace_requested_positive": "its function adds no less than nothing",
    "privacy.snapshot.snapshot_confidence_range": "check_values",
    "privacy.snapshot.snapshot_observed_length": "250 settings are 32 bytes; templates hold no more",
    "privacy.snapshot.snapshot_packed_length": "250 settings are 500 bytes; templates hold no more",
    "privacy.snapshot.snapshot_risk_score_range": "computed",
    "privacy.snapshot.snapshot_scan_method_known": "an enum of the schema",
    "privacy.template.template_file_version_idx": "insert_template does nothing then",
    "privacy.template.template_one_active_idx": "activation holds the platform's lock and retires first",
    "privacy.template.template_platform_id_version_key": "the next number, under the platform's lock",
    "privacy.template.template_rejected_has_reason": "written by one statement together",
    "privacy.template.template_setting_count_range": "curated files and proposals, checked by pydantic",
    "privacy.template.template_shared_has_version": "written by privacy.propose_template() together",
    "privacy.template.template_state_known": "written by statements as a literal",
    "privacy.template.template_structure_hash_length": "made by the code",
    "privacy.template.template_summary_length": "curated files, checked by pydantic; of proposals made by the code",
    "privacy.template.template_unshared_is_proposed": "what is not shared is changed by privacy.propose_template() alone",
    "privacy.template.template_version_positive": "the next number",
    "privacy.template_analysis.template_analysis_attempts_range": "counted by a statement",
    "privacy.template_analysis.template_analysis_categories_form": "Content",
    "privacy.template_analysis.template_analysis_cost_has_currency": "written together",
    "privacy.template_analysis.template_analysis_cost_micros_range": "computed of prices that are not negative",
    "privacy.template_analysis.template_analysis_currency_form": "the operator's settings",
    "privacy.template_analysis.template_analysis_duration_ms_range": "measured",
    "privacy.template_analysis.template_analysis_failed_is_empty": "written by one statement together",
    "privacy.template_analysis.template_analysis_failure_known": "an enum of the code",
    "privacy.template_analysis.template_analysis_input_hash_length": "made by the code",
    "privacy.template_analysis.template_analysis_input_tokens_range": "ask_model",
    "privacy.template_analysis.template_analysis_model_length": "the operator's settings",
    "privacy.template_analysis.template_analysis_output_tokens_range": "ask_model",
    "privacy.template_analysis.template_analysis_prompt_version_range": "read_prompt",
    "privacy.template_analysis.template_analysis_recommendations_count": "Content",
    "privacy.template_analysis.template_analysis_reviewed_has_time": "written by one statement together",
    "privacy.template_analysis.template_analysis_risk_score_range": "Content",
    "privacy.template_analysis.template_analysis_settings_form": "Content",
    "privacy.template_analysis.template_analysis_state_known": "an enum of the code",
    "privacy.template_analysis.template_analysis_summary_length": "Content",
    "privacy.template_analysis.template_analysis_template_id_model_prompt_version_key": "upsert_template_analysis",
    "privacy.template_setting.template_setting_category_form": "curated files and proposals, checked by pydantic",
    "privacy.template_setting.template_setting_description_length": "curated files and proposals, checked by pydantic",
    "privacy.template_setting.template_setting_direct_link_form": "curated files, checked by pydantic",
    "privacy.template_setting.template_setting_key_form": "curated files and proposals, checked by pydantic",
    "privacy.template_setting.template_setting_label_length": "curated files and proposals, checked by pydantic",
    "privacy.template_setting.template_setting_options_count": "curated files and proposals, checked by pydantic",
    "privacy.template_setting.template_setting_position_range": "curated files and proposals, checked by pydantic",
    "privacy.template_setting.template_setting_risk_range": "curated files, checked by pydantic",
    "privacy.template_setting.template_setting_template_id_key_key": "curated files and proposals, checked by pydantic",
    "privacy.template_setting.template_setting_toggle_options": "curated files and proposals, checked by pydantic",
    "privacy.template_setting.template_setting_type_known": "curated files and proposals, checked by pydantic",
    "privacy.template_setting.template_setting_values_are_options": "curated files and proposals, checked by pydantic",
    "scans.dispute.dispute_answer_length": "check_words",
    "scans.dispute.dispute_claim_known": "an enum of the schema",
    "scans.dispute.dispute_reason_length": "check_words",
    "scans.dispute.dispute_resolved_has_time": "written by statements together",
    "scans.dispute.dispute_state_known": "written by statements as a literal",
    **{
        f"scans.access_outcome.access_outcome_{name}": "made by the code"
        for name in (
            "certificate_length",
            "content_length",
            "failure_form",
            "milliseconds_not_negative",
            "says_something",
            "status_range",
        )
    },
    **{
        f"scans.access.access_{name}": "made by the code"
        for name in (
            "address_public",
            "asn_range",
            "certificate_length",
            "content_length",
            "failure_form",
            "kind_known",
            "masked_url_length",
            "milliseconds_not_negative",
            "port_range",
            "refused_has_failure",
            "seq_not_negative",
            "status_range",
            "url_hash_length",
        )
    },
    "scans.engine_verdict.engine_verdict_categories_known": "an enum of the code",
    "scans.engine_verdict.engine_verdict_confidence_range": "made by the code",
    "scans.engine_verdict.engine_verdict_engine_known": "an enum of the code",
    "scans.engine_verdict.engine_verdict_milliseconds_not_negative": "made by the code",
    "scans.engine_verdict.engine_verdict_score_range": "made by the code",
    "scans.engine_verdict.engine_verdict_unchecked_known": "an enum of the code",
    "scans.engine_verdict.engine_verdict_unknown_has_no_score": "an enum of the code",
    "scans.engine_verdict.engine_verdict_verdict_known": "an enum of the code",
    "scans.engine_verdict.engine_verdict_version_length": "made by the code",
    "scans.engine_verdict.engine_verdict_weight_range": "made by the code",
    "scans.indicator.indicator_evidence_known": "an enum of the code",
    "scans.indicator.indicator_kind_form": "made by the code",
    "scans.indicator.indicator_weight_range": "made by the code",
    "scans.publication_address.publication_address_asn_range": "copied from the log of accesses",
    "scans.monitor.monitor_alert_on_given": "check_alerts",
    "scans.monitor.monitor_alert_on_known": "check_alerts",
    "scans.monitor.monitor_host_length": "parse_url",
    "scans.monitor.monitor_interval_hours_range": "check_interval",
    "scans.monitor.monitor_masked_url_length": "parse_url",
    "scans.monitor.monitor_pause_reason_known": "an enum of the code",
    "scans.monitor.monitor_paused_has_reason": "written by statements together",
    "scans.monitor.monitor_url_hash_length": "made by the code",
    "scans.monitor.monitor_url_sealed_length": "parse_url",
    **{
        f"scans.publication.publication_{name}": "copied from the scan and its result, or made by the code"
        for name in (
            "favicon_hash_length",
            "favicon_is_public",
            "categories_known",
            "certificate_hash_length",
            "content_hash_length",
            "expression_hash_length",
            "host_length",
            "id_idx",
            "masked_url_length",
            "public_is_found",
            "score_range",
            "token_hash_idx",
            "token_hash_length",
            "unlisted_has_token",
            "verdict_known",
            "visibility_known",
        )
    },
    "scans.scan.scan_attempt_not_negative": "counted",
    "scans.scan.scan_failed_has_failure": "written by statements together",
    "scans.scan.scan_failure_form": "a literal of the code",
    "scans.scan.scan_finished_has_time": "written by statements together",
    "scans.scan.scan_host_length": "parse_url",
    "scans.scan.scan_masked_url_length": "parse_url",
    "scans.scan.scan_running_has_lease": "written by statements together",
    "scans.scan.scan_secret_is_not_public": "submit looks first",
    "scans.scan.scan_state_known": "written by statements as a literal",
    "scans.scan.scan_transition_allowed": "each statement names the state before",
    "scans.scan.scan_url_hash_length": "made by the code",
    "scans.scan.scan_url_sealed_length": "parse_url",
    "scans.scan.scan_visibility_known": "an enum of the schema",
    "scans.scan_result.scan_result_model_input_tokens_not_negative": "what a provider tells is bounded in kit/model.py",
    "scans.scan_result.scan_result_model_output_tokens_not_negative": "what a provider tells is bounded in kit/model.py",
    "scans.scan_result.scan_result_model_cost_not_negative": "prices and counts are not negative",
    "scans.scan_result.scan_result_model_currency_form": "the operator's settings",
    "scans.scan_result.scan_result_categories_known": "an enum of the code",
    "scans.scan_result.scan_result_certificate_hash_length": "made by the code",
    "scans.scan_result.scan_result_content_hash_length": "made by the code",
    "scans.scan_result.scan_result_content_type_form": "made by the code",
    "scans.scan_result.scan_result_cookie_names_size": "made by the code",
    "scans.scan_result.scan_result_favicon_hash_length": "made by the code",
    "scans.scan_result.scan_result_final_host_length": "made by the code",
    "scans.scan_result.scan_result_form_hosts_size": "made by the code",
    "scans.scan_result.scan_result_header_hash_length": "made by the code",
    "scans.scan_result.scan_result_headers_only": "made by the code",
    "scans.scan_result.scan_result_http_status_range": "made by the code",
    "scans.scan_result.scan_result_model_length": "made by the code",
    "scans.scan_result.scan_result_prompt_version_positive": "made by the code",
    "scans.scan_result.scan_result_reasoning_length": "made by the code",
    "scans.scan_result.scan_result_score_range": "made by the code",
    "scans.scan_result.scan_result_tls_issuer_length": "made by the code",
    "scans.scan_result.scan_result_tls_problem_form": "made by the code",
    "scans.scan_result.scan_result_tls_protocol_length": "made by the code",
    "scans.scan_result.scan_result_unchecked_known": "an enum of the code",
    "scans.scan_result.scan_result_unknown_has_no_score": "an enum of the code",
    "scans.scan_result.scan_result_verdict_known": "an enum of the code",
    "scans.scan_result.scan_result_weights_version_positive": "made by the code",
}
"""CHECK and UNIQUE constraints that no input of the API can violate, and what makes sure of it."""

LEAKPROOF_ORDER = {"bool", "bytea", "float8", "inet", "int2", "int4", "int8", "text", "timestamptz", "uuid", "xid8"}
"""Types whose comparisons are leakproof: under row-level security only those reach an index before the policy."""

Ask = Any


@pytest.fixture(scope="module")
def ask(house: Database) -> Iterator[Ask]:
    """Rows of a question to the catalog; a row of one column is its value."""
    with psycopg.connect(house.url(), autocommit=True) as connection:

        def ask(question: str) -> list[Any]:
            rows = connection.execute(question.encode(), {"schemas": SCHEMAS, "logins": LOGINS}).fetchall()
            return [row[0] if len(row) == 1 else row for row in rows]

        yield ask


@pytest.fixture(scope="module")
def kinds(ask: Ask) -> dict[str, str]:
    """owned, shared, identity or system, by table; partitions are none."""
    return dict(
        ask(
            "SELECT oid::regclass::text, split_part(obj_description(oid), '.', 1) FROM pg_class"
            " WHERE relkind IN ('r', 'p') AND NOT relispartition AND relnamespace::regnamespace::text = ANY (%(schemas)s)"
        )
    )


def owned(kinds: dict[str, str]) -> set[str]:
    """The owned tables."""
    return {table for table, kind in kinds.items() if kind == "owned"}


def test_schemas_are_the_products_and_those_of_bootstrap(ask: Ask) -> None:
    found = ask("SELECT nspname FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'")
    assert set(found) == {*SCHEMAS, "guard", "jobs", "migration", "public"}
    assert ask("SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace") == []


def test_a_table_says_what_kind_it_is(kinds: dict[str, str]) -> None:
    assert {table: kind for table, kind in kinds.items() if kind not in ("owned", "shared", "identity", "system")} == {}
    assert len(kinds) >= 16


def test_one_noun_one_word(kinds: dict[str, str]) -> None:
    """Table, file of sql/, migration: the same word in the singular."""
    made = {migration.id.split("_pre_")[-1].split("_post_")[-1] for migration in read()}
    for table in kinds:
        module, noun = table.split(".")
        home = OTHER_NOUN.get(table, noun)
        assert (root() / "sql" / module / f"{home}.sql").exists(), table
        assert f"{module}_create_{noun.removesuffix('_event')}" in made or table in OTHER_NOUN, table
        assert not noun.endswith("s") or noun.endswith(("analysis", "access", "address")), table
    assert OTHER_NOUN.keys() <= kinds.keys()


def test_the_owner_owns_everything(ask: Ask) -> None:
    rows = ask(
        "SELECT oid::regclass::text || ': ' || relowner::regrole FROM pg_class"
        " WHERE relnamespace::regnamespace::text = ANY (%(schemas)s) AND relowner <> 'fivefold_owner'::regrole"
    )
    assert rows == []
    rows = ask("SELECT nspname FROM pg_namespace WHERE nspname = ANY (%(schemas)s) AND nspowner <> 'fivefold_owner'::regrole")
    assert rows == []


def test_row_level_security_is_forced_everywhere(ask: Ask) -> None:
    """Partitions too: a row is as much in them as in their parent."""
    rows = ask(
        "SELECT c.oid::regclass::text FROM pg_class AS c"
        " WHERE c.relkind IN ('r', 'p') AND c.relnamespace::regnamespace::text = ANY (%(schemas)s)"
        " AND NOT (c.relrowsecurity AND c.relforcerowsecurity AND EXISTS ("
        "   SELECT FROM pg_policy AS p WHERE p.polrelid = c.oid AND p.polname = 'owner' AND p.polcmd = '*' AND p.polpermissive"
        "   AND p.polroles = ARRAY['fivefold_owner'::regrole::oid]"
        "   AND pg_get_expr(p.polqual, c.oid) = 'true' AND pg_get_expr(p.polwithcheck, c.oid) = 'true'))"
    )
    assert rows == []


def test_owned_rows_are_seen_by_their_workspace_alone(ask: Ask, kinds: dict[str, str]) -> None:
    """Every policy for the API is that of the tenant, on an owned table; restrictive ones can only take from that."""
    found = ask(
        "SELECT polrelid::regclass::text, polname, pg_get_expr(polqual, polrelid), pg_get_expr(polwithcheck, polrelid)"
        " FROM pg_policy WHERE 'fivefold_api'::regrole = ANY (polroles::regrole[]) AND polpermissive"
    )
    tenants = {row[0] for row in found if row[0] in owned(kinds)}
    assert tenants == owned(kinds)
    rule = "(workspace_id = ( SELECT core.current_workspace_id() AS current_workspace_id))"
    assert [row for row in found if row[0] in owned(kinds) and row[1:] != ("tenant", rule, None)] == []


def test_what_is_one_members_is_nobody_elses(ask: Ask) -> None:
    """Beside the tenant's policy stands one for the person: of the row itself, or of the link that it hangs on."""
    found = ask(
        "SELECT polrelid::regclass::text, pg_get_expr(polqual, polrelid), polpermissive, polcmd::text,"
        " polroles = ARRAY['fivefold_api'::regrole::oid] FROM pg_policy WHERE polname = 'person'"
    )
    assert {row[0] for row in found} == PERSONAL
    assert {row[2:] for row in found} == {(False, "*", True)}
    own = "(account_id = ( SELECT core.current_account_id() AS current_account_id))"
    for table, condition, *_ in found:
        name = table.split(".")[1]
        of_link = r"\(EXISTS \( SELECT\s+FROM privacy.platform_link l\s+WHERE \(\(l.workspace_id = "
        of_link += rf"{name}.workspace_id\) AND \(l.id = {name}.link_id\)\)\)\)"
        assert condition == own or re.fullmatch(of_link, condition), table


def test_no_policy_is_for_everybody(ask: Ask) -> None:
    assert ask("SELECT polrelid::regclass::text, polname FROM pg_policy WHERE 0 = ANY (polroles)") == []


def test_policies_that_are_always_true_are_the_known_ones(ask: Ask, kinds: dict[str, str]) -> None:
    found = ask(
        "SELECT polrelid::regclass::text, r.rolname, polcmd::text FROM pg_policy CROSS JOIN unnest(polroles) AS u (role)"
        " JOIN pg_roles AS r ON r.oid = u.role WHERE r.rolname <> 'fivefold_owner'"
        " AND 'true' IN (pg_get_expr(polqual, polrelid), pg_get_expr(polwithcheck, polrelid))"
    )
    everybodys = {table for table, kind in kinds.items() if kind == "shared"} - HIDDEN_AT_FIRST.keys()
    shared = {(table, *reader) for table in everybodys for reader in SHARED_READERS}
    written = {(table, "fivefold_worker", "*") for table in WORKER_WRITES}
    audit = {("core.audit_event", "fivefold_auditor", "r"), ("core.audit_event", "fivefold_definer", "a"),
             ("core.audit_detail", "fivefold_definer", "a")}  # fmt: skip
    audit |= {(f"core.audit_{name}", "fivefold_auditor", "r") for name in ("block", "key", "node", "retirement")}
    audit.add(("core.audit_retirement", "fivefold_definer", "r"))
    assert set(found) == shared | written | audit


def test_policies_ask_functions_once(ask: Ask) -> None:
    """In a sub-select a function is asked once for the statement; bare, once for each row."""
    found = ask(
        "SELECT polrelid::regclass::text || '.' || polname, coalesce(pg_get_expr(polqual, polrelid), '')"
        " || coalesce(pg_get_expr(polwithcheck, polrelid), '') FROM pg_policy"
    )
    bare = {name: re.sub(r"\( SELECT core\.\w+\(\) AS \w+\)", "", text) for name, text in found}
    assert [name for name, text in bare.items() if re.search(r"\b\w+\.\w+\(", text)] == []


INLINED = {"current_account_id", "current_api_key_id", "current_request_id", "current_workspace_id"}
"""Every policy asks them: the planner writes in the body of a function that has no settings, names bound as it was made."""


def test_functions_pin_their_path_and_definers_are_for_the_listed(ask: Ask) -> None:
    found = ask(
        "SELECT p.proname, p.prosecdef, p.proowner::regrole::text, array_to_string(p.proconfig, ','),"
        " coalesce((SELECT array_agg(coalesce(g.rolname, 'PUBLIC') ORDER BY g.rolname)"
        "   FROM aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) AS a LEFT JOIN pg_roles AS g ON g.oid = a.grantee"
        "   WHERE a.grantee <> p.proowner), '{}')"
        " FROM pg_proc AS p WHERE p.pronamespace::regnamespace::text = ANY (%(schemas)s)"
    )
    unpinned = {name for name, _, _, settings, _ in found if 'search_path=""' not in (settings or "").split(",")}
    assert unpinned == INLINED
    assert {name for name, definer, *_ in found if definer} & INLINED == set()
    assert set(ask("SELECT p.proname FROM pg_proc AS p WHERE p.prosqlbody IS NOT NULL")) >= INLINED
    assert {(name, owner): granted for name, definer, owner, _, granted in found if definer} == {
        ("append_audit", "fivefold_definer"): ["fivefold_owner"],
        ("append_audit_block", "fivefold_owner"): ["fivefold_worker"],
        ("audit_comes_from_elsewhere", "fivefold_owner"): ["fivefold_worker"],
        ("forget_retired_detail", "fivefold_definer"): ["fivefold_worker"],
        ("list_event_between", "fivefold_owner"): ["fivefold_worker"],
        ("retire_audit_month", "fivefold_owner"): ["fivefold_worker"],
        ("list_unsealed_event", "fivefold_owner"): ["fivefold_worker"],
        ("measure_audit_lag", "fivefold_owner"): ["fivefold_api", "fivefold_worker"],
        ("assign_plan", "fivefold_owner"): ["fivefold_api"],
        ("buy_credits", "fivefold_owner"): ["fivefold_worker"],
        ("check_ledger", "fivefold_owner"): ["fivefold_api", "fivefold_worker"],
        ("end_reservation", "fivefold_owner"): ["fivefold_api", "fivefold_worker"],
        ("expire_reservations", "fivefold_owner"): ["fivefold_worker"],
        ("grant_credits", "fivefold_owner"): ["fivefold_api"],
        ("reserve_credits", "fivefold_owner"): ["fivefold_api", "fivefold_worker"],
        ("create_organization", "fivefold_owner"): ["fivefold_api"],
        ("add_member", "fivefold_owner"): [],
        ("answer_invitation", "fivefold_owner"): ["fivefold_api"],
        ("has_member_email", "fivefold_owner"): ["fivefold_api"],
        ("join_automatically", "fivefold_owner"): [],
        ("join_by_domain", "fivefold_owner"): ["fivefold_api"],
        ("list_inviter", "fivefold_owner"): ["fivefold_api", "fivefold_worker"],
        ("list_joinable", "fivefold_owner"): ["fivefold_api"],
        ("list_own_invitation", "fivefold_owner"): ["fivefold_api"],
        ("end_links", "fivefold_owner"): [],
        ("end_membership", "fivefold_owner"): [],
        ("keep_owner", "fivefold_owner"): [],
        ("list_membership", "fivefold_owner"): ["fivefold_api"],
        ("list_person", "fivefold_owner"): ["fivefold_api"],
        ("end_trial", "fivefold_owner"): ["fivefold_api"],
        ("settle_payment", "fivefold_owner"): ["fivefold_worker"],
        ("follow_subscription", "fivefold_owner"): ["fivefold_worker"],
        ("list_leaving_customer", "fivefold_owner"): ["fivefold_worker"],
        ("receive_billing_event", "fivefold_owner"): ["fivefold_api"],
        ("start_trial", "fivefold_owner"): ["fivefold_api"],
        ("list_other_owner", "fivefold_owner"): ["fivefold_worker"],
        ("active_link_count", "fivefold_owner"): ["fivefold_api"],
        ("affected_member", "fivefold_owner"): ["fivefold_worker"],
        ("authenticate_api_key", "fivefold_owner"): ["fivefold_api"],
        ("authenticate_identity", "fivefold_owner"): ["fivefold_api"],
        ("authenticate_password", "fivefold_owner"): ["fivefold_api"],
        ("change_password", "fivefold_owner"): ["fivefold_api"],
        ("confirm_caller", "fivefold_owner"): ["fivefold_api"],
        ("confirm_sign_up", "fivefold_owner"): ["fivefold_api"],
        ("find_password_reset", "fivefold_owner"): ["fivefold_api"],
        ("find_sign_up", "fivefold_owner"): ["fivefold_api"],
        ("open_session_by_password", "fivefold_owner"): ["fivefold_api"],
        ("prepare_email_token", "fivefold_owner"): ["fivefold_worker"],
        ("prepare_sign_up", "fivefold_owner"): ["fivefold_worker"],
        ("refuse_sign_in", "fivefold_owner"): ["fivefold_api"],
        ("renew_password_hash", "fivefold_owner"): ["fivefold_api"],
        ("request_email_token", "fivefold_owner"): ["fivefold_api"],
        ("request_password_notice", "fivefold_owner"): ["fivefold_api"],
        ("request_password_reset", "fivefold_owner"): ["fivefold_api"],
        ("reset_password", "fivefold_owner"): ["fivefold_api"],
        ("start_sign_up", "fivefold_owner"): ["fivefold_api"],
        ("verify_email", "fivefold_owner"): ["fivefold_api"],
        ("get_export_piece", "fivefold_owner"): ["fivefold_api"],
        ("page_export_row", "fivefold_owner"): ["fivefold_worker"],
        ("prepare_export_link", "fivefold_owner"): ["fivefold_worker"],
        ("end_consent", "fivefold_owner"): [],
        ("hold_consent", "fivefold_owner"): ["fivefold_worker"],
        ("take_export", "fivefold_owner"): ["fivefold_api"],
        ("delete_account", "fivefold_owner"): ["fivefold_api"],
        ("restore_account", "fivefold_owner"): ["fivefold_api"],
        ("take_account_restore", "fivefold_owner"): ["fivefold_api"],
        ("request_account_restore", "fivefold_owner"): ["fivefold_api"],
        ("list_leaving_identity", "fivefold_owner"): ["fivefold_worker"],
        ("remember_erased_identity", "fivefold_owner"): ["fivefold_worker"],
        ("erase", "fivefold_owner"): ["fivefold_worker"],
        ("forget_person", "fivefold_definer"): ["fivefold_owner"],
        ("list_sole_ownership", "fivefold_owner"): ["fivefold_api"],
        ("delete_workspace", "fivefold_owner"): ["fivefold_api"],
        ("list_deleted_workspace", "fivefold_owner"): ["fivefold_api"],
        ("restore_workspace", "fivefold_owner"): ["fivefold_api"],
        ("preview_erasure", "fivefold_owner"): ["fivefold_api"],
        ("count_affected", "fivefold_owner"): ["fivefold_api"],
        ("create_account", "fivefold_owner"): ["fivefold_api"],
        ("begin_sign_in", "fivefold_owner"): ["fivefold_api"],
        ("link_identity", "fivefold_owner"): ["fivefold_api"],
        ("meet_identity", "fivefold_owner"): ["fivefold_api"],
        ("settle_sign_in", "fivefold_owner"): ["fivefold_api"],
        ("take_sign_in_code", "fivefold_owner"): ["fivefold_api"],
        ("take_sign_in_state", "fivefold_owner"): ["fivefold_api"],
        ("take_sign_in_ticket", "fivefold_owner"): ["fivefold_api"],
        ("unlink_identity", "fivefold_owner"): ["fivefold_api"],
        ("end_sessions", "fivefold_owner"): ["fivefold_api"],
        ("open_session", "fivefold_owner"): ["fivefold_api"],
        ("refresh_session", "fivefold_owner"): ["fivefold_api"],
        ("create_audit_partition", "fivefold_owner"): ["fivefold_worker"],
        ("end_reservations", "fivefold_owner"): ["fivefold_worker"],
        ("forget_withdrawn", "fivefold_owner"): [],
        ("is_curator", "fivefold_owner"): ["fivefold_api"],
        ("key_use", "fivefold_owner"): ["fivefold_api", "fivefold_worker"],
        ("list_caller", "fivefold_owner"): ["fivefold_api"],
        ("has_news", "fivefold_owner"): ["fivefold_api"],
        ("list_news", "fivefold_owner"): ["fivefold_api"],
        ("list_watched", "fivefold_owner"): ["fivefold_worker"],
        ("raise_security_alerts", "fivefold_owner"): ["fivefold_worker"],
        ("take_security_watch", "fivefold_owner"): ["fivefold_worker"],
        ("list_withheld_word", "fivefold_owner"): ["fivefold_worker"],
        ("measure_template_usage", "fivefold_owner"): ["fivefold_worker"],
        ("organization_aggregate", "fivefold_owner"): ["fivefold_api"],
        ("propose_template", "fivefold_owner"): ["fivefold_api"],
        ("require_member", "fivefold_owner"): [],
        ("require_scan_result", "fivefold_owner"): [],
        ("keep_scan_result", "fivefold_owner"): [],
        ("record_action", "fivefold_definer"): ["fivefold_api", "fivefold_worker"],
        ("record_audit", "fivefold_definer"): ["fivefold_owner"],
        **{(f"audit_{table.replace('.', '_')}", "fivefold_definer"): ["fivefold_owner"] for table in WRITTEN_OUT},
        ("take_rate_tokens", "fivefold_owner"): ["fivefold_api"],
        ("forget_audit_detail", "fivefold_definer"): ["fivefold_worker"],
        ("find_publication", "fivefold_owner"): ["fivefold_api"],
        ("find_published_hash", "fivefold_owner"): ["fivefold_api"],
        ("list_open_dispute", "fivefold_owner"): ["fivefold_api"],
        ("list_publication", "fivefold_owner"): ["fivefold_api"],
        ("list_publication_of_address", "fivefold_owner"): ["fivefold_api"],
        ("list_publication_of_network", "fivefold_owner"): ["fivefold_api"],
        ("list_related_publication", "fivefold_owner"): ["fivefold_api"],
        ("list_watchful", "fivefold_owner"): ["fivefold_worker"],
        ("list_purgeable", "fivefold_owner"): ["fivefold_worker"],
        ("resolve_dispute", "fivefold_owner"): ["fivefold_api"],
        ("list_old_access", "fivefold_owner"): ["fivefold_worker"],
        ("purge_access", "fivefold_owner"): ["fivefold_worker"],
        ("purge_scan", "fivefold_owner"): ["fivefold_worker"],
        ("take_scan_pace", "fivefold_owner"): ["fivefold_api", "fivefold_worker"],
        ("time_zone_of", "fivefold_owner"): ["fivefold_api", "fivefold_worker"],
    }


def test_login_roles_hold_no_more_than_rows(ask: Ask) -> None:
    """SELECT, INSERT, UPDATE and DELETE at most: no TRUNCATE, REFERENCES, TRIGGER, MAINTAIN, and nothing to hand on."""
    granted = (
        "SELECT c.oid::regclass::text, coalesce(g.rolname, 'PUBLIC'), a.privilege_type, a.is_grantable, c.relispartition"
        " FROM pg_class AS c CROSS JOIN aclexplode(c.relacl) AS a LEFT JOIN pg_roles AS g ON g.oid = a.grantee"
        " WHERE c.relnamespace::regnamespace::text = ANY (%(schemas)s) AND a.grantee <> c.relowner"
    )
    rows = ask(granted)
    assert [row for row in rows if row[1] not in (*LOGINS, "fivefold_definer") or row[1] == "fivefold_migrator"] == []
    assert [row for row in rows if row[2] not in ("SELECT", "INSERT", "UPDATE", "DELETE") or row[3]] == []
    assert [row[0] for row in rows if row[4]] == [], "a grant on a partition goes around its parent"
    rows = ask("SELECT rolname FROM pg_roles WHERE rolname = ANY (%(logins)s) AND (rolsuper OR rolbypassrls OR rolcreaterole)")
    assert rows == []


def test_grants_on_columns_are_for_updates(ask: Ask) -> None:
    rows = ask(
        "SELECT t.attrelid::regclass::text || '.' || t.attname, g.rolname, a.privilege_type FROM pg_attribute AS t"
        " JOIN pg_class AS c ON c.oid = t.attrelid CROSS JOIN aclexplode(t.attacl) AS a JOIN pg_roles AS g ON g.oid = a.grantee"
        " WHERE c.relnamespace::regnamespace::text = ANY (%(schemas)s)"
    )
    assert rows
    assert [row for row in rows if row[1] not in ("fivefold_api", "fivefold_worker") or row[2] != "UPDATE"] == []


def test_nothing_in_the_schemas_is_for_public(ask: Ask) -> None:
    rows = ask(
        "SELECT n.nspname, a.privilege_type FROM pg_namespace AS n CROSS JOIN aclexplode(n.nspacl) AS a"
        " WHERE n.nspname = ANY (%(schemas)s) AND a.grantee = 0"
    )
    assert rows == []


def test_keys_of_owned_tables_begin_with_the_workspace(ask: Ask, kinds: dict[str, str]) -> None:
    found = ask(
        "SELECT c.conrelid::regclass::text, c.conname, (SELECT array_agg(a.attname ORDER BY k.place)"
        "   FROM unnest(c.conkey) WITH ORDINALITY AS k (number, place)"
        "   JOIN pg_attribute AS a ON a.attrelid = c.conrelid AND a.attnum = k.number)"
        " FROM pg_constraint AS c WHERE c.contype = 'p'"
    )
    keys = {table: (name, columns) for table, name, columns in found if table in owned(kinds)}
    assert keys.keys() == owned(kinds)
    other = {f"{table}.{name}" for table, (name, columns) in keys.items() if columns != ["workspace_id", "id"]}
    assert other == set(NOT_UNDER_WORKSPACE)
    assert [table for table, (_, columns) in keys.items() if columns[0] != "workspace_id"] == []


FOREIGN_KEYS = (
    "SELECT c.conrelid::regclass::text, c.conname, c.confrelid::regclass::text,"
    " (SELECT array_agg(a.attname ORDER BY k.place) FROM unnest(c.conkey) WITH ORDINALITY AS k (number, place)"
    "   JOIN pg_attribute AS a ON a.attrelid = c.conrelid AND a.attnum = k.number),"
    " (SELECT array_agg(a.attname ORDER BY k.place) FROM unnest(c.confkey) WITH ORDINALITY AS k (number, place)"
    "   JOIN pg_attribute AS a ON a.attrelid = c.confrelid AND a.attnum = k.number),"
    " EXISTS (SELECT FROM pg_index AS i WHERE i.indrelid = c.conrelid AND i.indisvalid"
    "   AND (i.indpred IS NULL OR pg_get_expr(i.indpred, i.indrelid) = ANY (SELECT format('(%%I IS NOT NULL)', a.attname)"
    "     FROM pg_attribute AS a WHERE a.attrelid = c.conrelid AND a.attnum = ANY (c.conkey)))"
    "   AND (string_to_array(i.indkey::text, ' ')::int2[])[1:cardinality(c.conkey)] @> c.conkey), c.convalidated"
    " FROM pg_constraint AS c WHERE c.contype = 'f'"
)


def test_a_row_cannot_point_into_another_workspace(ask: Ask, kinds: dict[str, str]) -> None:
    """Between owned tables a foreign key carries the workspace; every owned table hangs on one, if only on the member's."""
    found = ask(FOREIGN_KEYS)
    between = [row for row in found if {row[0], row[2]} <= owned(kinds)]
    assert [row[:2] for row in between if row[3][0] != "workspace_id" or row[4][0] != "workspace_id"] == []
    assert {row[0] for row in found if row[3][0] == "workspace_id"} >= owned(kinds) - NO_PARENT.keys()
    assert [row[:2] for row in found if kinds[row[0]] != "owned" and row[2] in owned(kinds)] == []


def test_products_point_only_to_themselves_and_the_core(ask: Ask) -> None:
    problems = [row[:3] for row in ask(FOREIGN_KEYS) if row[2].split(".")[0] not in ("core", row[0].split(".")[0])]
    assert problems == []


def test_members_can_go(ask: Ask) -> None:
    """What a member made hangs on workspace and account: a foreign key to the member's row goes with it or would keep it."""
    rows = ask(
        "SELECT conrelid::regclass::text, conname FROM pg_constraint WHERE contype = 'f'"
        " AND confrelid = 'core.member'::regclass AND confdeltype <> 'c'"
    )
    assert rows == []


def test_every_foreign_key_is_valid_and_has_an_index(ask: Ask) -> None:
    found = ask(FOREIGN_KEYS)
    assert {f"{row[0]}.{row[1]}" for row in found if not row[5]} == set(NO_INDEX)
    assert {f"{row[0]}.{row[1]}" for row in found if not row[6]} == set(NOT_ENFORCED)


def test_a_foreign_key_finds_its_row_by_the_key(house: Database) -> None:
    """Also as planned while a table was empty, when all indexes cost the same and the last one made is taken.

    An index that begins with the tenant as the key does would be read for all rows of the tenant; so it serves only who says
    that its second column IS NOT NULL. Another unique one is left: statistics of so few rows do not last.
    """
    wrong = []
    with psycopg.connect(house.url(), autocommit=True) as connection:
        connection.execute("SET enable_seqscan = off")
        connection.execute("SET plan_cache_mode = force_generic_plan")
        found = connection.execute(FOREIGN_KEYS.replace("%%", "%").encode()).fetchall()
        unique = {name for (name,) in connection.execute("SELECT indexrelid::regclass::text FROM pg_index WHERE indisunique")}
        for table, name, other, _, columns, *_ in found:
            asked = " AND ".join(f"{column} = ${number}" for number, column in enumerate(columns, start=1))
            connection.execute(f"PREPARE look AS SELECT FROM ONLY {other} AS x WHERE {asked} FOR KEY SHARE OF x".encode())
            nothing = ", ".join(["NULL"] * len(columns))
            (plan,) = connection.execute(f"EXPLAIN (FORMAT JSON) EXECUTE look ({nothing})".encode()).fetchone() or ()
            connection.execute("DEALLOCATE look")
            (scan,) = plan[0]["Plan"]["Plans"]
            if f"{other.split('.')[0]}.{scan.get('Index Name')}" not in unique:
                wrong.append((table, name, scan["Node Type"], scan.get("Index Name")))
    assert len(found) > 80
    assert wrong == []


def test_keys_are_compared_by_leakproof_operators(ask: Ask) -> None:
    """Columns of indexes are what hot filters compare."""
    rows = ask(
        "SELECT i.indexrelid::regclass::text, t.typname, p.proleakproof FROM pg_index AS i"
        " JOIN pg_class AS c ON c.oid = i.indrelid"
        " CROSS JOIN unnest(i.indkey::int2[]) AS k (number)"
        " JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = k.number JOIN pg_type AS t ON t.oid = a.atttypid"
        " JOIN pg_operator AS o ON o.oprname = '=' AND o.oprleft = t.oid AND o.oprright = t.oid"
        " JOIN pg_proc AS p ON p.oid = o.oprcode"
        " WHERE c.relnamespace::regnamespace::text = ANY (%(schemas)s)"
    )
    assert {row[1] for row in rows} <= LEAKPROOF_ORDER
    assert [row for row in rows if not row[2]] == []


def test_columns_have_the_house_types(ask: Ask) -> None:
    """No enum (a value cannot be removed), numeric, char(n), varchar(n), timestamp without zone, serial."""
    rows = ask(
        "SELECT a.attrelid::regclass::text || '.' || a.attname, t.typname FROM pg_attribute AS a"
        " JOIN pg_class AS c ON c.oid = a.attrelid JOIN pg_type AS t ON t.oid = a.atttypid"
        " WHERE c.relkind IN ('r', 'p') AND a.attnum > 0 AND NOT a.attisdropped"
        " AND c.relnamespace::regnamespace::text = ANY (%(schemas)s)"
    )
    assert [row for row in rows if row[1] not in LEAKPROOF_ORDER | {"_text", "jsonb", "xid8"}] == []
    rows = ask("SELECT relname FROM pg_class WHERE relkind = 'S' AND relnamespace::regnamespace::text = ANY (%(schemas)s)")
    assert rows == [], "ids never come from sequences"


def test_every_table_is_audited_or_says_why_not(ask: Ask, kinds: dict[str, str]) -> None:
    """The events of each audit trigger are those of its name, and its key and columns exist."""
    found = ask(
        "SELECT g.tgrelid::regclass::text, g.tgname, g.tgtype & 28, g.tgtype & 3,"
        " string_to_array(encode(g.tgargs, 'escape'), E'\\\\000')"
        " FROM pg_trigger AS g JOIN pg_proc AS p ON p.oid = g.tgfoid WHERE p.proname = 'record_audit'"
        " OR p.proname = format('audit_%%s', replace(g.tgrelid::regclass::text, '.', '_'))"
    )
    events = {"audit_insert": 4, "audit_delete": 8, "audit_update": 16}
    assert [row[:2] for row in found if (row[2], row[3]) != (events.get(row[1]), 0)] == [], "once a statement, after the event"
    for table in kinds:
        lacking = NOT_AUDITED.get(table, (set(), ""))[0]
        assert {row[1] for row in found if row[0] == table} == AUDIT - lacking, table
    columns = set(ask("SELECT attrelid::regclass::text || '.' || attname FROM pg_attribute WHERE attnum > 0"))
    for table, _, _, _, (workspace, keys, told, *_) in found:
        named = [*([workspace] if workspace else []), *keys.split(","), *told.split(",")]
        assert {f"{table}.{name.removeprefix('sha256:')}" for name in named} <= columns, table
        assert (workspace != "") is (kinds[table] == "owned" or table in ("core.member", "core.workspace")), table
        assert not {"secret_hash", "packed", "observed", "salt"} & set(told.split(",")), f"{table}: never told"
    assert NOT_AUDITED.keys() <= kinds.keys()


def test_audit_functions_are_as_they_would_be_written_now(house: Database) -> None:
    """A migration that changes columns or triggers of such a table writes its function anew."""
    asked = (
        "SELECT proname, prosrc, proacl::text, proconfig::text, proowner FROM pg_proc"
        " WHERE proname LIKE 'audit\\_%' AND prorettype = 'trigger'::regtype ORDER BY 1"
    )
    with psycopg.connect(house.url()) as connection:
        found = connection.execute(asked.encode()).fetchall()
        connection.execute("SET LOCAL ROLE fivefold_owner")
        for table in WRITTEN_OUT:
            connection.execute("SELECT core.write_audit(%s::text::regclass)", [table])
        assert connection.execute(asked.encode()).fetchall() == found
        assert len(found) == len(WRITTEN_OUT)
        connection.rollback()


def test_triggers_always_fire(ask: Ask) -> None:
    """On partitions too: session_replication_role = replica switches all others off."""
    found = ask(
        "SELECT tgrelid::regclass::text, tgname, tgenabled::text FROM pg_trigger AS g JOIN pg_class AS c ON c.oid = g.tgrelid"
        " WHERE NOT tgisinternal AND c.relnamespace::regnamespace::text = ANY (%(schemas)s)"
    )
    assert len(found) > 40
    assert [row for row in found if row[2] != "A"] == []


def test_what_never_changes_refuses_it(ask: Ask) -> None:
    """Tables that the audit exempts as immutable or append-only have the trigger that makes them so."""
    guarded = set(ask("SELECT tgrelid::regclass::text FROM pg_trigger AS g JOIN pg_proc AS p ON p.oid = g.tgfoid"
                      " WHERE p.proname = 'refuse_change' AND tgtype & 16 > 0"))  # fmt: skip
    promised = {table for table, (_, why) in NOT_AUDITED.items() if re.search(r"append-only|immutable", why)}
    assert promised | {"core.audit_event", "core.audit_detail"} <= guarded


def test_constraints_that_mean_something_to_clients_exist(ask: Ask) -> None:
    """As constraints, or as what functions and triggers say that is violated."""
    raised = "SELECT DISTINCT (regexp_matches(prosrc, $$CONSTRAINT = '([a-z_]+)'$$, 'g'))[1] FROM pg_proc"
    assert CONSTRAINTS.keys() <= _named(ask).keys() | set(ask(raised))


def test_every_constraint_is_mapped_or_cannot_be_reached(ask: Ask) -> None:
    found = {f"{table}.{name}" for name, table in _named(ask).items() if name not in CONSTRAINTS}
    assert found == set(UNREACHABLE)


def _named(ask: Ask) -> dict[str, str]:
    """CHECK and UNIQUE constraints and unique indexes with their table; names are unique, so that they can be mapped."""
    rows = ask(
        "SELECT conname, conrelid::regclass::text FROM pg_constraint AS o JOIN pg_class AS c ON c.oid = o.conrelid"
        " WHERE contype IN ('c', 'u') AND NOT c.relispartition AND c.relnamespace::regnamespace::text = ANY (%(schemas)s)"
        " UNION SELECT x.relname, i.indrelid::regclass::text FROM pg_index AS i JOIN pg_class AS x ON x.oid = i.indexrelid"
        " WHERE i.indisunique AND NOT i.indisprimary AND NOT x.relispartition"
        " AND x.relnamespace::regnamespace::text = ANY (%(schemas)s)"
    )
    assert len({name for name, _ in rows}) == len(rows)
    return dict(rows)


def test_constraints_begin_with_the_name_of_their_table(ask: Ask) -> None:
    """A name that PostgreSQL made up would change with the next column; ours are what the code maps."""
    rows = ask(
        "SELECT conrelid::regclass::text, conname FROM pg_constraint AS o JOIN pg_class AS c ON c.oid = o.conrelid"
        " WHERE contype <> 'n' AND NOT c.relispartition AND c.relnamespace::regnamespace::text = ANY (%(schemas)s)"
    )
    assert [row for row in rows if not row[1].startswith(f"{row[0].split('.')[1]}_")] == []


def test_the_scopes_of_keys_are_those_of_the_code(ask: Ask) -> None:
    (definition,) = ask("SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = 'api_key_scopes_known'")
    assert set(re.findall(r"'([^']+)'", definition)) == SCOPES
