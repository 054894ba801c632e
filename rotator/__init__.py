"""Rotator rotates, revokes and proves dead the keys of Azure AI services."""

__version__ = "0.1.0"
