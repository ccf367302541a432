"""Scans: how risky a URL is, judged once, with nothing kept of what its page says."""

from app.kit.product import Product
from app.scans.access import Access, AccessQuery, find_altered_accesses, purge_accesses, purge_workspace_accesses
from app.scans.dispute import Dispute, DisputeMutation, DisputeQuery, tell_dispute
from app.scans.flow import find_neglected, run_scans
from app.scans.scan import Scan, ScanQuery, ScanSubscription
from app.scans.submission import SubmissionMutation

product = Product(
    name="scans",
    queries=(ScanQuery, AccessQuery, DisputeQuery),
    mutations=(SubmissionMutation, DisputeMutation),
    subscriptions=(ScanSubscription,),
    nodes=(Scan, Access, Dispute),
    jobs=(run_scans, find_neglected, tell_dispute, purge_accesses, purge_workspace_accesses),
    proven=(find_altered_accesses,),
    scopes=("scans:read", "scans:write"),
)
