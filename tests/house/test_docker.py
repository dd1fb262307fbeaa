"""The files in docker/ hold together: schemas, command lines, variables, probes. Nothing is started."""

import json
import re
import shlex
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import yaml

from farm.service.supervisor import STOP_SECONDS
from farm.variables import VARIABLES
from tests.house.test_documents import check_farm

ROOT = Path(__file__).parents[2]
DOCKER = ROOT / "docker"
FILES = sorted(DOCKER.glob("*.yaml"))
CRD = ROOT.parent / "shared" / "kuberay" / "ray.io_rayclusters.yaml"
KNOWN = {variable.name for variable in VARIABLES}
PACKAGES = ("farm", "plugins", "dashboard", "model", "presets")
HEALTHY = ("/api/v1/health", "farm.joining.health")


def documents(path: Path) -> list[dict[str, Any]]:
    return [document for document in yaml.safe_load_all(path.read_text()) if document]


def kinds(path: Path, kind: str) -> dict[str, dict[str, Any]]:
    return {each["metadata"]["name"]: each for each in documents(path) if each["kind"] == kind}


def command_lines(path: Path) -> list[list[str]]:
    """Words that follow ``farm`` in a file: in comments, shell lines and lists, and after the image's entry point."""
    text = path.read_text()
    lines = [line.split("#", 1)[-1] for line in text.splitlines()]
    found = []
    for line in lines:
        for match in re.finditer(r"(?:^|[\s/'])farm((?: +[a-z0-9:.,=\"'-]+)+)", line):
            words = shlex.split(match[1].replace("'", " "))
            if words and words[0] in ("up", "down", "join", "leave", "token", "open"):
                found.append(words)
    return found + list(entry_words(path))


def entry_words(path: Path) -> Iterator[list[str]]:
    """What containers give to ``tini -- farm``, and lists that begin with ``farm``."""
    if path.suffix != ".yaml":
        return
    for value in walk(documents(path)):
        if isinstance(value, list) and value and all(isinstance(word, str) for word in value):
            if value[0] in ("up", "join"):
                yield value
            elif value[0] == "farm":
                yield value[1:]


def walk(value: Any) -> Iterator[Any]:
    yield value
    for each in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from walk(each)


def parse(words: list[str]) -> None:
    """By the command line's own parser: values are in their ranges, none is missing."""
    import typer.main

    from farm.cli.app import app

    check_farm(words)
    root = typer.main.get_command(app)
    command = root.commands[words[0]]
    command.make_context(words[0], list(words[1:]))


@pytest.mark.parametrize("path", sorted(DOCKER.iterdir()), ids=lambda path: path.name)
def test_every_farm_command_parses(path: Path) -> None:
    for words in command_lines(path):
        parse([word for word in words if word not in ("&", ";")])
    expected = {"compose.yaml": 5, "kubernetes.yaml": 4, "kuberay.yaml": 3, "ray-cluster.yaml": 2}
    assert len(command_lines(path)) >= expected.get(path.name, 0)


@pytest.mark.parametrize("path", sorted(DOCKER.iterdir()), ids=lambda path: path.name)
def test_every_variable_is_one_of_the_farm(path: Path) -> None:
    assert set(re.findall(r"\bFARM_[A-Z0-9_]+", path.read_text())) <= KNOWN


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_yaml_is_whole_and_holds_no_secret(path: Path) -> None:
    assert documents(path)
    for value in walk(documents(path)):
        if isinstance(value, dict):
            given = {name: value[name] for name in ("FARM_NODE_TOKEN", "POSTGRES_PASSWORD") if name in value}
            assert all(str(text).startswith("${") for text in given.values()), given


def test_the_image_has_every_package_and_an_entry_point_that_reaps() -> None:
    text = (DOCKER / "Dockerfile").read_text()
    copied = set(re.findall(r"^COPY (\w+) \1$", text, re.MULTILINE))
    assert copied == set(PACKAGES)
    assert {path.parent.name for path in ROOT.glob("*/__init__.py")} - {"tests", "presets"} <= copied
    assert json.loads(re.findall(r"^ENTRYPOINT (.*)$", text, re.MULTILINE)[0]) == ["tini", "--", "farm"]


# Compose


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    return yaml.safe_load((DOCKER / "compose.yaml").read_text())


def test_compose_has_head_workers_and_database(compose: dict[str, Any]) -> None:
    services = compose["services"]
    assert set(services) == {"postgres", "head", "worker"}
    assert all(service["healthcheck"]["test"][0] == "CMD" for service in services.values())
    assert any(sign in " ".join(services["head"]["healthcheck"]["test"]) for sign in HEALTHY)
    for name, service in services.items():
        assert all(needed in services for needed in service.get("depends_on", {})), name
        named = {volume.partition(":")[0] for volume in service.get("volumes", ())}
        assert named <= set(compose["volumes"]), name


def test_compose_workers_can_be_many(compose: dict[str, Any]) -> None:
    worker = compose["services"]["worker"]
    assert not {"container_name", "ports", "volumes"} & worker.keys(), "each has a home and a name of its own"
    assert worker["command"][1] == "head:8000"
    assert find_spec(worker["healthcheck"]["test"][-1]) is not None


