"""The policies of deploy/admission on a site with a kubelet: what is orderly passes, and the agent works as before."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lab import waiting

from .policies import FORCE
from .trial import POLICIES, STRAY, Trial, refusal, refusal_of_a_stray, unpoliced

pytestmark = pytest.mark.beside


@pytest.fixture
def policed_trial(trial: Trial) -> Iterator[Trial]:
    """The trial on a site with the policies in force."""
    trial.site.kubectl("apply", "-f", "-", input=POLICIES.read_text(encoding="utf-8"))
    try:
        waiting.until(lambda: STRAY in refusal_of_a_stray(trial), "the policies in force", 20)
        yield trial
    finally:
        unpoliced(trial)


def test_start_stop_and_kubelets_own_deletions_pass(policed_trial: Trial) -> None:
    """kubelet ends every deletion with one of grace 0: were it refused, the objects would stay for ever."""
    trial, site = policed_trial, policed_trial.site
    trial.started()
    (uid, name), = trial.pods().items()
    assert f"only its node {site.name} may delete it" in refusal(site, "delete", "pod", name, *FORCE, "--wait=false")
    assert set(trial.pods()) == {uid}
    site.kubectl("delete", "pod", name, "--wait=true")
    waiting.until(lambda: trial.agent("monitor", interval=60, level=10).code == 0, "the ReplicaSet's next pod", 60)
    assert uid not in trial.pods()
    assert trial.agent("stop").code == 0
    waiting.until(lambda: not trial.pods(), "kubelet's last word", 30)
    trial.started()
    assert trial.agent("stop").code == 0


def test_a_waiting_pod_and_a_half_gated_one(policed_trial: Trial) -> None:
    """A pod that waits for its permit can be deleted; of half a gate no pod comes to be, and an event says why."""
    trial, site = policed_trial, policed_trial.site
    site.kubectl("scale", "deployment", "trial", "--replicas=1")
    waiting.until(lambda: trial.pods() and trial.refused(), "kubelet's refusal", 60, trial.events)
    site.kubectl("scale", "deployment", "trial", "--replicas=0")
    waiting.until(lambda: not trial.pods(), "the deletion of the waiting pod", 30)
    (container,) = trial.manifest()["spec"]["template"]["spec"]["containers"]
    trial.apply(containers=[container, {**container, "name": "beside", "volumeMounts": []}])
    site.kubectl("scale", "deployment", "trial", "--replicas=1")
    waiting.until(lambda: "it is not by: beside." in trial.events(), "the refusal as an event", 30, trial.events)
    assert not trial.pods()
