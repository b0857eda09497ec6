"""A gated workload of its own on one site, driven through the agent in the peer pod, without Pacemaker."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from lab import waiting
from lab.errors import LabError
from lab.sites import Lab, Site

AGENT = "/usr/lib/ocf/resource.d/aos/k8sdeployment"
ACCOUNT = {"KUBERNETES_SERVICE_HOST": "127.0.0.1", "KUBERNETES_SERVICE_PORT": "6443"}
RBAC = "rbac.authorization.k8s.io"
PERMITS = "/run/aos/permits/default"
POLICIES = Path(__file__).resolve().parents[2] / "deploy/admission/policies.yaml"
STRAY = "belongs to no Deployment"


# The agent's parent ends once the agent has announced itself, as when Pacemaker is restarted; a subreaper waits for the
# orphan, so that its exit code is known.
ORPHAN = """
import ctypes, os, subprocess, sys, time
ctypes.CDLL(None).prctl(36, 1)
if os.fork() == 0:
    said = open("/tmp/trial.said", "w")
    subprocess.Popen(sys.argv[2:], stdout=said, stderr=said)
    while not os.path.exists(sys.argv[1]):
        time.sleep(0.05)
    os._exit(0)
os.wait()
code = os.waitstatus_to_exitcode(os.wait()[1])
open("/tmp/trial.new", "w").write(str(code))
os.rename("/tmp/trial.new", "/tmp/trial.answer")
"""


@dataclass(frozen=True)
class Answer:
    """What the agent said: its exit code, and the reason with everything else it wrote."""

    code: int
    text: str


@dataclass
class Trial:
    """The workload `trial`; `alive` looks for its processes by their environment, independent of the witness."""

    site: Site
    kind: str = "Deployment"
    name: str = "trial"
    parameters: dict[str, str] = field(default_factory=dict)

    @property
    def path(self) -> str:
        return f"{PERMITS}/{self.kind.lower()}/{self.name}"

    def manifest(self, **pod: Any) -> dict[str, Any]:
        """The workload with a whole gate; keywords replace fields of the pod spec."""
        container = {
            "name": "app", "image": "localhost/aos-sno-pair/app:dev", "imagePullPolicy": "Never",
            "env": [{"name": "TRIAL", "value": self.kind}],
            "readinessProbe": {"httpGet": {"path": "/", "port": 8080}, "periodSeconds": 1},
            "volumeMounts": [{"name": "permit", "mountPath": "/run/permit", "readOnly": True}],
        }
        spec = {
            "automountServiceAccountToken": False, "terminationGracePeriodSeconds": 3, "containers": [container],
            "volumes": [{"name": "permit", "hostPath": {"path": self.path, "type": "File"}}], **pod,
        }
        labels = {"app": f"{self.name}-{self.kind.lower()}"}
        return {
            "apiVersion": "apps/v1", "kind": self.kind, "metadata": {"name": self.name, "namespace": "default"},
            "spec": {"replicas": 0, "selector": {"matchLabels": labels},
                     "template": {"metadata": {"labels": labels}, "spec": spec}},
        }

    def apply(self, replicas: int = 0, **pod: Any) -> None:
        workload = self.manifest(**pod)
        workload["spec"]["replicas"] = replicas
        text = json.dumps(workload)
        self.site.kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", input=text)

    def observed(self) -> bool:
        """Whether the Deployment's and the ReplicaSets' controllers have seen the workload as it is."""
        items = json.loads(self.site.kubectl("get", "replicasets", "-l", f"app={self.name}-deployment", "-o", "json"))
        seen = [item["status"].get("observedGeneration", 0) >= item["metadata"]["generation"]
                for item in items["items"]]
        return bool(seen) and all(seen)

    def authorise(self) -> None:
        """The peer may scale only the pair's own workloads; here it may scale the trial, too."""
        rule = {"apiGroups": ["apps"], "resources": ["deployments/scale", "statefulsets/scale"],
                "resourceNames": [self.name], "verbs": ["get", "update", "patch"]}
        role = {"apiVersion": f"{RBAC}/v1", "kind": "Role", "metadata": {"name": "trial", "namespace": "default"},
                "rules": [rule]}
        binding = {"apiVersion": f"{RBAC}/v1", "kind": "RoleBinding",
                   "metadata": {"name": "trial", "namespace": "default"},
                   "roleRef": {"apiGroup": RBAC, "kind": "Role", "name": "trial"},
                   "subjects": [{"kind": "ServiceAccount", "name": "peer", "namespace": "aos-sno-pair"}]}
        for item in (role, binding):
            self.site.kubectl("apply", "-f", "-", input=json.dumps(item))

    def agent(self, action: str, timeout: float = 60, level: int | None = None, interval: float | None = None,
              direct: bool = False, **parameters: str) -> Answer:
        """Run the agent as Pacemaker would (times in seconds); `direct` goes round a dead containerd."""
        command = [*self._environment(timeout, level, interval, parameters), AGENT, action]
        script = f"{shlex.join(command)} 2>&1; code=$?; echo; echo code=$code"
        said = self._through(["sh", "-c", script], timeout + 30, direct)
        text, _, code = said.rpartition("code=")
        return Answer(int(code), text.strip())

    def begin(self, action: str, timeout: float, **parameters: str) -> None:
        """Start the agent in the background and orphan it once it has announced itself; `answer` has what it said."""
        command = [*self._environment(timeout, None, None, parameters), AGENT, action]
        announced = f"/run/aos/agent/default/{self.kind.lower()}/{self.name}/start"
        self.site.peer(["rm", "-f", "/tmp/trial.answer"])
        self._through(["sh", "-c", 'setsid "$@" >/dev/null 2>&1 & until [ -e "$0" ]; do sleep 0.1; done', announced,
                       "python3", "-c", ORPHAN, announced, *command], 60, False)

    def answer(self, seconds: float) -> Answer:
        """What the agent begun in the background answered."""
        def look() -> str:
            return self.site.peer(["sh", "-c", "cat /tmp/trial.answer 2>/dev/null"], check=False).strip()
        code = waiting.until(look, "the agent's answer", seconds)
        return Answer(int(code), self.site.peer(["cat", "/tmp/trial.said"]).strip())

    def _environment(self, timeout: float, level: int | None, interval: float | None,
                     parameters: dict[str, str]) -> list[str]:
        values = {"deployment": self.name, "kind": self.kind, "guard": "required", **self.parameters, **parameters}
        env = {**ACCOUNT, **{f"OCF_RESKEY_{name}": value for name, value in values.items()},
               "OCF_ROOT": "/usr/lib/ocf", "OCF_RESKEY_CRM_meta_timeout": str(int(timeout * 1000))}
        if level is not None:
            env["OCF_CHECK_LEVEL"] = str(level)
        if interval is not None:
            env["OCF_RESKEY_CRM_meta_interval"] = str(int(interval * 1000))
        return ["env", *(f"{name}={value}" for name, value in env.items())]

    def _through(self, argv: list[str], timeout: float, direct: bool) -> str:
        if not direct:
            return self.site.peer(argv, timeout=timeout)
        pid = self.site.run(["pgrep", "-o", "-x", "pacemakerd"]).strip()
        return self.site.run(["nsenter", "-t", pid, "-m", "-n", "--", *argv], timeout=timeout)

    def alive(self) -> list[int]:
        """PIDs of the workload's processes, found by a variable in their environment."""
        found = self.site.run(["sh", "-c", f"grep -lzsx 'TRIAL={self.kind}' /proc/[0-9]*/environ || true"])
        return [int(line.split("/")[2]) for line in found.split()]

    def standing(self) -> str:
        """What stands at the permit path, seen from the site: file, directory, absent, or the link's target."""
        return self.site.run(["sh", "-c", 'if [ -L "$0" ]; then readlink "$0"; elif [ -f "$0" ]; then echo file; '
                              'elif [ -d "$0" ]; then echo directory; else echo absent; fi', self.path]).strip()

    def items(self) -> list[dict[str, Any]]:
        """The pods in the API that carry the trial's permit path."""
        items = json.loads(self.site.kubectl("get", "pods", "-o", "json"))["items"]
        return [item for item in items if self.path in json.dumps(item["spec"].get("volumes", []))]

    def pods(self) -> dict[str, str]:
        """UID to name of those pods."""
        return {item["metadata"]["uid"]: item["metadata"]["name"] for item in self.items()}

    def events(self) -> str:
        """What Kubernetes' events say."""
        return self.site.kubectl("get", "events", "-o", "jsonpath={.items[*].message}")

    def refused(self) -> bool:
        """Whether every pod was tried (again) and held back, by kubelet or by the runtime: both name the path. True
        when there is no pod any more."""
        def told(uid: str) -> str:
            return self.site.kubectl("get", "events", "--field-selector", f"involvedObject.uid={uid},type=Warning",
                                     "-o", "jsonpath={.items[*].message}")
        return all(self.path in told(uid) for uid in self.pods())

    def remove(self) -> None:
        """Whatever a test left: the workload, its pods, the path, what the agent remembers."""
        self.site.kubectl("delete", self.kind.lower(), self.name, "--ignore-not-found", "--wait=true")
        for name in self.pods().values():
            self.site.kubectl("delete", "pod", name, "--ignore-not-found", "--grace-period=1", "--wait=false")
        waiting.until(lambda: not self.pods() and not self.alive(), "the trial's pods gone", 60)
        self.site.run(["rm", "-rf", self.path, f"/run/aos/agent/default/{self.kind.lower()}/{self.name}"])

    # -- in a test -------------------------------------------------------------------------------------------------

    def started(self) -> int:
        """Start it; the PID of its process."""
        answer = self.agent("start")
        assert answer.code == 0, answer.text
        (pid,) = self.alive()
        assert self.standing() == "file"
        return pid

    def withdraw(self) -> None:
        """The agent's own withdrawal, and nothing else of a stop."""
        self.site.peer(["env", "PYTHONPATH=/usr/lib/ocf/lib/aos", "python3", "-c", f"""
from k8sdeployment.agent.parameters import load
from k8sdeployment.agent.permit import Permit
Permit(load({{"OCF_RESKEY_deployment": "{self.name}", "OCF_RESKEY_kind": "{self.kind}"}})).withdraw()"""])


