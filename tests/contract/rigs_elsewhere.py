"""The kinds that do not live behind Azure Resource Manager, each as something in the sandbox."""

from tests.contract.rigs import Rig

RIGS: tuple[Rig, ...] = ()
