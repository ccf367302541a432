"""Scans: how risky a URL is, judged once, with nothing kept of what its page says."""

from app.kit.product import Product
from app.scans.dispute import Dispute, DisputeMutation, DisputeQuery, tell_dispute
from app.scans.scan import Scan, ScanQuery

product = Product(
    name="scans",
    queries=(ScanQuery, DisputeQuery),
    mutations=(DisputeMutation,),
    nodes=(Scan, Dispute),
    jobs=(tell_dispute,),
    scopes=("scans:read", "scans:write"),
)
