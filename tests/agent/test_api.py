"""The API client over an injected transport: every answer is believed only when it is what was asked for."""

from __future__ import annotations

import json
import ssl
from collections.abc import Callable, Iterator

import pytest

from k8sdeployment.agent.api import Api, Line, insist
from k8sdeployment.agent.codes import AgentError, ApiError, Conflict, Forbidden, NotFound, Unfit, Unreachable
from k8sdeployment.agent.deadline import Deadline
from k8sdeployment.agent.wire import Answer, Endpoint

SOON = Deadline(60.0)
DEPLOYMENT = {"kind": "Deployment", "metadata": {"name": "app"}}


def answer(status: int, body: object = None, **headers: str) -> Answer:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Answer(status, {name.replace("_", "-"): value for name, value in headers.items()}, data)


def status(code: int, message: str = "because") -> dict[str, object]:
    return {"kind": "Status", "code": code, "message": message}


class Script:
    """A transport that gives prepared answers in turn (an exception is raised) and keeps what was asked."""

    def __init__(self, *answers: Answer | AgentError, lines: tuple[bytes, ...] = ()) -> None:
        self.answers, self.lines = list(answers), lines
        self.asked: list[tuple[str, str, bytes, str]] = []

    def call(self, method: str, path: str, deadline: Deadline, body: bytes = b"", content: str = "") -> Answer:
        self.asked.append((method, path, body, content))
        result = self.answers.pop(0)
        if isinstance(result, AgentError):
            raise result
        return result

    def stream(self, path: str, deadline: Deadline) -> Iterator[bytes]:
        self.asked.append(("WATCH", path, b"", ""))
        yield from self.lines


def api(*answers: Answer | AgentError, kind: str = "Deployment", lines: tuple[bytes, ...] = ()) -> tuple[Api, Script]:
    script = Script(*answers, lines=lines)
    endpoint = Endpoint("api", 443, ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), "token")
    return Api(Line(lambda: endpoint, lambda given: script), "shop", kind, "app"), script


# -- what is asked -------------------------------------------------------------------------------------------------

def test_paths_and_bodies() -> None:
    client, script = api(answer(200, DEPLOYMENT), answer(200, {"kind": "PodList", "items": []}),
                         answer(200, {"kind": "ReplicaSetList", "items": []}), answer(200, {"kind": "Scale"}),
                         answer(200, {"kind": "Pod"}))
    client.workload(SOON)
    client.pods(SOON)
    client.replica_sets(SOON)
    client.scale(3, SOON)
    client.delete_pod("app-1", "u-1", SOON)
    assert [request[:2] for request in script.asked] == [
        ("GET", "/apis/apps/v1/namespaces/shop/deployments/app"), ("GET", "/api/v1/namespaces/shop/pods"),
        ("GET", "/apis/apps/v1/namespaces/shop/replicasets"),
        ("PATCH", "/apis/apps/v1/namespaces/shop/deployments/app/scale"),
        ("DELETE", "/api/v1/namespaces/shop/pods/app-1")]
    assert script.asked[3][2:] == (b'{"spec": {"replicas": 3}}', "application/merge-patch+json")
    assert json.loads(script.asked[4][2])["preconditions"] == {"uid": "u-1"}
    assert "gracePeriodSeconds" not in json.loads(script.asked[4][2]), "never a force-delete"


def test_a_statefulset_has_its_own_path() -> None:
    client, script = api(answer(200, {"kind": "StatefulSet"}), kind="StatefulSet")
    client.workload(SOON)
    assert script.asked[0][1] == "/apis/apps/v1/namespaces/shop/statefulsets/app"


def test_lists_are_consistent_and_not_by_label() -> None:
    """resourceVersion=0 may be served from an old cache; a label is no proof of ownership."""
    client, script = api(answer(200, {"kind": "PodList", "items": []}))
    client.pods(SOON)
    assert "?" not in script.asked[0][1]


def test_changes_are_watched_from_the_version_given() -> None:
    client, script = api(lines=(b'{"type":"MODIFIED"}', b"", b'{"type":"MODIFIED"}'))
    assert len(list(client.changes("77", Deadline(9.5)))) == 2
    path = script.asked[0][1]
    for part in ("watch=1", "fieldSelector=metadata.name%3Dapp", "resourceVersion=77", "timeoutSeconds=9"):
        assert part in path


# -- what is answered ----------------------------------------------------------------------------------------------

