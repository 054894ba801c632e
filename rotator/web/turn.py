"""Whose connection is kept: theirs who showed who they are. Every other one ends with its first answer, so that its next request has to
queue for a connection, and a tight loop of strangers gets no more than that queue gives.
"""

from aiohttp import web

_LET_IN = web.ResponseKey("let in", bool)


def let_in(answer: web.Response) -> web.Response:
    """The answer to one who may send, look or order: more of them may come over this connection."""
    answer[_LET_IN] = True
    return answer


def is_let_in(answer: web.StreamResponse) -> bool:
    return answer.get(_LET_IN, False) is True
