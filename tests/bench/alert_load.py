"""The load of bench_alerts: signed alerts at a steady rate from a process of its own, each answer timed from when it was due to be sent.

An open loop: an alert is sent when its time has come, whether or not the ones before it were answered, so a slow server is not spared.
"""

import argparse
import asyncio
import base64
import hashlib
import hmac
import json
import sys
import time
import uuid
from collections import Counter
from typing import Any

import aiohttp

CONNECTIONS = 200


def signed(secret: str, data: dict[str, str]) -> tuple[bytes, dict[str, str]]:
    """By Standard Webhooks."""
    body = json.dumps({"type": "key.leaked", "data": data}).encode()
    name, stamp = f"msg_{uuid.uuid4().hex}", str(int(time.time()))
    mac = hmac.new(base64.b64decode(secret.removeprefix("whsec_")), f"{name}.{stamp}.".encode() + body, hashlib.sha256).digest()
    signature = f"v1,{base64.b64encode(mac).decode()}"
    return body, {"webhook-id": name, "webhook-timestamp": stamp, "webhook-signature": signature, "Content-Type": "application/json"}


async def load(url: str, secret: str, sha256: str, rate: int, seconds: float) -> dict[str, Any]:
    """One in ten is about a key of ours, whose case is open or over by then; the others are about keys of strangers."""
    took: list[float] = []
    statuses: Counter[str] = Counter()
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=CONNECTIONS), timeout=aiohttp.ClientTimeout(total=30)) as session:

        async def one(number: int, due: float) -> None:
            value = sha256 if number % 10 == 0 and sha256 else hashlib.sha256(f"{number} {uuid.uuid4()}".encode()).hexdigest()
            body, headers = signed(secret, {"sha256": value, "note": f"number {number}"})
            try:
                async with session.post(url, data=body, headers=headers) as answer:
                    await answer.read()
                    statuses[str(answer.status)] += 1
            except (aiohttp.ClientError, TimeoutError) as error:
                statuses[type(error).__name__] += 1
            took.append(time.perf_counter() - due)

        began = time.perf_counter()
        async with asyncio.TaskGroup() as group:
            for number in range(int(rate * seconds)):
                due = began + number / rate
                while (left := due - time.perf_counter()) > 0:  # noqa: ASYNC110
                    await asyncio.sleep(left)
                group.create_task(one(number, due))
    took.sort()
    shares = {
        name: round(took[min(int(len(took) * share), len(took) - 1)] * 1000, 1) for name, share in (("p50", 0.5), ("p99", 0.99), ("max", 1))
    }
    return {"sent": len(took), "statuses": dict(statuses), **shares}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("--rate", type=int, required=True)
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--sha256", default="")
    asked = parser.parse_args()
    told = asyncio.run(load(asked.url, sys.stdin.readline().strip(), asked.sha256, asked.rate, asked.seconds))
    sys.stdout.write(json.dumps(told) + "\n")


if __name__ == "__main__":
    main()
