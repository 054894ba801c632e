"""Holds each property that a Bicep resource sets to the names in the models of Azure's own management SDKs: a misspelt one is found here,
without the Bicep compiler. `infra/check` runs it with the SDKs of `PACKAGES`; what it does not know of is said.
"""

import importlib
import inspect
import re
import sys
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pycep import BicepParser

MODULES = Path(__file__).parent / "bicep" / "modules"
PACKAGES = ("appcontainers", "eventgrid", "loganalytics", "monitor", "network", "postgresqlflexibleservers")
MODELS = {
    "Microsoft.App/containerApps": ("appcontainers", "ContainerApp"),
    "Microsoft.App/managedEnvironments": ("appcontainers", "ManagedEnvironment"),
    "Microsoft.DBforPostgreSQL/flexibleServers": ("postgresqlflexibleservers", "Server"),
    "Microsoft.DBforPostgreSQL/flexibleServers/administrators": ("postgresqlflexibleservers", "AdministratorMicrosoftEntraAdd"),
    "Microsoft.DBforPostgreSQL/flexibleServers/databases": ("postgresqlflexibleservers", "Database"),
    "Microsoft.DBforPostgreSQL/flexibleServers/firewallRules": ("postgresqlflexibleservers", "FirewallRule"),
    "Microsoft.EventGrid/systemTopics": ("eventgrid", "SystemTopic"),
    "Microsoft.EventGrid/systemTopics/eventSubscriptions": ("eventgrid", "EventSubscription"),
    "Microsoft.Insights/actionGroups": ("monitor", "ActionGroupResource"),
    "Microsoft.Insights/metricAlerts": ("monitor", "MetricAlertResource"),
    "Microsoft.Network/virtualNetworks": ("network", "VirtualNetwork"),
    "Microsoft.OperationalInsights/workspaces": ("loganalytics", "Workspace"),
}
OF_BICEP = {"name", "location", "parent", "scope", "dependsOn", "kind"}
Models = list[type]


def unknown(value: Any, models: Models, module: Any, path: str) -> Iterator[str]:
    """Every property at or below `value` that none of these models has. A call or a condition of Bicep's is not looked into."""
    if isinstance(value, list):
        for one in value:
            yield from unknown(one, models, module, path)
    if not isinstance(value, dict) or {"function", "operator"} & set(value) or not models:
        return
    known = [_names(model, module) for model in _with_kinds(models)]
    for name, inner in value.items():
        name = name.strip("'")
        if name.startswith("${"):
            continue  # a name that is made at run time, of a mapping
        below = [names[name] for names in known if name in names]
        flat = {key.partition(".")[2]: found for names in known for key, found in names.items() if key.startswith(f"{name}.")}
        if not below and not flat:
            yield f"{path}.{name}"
        elif flat:
            for key, one in inner.items() if isinstance(inner, dict) else ():
                yield from unknown(one, flat[key], module, f"{path}.{name}.{key}") if key in flat else [f"{path}.{name}.{key}"]
        else:
            yield from unknown(inner, [one for found in below for one in found], module, f"{path}.{name}")


def _names(model: type, module: Any) -> dict[str, Models]:
    """A model's properties by the name that they have on the wire, and the models that they may hold; in both notations of the SDKs."""
    found: dict[str, Models] = {}
    for one in model.__mro__:
        for entry in one.__dict__.get("_attribute_map", {}).values():
            found.setdefault(entry["key"].replace("\\.", "."), _models(entry["type"], module))
        for name, annotation in inspect.get_annotations(one).items():
            found.setdefault(getattr(one.__dict__.get(name), "_rest_name_input", None) or name, _models(annotation, module))
    return found


def _models(annotation: Any, module: Any) -> Models:
    if isinstance(annotation, typing.ForwardRef):
        annotation = annotation.__forward_arg__
    if isinstance(annotation, str):
        named = (getattr(module, word, None) for word in re.findall(r"\w+", annotation))
        return [one for one in named if inspect.isclass(one) and _is_model(one)]
    if inspect.isclass(annotation) and not typing.get_args(annotation):
        return [annotation] if _is_model(annotation) else []
    return [one for inner in typing.get_args(annotation) for one in _models(inner, module)]


def _is_model(one: type) -> bool:
    return any(base.__name__ == "Model" for base in one.__mro__)


def _with_kinds(models: Models) -> Iterator[type]:
    """A model, and those that a discriminator may make of it."""
    for model in models:
        yield model
        yield from _with_kinds(model.__subclasses__())


def main() -> int:
    wrong, looked = [], 0
    for path in sorted(MODULES.glob("*.bicep")):
        for name, resource in BicepParser().parse(file_path=path)["resources"].items():
            if resource["type"] not in MODELS:
                print(f"{path.name}: {name} is a {resource['type']}, which is not looked at")
                continue
            package, model = MODELS[resource["type"]]
            module = importlib.import_module(f"azure.mgmt.{package}.models")
            config = resource["config"]["config"] if "condition" in resource["config"] else resource["config"]
            own = {key: value for key, value in config.items() if key not in OF_BICEP}
            wrong += unknown(own, [getattr(module, model)], module, f"{path.name}: {name}")
            looked += 1
    print(*wrong, sep="\n")
    print(f"{looked} resources, {len(wrong)} unknown properties")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
