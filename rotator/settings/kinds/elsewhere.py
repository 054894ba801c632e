"""The kinds that do not live behind Azure Resource Manager."""

from rotator.settings.kinds.declaration import Declaration

ELSEWHERE: tuple[Declaration, ...] = ()
"""In the order of the README's table."""