def refusal_of_a_stray(trial: Trial) -> str:
    """What the API server says of a pod without a workload at the trial's permit."""
    spec = trial.manifest()["spec"]["template"]["spec"]
    stray = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "stray"}, "spec": spec}
    return refusal(trial.site, "create", "--dry-run=server", "-f", "-", input=json.dumps(stray))


def refusal(site: Site, *argv: str, input: str | None = None) -> str:
    """What kubectl is told; "" when it is allowed."""
    try:
        site.kubectl(*argv, input=input)
    except LabError as error:
        return str(error)
    return ""


def unpoliced(trial: Trial) -> None:
    """Take the admission policies away, which the pair's bundle brings: the agent must stand what they refuse."""
    trial.site.kubectl("delete", "--ignore-not-found", "-f", "-", input=POLICIES.read_text(encoding="utf-8"))
    waiting.until(lambda: STRAY not in refusal_of_a_stray(trial), "the policies gone", 20)


@pytest.fixture
def trial(calm_pair: Lab) -> Iterator[Trial]:
    """A gated workload on the passive site, stopped, and nothing there that keeps people from mistakes."""
    site = calm_pair.sites["site-b"]
    found = Trial(site)
    found.remove()
    found.authorise()
    found.apply()
    waiting.until(found.observed, "the controllers at work", 90)
    unpoliced(found)
    before = api_starts(site)
    yield found
    for daemon in (site.containerd, site.kubelet, site.api):
        daemon("start")
    site.wait_api()
    for name in CLIENTS if api_starts(site) != before else ("kube-controller-manager",):
        site.control("stop", name)
        site.control("start", name)
    site.wait_ready()
    found.remove()


# After an outage of the API its clients stay away for up to a minute each, by their own back-off (client-go doubles it
# to 30 s and more). A restart spares the next test that wait.
CLIENTS = ("kube-controller-manager", "kube-scheduler", "kubelet")


def api_starts(site: Site) -> int:
    return int(site.daemons()["kube-apiserver"]["starts"])
