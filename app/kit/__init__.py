"""Machinery without nouns: it knows no table."""