def test_compose_gives_both_the_same_token(compose: dict[str, Any]) -> None:
    head, worker = (compose["services"][name]["environment"]["FARM_NODE_TOKEN"] for name in ("head", "worker"))
    assert head.startswith("${FARM_NODE_TOKEN") and worker.startswith("${FARM_NODE_TOKEN")


def test_everything_may_take_as_long_to_end_as_it_needs(compose: dict[str, Any]) -> None:
    from farm.joining.agent import GRACE_SECONDS, LEAVE_SECONDS

    assert (
        compose["services"]["head"]["stop_grace_period"] == compose["services"]["worker"]["stop_grace_period"] == "1m"
    )
    assert STOP_SECONDS + 10 < 60 and GRACE_SECONDS + LEAVE_SECONDS + 10 < 60
    for path in (DOCKER / "kubernetes.yaml", DOCKER / "kuberay.yaml"):
        name = "terminationGracePeriodSeconds"
        periods = [value[name] for value in walk(documents(path)) if has(value, name)]
        assert periods and min(periods) >= 60


def has(value: Any, name: str) -> bool:
    return isinstance(value, dict) and name in value


# Kubernetes


@pytest.mark.parametrize("name", ["kubernetes.yaml", "kuberay.yaml"])
def test_pods_have_probes_requests_and_volumes_that_exist(name: str) -> None:
    pods = [value for value in walk(documents(DOCKER / name)) if has(value, "containers")]
    assert len(pods) >= 2
    for pod in pods:
        volumes = {volume["name"] for volume in pod.get("volumes", ())} | {"data"}
        for container in pod["containers"]:
            assert container["resources"]["requests"].keys() >= {"cpu", "memory"}
            assert {mount["name"] for mount in container["volumeMounts"]} <= volumes
            probed = any(key.endswith("Probe") for key in container)
            assert probed or container["name"] == "ray-worker", "KubeRay probes its workers itself"


def test_workers_of_a_deployment_leave_in_order_and_find_the_head() -> None:
    deployments, services = (kinds(DOCKER / "kubernetes.yaml", kind) for kind in ("Deployment", "Service"))
    for name, each in deployments.items():
        labels = each["spec"]["template"]["metadata"]["labels"]
        assert each["spec"]["selector"]["matchLabels"].items() <= labels.items(), name
    pod = deployments["farm-worker"]["spec"]["template"]["spec"]["containers"][0]
    assert pod["lifecycle"]["preStop"]["exec"]["command"] == ["farm", "leave"]
    assert pod["args"][1].partition(":")[0] in services


def test_kuberay_fits_the_schema_of_its_resource() -> None:
    if not CRD.exists():
        pytest.skip(f"no schema of KubeRay: {CRD}")
    import jsonschema

    versions = {each["name"]: each for each in yaml.safe_load(CRD.read_text())["spec"]["versions"]}
    schema = closed(versions["v1"]["schema"]["openAPIV3Schema"])
    cluster = kinds(DOCKER / "kuberay.yaml", "RayCluster")["farm"]
    jsonschema.Draft202012Validator(schema).validate(cluster)
    broken = {**cluster, "spec": {**cluster["spec"], "headGroupSpecs": {}}}
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft202012Validator(schema).validate(broken)


def closed(schema: Any) -> Any:
    """The same, with names that it does not know refused, as `kubectl --validate=strict` does."""
    if isinstance(schema, list):
        return [closed(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    found = {name: closed(each) for name, each in schema.items()}
    if schema.get("x-kubernetes-int-or-string"):
        found = {"type": ["integer", "string"]}
    open_ended = schema.get("x-kubernetes-preserve-unknown-fields") or "additionalProperties" in schema
    if isinstance(schema.get("properties"), dict) and schema.get("type") == "object" and not open_ended:
        top = "metadata" in schema["properties"] and "kind" in schema["properties"]
        found["additionalProperties"] = False if not top else found.get("additionalProperties", True)
        if schema["properties"].get("metadata") == {"type": "object"}:
            found["properties"]["metadata"] = {"type": "object"}
    return found


def test_kuberay_farm_asks_for_what_its_workers_are() -> None:
    from farm.scheduling.machine import Scale

    text = (DOCKER / "kuberay.yaml").read_text()
    scale = Scale.parse(re.findall(r"--autoscale (\S+)", text)[0])
    group = kinds(DOCKER / "kuberay.yaml", "RayCluster")["farm"]["spec"]["workerGroupSpecs"][0]
    assert (group["minReplicas"], group["maxReplicas"]) == (scale.least, scale.most)
    assert group["rayStartParams"]["num-gpus"] == str(scale.gpus)


# `ray up`


def test_ray_cluster_fits_the_schema_of_ray() -> None:
    import jsonschema
    import ray.autoscaler

    from farm.scheduling.machine import Scale

    schema = json.loads((Path(ray.autoscaler.__file__).parent / "ray-schema.json").read_text())
    found = yaml.safe_load((DOCKER / "ray-cluster.yaml").read_text())
    jsonschema.validate(found, schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**found, "max_worker": 1}, schema)
    assert found["head_node_type"] in found["available_node_types"]
    scale = Scale.parse(re.findall(r"--autoscale (\S+)", (DOCKER / "ray-cluster.yaml").read_text())[0])
    workers = found["available_node_types"]["gpu"]
    assert (workers["min_workers"], workers["max_workers"], found["max_workers"]) == (
        scale.least,
        scale.most,
        scale.most,
    )
