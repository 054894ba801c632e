"""What is said of a kind of dependent in one place: its parameters, the permissions it needs, how it moves and how that is proven.

Data only: what it says is read by the settings (parameters), by `dependents/` (how it is made), by infra and doctor (permissions), and by
the README (the table of kinds). Nothing here imports an SDK.
"""

from dataclasses import dataclass
from typing import Annotated, Any, get_args

from pydantic import Field, WithJsonSchema

from rotator.settings.forms import Name, Strict, Url, pattern, resource_id

STAGES_MAX = 9
_FIELD = r"^[A-Za-z_][A-Za-z0-9_-]*(\.[A-Za-z_][A-Za-z0-9_-]*){0,7}$"
FieldOfJson = Annotated[
    str, pattern(_FIELD, "not a field's name, or names with dots between"), WithJsonSchema({"type": "string", "pattern": _FIELD})
]


class HealthCheck(Strict):
    """An app's own word: GET without a key, the expected status, and the JSON field that says the version or fingerprint it runs on."""

    url: Url
    status: Annotated[int, Field(ge=200, le=599, strict=True)] = 200
    field: FieldOfJson | None = Field(default=None, description="Without it, that an app is well proves nothing about its key.")


class DependentSettings(Strict):
    """Something that runs on the key. Each kind adds `kind: Literal["…"]` and its own parameters."""

    kind: str
    name: Name | None = Field(default=None, description="How it is called in status, plan and audit; KIND-NUMBER where it is not said.")
    stage: Annotated[int, Field(ge=1, le=STAGES_MAX, strict=True)] = Field(default=1, description="Its turn: after every lower stage.")
    canary: bool = Field(default=False, strict=True, description="Goes first inside its stage.")
    health: HealthCheck | None = Field(default=None, description="A probe beside the kind's own proof; both must agree.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Permission:
    """One action that rotator's identity needs for a kind; `system` is who grants it.

    `at` is the parameter that names the resource it is needed on. `only_for` says, for people, what needs it where not every dependent
    of the kind does. For Azure, `data` tells a data action (roles list them apart) from one of the control plane. `linked` is where in that
    resource stand the ids of those that it is needed on instead: Azure asks for it there when a write names them.
    """

    action: str
    at: str
    only_for: str = ""
    data: bool = False
    system: str = "Azure"
    linked: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Declaration:
    """One kind. `module` is the room in `rotator.dependents` that fulfils it; `extra` the pip extra that brings its client, if any.

    `api_version` is that of the resource, where `needs` have something `linked`.
    """

    parameters: type[DependentSettings]
    reads: str
    moves: str
    proof: str
    needs: tuple[Permission, ...]
    module: str
    extra: str = ""
    api_version: str = ""

    @property
    def kind(self) -> str:
        """The word that `kind:` in the settings says."""
        said: str = get_args(self.parameters.model_fields["kind"].annotation)[0]
        return said


def arm_id(provider: str, *path: str) -> Any:
    """The type of a parameter that is the id of an ARM resource: a provider, then each part of the path with a name behind it, in any case.

    A part that ends in `?` may be left out with its name.
    """
    form = r"/subscriptions/[^/]+/resourceGroups/[^/]+/providers/" + provider.replace(".", r"\.")
    example = f"/subscriptions/…/resourceGroups/…/providers/{provider}"
    for part in path:
        name, optional = part.removesuffix("?"), part.endswith("?")
        form += rf"(/{name}/[^/]+)?" if optional else rf"/{name}/[^/]+"
        example += f"[/{name}/NAME]" if optional else f"/{name}/NAME"
    return resource_id(form, (provider, *(part.removesuffix("?") for part in path)), example)
