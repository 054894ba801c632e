"""An update of an account that is answered with 202: how it is begun, asked after and ended.

Promises: Azure-AsyncOperation and Location both lead to the end; the account is busy (Accepted) until then. Never: a
timer; an update's end is noticed by whoever looks next.
"""

from datetime import timedelta
from urllib.parse import urlencode

from rotator.sandbox.account_json import resource
from rotator.sandbox.accounts import PROVIDER, Account
from rotator.sandbox.state import Operation, State
from rotator.sandbox.wire import Answer, Call, Refused

_PLACES = {"Azure-AsyncOperation": "operationStatuses", "Location": "operationResults"}


class Updates:
    def __init__(self, state: State, url: str) -> None:
        self._state = state
        self._url = url

    def begin(self, account: Account, call: Call) -> Answer:
        now = self._state.now()
        ends_at = now + timedelta(seconds=self._state.update_takes_s)
        operation = Operation(id=self._state.guid(), account=account, started_at=now, ends_at=ends_at)
        self._state.operations[operation.id] = operation
        account.provisioning_state = "Accepted"
        return Answer(status=202, headers=self._polling(operation, call))

    def settle(self, account: Account) -> None:
        for operation in [o for o in self._state.operations.values() if o.account is account and not o.settled]:
            if self._state.now() >= operation.ends_at:
                operation.settled = True
                account.provisioning_state = "Succeeded"

    def status(self, call: Call) -> Answer:
        operation = self._find(call)
        done = operation.settled
        body = {"id": call.request.path, "name": operation.id, "status": "Succeeded" if done else "InProgress"}
        started = {"startTime": operation.started_at.isoformat()}
        return Answer(body={**body, **started}, headers={} if done else self._poll_after())

    def result(self, call: Call) -> Answer:
        operation = self._find(call)
        if not operation.settled:
            return Answer(status=202, headers=self._polling(operation, call))
        return Answer(body=resource(operation.account))

    def _find(self, call: Call) -> Operation:
        operation = self._state.operations.get(call.names["id"].lower())
        if operation is None:
            raise Refused(404, "OperationNotFound", "The operation was not found.")
        self.settle(operation.account)
        return operation

    def _polling(self, operation: Operation, call: Call) -> dict[str, str]:
        base = f"{self._url}/subscriptions/{operation.account.subscription}/providers/{PROVIDER}"
        query = urlencode({"api-version": call.query["api-version"]})
        places = {name: f"{base}/{place}/{operation.id}?{query}" for name, place in _PLACES.items()}
        return places | self._poll_after()

    def _poll_after(self) -> dict[str, str]:
        return {"Retry-After": str(self._state.poll_after_s)} if self._state.poll_after_s else {}
