"""The shared core: accounts, workspaces, keys, curators, audit."""

from starlette.routing import Route

from app.core.account import Account, AccountMutation
from app.core.api_key import ApiKey, ApiKeyMutation, ApiKeyQuery
from app.core.audit_event import AuditEvent, AuditEventQuery
from app.core.audit_proof import AuditProofQuery
from app.core.audit_retirement import retire_audit
from app.core.billing_customer import BillingCustomerMutation
from app.core.billing_event import apply_billing_event, receive_stripe
from app.core.consent import Consent, ConsentMutation, ConsentQuery
from app.core.consent_purpose import ConsentPurposeMutation, ConsentPurposeQuery
from app.core.credential import CredentialMutation
from app.core.data_export import DataExport, DataExportMutation, DataExportQuery, build_export, mail_export_link, serve_export
from app.core.data_inventory import DataInventoryQuery
from app.core.deletion import DeletionMutation
from app.core.device import Device, DeviceMutation, DeviceQuery
from app.core.domain import Domain, DomainMutation, DomainQuery, check_proof, find_domains
from app.core.email_token import EmailTokenMutation, mail_email_token
from app.core.erasure import Erasure, ErasureMutation, ErasureQuery, erase_due
from app.core.identity import Identity, IdentityMutation
from app.core.invitation import Invitation, InvitationMutation, InvitationQuery, mail_invitation
from app.core.invoice import InvoiceQuery
from app.core.mail import find_mail, gather_mail, send_mail
from app.core.member import MemberMutation, MemberQuery
from app.core.migration import MigrationQuery
from app.core.node import NodeQuery
from app.core.notification import Notification, NotificationMutation, NotificationQuery
from app.core.notification_preference import NotificationPreferenceMutation, NotificationPreferenceQuery
from app.core.outbox import OutboxQuery
from app.core.plan import Plan, PlanMutation, PlanQuery
from app.core.plan_price import PlanPriceMutation, PlanPriceQuery
from app.core.security_alert import SecurityAlert, SecurityAlertQuery, tell_deleted, watch_security
from app.core.session import Session, SessionMutation, SessionQuery
from app.core.sign_in import ROUTES, SignInMutation, SignInQuery
from app.core.sign_up import SignUpMutation, mail_sign_up
from app.core.subscription import (
    PlanSubscription,
    SubscriptionMutation,
    SubscriptionQuery,
    end_subscriptions,
    find_ending_subscriptions,
)
from app.core.team import Team, TeamQuery
from app.core.team_member import TeamMutation
from app.core.upkeep import nightly_upkeep
from app.core.usage_counter import UsageCounterQuery
from app.core.viewer import ViewerQuery
from app.core.wallet import Reservation, WalletMutation, WalletQuery, find_expired_reservations, release_expired
from app.core.webhook import Webhook, WebhookMutation, WebhookQuery
from app.core.webhook_delivery import (
    WebhookDelivery,
    WebhookDeliveryMutation,
    WebhookDeliveryQuery,
    deliver_webhook,
    find_deliveries,
)
from app.core.workspace import Workspace, WorkspaceMutation, WorkspaceQuery
from app.kit.product import Product

product = Product(
    name="core",
    queries=(
        SecurityAlertQuery,
        WebhookDeliveryQuery,
        WebhookQuery,
        ViewerQuery,
        MemberQuery,
        ApiKeyQuery,
        DeviceQuery,
        AuditEventQuery,
        AuditProofQuery,
        DataExportQuery,
        ConsentPurposeQuery,
        ConsentQuery,
        DataInventoryQuery,
        ErasureQuery,
        MigrationQuery,
        NodeQuery,
        NotificationQuery,
        NotificationPreferenceQuery,
        OutboxQuery,
        InvoiceQuery,
        PlanQuery,
        PlanPriceQuery,
        SessionQuery,
        SignInQuery,
        SubscriptionQuery,
        UsageCounterQuery,
        WalletQuery,
        WorkspaceQuery,
        DomainQuery,
        InvitationQuery,
        TeamQuery,
    ),
    mutations=(
        WebhookDeliveryMutation,
        WebhookMutation,
        AccountMutation,
        ApiKeyMutation,
        ConsentMutation,
        ConsentPurposeMutation,
        CredentialMutation,
        DataExportMutation,
        DeviceMutation,
        IdentityMutation,
        MemberMutation,
        EmailTokenMutation,
        DeletionMutation,
        ErasureMutation,
        NotificationMutation,
        NotificationPreferenceMutation,
        BillingCustomerMutation,
        PlanMutation,
        PlanPriceMutation,
        SessionMutation,
        SubscriptionMutation,
        SignInMutation,
        WalletMutation,
        WorkspaceMutation,
        SignUpMutation,
        DomainMutation,
        InvitationMutation,
        TeamMutation,
    ),
    jobs=(
        apply_billing_event,
        end_subscriptions,
        find_ending_subscriptions,
        deliver_webhook,
        find_deliveries,
        tell_deleted,
        watch_security,
        build_export,
        mail_export_link,
        find_expired_reservations,
        erase_due,
        find_mail,
        gather_mail,
        mail_email_token,
        mail_sign_up,
        nightly_upkeep,
        retire_audit,
        release_expired,
        send_mail,
        check_proof,
        find_domains,
        mail_invitation,
    ),
    nodes=(
        Account,
        ApiKey,
        AuditEvent,
        DataExport,
        Consent,
        Device,
        Erasure,
        Identity,
        Notification,
        Plan,
        Reservation,
        Session,
        PlanSubscription,
        SecurityAlert,
        Webhook,
        WebhookDelivery,
        Workspace,
        Domain,
        Invitation,
        Team,
    ),
    routes=(*ROUTES, Route("/webhooks/stripe", receive_stripe, methods=["POST"]), Route("/exports/{token}", serve_export)),
)
