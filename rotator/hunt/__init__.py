"""Who holds a copy of a key that the settings do not know, or pins a version that will never move. One file a place that is searched.

Compares fingerprints, never values: a text that was read is fingerprinted where it was read, and dropped. Changes nothing. A place that
cannot be searched is said to be so, with the permission that it needs; it is never passed over.
"""

from rotator.hunt.judge import Copy, Fleet, judged
from rotator.hunt.place import Held, Hidden, Place, Reach, Scope
from rotator.hunt.search import Found, fleet_of, hunt, places

__all__ = ["Copy", "Fleet", "Found", "Held", "Hidden", "Place", "Reach", "Scope", "fleet_of", "hunt", "judged", "places"]
