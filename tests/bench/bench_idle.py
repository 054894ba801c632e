"""What a fleet costs when nothing happens: `python -m tests.bench.bench_idle [SIZE] [DAYS]` prints a table."""

import statistics
import sys

from tests.bench.idle import Cost, at_rest, days
from tests.engine.virtual_time import VirtualLoop

FIELDS = ("calls", "resource_manager", "writes", "looks")


def main(size: int = 50, count: int = 7) -> None:
    async def counted() -> list[list[Cost]]:
        return await days(at_rest(size), count)

    told = VirtualLoop().run_until_complete(counted())
    lines = [
        f"{size} credentials at rest, {count} days, the default limits; per credential and day:",
        f"{'day':>4} {'calls':>7} {'most':>5} {'of ARM':>7} {'writes':>7} {'whole looks':>12}",
    ]
    for day, costs in enumerate(told, 1):
        calls, arm, writes, looks = (statistics.mean(getattr(cost, field) for cost in costs) for field in FIELDS)
        most = max(cost.calls for cost in costs)
        lines.append(f"{day:>4} {calls:>7.1f} {most:>5} {arm:>7.2f} {writes:>7.2f} {looks:>12.2f}")
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:]))
