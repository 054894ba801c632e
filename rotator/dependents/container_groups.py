"""A container group as Azure shows it: its variables, and what of it Azure keeps to itself. No SDK is needed to read it."""

import base64
from collections.abc import Callable, Iterator, Mapping
from typing import Any

Group = dict[str, Any]


def variables(group: Group) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Each container with each of its environment variables."""
    properties = group["properties"]
    for container in [*properties["containers"], *(properties.get("initContainers") or [])]:
        for variable in container["properties"].get("environmentVariables") or []:
            yield container, variable


def secure(group: Group, supplied: Mapping[str, str]) -> Iterator[tuple[tuple[str, ...], Callable[[str], None]]]:
    """Every place whose value Azure keeps to itself: the names it may have in `secure:`, and how it is filled. Azure does not give back the
    names of a secret volume's files either: they are the ones that are supplied.
    """
    properties = group["properties"]
    for container, variable in variables(group):
        if "value" not in variable and "secureValue" not in variable:
            yield (f"{container['name']}/{variable['name']}", variable["name"]), _into(variable, "secureValue")
    for registry in properties.get("imageRegistryCredentials") or []:
        if registry.get("username"):
            yield (f"registry/{registry['server']}",), _into(registry, "password")
    for volume in properties.get("volumes") or []:
        if volume.get("azureFile"):
            yield (f"volume/{volume['name']}",), _into(volume["azureFile"], "storageAccountKey")
        if volume.get("secret") is not None:
            start = f"volume/{volume['name']}/"
            for name in [name for name in supplied if name.startswith(start)] or [f"{start}FILE"]:
                yield (name,), _encoded_into(volume["secret"], name.removeprefix(start))
    logs = (properties.get("diagnostics") or {}).get("logAnalytics")
    if logs:
        yield (f"workspace/{logs.get('workspaceId', '')}",), _into(logs, "workspaceKey")
    for extension in properties.get("extensions") or []:
        yield (f"extension {extension.get('name', '')} (whose settings cannot be supplied)",), _into(extension, "protectedSettings")


def _into(place: dict[str, Any], field: str) -> Callable[[str], None]:
    return lambda value: place.__setitem__(field, value)


def _encoded_into(place: dict[str, Any], field: str) -> Callable[[str], None]:
    """Files of a secret volume go as base64."""
    return lambda value: place.__setitem__(field, base64.b64encode(value.encode()).decode())
