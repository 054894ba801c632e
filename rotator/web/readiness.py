"""What has to answer before the daemon can work: the ledger and its lock, the identity, a vault."""

from collections.abc import Callable, Mapping

import aiohttp

from rotator.azure import Azure, faults
from rotator.core.credential import Credential
from rotator.ledger.soundness import Soundness, Trouble
from rotator.web.health import Check, Unready
from rotator.wiring import House


def checks_of(house: House, credentials: Callable[[], Mapping[str, Credential]], soundness: Soundness) -> Mapping[str, Check]:
    """Cheap ones: of the ledger's writing the last answer is kept for seconds, a token for an hour, and a vault of those kept now is only
    knocked at (its 401 is an answer)."""
    ledger, azure = house.ledger, house.azure

    async def database() -> None:
        await ledger.work.next_due()
        _nothing_but(await soundness.unwritable())

    async def lock() -> None:
        _nothing_but(soundness.unlocked())

    async def identity() -> None:
        with faults("a token for Azure Resource Manager"):
            await azure.credential.get_token(azure.arm_scope)

    async def vault() -> None:
        kept = next(iter(credentials().values()), None)
        if kept is not None:
            await _knock(azure, kept.secret.vault)

    return {"ledger": database, "lock": lock, "identity": identity, "vault": vault}


def _nothing_but(trouble: Trouble | None) -> None:
    if trouble is not None:
        raise Unready(str(trouble))


async def _knock(azure: Azure, vault: str) -> None:
    try:
        async with azure.probes.get(f"{vault}/secrets?api-version=7.4", allow_redirects=False) as answer:
            if answer.status >= 500:
                raise Unready(f"{vault} answers {answer.status}")
    except (aiohttp.ClientError, OSError) as error:
        raise Unready(f"{vault} cannot be reached ({type(error).__name__})") from error
