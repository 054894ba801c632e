"""The daemon: it keeps a fleet rotated for years without anyone watching, and loses nothing when it dies.

A pump claims rows that are due and runs each along the corridor; a cadence ticks (it owns no work); everything that must survive is in the
ledger. What is kept here in memory is lost without harm.
"""
