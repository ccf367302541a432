"""Scans: how risky a URL is, judged once, with nothing kept of what its page says."""

from app.kit.product import Product
from app.scans.scan import Scan, ScanQuery

product = Product(
    name="scans",
    queries=(ScanQuery,),
    nodes=(Scan,),
    scopes=("scans:read", "scans:write"),
)