FAULTS: dict[str, tuple[Answer, type[ApiError], str]] = {
    "401": (answer(401, status(401)), Unreachable, "token"),
    "403 from an API server that is not ready": (answer(403, status(403, "no")), Unreachable, "403 to /readyz"),
    "404": (answer(404, status(404, "not found")), NotFound, "not found"),
    "404 from a proxy": (answer(404, b"<html>nothing here</html>"), Unreachable, "404"),
    "404 with JSON that is no Status": (answer(404, {"error": "no route"}), Unreachable, "404"),
    "409": (answer(409, status(409, "changed")), Conflict, "changed"),
    "422": (answer(422, status(422, "invalid")), ApiError, "invalid"),
    "429": (answer(429, status(429)), Unreachable, "429"),
    "500": (answer(500, status(500, "etcd is away")), Unreachable, "etcd is away"),
    "503 without a body": (answer(503, b""), Unreachable, "503"),
    "redirect": (answer(302, b"", location="https://login"), Unreachable, "302"),
    "100": (answer(100, b""), Unreachable, "100"),
    "HTML with 200": (answer(200, b"<!doctype html><html>Login</html>"), Unreachable, "not JSON"),
    "empty": (answer(200, b""), Unreachable, "not JSON"),
    "truncated JSON": (answer(200, b'{"kind": "Deployment", "spec": {'), Unreachable, "not JSON"),
    "broken encoding": (answer(200, b'{"kind": "\xff\xfe"}'), Unreachable, "not JSON"),
    "a bottomless JSON": (answer(200, b"[" * 100_000), Unreachable, "not JSON"),
    "a list": (answer(200, []), Unreachable, "not a Deployment"),
    "null": (answer(200, None), Unreachable, "not a Deployment"),
    "another kind": (answer(200, {"kind": "Pod"}), Unreachable, "not a Deployment"),
    "no kind": (answer(200, {}), Unreachable, "not a Deployment"),
    "a Status with 200": (answer(200, status(200)), Unreachable, "not a Deployment"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_what_is_no_answer(fault: str) -> None:
    given, expected, words = FAULTS[fault]
    client, _ = api(given, given)
    with pytest.raises(ApiError) as caught:
        client.workload(SOON)
    assert type(caught.value) is expected
    assert words in str(caught.value) and "\n" not in str(caught.value) and len(str(caught.value)) < 400


@pytest.mark.parametrize("message", ["x" * 100_000, "two\nlines\r\nof it", {"nested": 1}, None])
def test_a_status_message_stays_one_short_line(message: object) -> None:
    client, _ = api(answer(404, {"kind": "Status", "message": message}))
    with pytest.raises(NotFound) as caught:
        client.workload(SOON)
    assert len(str(caught.value)) < 300 and "\n" not in str(caught.value)


def test_a_page_is_never_quoted() -> None:
    client, _ = api(answer(500, b"<html>token=SECRET</html>"))
    with pytest.raises(Unreachable) as caught:
        client.workload(SOON)
    assert "SECRET" not in str(caught.value)


LISTS: dict[str, object] = {
    "items missing": {"kind": "PodList"},
    "items no list": {"kind": "PodList", "items": {}},
    "items text": {"kind": "PodList", "items": "none"},
    "an item null": {"kind": "PodList", "items": [{}, None]},
    "an item text": {"kind": "PodList", "items": ["pod"]},
    "another kind": {"kind": "List", "items": []},
    "only the first page": {"kind": "PodList", "metadata": {"continue": "abc"}, "items": []},
}


@pytest.mark.parametrize("fault", LISTS)
def test_a_malformed_or_partial_list_is_no_empty_list(fault: str) -> None:
    """An empty list proves a stop: it must be one."""
    client, _ = api(answer(200, LISTS[fault]))
    with pytest.raises(Unreachable):
        client.pods(SOON)


@pytest.mark.parametrize("items", [[], None])
def test_an_empty_list(items: object) -> None:
    """The API server writes an empty list as [] or null."""
    client, _ = api(answer(200, {"kind": "PodList", "metadata": {}, "items": items}))
    assert client.pods(SOON) == []


def test_a_scale_that_is_not_confirmed_is_an_error() -> None:
    client, _ = api(answer(200, b"<html>"))
    with pytest.raises(Unreachable):
        client.scale(1, SOON)


@pytest.mark.parametrize("code", [404, 409])
def test_deleting_what_is_gone_or_another_by_now_is_done(code: int) -> None:
    client, _ = api(answer(code, status(code)))
    client.delete_pod("app-1", "u-1", SOON)


@pytest.mark.parametrize("code,expected", [(403, Forbidden), (500, Unreachable), (429, Unreachable)])
def test_a_delete_that_was_not_accepted_is_an_error(code: int, expected: type[ApiError]) -> None:
    client, _ = api(answer(code, status(code)), answer(200, b"ok"), answer(code, status(code)))
    with pytest.raises(expected):
        client.delete_pod("app-1", "u-1", SOON)


# -- 403: a server that has just started refuses everybody until it has read the RBAC objects ---------------------

def test_403_from_a_ready_server_asked_again_is_believed() -> None:
    refusal = answer(403, status(403, "forbidden: no"))
    client, script = api(refusal, answer(200, b"ok"), refusal)
    with pytest.raises(Forbidden, match="forbidden: no"):
        client.workload(SOON)
    assert [path for _, path, _, _ in script.asked][1] == "/readyz"


def test_403_of_the_last_moment_before_the_server_was_ready_is_asked_again() -> None:
    client, _ = api(answer(403, status(403)), answer(200, b"ok"), answer(200, DEPLOYMENT))
    assert client.workload(SOON) == DEPLOYMENT


@pytest.mark.parametrize("ready", [403, 500, 401])
def test_403_from_a_server_that_is_not_ready_is_tried_again(ready: int) -> None:
    client, script = api(answer(403, status(403)), answer(ready, b""), answer(200, DEPLOYMENT))
    assert insist(lambda: client.workload(SOON), SOON) == DEPLOYMENT
    assert len(script.asked) == 3


# -- tokens --------------------------------------------------------------------------------------------------------

def rotating(*answers: Answer) -> tuple[Api, list[str], Script]:
    """An API whose token file is read anew at each opening; returns the tokens that were used to connect."""
    tokens, used, script = iter(["old", "new", "newer"]), [], Script(*answers)  # type: Iterator[str], list[str], Script
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)

    def connect(endpoint: Endpoint) -> Script:
        used.append(endpoint.token)
        return script

    line = Line(lambda: Endpoint("api", 443, context, next(tokens)), connect)
    return Api(line, "shop", "Deployment", "app"), used, script


def test_after_a_401_the_token_is_read_once_more() -> None:
    client, used, _ = rotating(answer(401, status(401)), answer(200, DEPLOYMENT), answer(200, DEPLOYMENT))
    assert client.workload(SOON) == DEPLOYMENT
    client.workload(SOON)
    assert used == ["old", "new"], "and the connection is kept afterwards"


def test_a_second_401_ends_it() -> None:
    client, used, script = rotating(answer(401, status(401)), answer(401, status(401)), answer(200, DEPLOYMENT))
    with pytest.raises(Unreachable):
        client.workload(SOON)
    assert used == ["old", "new"] and len(script.answers) == 1


def test_what_is_missing_on_this_host_is_said_when_the_api_is_needed() -> None:
    def nothing() -> Endpoint:
        raise Unfit("no kubeconfig")
    with pytest.raises(Unfit):
        Api(Line(nothing), "shop", "Deployment", "app").workload(SOON)


# -- insisting -----------------------------------------------------------------------------------------------------

def attempts(*results: object) -> tuple[Callable[[], object], list[object]]:
    left = list(results)

    def attempt() -> object:
        result = left.pop(0)
        if isinstance(result, Exception):
            raise result
        return result
    return attempt, left


@pytest.mark.parametrize("error", [Unreachable("away"), Conflict("changed")])
def test_what_may_pass_is_tried_again(error: ApiError) -> None:
    attempt, left = attempts(error, "done")
    assert insist(attempt, SOON) == "done" and not left


@pytest.mark.parametrize("error", [Forbidden("no"), NotFound("none"), ApiError("invalid"), Unfit("nothing here")])
def test_what_does_not_pass_is_not_tried_again(error: AgentError) -> None:
    attempt, left = attempts(error, "done")
    with pytest.raises(type(error)):
        insist(attempt, SOON)
    assert left == ["done"]


def test_the_last_error_is_the_one_told() -> None:
    attempt, _ = attempts(*[Unreachable(f"try {number}") for number in range(9)])
    deadline = Deadline(0.6)
    with pytest.raises(Unreachable) as caught:
        insist(attempt, deadline)
    assert str(caught.value) != "try 0" and deadline.elapsed() < 1.0


def retry_after(text: str) -> Unreachable:
    client, _ = api(answer(429, status(429), retry_after=text))
    with pytest.raises(Unreachable) as caught:
        client.workload(SOON)
    return caught.value


@pytest.mark.parametrize("text,expected", [("1", 1.0), ("3600", 3600.0), ("", 0.0), ("-1", 0.0), ("soon", 0.0),
                                           ("Wed, 21 Oct 2026 07:28:00 GMT", 0.0), ("9" * 50, 0.0), ("\u0663", 0.0)])
def test_the_servers_wish_to_wait(text: str, expected: float) -> None:
    assert retry_after(text).retry_after == expected


def test_a_wish_within_the_deadline_is_granted() -> None:
    attempt, _ = attempts(retry_after("1"), "done")
    deadline = Deadline(5.0)
    assert insist(attempt, deadline) == "done"
    assert 1.0 <= deadline.elapsed() < 2.0


def test_a_wish_beyond_the_deadline_ends_it_at_once() -> None:
    attempt, left = attempts(retry_after("3600"), "done")
    deadline = Deadline(5.0)
    with pytest.raises(Unreachable):
        insist(attempt, deadline)
    assert deadline.elapsed() < 1.0 and left == ["done"]
