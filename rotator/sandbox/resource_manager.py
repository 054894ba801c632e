"""Azure Resource Manager: the gate that every call of the control plane comes through, and Cognitive Services accounts (read, list,
listKeys, regenerateKey, update); what runs on keys answers in rooms of its own.

Promises: what ARM checks, in ARM's order (token, api-version, throttle, lock, state, body), and its error codes;
regenerateKey mints anew at every call. Never: creates or deletes an account; that is a person's doing, at the control
port. [?] Nobody documents regenerateKey under disableLocalAuth: here it is refused like listKeys unless the account
says `regenerate_without_local_auth`.
"""

import re
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

from rotator.sandbox.account_json import resource
from rotator.sandbox.accounts import PROVIDER, Account
from rotator.sandbox.consumers import CONSUMERS
from rotator.sandbox.entra import check_bearer
from rotator.sandbox.keys import SLOTS
from rotator.sandbox.listings import Listings
from rotator.sandbox.overview import Overview
from rotator.sandbox.state import AUDIENCE, State
from rotator.sandbox.updates import Updates
from rotator.sandbox.wire import Answer, Call, Refused, Route

_SUBSCRIPTION = r"/subscriptions/(?P<subscription>[^/]+)"
_PROVIDER = rf"/providers/{re.escape(PROVIDER)}"
_GROUP = rf"{_SUBSCRIPTION}/resourceGroups/(?P<group>[^/]+){_PROVIDER}/accounts"
_OPERATION = rf"{_SUBSCRIPTION}{_PROVIDER}/operation"
_ACCOUNT = rf"{_GROUP}/(?P<target>[^/]+)"
_API_VERSION = re.compile(r"\d{4}-\d{2}-\d{2}(-preview)?")
_READS = ("GET", "HEAD")
_BEARER_PROBLEMS = {
    "missing": ("AuthenticationFailed", "Authentication failed. The 'Authorization' header is missing."),
    "unknown": ("InvalidAuthenticationToken", "The access token is invalid."),
    "expired": ("ExpiredAuthenticationToken", "The access token expiry UTC time is earlier than current UTC time."),
    "audience": (
        "InvalidAuthenticationTokenAudience",
        "The access token has been obtained for wrong audience or resource.",
    ),
}


