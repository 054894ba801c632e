"""Decisions only: no I/O, no clock, no log, no asyncio. Everything here can be tested with tables."""
