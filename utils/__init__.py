"""Rooms shared by the scripts; docs/architecture.md says who may import whom."""
