"""Drives the core against the world, through ports of its own. Knows no SDK, no database and no terminal."""
