"""Scans: how risky a URL is, judged once, with nothing kept of what its page says."""

from app.kit.product import Product
from app.scans.access import Access, AccessQuery, find_altered_accesses, purge_accesses, purge_workspace_accesses
from app.scans.dispute import Dispute, DisputeMutation, DisputeQuery, tell_dispute
from app.scans.scan import Scan, ScanQuery

product = Product(
    name="scans",
    queries=(ScanQuery, AccessQuery, DisputeQuery),
    mutations=(DisputeMutation,),
    nodes=(Scan, Access, Dispute),
    jobs=(tell_dispute, purge_accesses, purge_workspace_accesses),
    proven=(find_altered_accesses,),
    scopes=("scans:read", "scans:write"),
)