class ResourceManager:
    name = "resource_manager"

    def __init__(self, state: State, url: str, authority: str) -> None:
        self._state = state
        self._url = url
        self._authority = authority
        self._updates = Updates(state, url)
        self.routes: Sequence[Route] = (
            Route("GET", r"/subscriptions", "ListSubscriptions", self.subscriptions),
            Route("GET", rf"{_SUBSCRIPTION}{_PROVIDER}/accounts", "ListAccounts", self.accounts),
            Route("GET", _GROUP, "ListAccounts", self.accounts),
            Route("GET", _ACCOUNT, "GetAccount", self.account),
            Route("PATCH", _ACCOUNT, "UpdateAccount", self.update),
            Route("POST", rf"{_ACCOUNT}/listKeys", "ListKeys", self.list_keys),
            Route("POST", rf"{_ACCOUNT}/regenerateKey", "RegenerateKey", self.regenerate_key),
            Route("GET", rf"{_OPERATION}Statuses/(?P<id>[^/]+)", "GetOperation", self._updates.status),
            Route("GET", rf"{_OPERATION}Results/(?P<id>[^/]+)", "GetOperation", self._updates.result),
            *Overview(state, url).routes,
            *Listings(state, url).routes,
            *(route for room in CONSUMERS for route in room(state).routes),
        )

    def admit(self, call: Call) -> None:
        call.headers["x-ms-correlation-request-id"] = self._state.guid()
        call.headers["x-ms-routing-request-id"] = f"SANDBOX:{self._state.guid()}"
        problem = check_bearer(self._state, call, AUDIENCE)
        if problem:
            raise Refused(401, *_BEARER_PROBLEMS[problem], WWW_Authenticate=self._challenge(problem))
        version = call.query.get("api-version")
        if not version:
            message = "The api-version query parameter (?api-version=) is required for all requests."
            raise Refused(400, "MissingApiVersionParameter", message)
        if not _API_VERSION.fullmatch(version):
            raise Refused(400, "InvalidApiVersionParameter", "The api-version is invalid.")
        self._throttle(call)
        self._state.grants.check(call)

    def error(self, refused: Refused) -> Answer:
        return Answer(
            status=refused.status,
            body={"error": {"code": refused.code, "message": refused.message}},
            headers={**refused.headers, "x-ms-failure-cause": "gateway"},
        )

    def subscriptions(self, call: Call) -> Answer:
        return Answer(body={"value": [self._subscription(id_) for id_ in self._subscriptions()], "count": {"type": "Total"}})

    def accounts(self, call: Call) -> Answer:
        """Small pages and an absolute nextLink, in the order of creation."""
        known = self._known_subscription(call)
        group = call.names.get("group")
        there = [a for a in self._state.accounts.values() if a.subscription == known and not a.deleted and self._may_read(a)]
        if group is not None:
            there = [account for account in there if account.group.lower() == group.lower()]
        token = call.query.get("$skiptoken", "0")
        if not token.isdecimal():
            raise Refused(400, "InvalidSkipToken", "The skip token is invalid.")
        start = int(token)
        end = start + self._state.page_size
        body: dict[str, Any] = {"value": [resource(account) for account in there[start:end]]}
        if end < len(there):
            query = urlencode({"api-version": call.query["api-version"], "$skiptoken": end})
            body["nextLink"] = f"{self._url}{call.request.path}?{query}"
        return Answer(body=body)

    def account(self, call: Call) -> Answer:
        account = self._find(call)
        return Answer(body=resource(account), headers={"ETag": f'"{account.etag}"'})

    def list_keys(self, call: Call) -> Answer:
        account = self._find(call)
        self._check_lock(account)
        if account.disable_local_auth:
            raise Refused(400, "BadRequest", "Failed to list key. disableLocalAuth is set to be true")
        return Answer(body=account.keys, headers={"Cache-Control": "no-cache"})

    def regenerate_key(self, call: Call) -> Answer:
        account = self._find(call)
        self._check_lock(account)
        self._check_idle(account)
        slot = str(self._content(call).get("keyName", "")).lower()
        if slot not in SLOTS:
            raise Refused(400, "InvalidKeyName", "The key name is invalid: it must be Key1 or Key2.")
        if account.disable_local_auth and not account.regenerate_without_local_auth:
            raise Refused(400, "BadRequest", "Failed to regenerate key. disableLocalAuth is set to be true")
        account.mint(slot, self._state.key_random, self._state.now(), by="RegenerateKey")
        return Answer(body=account.keys, headers={"Cache-Control": "no-cache"})

    def update(self, call: Call) -> Answer:
        """200 with the resource, or 202 with a place to ask: it changes at once and is busy until the end."""
        account = self._find(call)
        self._check_lock(account)
        self._check_idle(account)
        self._merge(account, self._content(call))
        if self._state.update_status == 200:
            return Answer(body=resource(account))
        return self._updates.begin(account, call)

    def _throttle(self, call: Call) -> None:
        """POST actions count as writes. The remaining tokens are told with every answer."""
        sort = "reads" if call.request.method in _READS else "writes"
        named = re.match(_SUBSCRIPTION, call.request.path, re.IGNORECASE)
        subscription = named["subscription"] if named else "tenant"
        bucket = self._state.bucket(subscription, sort)
        wait_s = bucket.take(self._state.clock())
        if wait_s:
            message = (
                f"Number of '{sort}' requests for subscription '{subscription}' exceeded. "
                f"Please try again after '{wait_s}' seconds after additional tokens are available."
            )
            raise Refused(429, "SubscriptionRequestsThrottled", message, Retry_After=str(wait_s))
        scope = "tenant" if subscription == "tenant" else "subscription"
        call.headers[f"x-ms-ratelimit-remaining-{scope}-{sort}"] = str(bucket.remaining)

    def _challenge(self, problem: str) -> str:
        uri = f'authorization_uri="{self._authority}/{self._state.sessions.tenant}"'
        return f'Bearer {uri}, error="invalid_token", error_description="The token is {problem}."'

    def _subscriptions(self) -> list[str]:
        return list(dict.fromkeys([self._state.subscription, *(a.subscription for a in self._state.accounts.values())]))

    def _subscription(self, id_: str) -> dict[str, str]:
        about = {"displayName": "Sandbox", "state": "Enabled", "tenantId": self._state.sessions.tenant}
        return {"id": f"/subscriptions/{id_}", "subscriptionId": id_, **about}

    def _known_subscription(self, call: Call) -> str:
        asked = call.names["subscription"]
        if asked.lower() not in self._subscriptions():
            raise Refused(404, "SubscriptionNotFound", f"The subscription '{asked}' could not be found.")
        return asked.lower()

    def _find(self, call: Call) -> Account:
        subscription, group = self._known_subscription(call), call.names["group"]
        account = self._state.accounts.get(call.names["target"].lower())
        there = account is not None and not account.deleted and account.subscription == subscription
        if account is None or not there or account.group.lower() != group.lower():
            what = f"'{PROVIDER}/accounts/{call.names['target']}' under resource group '{group}'"
            raise Refused(404, "ResourceNotFound", f"The Resource {what} was not found.")
        self._updates.settle(account)
        return account

    def _may_read(self, account: Account) -> bool:
        return self._state.grants.permits(f"{PROVIDER}/accounts/read", account.id)

    def _check_lock(self, account: Account) -> None:
        above = [scope for scope, level in self._state.locks if level == "ReadOnly" and account.id.lower().startswith(scope.lower() + "/")]
        for scope in [account.id] if account.lock == "ReadOnly" else above:
            message = f"The scope '{account.id}' cannot perform write operation because following scope(s) are locked"
            raise Refused(409, "ScopeLocked", f"{message}: '{scope}'. Please remove the lock and try again.")

    def _check_idle(self, account: Account) -> None:
        if account.provisioning_state != "Succeeded":
            message = f"Cannot modify resource with id '{account.id}' because its provisioning state is not terminal."
            raise Refused(409, "RequestConflict", message)

    def _content(self, call: Call) -> dict[str, Any]:
        if not call.request.content_type.endswith("json"):
            raise Refused(415, "UnsupportedMediaType", "The content media type is not supported. Only JSON is.")
        return call.json()

    def _merge(self, account: Account, patch: dict[str, Any]) -> None:
        properties = patch.get("properties") or {}
        if not isinstance(properties, dict):
            raise Refused(400, "InvalidRequestContent", "The request content was invalid: properties.")
        if "disableLocalAuth" in properties:
            account.set_local_auth(bool(properties["disableLocalAuth"]), self._state.now())
        if "publicNetworkAccess" in properties:
            account.public_network_access = str(properties["publicNetworkAccess"])
        if isinstance(patch.get("tags"), dict):
            account.tags = dict(patch["tags"])
        account.etag += 1
