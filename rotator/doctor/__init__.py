"""Can rotator do what its settings ask? Answered by asking: Azure's own word on permissions, and calls that change nothing.

Promises that nothing is set, sent, deleted or minted; that one trouble hides no other; and that each comes with what mends it.
"""
