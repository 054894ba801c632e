"""Intents, incidents, history, leases and the audit chain. Azure is the truth: losing all of this costs at most one extra mint.

Never holds a value: fingerprints, and the hashes that senders of alerts use.
"""
