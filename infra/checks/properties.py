"""Holds every resource of Bicep to the models of Azure's own management SDKs, as the Bicep compiler would to its types: each property must
be one that there is and that may be set, each required one must be there, literal values must be of its type, its words and its range.

`infra/check` runs it with the SDKs of `PACKAGES`. Their models are of the newest API versions, so a property that an older version lacks
is not noticed, but for what `infra/README.md` says. What is computed at deployment (a parameter, a call) is taken to fit.
"""

import importlib
import inspect
import re
import sys
import types
import typing
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from enum import Enum
from pathlib import Path
from typing import Any

from pycep import BicepParser

BICEP = Path(__file__).parent.parent / "bicep"
PACKAGES = (
    "appcontainers", "authorization", "eventgrid", "loganalytics", "monitor", "msi", "network", "postgresqlflexibleservers", "privatedns",
    "resource",
)  # fmt: skip
MODELS = {
    "Microsoft.App/containerApps": ("appcontainers", "ContainerApp"),
    "Microsoft.App/managedEnvironments": ("appcontainers", "ManagedEnvironment"),
    "Microsoft.Authorization/roleAssignments": ("authorization.v2022_04_01", "RoleAssignmentCreateParameters"),
    "Microsoft.Authorization/roleDefinitions": ("authorization.v2022_04_01", "RoleDefinition"),
    "Microsoft.DBforPostgreSQL/flexibleServers": ("postgresqlflexibleservers", "Server"),
    "Microsoft.DBforPostgreSQL/flexibleServers/administrators": ("postgresqlflexibleservers", "AdministratorMicrosoftEntraAdd"),
    "Microsoft.DBforPostgreSQL/flexibleServers/databases": ("postgresqlflexibleservers", "Database"),
    "Microsoft.DBforPostgreSQL/flexibleServers/firewallRules": ("postgresqlflexibleservers", "FirewallRule"),
    "Microsoft.EventGrid/systemTopics": ("eventgrid", "SystemTopic"),
    "Microsoft.EventGrid/systemTopics/eventSubscriptions": ("eventgrid", "EventSubscription"),
    "Microsoft.Insights/actionGroups": ("monitor", "ActionGroupResource"),
    "Microsoft.Insights/metricAlerts": ("monitor", "MetricAlertResource"),
    "Microsoft.ManagedIdentity/userAssignedIdentities": ("msi.v2024_11_30", "Identity"),
    "Microsoft.Network/networkSecurityGroups": ("network", "NetworkSecurityGroup"),
    "Microsoft.Network/privateDnsZones": ("privatedns", "PrivateZone"),
    "Microsoft.Network/privateDnsZones/virtualNetworkLinks": ("privatedns", "VirtualNetworkLink"),
    "Microsoft.Network/virtualNetworks": ("network", "VirtualNetwork"),
    "Microsoft.OperationalInsights/workspaces": ("loganalytics", "Workspace"),
    "Microsoft.Resources/resourceGroups": ("resource.resources", "ResourceGroup"),
}
OF_BICEP = {"name", "parent", "scope", "dependsOn", "kind"}
WORDS = {"str": str, "int": int, "float": float, "bool": bool, "object": object, "duration": timedelta, "iso-8601": datetime}
"""How the older SDKs call types."""
DOT = "\0"
"""Stands for a dot inside a name: one between names leads inside."""
TEXT = (str, datetime, date, time, timedelta, bytes)


@dataclass(frozen=True, slots=True)
class Field:
    type: Any
    required: bool = False
    readonly: bool = False
    least: float | None = None
    most: float | None = None


