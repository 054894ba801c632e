"""The README's table of kinds, made from what is declared of them."""

from collections.abc import Iterable, Iterator

from rotator.settings.kinds.declaration import Declaration, Permission

HEAD = ("kind", "reads the key as", "is made to move by", "is proven by", "permissions", "pip extra")


def table(kinds: Iterable[Declaration]) -> str:
    """In Markdown, a line each."""
    rows = [HEAD, ("---",) * len(HEAD), *(_row(one) for one in kinds)]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _row(one: Declaration) -> tuple[str, ...]:
    extra = f"`{one.extra}`" if one.extra else "–"
    return f"`{one.kind}`", one.reads, one.moves, one.proof, "<br>".join(_permissions(one.needs)) or "–", extra


def _permissions(needs: Iterable[Permission]) -> Iterator[str]:
    for one in needs:
        where = "" if one.system == "Azure" else f"{one.system}: "
        notes = ", ".join(filter(None, ("data action" if one.data else "", f"only for {one.only_for}" if one.only_for else "")))
        yield f"{where}`{one.action}`" + (f" ({notes})" if notes else "")
