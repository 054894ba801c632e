"""Who holds a copy of a key, or refers to its secret: known to the settings or not. One file a place that is searched.

Compares fingerprints, never values: a text that was read is fingerprinted where it was read, and dropped. Changes nothing. A place that
cannot be searched is said to be so, with the permission that it needs; it is never passed over.
"""
