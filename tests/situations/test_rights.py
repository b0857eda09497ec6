"""Who the agent is to the API server: tokens, rights, certificates."""

from __future__ import annotations

import shutil

import pytest

from k8sdeployment.pair.rbac import ACCOUNT

from . import faults
from .proxy import Exchange
from .shop import Shop

NOT_READY = "500 Internal Server Error"


def expired(shop: Shop) -> str:
    return shop.plane.expired_token(shop.namespace, ACCOUNT)


def renew(shop: Shop) -> None:
    """As kubelet does: another token at the same path."""
    (shop.directory / "new").write_text(shop.plane.token(shop.namespace, ACCOUNT))
    (shop.directory / "new").rename(shop.directory / "token")


@pytest.mark.situation("401: the token has expired")
def test_an_expired_token(shop: Shop) -> None:
    shop.begun()
    (shop.directory / "token").write_text(expired(shop))
    assert shop.monitor().code == 190
    assert len(shop.proxy.asked) == 2, "tried once more with what the file holds then"


@pytest.mark.situation("401: the token was renewed in its file")
def test_a_token_renewed_at_the_very_moment(shop: Shop) -> None:
    shop.begun()
    (shop.directory / "token").write_text(expired(shop))

    def renewed(exchange: Exchange) -> None:
        if len(shop.proxy.asked) == 1:
            renew(shop)
        exchange.forward()

    shop.proxy.fault = renewed
    assert shop.monitor().code == 0
    assert len(shop.proxy.asked) == 2


@pytest.mark.situation("401: the token is renewed while a start waits")
def test_a_token_renewed_during_a_start(shop: Shop) -> None:
    shop.add()
    (shop.directory / "token").write_text(expired(shop))
    running = shop.meanwhile(shop.start)
    shop.until(lambda: len(shop.proxy.asked) > 4, "refusals")
    renew(shop)
    assert running.result(30).code == 0


@pytest.mark.situation("403: the rights were taken away")
def test_rights_removed(shop: Shop) -> None:
    shop.begun()
    binding = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{shop.namespace}/rolebindings/aos-peer"
    shop.write("DELETE", binding, {})
    shop.until(lambda: not shop.may("list", "pods"), "the refusal")
    assert shop.monitor().code == 190
    assert shop.start().code == 4
    assert shop.validate().code == 4
    assert shop.probe(2, deployment="bare", guard="off").code == 1


@pytest.mark.situation("403: the API server is not ready yet")
def test_a_starting_api_server_refuses_everybody(shop: Shop) -> None:
    shop.add()
    shop.proxy.fault = faults.forbidden(NOT_READY)
    assert shop.start(2).code == 1
    shop.proxy.fault = faults.first(4, shop.proxy.fault)
    assert shop.start().code == 0


@pytest.mark.situation("the API server's CA was changed")
def test_a_new_ca(shop: Shop) -> None:
    shop.begun()
    shop.ask_at(shop.plane.url)
    known = shop.directory / "ca.crt"
    shutil.copy(shop.plane.authority, known)
    shop.trust(known)
    assert shop.monitor().code == 0
    shop.plane.rotate()
    assert shop.monitor().code == 190
    assert shop.start(2).code == 1
    assert shop.probe(2, deployment="bare", guard="off").code == 1
    shutil.copy(shop.plane.authority, known)
    assert shop.monitor().code == 0
