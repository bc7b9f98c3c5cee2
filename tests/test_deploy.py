"""The manifests in deploy/: valid by Kubernetes' own schemas, and true of this server."""

import re
from pathlib import Path

import kubernetes_validate
import pytest
import yaml

from backend import EngineStats
from handlers.cli.commands import Jaxchat
from handlers.metrics import Metrics
from handlers.settings import ServeSettings

DEPLOY = Path(__file__).parents[1] / "deploy"
CORE = sorted(DEPLOY.glob("kubernetes/*.yaml"))
DEPLOYMENT = yaml.safe_load((DEPLOY / "kubernetes" / "deployment.yaml").read_text())
POD = DEPLOYMENT["spec"]["template"]["spec"]
(SERVER,) = POD["containers"]
EPP = yaml.safe_load((DEPLOY / "gateway" / "values.yaml").read_text())["inferenceExtension"]["flags"]
LABELS = {"app": "jaxchat"}


@pytest.mark.parametrize("file", CORE, ids=lambda file: file.name)
def test_manifests_are_valid(file: Path) -> None:
    for manifest in yaml.safe_load_all(file.read_text()):
        kubernetes_validate.validate(manifest, "1.30", strict=True)


def test_a_fault_in_a_manifest_is_found() -> None:
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate({**DEPLOYMENT, "spec": {"replica": 2}}, "1.30", strict=True)


def test_the_flags_are_the_server_s() -> None:
    settings = Jaxchat(_cli_parse_args=["serve", *SERVER["args"]]).serve
    assert settings is not None
    assert settings.exit_on_failure and settings.host == "0.0.0.0"
    ports = {port["name"]: port["containerPort"] for port in SERVER["ports"]}
    assert ports == {"http": settings.port, "metrics": settings.metrics_port}
    grace = SERVER["lifecycle"]["preStop"]["sleep"]["seconds"] + settings.drain_timeout
    assert POD["terminationGracePeriodSeconds"] > grace


def test_the_processes_of_a_model_over_several_machines_meet() -> None:
    group = yaml.safe_load((DEPLOY / "multi-host" / "leaderworkerset.yaml").read_text())["spec"]["leaderWorkerTemplate"]
    given = {"LWS_LEADER_ADDRESS": "leader", "LWS_GROUP_SIZE": str(group["size"]), "LWS_WORKER_INDEX": "1"}
    found = []
    for template in ("leaderTemplate", "workerTemplate"):
        (container,) = group[template]["spec"]["containers"]
        args = [re.sub(r"\$\((\w+)\)", lambda name: given[name[1]], arg) for arg in container["args"]]
        settings = Jaxchat(_cli_parse_args=["serve", *args]).serve
        found.append((settings.coordinator, settings.num_processes, settings.process_id))
    assert found == [("leader:1234", 2, 0), ("leader:1234", 2, 1)]


def test_the_image_s_environment_is_the_server_s() -> None:
    (line,) = re.findall(r"^ENV (.*)$", (DEPLOY / "Dockerfile").read_text(), re.MULTILINE)
    names = {f"JAXCHAT_{name.upper()}" for name in ServeSettings.model_fields}
    assert {pair.partition("=")[0] for pair in line.split()} <= names


def test_every_selector_finds_the_pods() -> None:
    assert DEPLOYMENT["spec"]["template"]["metadata"]["labels"] == LABELS
    for file in (*CORE, *DEPLOY.glob("gateway/*.yaml")):
        for manifest in yaml.safe_load_all(file.read_text()):
            selector = manifest.get("spec", {}).get("selector", LABELS)
            assert selector.get("matchLabels", selector) == LABELS, file


def test_the_metrics_that_are_named_are_there() -> None:
    zeros = dict.fromkeys(EngineStats.__annotations__, 0)
    exposed = Metrics(lambda: EngineStats(**zeros)).text().decode()
    scaling = yaml.safe_load((DEPLOY / "kubernetes" / "scaling.yaml").read_text())
    named = {metric["pods"]["metric"]["name"] for metric in scaling["spec"]["metrics"]}
    named |= {name for flag, name in EPP.items() if flag.endswith("-metric") and name}
    named |= set(re.findall(r"`((?:friendli|jaxchat)_\w+)`", (DEPLOY / "README.md").read_text()))
    gauges = set(re.findall(r"^# TYPE (\w+) gauge", exposed, re.MULTILINE))
    assert named and named <= gauges
