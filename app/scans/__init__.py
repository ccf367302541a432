"""Scans: how risky a URL is, judged once, with nothing kept of what its page says."""

from app.kit.product import Product
from app.scans.access import Access, AccessQuery, find_altered_accesses, purge_accesses, purge_workspace_accesses
from app.scans.comparison import ComparisonQuery
from app.scans.dispute import Dispute, DisputeMutation, DisputeQuery, tell_dispute
from app.scans.flow import find_neglected, run_scans
from app.scans.lookup import LookupQuery
from app.scans.monitor import Monitor, MonitorMutation, MonitorQuery, watch, watch_over
from app.scans.publication import PublicationMutation, PublicationQuery
from app.scans.retention import RetentionMutation, RetentionQuery, purge, purge_workspace
from app.scans.scan import Scan, ScanQuery, ScanSubscription
from app.scans.submission import SubmissionMutation, tell_finished

product = Product(
    name="scans",
    queries=(
        ScanQuery,
        AccessQuery,
        LookupQuery,
        ComparisonQuery,
        PublicationQuery,
        DisputeQuery,
        MonitorQuery,
        RetentionQuery,
    ),
    mutations=(SubmissionMutation, PublicationMutation, DisputeMutation, MonitorMutation, RetentionMutation),
    subscriptions=(ScanSubscription,),
    nodes=(Scan, Access, Dispute, Monitor),
    jobs=(
        run_scans,
        find_neglected,
        tell_finished,
        tell_dispute,
        watch,
        watch_over,
        purge,
        purge_workspace,
        purge_accesses,
        purge_workspace_accesses,
    ),
    proven=(find_altered_accesses,),
    scopes=("scans:read", "scans:write"),
)