def wrong(value: Any, type_: Any, path: str, symbols: set[str]) -> list[str]:
    """What does not fit, each with its path. `symbols` are the names that stand for something else than themselves."""
    if value is None or (isinstance(value, str) and (value in symbols or "${" in value)):
        return []
    if _is_computed(value):
        return [one for inner, of in _computed(value, type_) for one in wrong(inner, of, path, symbols)]
    if type_ in (Any, object) or isinstance(type_, typing.TypeVar):
        return []
    origin, arguments = typing.get_origin(type_), typing.get_args(type_)
    if origin in (typing.Union, types.UnionType):
        return _of_any(value, [one for one in arguments if one is not type(None)], path, symbols)
    if origin is typing.Literal:
        return _of_words(value, {getattr(one, "value", one) for one in arguments}, path)
    if origin is list:
        items = value if isinstance(value, list) else None
        return _no(path, "a list", value) if items is None else [
            one for number, item in enumerate(items) for one in wrong(item, arguments[0], f"{path}[{number}]", symbols)
        ]  # fmt: skip
    if origin is dict:
        rows = value.items() if isinstance(value, dict) else ()
        return [one for name, item in rows for one in wrong(item, arguments[1], f"{path}.{name}", symbols)] or _unless(value, dict, path)
    if inspect.isclass(type_) and issubclass(type_, Enum):
        return _of_words(value, {one.value for one in type_}, path)
    if inspect.isclass(type_) and _is_model(type_):
        return _of_model(value, type_, path, symbols)
    return _of_plain(value, type_, path)


def _is_computed(value: Any) -> bool:
    """A property of Azure's may be called `operator`, too: then it is a word."""
    return isinstance(value, dict) and any(isinstance(value.get(word), dict) for word in ("operator", "function", "loop_type"))


def _computed(value: dict[str, Any], type_: Any) -> Iterator[tuple[Any, Any]]:
    """What a condition, a `concat` or a loop is made of, as far as it is written down."""
    operator, function = value.get("operator") or {}, value.get("function") or {}
    if operator.get("type") == "conditional":
        yield operator["operands"]["true_value"], type_
        yield operator["operands"]["false_value"], type_
    if function.get("type") == "concat":
        yield from ((one, type_) for one in function["parameters"].values())
    if "loop_type" in value:
        yield [value["config"]], type_


def _of_any(value: Any, alternatives: list[Any], path: str, symbols: set[str]) -> list[str]:
    """Where a word and its list of words are alternatives, the list decides."""
    enums = [one for one in alternatives if inspect.isclass(one) and issubclass(one, Enum)]
    if enums and isinstance(value, str):
        alternatives = enums
    return min((wrong(value, one, path, symbols) for one in alternatives), key=len, default=[])


def _of_model(value: Any, model: type, path: str, symbols: set[str]) -> list[str]:
    """A discriminator may make it one of its kinds: the one that fits best is meant."""
    if not isinstance(value, dict):
        return _no(path, f"a {model.__name__}", value)
    return min((_against(value, fields(one), path, symbols) for one in (model, *_kinds(model))), key=len)


def _against(value: dict[str, Any], known: dict[str, Field], path: str, symbols: set[str]) -> list[str]:
    found, given = [], {name.strip("'").replace(".", DOT): inner for name, inner in value.items()}
    for name, inner in given.items():
        below = {key.partition(".")[2]: one for key, one in known.items() if key.startswith(f"{name}.")}
        if name in known:
            found += _inside(inner, known[name], f"{path}.{name}", symbols)
        elif below:
            found += _against(inner, below, f"{path}.{name}", symbols) if isinstance(inner, dict) and not _is_computed(inner) else []
        else:
            found.append(f"{path}.{name} is not a property that there is")
    needed = {name.partition(".")[0] for name, one in known.items() if one.required and not one.readonly}
    return [*found, *(f"{path}.{name} is required" for name in sorted(needed - set(given)))]


def _inside(value: Any, field: Field, path: str, symbols: set[str]) -> list[str]:
    if field.readonly:
        return [f"{path} is Azure's to set"]
    if isinstance(value, int | float) and not (field.least or value) <= value <= (field.most or value):
        return [f"{path} is {value}, and not within {field.least}…{field.most}"]
    return wrong(value, field.type, path, symbols)


def _of_words(value: Any, words: set[Any], path: str) -> list[str]:
    return [] if value in words else _no(path, f"one of {', '.join(sorted(map(str, words)))}", value)


def _of_plain(value: Any, type_: Any, path: str) -> list[str]:
    if type_ is bool or isinstance(value, bool):
        return _unless(value, bool, path) if type_ is bool else _no(path, getattr(type_, "__name__", str(type_)), value)
    if type_ in (int, float):
        return _unless(value, int if type_ is int else (int, float), path)
    return _unless(value, str, path) if type_ in TEXT else []


