"""The settings: YAML to frozen values. All errors at once, each with its path and what would be right; unknown keys are refused.

A secret stands here only as a reference (`env:NAME`, `file:/path`, `vault:https://…`); a literal one is an error, and no error repeats what
was written in such a place. Reading the settings asks nothing of the outside.
"""

from rotator.settings.model import CustomCloud, CustomIdentity, Settings
from rotator.settings.reading import SettingsError, load, parse, schema

__all__ = ["CustomCloud", "CustomIdentity", "Settings", "SettingsError", "load", "parse", "schema"]
