"""Scopes: accounts that nobody names one by one, taken into care by where they are and what their tags say."""

import re
from collections.abc import Iterable
from typing import Annotated

from pydantic import Field, WithJsonSchema, field_validator
from pydantic_core import PydanticCustomError

from rotator.core.credential import Credential
from rotator.core.template import MARK, Template
from rotator.settings.forms import NAME, Format, Strict, Url, fits, pattern
from rotator.settings.policies import Policies, policy_of, secret_of

_SUBSCRIPTION = r"^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$"
_GROUP = r"^[^/<>%&\\?#]{1,90}$"
_PART = re.compile(r"\{([^{}]*)\}")
PARTS = ("account", "group", "location")

Subscription = Annotated[
    str, pattern(_SUBSCRIPTION, "not the id of a subscription"), WithJsonSchema({"type": "string", "pattern": _SUBSCRIPTION})
]
Group = Annotated[str, pattern(_GROUP, "not the name of a resource group"), WithJsonSchema({"type": "string", "pattern": _GROUP})]


class Place(Strict):
    """Where an account is, in the words that a template may use."""

    account: str
    group: str
    location: str


class ScopeSettings(Policies):
    """Accounts by subscription, resource group, tags and kind; each becomes a credential as soon as it is there.

    `name` and `secret` say how: `{account}`, `{group}` and `{location}` stand for the account's. What the settings name one by one goes
    before; of two scopes that fit, the first.
    """

    subscription: Subscription
    resource_group: Group | None = None
    tags: dict[str, str] = Field(default={}, description="All of these; a name is compared without case, `*` is any value.")
    kinds: tuple[str, ...] = Field(default=(), description="One of these; every kind where none is named.")
    name: str = "{account}"
    secret: Url
    format: Format = MARK

    @field_validator("name", "secret")
    @classmethod
    def _template(cls, value: str) -> str:
        named = set(_PART.findall(value))
        if "account" not in named or named - set(PARTS):
            raise PydanticCustomError("template", "must hold {account}, and may hold {group} and {location}; no other name in braces")
        return value

    @field_validator("name")
    @classmethod
    def _name(cls, value: str) -> str:
        if not fits(NAME, _PART.sub("x", value)):
            raise PydanticCustomError("name", "not a name: letters, digits, '.', '_' and '-' around {account}")
        return value

    @field_validator("secret")
    @classmethod
    def _secret(cls, value: str) -> str:
        secret_of(_PART.sub("x", value))
        return value

    def fits(self, *, subscription: str, group: str, kind: str, tags: Iterable[tuple[str, str]]) -> bool:
        """Whether an account is in this scope."""
        has = {name.lower(): value for name, value in tags}
        tagged = all(name.lower() in has and wanted in ("*", has[name.lower()]) for name, wanted in self.tags.items())
        return tagged and self.covers(subscription=subscription, group=group) and (not self.kinds or kind in self.kinds)

    def covers(self, *, subscription: str, group: str) -> bool:
        """The same, as far as an id alone tells."""
        here = self.resource_group is None or self.resource_group.lower() == group.lower()
        return self.subscription.lower() == subscription.lower() and here

    def secret_at(self, place: Place) -> str:
        """The secret of an account there: what a vault allows in no name becomes a hyphen."""
        return _PART.sub(lambda part: re.sub(r"[^0-9A-Za-z-]", "-", getattr(place, part[1])), self.secret)

    def credential(self, account: str, place: Place, defaults: Policies, *, secret: str = "") -> Credential:  # a URL
        """The credential of an account. `secret` is where it is kept already, if that is known.

        Raises:
            PydanticCustomError, ValueError: its name, or its secret's, would be none.
        """
        name = _PART.sub(lambda part: re.sub(r"[^A-Za-z0-9._-]", "-", getattr(place, part[1])), self.name)
        if not fits(NAME, name):
            raise ValueError(f"{name!r} is not a name of a credential")
        return Credential(
            name=name,
            account=account,
            secret=secret_of(secret or self.secret_at(place)),
            policy=policy_of(self, defaults),
            template=Template(text=self.format),
        )
