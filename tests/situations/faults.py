"""How an API server's answer, or the way to it, goes wrong. Each is a `proxy.Fault`, or makes one."""

from __future__ import annotations

import json
from collections.abc import Callable

from ..agent import tls
from ..agent.tls import reply
from .proxy import Exchange, Fault

PAGE = "<html><body>You are not logged in</body></html>"


def silent(exchange: Exchange) -> None:
    """Half open: the request is taken, nothing ever comes back."""
    exchange.wait(30)


def reset(exchange: Exchange) -> None:
    tls.reset(exchange.peer)


def reset_after(exchange: Exchange) -> None:
    """The API server has done what was asked, its answer is lost."""
    exchange.answer()
    tls.reset(exchange.peer)


def closed(exchange: Exchange) -> None:
    """Ends without a byte."""


def answers(data: bytes) -> Fault:
    """The same for whatever is asked."""
    return lambda exchange: exchange.send(data)


def status(code: str, message: str = "said by the proxy", *headers: str) -> Fault:
    """A Kubernetes Status of that code, such as "503 Service Unavailable"."""
    body = json.dumps({"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": message,
                       "code": int(code.split()[0])})
    return answers(reply(body, code, *headers))


def too_many(seconds: int) -> Fault:
    return status("429 Too Many Requests", "too many requests", f"Retry-After: {seconds}")


def page(code: str = "200 OK", *headers: str) -> Fault:
    """A proxy's page instead of the API's answer."""
    return answers(reply(PAGE, code, *headers))


def redirect(exchange: Exchange) -> None:
    exchange.send(reply(PAGE, "302 Found", "Location: https://login.example/"))


def forbidden(ready: str) -> Fault:
    """403 to everything, and `ready` to /readyz."""
    def fault(exchange: Exchange) -> None:
        code = ready if exchange.asked.path == "/readyz" else "403 Forbidden"
        status(code, "User cannot get resource")(exchange)
    return fault


def dripping(part: str) -> Fault:
    """The real answer, a byte every tenth of a second from the beginning of its head or its body."""
    def fault(exchange: Exchange) -> None:
        answer = exchange.answer()
        at = 0 if part == "head" else answer.index(b"\r\n\r\n") + 4
        exchange.send(answer[:at])
        for number in range(at, len(answer)):
            exchange.send(answer[number:number + 1])
            if exchange.wait(0.1):
                return
    return fault


def cut(exchange: Exchange) -> None:
    """Half the body that Content-Length promised."""
    head, _, body = exchange.answer().partition(b"\r\n\r\n")
    exchange.send(head + b"\r\n\r\n" + body[:len(body) // 2])


def cut_chunked(exchange: Exchange) -> None:
    """A chunk that is whole, and no last one."""
    body = _body(exchange)
    exchange.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n" % (len(body), body))


def malformed(exchange: Exchange) -> None:
    """Half an object, of the right length."""
    exchange.send(reply(_body(exchange)[:-20].decode()))


def wrong_kind(exchange: Exchange) -> None:
    answer = json.loads(_body(exchange))
    exchange.send(reply(json.dumps({**answer, "kind": "ConfigMap"})))


def unfinished_list(exchange: Exchange) -> None:
    """The first page of a list that has more."""
    answer = json.loads(_body(exchange))
    if "items" in answer:
        answer |= {"items": [], "metadata": {"continue": "more"}}
    exchange.send(reply(json.dumps(answer)))


def _body(exchange: Exchange) -> bytes:
    """The answer's body; the API server is asked so that it is not chunked (small objects)."""
    body = exchange.answer().partition(b"\r\n\r\n")[2]
    return body if body.startswith(b"{") else b"".join(body.split(b"\r\n")[1::2])


def first(times: int, fault: Fault, then: Fault = Exchange.forward) -> Fault:
    """A burst: so many requests, then all is well."""
    left = [times]

    def burst(exchange: Exchange) -> None:
        left[0] -= 1
        (fault if left[0] >= 0 else then)(exchange)
    return burst


def where(chosen: Callable[[Exchange], bool], fault: Fault) -> Fault:
    """Only for the chosen requests."""
    return lambda exchange: (fault if chosen(exchange) else Exchange.forward)(exchange)


def of(method: str) -> Callable[[Exchange], bool]:
    return lambda exchange: exchange.asked.method == method
