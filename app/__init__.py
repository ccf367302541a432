"""Fivefold: one GraphQL API server behind five products."""
