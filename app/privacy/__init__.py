"""Privacy: what platforms' privacy settings are, how they change, and who changed them."""

from starlette.routing import Route

from app.kit.product import Product
from app.privacy.acknowledgement import AcknowledgementMutation
from app.privacy.alert import AlertQuery
from app.privacy.as_of import AsOfQuery
from app.privacy.change import Change, ChangeQuery, ChangeSubscription
from app.privacy.comparison import ComparisonQuery
from app.privacy.crowd_evidence import look_for_crowds
from app.privacy.dashboard import DashboardQuery
from app.privacy.digest import find_digests, make_digest
from app.privacy.exposure import ExposureQuery
from app.privacy.failure import FailureMutation
from app.privacy.feed import serve_feed
from app.privacy.organization import OrganizationQuery
from app.privacy.platform import Platform, PlatformQuery
from app.privacy.platform_config import PlatformConfig, PlatformConfigMutation
from app.privacy.platform_contact import PlatformContact, PlatformContactMutation
from app.privacy.platform_link import PlatformLink, PlatformLinkMutation, PlatformLinkQuery, PlatformLinkSubscription
from app.privacy.playbook import Playbook, PlaybookQuery
from app.privacy.proposal import ProposalMutation, ProposalQuery
from app.privacy.recommendation import RecommendationMutation, RecommendationQuery
from app.privacy.retention import RetentionMutation, RetentionQuery, purge, purge_workspace
from app.privacy.rights_request import (
    RightsRequest,
    RightsRequestMutation,
    RightsRequestQuery,
    expire_rights_request,
    expire_rights_requests,
)
from app.privacy.scan import ScanMutation
from app.privacy.schedule import ScheduleMutation, request_scans
from app.privacy.setting_label import SettingLabelMutation
from app.privacy.snapshot import Snapshot, SnapshotQuery
from app.privacy.template import Template, TemplateMutation, tell_affected
from app.privacy.template_analysis import (
    TemplateAnalysis,
    TemplateAnalysisMutation,
    TemplateAnalysisQuery,
    analyze_template,
    analyze_templates,
    approve_analyses,
)
from app.privacy.template_diff import TemplateDiffQuery
from app.privacy.template_usage import TemplateUsageQuery, measure_template_usage

product = Product(
    name="privacy",
    queries=(
        AlertQuery,
        PlatformQuery,
        PlatformLinkQuery,
        SnapshotQuery,
        ChangeQuery,
        DashboardQuery,
        RecommendationQuery,
        ComparisonQuery,
        AsOfQuery,
        OrganizationQuery,
        ExposureQuery,
        ProposalQuery,
        RetentionQuery,
        PlaybookQuery,
        TemplateDiffQuery,
        TemplateUsageQuery,
        TemplateAnalysisQuery,
        RightsRequestQuery,
    ),
    mutations=(
        PlatformLinkMutation,
        ScanMutation,
        FailureMutation,
        ScheduleMutation,
        RetentionMutation,
        TemplateMutation,
        ProposalMutation,
        SettingLabelMutation,
        PlatformConfigMutation,
        PlatformContactMutation,
        RecommendationMutation,
        RightsRequestMutation,
        AcknowledgementMutation,
        TemplateAnalysisMutation,
    ),
    subscriptions=(ChangeSubscription, PlatformLinkSubscription),
    nodes=(
        Change,
        Platform,
        PlatformConfig,
        PlatformContact,
        PlatformLink,
        Playbook,
        RightsRequest,
        Snapshot,
        Template,
        TemplateAnalysis,
    ),
    jobs=(
        find_digests,
        look_for_crowds,
        make_digest,
        measure_template_usage,
        request_scans,
        purge,
        purge_workspace,
        tell_affected,
        analyze_template,
        analyze_templates,
        approve_analyses,
        expire_rights_request,
        expire_rights_requests,
    ),
    scopes=("snapshots:write", "privacy:read"),
    routes=(Route("/feeds/{name}.{kind}", serve_feed),),
)