def _unless(value: Any, type_: Any, path: str) -> list[str]:
    return [] if isinstance(value, type_) else _no(path, str(getattr(type_, "__name__", "a number")), value)


def _no(path: str, wanted: str, value: Any) -> list[str]:
    return [f"{path} is {value!r}, and not {wanted}"]


# --- the models, in both notations of the SDKs -----------------------------------------------------------------------------------


def fields(model: type) -> dict[str, Field]:
    """A model's properties, by the names that they have on the wire."""
    found: dict[str, Field] = {}
    for one in reversed(model.__mro__):
        found |= _of_attribute_map(one) if "_attribute_map" in one.__dict__ else _of_annotations(one)
    return found


def _of_attribute_map(model: type) -> dict[str, Field]:
    rules = getattr(model, "_validation", {})
    words = dict(re.findall(r":vartype (\w+): (?:list\[)?str or\s+~[\w.]+\.(\w+)", model.__doc__ or ""))
    names: dict[str, Any] = {}
    for attribute, entry in model.__dict__["_attribute_map"].items():
        rule, module = rules.get(attribute, {}), sys.modules[model.__module__.rpartition(".")[0]]
        type_ = _spelt(entry["type"], module, words.get(attribute))
        key = entry["key"].replace("\\.", DOT)
        names[key] = Field(type_, bool(rule.get("required")), bool(rule.get("readonly")), rule.get("minimum"), rule.get("maximum"))
    return names


def _spelt(name: str, module: Any, word: str | None) -> Any:
    if name.startswith("["):
        return list[_spelt(name[1:-1], module, word)]  # type: ignore[misc]
    if name.startswith("{"):
        return dict[str, _spelt(name[1:-1], module, word)]  # type: ignore[misc]
    if name == "str" and word:
        return getattr(module, word, str)
    return WORDS.get(name) or getattr(module, name, object)


def _of_annotations(model: type) -> dict[str, Field]:
    if not _is_model(model) or not inspect.get_annotations(model):
        return {}
    room = sys.modules[model.__module__]
    models = sys.modules[room.__name__.rpartition(".")[0]]
    hints = typing.get_type_hints(model, vars(room) | {"_models": models, "_types": object})
    found = {}
    for attribute in inspect.get_annotations(model):
        descriptor = model.__dict__.get(attribute)
        if not hasattr(descriptor, "_rest_name_input"):
            continue
        optional = type(None) in typing.get_args(hints[attribute])
        said = " ".join((re.search(rf":ivar {attribute}:(.*?):vartype", model.__doc__ or "", re.DOTALL) or ["", ""])[1].split())
        least, most = (re.search(rf"{word} value (?:is|of) (\d+)", said) for word in ("Minimum", "Maximum"))
        found[descriptor._rest_name_input or attribute] = Field(
            hints[attribute], not optional, descriptor._visibility == ["read"], least and float(least[1]), most and float(most[1])
        )  # fmt: skip
    return found


def _is_model(one: type) -> bool:
    return any(base.__name__ == "Model" for base in one.__mro__)


def _kinds(model: type) -> Iterator[type]:
    for one in model.__subclasses__():
        yield one
        yield from _kinds(one)


# --- the run --------------------------------------------------------------------------------------------------------------------


def main() -> int:
    found, looked = [], 0
    for path in (BICEP / "main.bicep", *sorted((BICEP / "modules").glob("*.bicep"))):
        parsed = BicepParser().parse(file_path=path)
        symbols = {name for part in ("parameters", "variables", "resources", "modules") for name in parsed.get(part) or ()}
        symbols |= set(re.findall(r"\[for \(?(\w+)(?:, (?:\w+)\))? in", path.read_text(encoding="utf-8")))
        for name, resource in parsed["resources"].items():
            if resource["existing"]:
                continue
            package, model = MODELS[resource["type"]]
            config = resource["config"]["config"] if "condition" in resource["config"] else resource["config"]
            own = {key: value for key, value in config.items() if key not in OF_BICEP}
            module = importlib.import_module(f"azure.mgmt.{package}.models")
            found += wrong(own, getattr(module, model), f"{path.name}: {name}", symbols)
            looked += 1
    print(*found, sep="\n")
    print(f"{looked} resources, {len(found)} that Azure would refuse")
    return bool(found)


if __name__ == "__main__":
    sys.exit(main())
