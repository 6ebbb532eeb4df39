"""Exact tests and intervals for proportions and means."""
