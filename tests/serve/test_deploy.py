"""What is in deploy/ fits together and fits the program; no container engine is needed to see that.

The files were also given to the tools they are made for, by hand: hadolint, the schemas of Compose
and Kubernetes, promtool, nginx -t, caddy adapt, systemd-analyze verify.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import click
import pytest
import typer.main
import yaml
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from lendface.cli import app
from lendface.errors import LendfaceError
from lendface.serve.asgi import build_app
from lendface.serve.building import build_office, prepare
from lendface.serve.metrics import RequestMetrics
from lendface.serve.worker import WORDS
from lendface.settings import PREFIX, Settings, load_settings
from lendface.trust.certificates import CHAIN, KEY
from lendface.version import __version__

PROJECT = Path(__file__).parents[2]
DEPLOY = PROJECT / "deploy"
KUBERNETES = DEPLOY / "kubernetes"
NAMES = {PREFIX + name.upper() for name in Settings.model_fields} | {f"{PREFIX}CONFIG"}
NOT_SETTINGS = {"LENDFACE_IMAGE", "LENDFACE_GPU_IMAGE"}  # of Compose itself
PINNED = re.compile(r"[\w./-]+/[\w./-]+:\d+\.\d+(\.\d+)?[\w.-]*(@sha256:[0-9a-f]{64})?|lendface:.+")
SETTLE_S = 15  # that a process needs after LENDFACE_DRAIN_S has passed

Object = Mapping[str, Any]


@cache
def documents(path: Path) -> list[Any]:
    return list(yaml.safe_load_all(path.read_text(encoding="utf-8")))


def env_file(path: Path) -> dict[str, str]:
    lines = (line.strip() for line in path.read_text(encoding="utf-8").splitlines())
    pairs = (line.partition("=") for line in lines if line and not line.startswith("#"))
    return {name: value for name, _, value in pairs}


def seconds(text: str) -> float:
    match = re.fullmatch(r"(\d+)(s|m)", text)
    assert match, text
    return int(match[1]) * {"s": 1, "m": 60}[match[2]]


# The program


def check_command(words: Sequence[str]) -> None:
    """Whether the command line has this command, these options and, for a worker, these queues."""
    group = typer.main.get_command(app)
    assert isinstance(group, click.Group) or hasattr(group, "commands")
    command = group.commands[words[0]]  # type: ignore[attr-defined]
    options = {flag: option for option in command.params for flag in option.opts}
    rest = iter(words[1:])
    for word in rest:
        assert word in options, f"{' '.join(words)}: no option {word}"
        value = None if getattr(options[word], "is_flag", False) else next(rest)
        if word == "--queue":
            assert value in WORDS


def test_a_command_that_is_wrong_would_be_seen() -> None:
    check_command(["work", "--queue", "cpu"])
    for wrong in (["worc"], ["work", "--cue", "cpu"], ["work", "--queue", "tpu"]):
        with pytest.raises((AssertionError, KeyError)):
            check_command(wrong)


def texts() -> list[Path]:
    return [path for path in sorted(DEPLOY.rglob("*")) if path.is_file()]


def test_every_setting_that_is_named_exists() -> None:
    for path in texts():
        found = set(re.findall(r"\bLENDFACE_[A-Z0-9_]+\b", path.read_text(encoding="utf-8")))
        assert found <= NAMES | NOT_SETTINGS, path


def test_every_yaml_file_can_be_read() -> None:
    found = [*DEPLOY.rglob("*.yml"), *DEPLOY.rglob("*.yaml")]
    assert len(found) > 15
    for path in found:
        assert all(isinstance(document, dict) for document in documents(path)), path


def test_values_of_settings_are_good_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = [
        DEPLOY / "lendface.env.example",
        KUBERNETES / "base" / "settings.env",
        KUBERNETES / "example" / "settings.env",
    ]
    for path in files:
        with monkeypatch.context() as patch:
            patch.setenv("XDG_DATA_HOME", str(tmp_path))
            for name, value in env_file(path).items():
                patch.setenv(name, value)
            load_settings()


def test_no_secret_is_filled_in() -> None:
    for path in texts():
        for name in ("LENDFACE_SECRET", "LENDFACE_S3_SECRET_KEY", "POSTGRES_PASSWORD"):
            for value in re.findall(
                rf"^\s*{name}[=:] *(.*)$", path.read_text(encoding="utf-8"), re.MULTILINE
            ):
                assert value in ("", "CHANGE-ME"), path


# The image


@cache
def dockerfile() -> list[tuple[str, str]]:
    """Its instructions, each on one line."""
    text = (DEPLOY / "Dockerfile").read_text(encoding="utf-8")
    lines = re.sub(r"\\\n", " ", re.sub(r"^\s*#.*\n", "", text, flags=re.MULTILINE)).splitlines()
    pairs = (line.split(None, 1) for line in lines if line.strip())
    return [(word, " ".join(rest.split())) for word, rest in pairs]


def instructions(word: str) -> list[str]:
    return [rest for found, rest in dockerfile() if found == word]


def stages() -> dict[str, list[tuple[str, str]]]:
    found: dict[str, list[tuple[str, str]]] = {}
    name = ""
    for word, rest in dockerfile():
        if word == "FROM":
            name = rest.split(" AS ")[1]
        found.setdefault(name, []).append((word, rest))
    return found


def variables_of(stage: str) -> dict[str, str]:
    pairs = [pair for word, rest in stages()[stage] if word == "ENV" for pair in rest.split()]
    return dict(pair.split("=", 1) for pair in pairs)


def test_the_image_begins_with_a_pinned_python_that_the_pins_were_tested_with() -> None:
    [python] = instructions("ARG")
    image = python.removeprefix("PYTHON=")
    assert PINNED.fullmatch(image)
    assert ":3.11." in image
    bases = [rest.split(" AS ")[0] for rest in instructions("FROM")]
    assert set(bases) <= {"${PYTHON}", *stages()}


def test_what_is_installed_is_pinned_and_is_an_extra_of_ours() -> None:
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert variables_of("base")["PIP_CONSTRAINT"] == "/src/constraints.txt"
    pins = (PROJECT / "constraints.txt").read_text(encoding="utf-8")
    wanted = re.findall(r"'\.\[([a-z,]+)\]'", " ".join(instructions("RUN")))
    assert len(wanted) == 2
    for extras in wanted:
        for extra in extras.split(","):
            for requirement in project["optional-dependencies"][extra]:
                name = re.match(r"[\w-]+", requirement)
                assert name
                assert re.search(rf"^{name[0]}==", pins, re.MULTILINE | re.IGNORECASE), name[0]
    assert re.search(r"^onnxruntime-gpu==", pins, re.MULTILINE)


def test_what_is_copied_is_there_and_not_ignored() -> None:
    allowed = (DEPLOY / "Dockerfile.dockerignore").read_text(encoding="utf-8").split()
    assert allowed[0] == "*"
    copied = [
        word.removeprefix("./")
        for rest in instructions("COPY")
        if not rest.startswith("--from")
        for word in rest.split()[:-1]
    ]
    for name in copied:
        assert (PROJECT / name).exists()
        assert f"!{name}" in allowed
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["readme"] in copied
    assert project["license-files"][0] in copied


def test_the_image_runs_as_nobody_in_particular() -> None:
    [user] = instructions("USER")
    assert all(int(number) > 0 for number in user.split(":"))
    owner = user.replace(":", " -g ")
    [made] = [rest for rest in instructions("RUN") if "install -d" in rest]
    assert f"-o {owner}" in made
    assert "/data" in made.split("install -d")[1]
    assert instructions("VOLUME") == ["/data"]


def test_the_image_serves_where_its_port_and_its_health_are() -> None:
    default = Settings.model_fields["port"].default
    assert instructions("EXPOSE") == [str(default)]
    [health] = instructions("HEALTHCHECK")
    assert f"or {default}" in health
    assert "/healthz" in health
    variables = variables_of("runtime")
    assert variables["LENDFACE_HOST"] == "0.0.0.0"
    assert variables["LENDFACE_FIRST_KEY"] == "false"
    assert instructions("ENTRYPOINT") == ['["lendface"]']
    [command] = instructions("CMD")
    check_command(yaml.safe_load(command))


def test_the_image_says_that_codecs_are_under_the_gpl() -> None:
    [label] = instructions("LABEL")
    assert "GPL-2.0-or-later" in label


# Compose


@cache
def compose(name: str) -> Object:
    [document] = documents(DEPLOY / f"docker-compose{name}.yml")
    return document


OURS = [
    (file, name)
    for file in ("", ".gpu")
    for name, service in compose(file)["services"].items()
    if "command" in service
]


@pytest.mark.parametrize(("file", "name"), OURS)
def test_a_service_runs_a_command_that_there_is(file: str, name: str) -> None:
    check_command(compose(file)["services"][name]["command"])


def test_every_queue_has_a_service() -> None:
    served = {
        word
        for file, name in OURS
        for word in compose(file)["services"][name]["command"]
        if word in WORDS
    }
    assert served == set(WORDS)


@pytest.mark.parametrize("name", ["api", "control", "quick", "render"])
def test_a_service_can_do_no_more_than_it_must(name: str) -> None:
    service = compose("")["services"][name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["init"] is True
    assert {"cpus", "memory"} <= {*service["deploy"]["resources"]["limits"]}
    assert service["env_file"] == ["lendface.env"]
    assert service["healthcheck"] == {"disable": True} if name != "api" else True


def test_services_have_time_to_end_in_good_order() -> None:
    drain_s = float(env_file(DEPLOY / "lendface.env.example")["LENDFACE_DRAIN_S"])
    for name in ("api", "control", "quick", "render"):
        grace_s = seconds(compose("")["services"][name]["stop_grace_period"])
        assert grace_s >= drain_s + SETTLE_S


def test_only_the_proxy_reaches_the_api_and_nobody_the_database() -> None:
    services = compose("")["services"]
    port = Settings.model_fields["port"].default
    assert services["api"]["ports"] == [f"127.0.0.1:{port}:{port}"]
    assert [name for name, service in services.items() if "ports" in service] == ["api"]


def test_images_are_pinned() -> None:
    images = [
        service["image"]
        for file in ("", ".gpu", ".s3")
        for service in compose(file)["services"].values()
        if "image" in service
    ]
    for image in images:
        default = re.sub(r"\$\{\w+:-(.*)\}", r"\1", image)
        assert PINNED.fullmatch(default), image
        if default.startswith("lendface:"):
            assert default.removeprefix("lendface:").removesuffix("-gpu") == __version__


def test_files_and_volumes_that_services_name_are_there() -> None:
    declared = {*compose("")["volumes"], *compose(".s3")["volumes"]}
    for file in ("", ".s3"):
        for service in compose(file)["services"].values():
            for name in service.get("env_file", []):
                assert (DEPLOY / f"{name}.example").exists()
            for volume in service.get("volumes", []):
                source = volume.split(":")[0]
                example = DEPLOY / f"{source}.example"
                assert source in declared or example.exists() or source == "./c2pa"


def test_the_passwords_of_the_database_are_one() -> None:
    ours, theirs = (
        env_file(DEPLOY / "lendface.env.example"),
        env_file(DEPLOY / "postgres.env.example"),
    )
    assert ours["LENDFACE_DATABASE_URL"] == (
        f"postgresql://{theirs['POSTGRES_USER']}:{theirs['POSTGRES_PASSWORD']}"
        f"@postgres:5432/{theirs['POSTGRES_DB']}"
    )


def test_the_bucket_of_the_example_is_where_its_server_is() -> None:
    example = (DEPLOY / "lendface.env.example").read_text(encoding="utf-8")
    assert "# LENDFACE_BLOBS_URL=s3://lendface?endpoint=http://s3:8333&" in example
    services = compose(".s3")["services"]
    assert "-s3.port=8333" in services["s3"]["command"]
    assert "-name lendface" in services["bucket"]["command"][0]


def test_with_gpus_new_jobs_go_there_and_each_process_has_one() -> None:
    services = compose(".gpu")["services"]
    for service in services.values():
        assert service["environment"]["LENDFACE_RENDER_QUEUE"] == "gpu"
    assert {*services} >= {"api", "control", "quick", "render"}
    [device] = services["render-gpu-0"]["deploy"]["resources"]["reservations"]["devices"]
    assert (device["driver"], device["device_ids"]) == ("nvidia", ["0"])
    assert services["render-gpu-0"]["environment"]["LENDFACE_PROVIDER"] == "cuda"


# Kubernetes


def objects(folder: str) -> list[Object]:
    """What one kustomization names, without what it builds on."""
    path = KUBERNETES / folder
    [kustomization] = documents(path / "kustomization.yaml")
    files = [name for name in kustomization["resources"] if name.endswith(".yaml")]
    return [found for name in files for found in documents(path / name)]


def everything() -> list[Object]:
    return [found for folder in ("base", "gpu", "keda", "example") for found in objects(folder)]


def of_kind(*kinds: str) -> list[Object]:
    return [found for found in everything() if found["kind"] in kinds]


def named(kind: str, name: str) -> Object:
    [found] = [each for each in of_kind(kind) if each["metadata"]["name"] == name]
    return found


WORKLOADS = of_kind("Deployment", "StatefulSet")
workloads = pytest.mark.parametrize(
    "workload", WORKLOADS, ids=[found["metadata"]["name"] for found in WORKLOADS]
)


def pod_of(workload: Object) -> Object:
    return workload["spec"]["template"]["spec"]


def container_of(workload: Object) -> Object:
    [container] = pod_of(workload)["containers"]
    return container


def labels_of(workload: Object) -> dict[str, str]:
    return workload["spec"]["template"]["metadata"]["labels"]


def selected(labels: Object) -> list[Object]:
    return [found for found in WORKLOADS if labels.items() <= labels_of(found).items()]


def test_every_file_of_a_folder_is_part_of_it() -> None:
    for folder in KUBERNETES.iterdir():
        [kustomization] = documents(folder / "kustomization.yaml")
        told = {*kustomization["resources"], "kustomization.yaml", "secret.example.yaml"}
        assert {path.name for path in folder.glob("*.yaml")} <= told
        for name in (*kustomization["resources"], *kustomization.get("components", [])):
            assert (folder / name).exists()


def test_every_object_has_what_every_object_has_and_a_name_of_its_own() -> None:
    found = everything()
    assert all({"apiVersion", "kind"} <= {*each} and each["metadata"]["name"] for each in found)
    names = [(each["kind"], each["metadata"]["name"]) for each in found]
    assert len(names) == len(set(names)) > 20


@workloads
def test_a_workload_selects_its_own_pods_and_no_others(workload: Object) -> None:
    assert selected(workload["spec"]["selector"]["matchLabels"]) == [workload]


@workloads
def test_a_workload_runs_a_command_that_there_is_under_a_name_of_its_own(workload: Object) -> None:
    arguments = container_of(workload)["args"]
    check_command(arguments)
    if arguments[0] == "work":
        assert arguments[-2:] == ["--executor", "$(POD_NAME)"]
        names = {variable["name"] for variable in container_of(workload)["env"]}
        assert "POD_NAME" in names


def test_every_queue_has_a_workload() -> None:
    served = {word for found in WORKLOADS for word in container_of(found)["args"] if word in WORDS}
    assert served == set(WORDS)


@workloads
def test_a_pod_can_do_no_more_than_it_must(workload: Object) -> None:
    pod, container = pod_of(workload), container_of(workload)
    assert pod["securityContext"]["runAsNonRoot"] is True
    [user] = instructions("USER")
    assert f"{pod['securityContext']['runAsUser']}:{pod['securityContext']['runAsGroup']}" == user
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod["automountServiceAccountToken"] is False
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


@workloads
def test_services_put_no_variables_into_a_pod_that_we_would_refuse(workload: Object) -> None:
    assert pod_of(workload)["enableServiceLinks"] is False


@workloads
def test_a_pod_has_time_to_end_in_good_order(workload: Object) -> None:
    drain_s = float(env_file(KUBERNETES / "base" / "settings.env")["LENDFACE_DRAIN_S"])
    stop = container_of(workload).get("lifecycle", {}).get("preStop", {}).get("exec", {})
    sleep_s = float(stop["command"][1]) if stop else 0
    grace_s = pod_of(workload)["terminationGracePeriodSeconds"]
    assert grace_s >= sleep_s + drain_s + SETTLE_S


@workloads
def test_a_pod_says_what_it_needs_and_how_much_it_may_take(workload: Object) -> None:
    resources = container_of(workload)["resources"]
    assert {"cpu", "memory"} <= {*resources["requests"]} & {*resources["limits"]}
    volumes = {volume["name"]: volume.get("emptyDir") for volume in pod_of(workload)["volumes"]}
    mounts = {mount["mountPath"]: mount["name"] for mount in container_of(workload)["volumeMounts"]}
    certificate = {"/etc/lendface/c2pa": "c2pa"} if renders(workload) else {}
    assert mounts == {"/data": "data", "/tmp": "tmp", **certificate}
    assert set(mounts.values()) == set(volumes)
    if container_of(workload)["args"][0] == "work":
        scratch_mb = int(env_file(KUBERNETES / "base" / "settings.env")["LENDFACE_SCRATCH_MB"])
        size = re.fullmatch(r"(\d+)Gi", volumes["data"]["sizeLimit"])
        assert size
        assert int(size[1]) * 1024 > scratch_mb


@workloads
def test_only_a_pod_that_renders_holds_the_certificate(workload: Object) -> None:
    files = {variable["value"] for variable in container_of(workload)["env"]
             if variable["name"].startswith("LENDFACE_C2PA")}  # fmt: skip
    place = "/etc/lendface/c2pa"
    wanted = {f"{place}/{CHAIN}", f"{place}/{KEY}"} if renders(workload) else set()
    assert files == wanted
    secrets = [volume["secret"] for volume in pod_of(workload)["volumes"] if "secret" in volume]
    [example] = documents(KUBERNETES / "example" / "kustomization.yaml")
    [made] = [made for made in example["secretGenerator"] if made["name"] == "lendface-c2pa"]
    assert made["files"] == [f"c2pa/{CHAIN}", f"c2pa/{KEY}"]
    assert [secret["secretName"] for secret in secrets] == ["lendface-c2pa"] * bool(wanted)


def renders(workload: Object) -> bool:
    return bool({"cpu", "gpu"} & {*container_of(workload)["args"]})


@workloads
def test_an_image_is_pinned_to_this_version(workload: Object) -> None:
    image = container_of(workload)["image"]
    assert PINNED.fullmatch(image)
    assert image.partition(":")[2].removesuffix("-gpu") == __version__
    [kustomization] = documents(KUBERNETES / "example" / "kustomization.yaml")
    [told] = kustomization["images"]
    assert image.startswith(f"{told['name']}:")


@workloads
def test_settings_and_secrets_come_from_where_they_are(workload: Object) -> None:
    sources = container_of(workload)["envFrom"]
    [settings] = [source["configMapRef"]["name"] for source in sources if "configMapRef" in source]
    [secrets] = [source["secretRef"]["name"] for source in sources if "secretRef" in source]
    [base] = documents(KUBERNETES / "base" / "kustomization.yaml")
    [example] = documents(KUBERNETES / "example" / "kustomization.yaml")
    [template] = documents(KUBERNETES / "base" / "secret.example.yaml")
    assert [made["name"] for made in base["configMapGenerator"]] == [settings]
    assert [made["name"] for made in example["secretGenerator"]] == [secrets, "lendface-c2pa"]
    assert template["metadata"]["name"] == secrets
    assert (
        pod_of(workload)["serviceAccountName"]
        == named("ServiceAccount", "lendface")["metadata"]["name"]
    )
    for variable in container_of(workload)["env"]:
        assert variable["name"] in NAMES | {"POD_NAME"}


def test_secrets_are_settings_and_the_templates_agree() -> None:
    [template] = documents(KUBERNETES / "base" / "secret.example.yaml")
    assert {*template["stringData"]} <= NAMES
    assert {*env_file(KUBERNETES / "example" / "secrets.env.example")} == {*template["stringData"]}
    assert not {*template["stringData"]} & {*env_file(KUBERNETES / "base" / "settings.env")}
    assert {"LENDFACE_SECRET", "LENDFACE_DATABASE_URL"} <= {*template["stringData"]}


def test_git_ignores_secrets_that_were_filled_in() -> None:
    ignored = (DEPLOY / ".gitignore").read_text(encoding="utf-8").split()
    assert {"*.env", "!settings.env", "s3.json"} <= {*ignored}


def test_overlays_merge_into_settings_that_there_are() -> None:
    base = env_file(KUBERNETES / "base" / "settings.env")
    for folder in ("gpu", "example"):
        [kustomization] = documents(KUBERNETES / folder / "kustomization.yaml")
        [made] = kustomization["configMapGenerator"]
        assert (made["name"], made["behavior"]) == ("lendface-settings", "merge")
        literals = [literal.partition("=")[0] for literal in made.get("literals", [])]
        files = [env_file(KUBERNETES / folder / name) for name in made.get("envs", [])]
        assert {*literals, *(name for file in files for name in file)} <= {*base}


def test_the_api_is_asked_how_it_is_where_it_says_so(tmp_path: Path) -> None:
    container = container_of(named("Deployment", "lendface-api"))
    [port] = container["ports"]
    assert port["containerPort"] == Settings.model_fields["port"].default
    paths = {
        probe: container[probe]["httpGet"]
        for probe in ("startupProbe", "livenessProbe", "readinessProbe")
    }
    assert {get["port"] for get in paths.values()} == {port["name"]}
    assert paths["livenessProbe"]["path"] == "/healthz"
    assert paths["readinessProbe"]["path"] == "/readyz"


def test_services_lead_to_pods_that_listen() -> None:
    for service in of_kind("Service"):
        [workload] = selected(service["spec"]["selector"])
        listening = {port["name"] for port in container_of(workload).get("ports", [])}
        assert {port["targetPort"] for port in service["spec"].get("ports", [])} <= listening


def test_the_ingress_leads_to_the_api() -> None:
    [ingress] = of_kind("Ingress")
    [rule] = ingress["spec"]["rules"]
    [path] = rule["http"]["paths"]
    service = named("Service", path["backend"]["service"]["name"])
    assert path["backend"]["service"]["port"]["name"] in {
        port["name"] for port in service["spec"]["ports"]
    }
    assert ingress["spec"]["tls"][0]["hosts"] == [rule["host"]]
    settings = env_file(KUBERNETES / "base" / "settings.env")
    assert settings["LENDFACE_PUBLIC_URL"] == f"https://{rule['host']}"


def test_a_stateful_set_has_its_service_and_all_its_pods_start_at_once() -> None:
    for workload in of_kind("StatefulSet"):
        service = named("Service", workload["spec"]["serviceName"])
        assert service["spec"]["clusterIP"] == "None"
        assert selected(service["spec"]["selector"]) == [workload]
        assert workload["spec"]["podManagementPolicy"] == "Parallel"


def test_every_workload_has_a_budget_of_its_own() -> None:
    budgets = of_kind("PodDisruptionBudget")
    kept = [selected(budget["spec"]["selector"]["matchLabels"]) for budget in budgets]
    assert all(len(found) == 1 for found in kept)
    assert {found[0]["metadata"]["name"] for found in kept} == {
        found["metadata"]["name"] for found in WORKLOADS
    }
    for budget, [workload] in zip(budgets, kept, strict=True):
        if "minAvailable" in budget["spec"]:  # or no node could ever be drained
            replicas = workload["spec"].get("replicas", 2)
            assert budget["spec"]["minAvailable"] < replicas


def test_what_scales_is_there_and_its_number_is_not_given_twice() -> None:
    [autoscaler] = of_kind("HorizontalPodAutoscaler")
    target = autoscaler["spec"]["scaleTargetRef"]
    assert "replicas" not in named(target["kind"], target["name"])["spec"]
    [scaled] = of_kind("ScaledObject")
    target = scaled["spec"]["scaleTargetRef"]
    named(target["kind"], target["name"])
    [keda] = documents(KUBERNETES / "keda" / "kustomization.yaml")
    [patch] = keda["patches"]
    assert patch["target"] == {"kind": target["kind"], "name": target["name"]}
    assert yaml.safe_load(patch["patch"]) == [{"op": "remove", "path": "/spec/replicas"}]


def test_a_gpu_process_has_one_whole_gpu() -> None:
    workload = named("StatefulSet", "lendface-render-gpu")
    resources = container_of(workload)["resources"]
    assert resources["requests"]["nvidia.com/gpu"] == resources["limits"]["nvidia.com/gpu"] == 1
    assert {"name": "LENDFACE_PROVIDER", "value": "cuda"} in container_of(workload)["env"]
    assert container_of(workload)["image"].endswith("-gpu")


# Who reaches whom


def policies(direction: str) -> Iterator[tuple[Object, list[Object]]]:
    for policy in of_kind("NetworkPolicy"):
        if direction.capitalize() in policy["spec"]["policyTypes"]:
            yield policy, policy["spec"].get(direction, [])


def test_without_a_rule_nothing_goes_in_or_out() -> None:
    nothing = named("NetworkPolicy", "lendface-nothing")["spec"]
    assert nothing["policyTypes"] == ["Ingress", "Egress"]
    assert "ingress" not in nothing
    assert "egress" not in nothing
    assert selected(nothing["podSelector"]["matchLabels"]) == WORKLOADS


def test_only_control_reaches_the_internet_and_no_private_place_by_that_way() -> None:
    reaching = {
        workload["metadata"]["name"]
        for policy, rules in policies("egress")
        if "0.0.0.0/0" in str(rules)
        for workload in selected(policy["spec"]["podSelector"]["matchLabels"])
    }
    assert reaching == {"lendface-control"}
    [rule] = named("NetworkPolicy", "lendface-internet")["spec"]["egress"]
    blocked = rule["to"][0]["ipBlock"]["except"]
    assert {"10.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16"} <= {*blocked}


def test_all_reach_the_database_and_names_and_only_the_api_is_reached() -> None:
    for name in ("lendface-storage", "lendface-names"):
        policy = named("NetworkPolicy", name)
        assert selected(policy["spec"]["podSelector"]["matchLabels"]) == WORKLOADS
    storage = named("NetworkPolicy", "lendface-storage")["spec"]["egress"][0]["ports"]
    assert {port["port"] for port in storage} == {5432, 443}
    open_to = [
        workload["metadata"]["name"]
        for policy, rules in policies("ingress")
        if rules
        for workload in selected(policy["spec"]["podSelector"]["matchLabels"])
    ]
    assert open_to == ["lendface-api"]


# Units of systemd, proxies, Prometheus


def unit(name: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for line in (DEPLOY / "systemd" / name).read_text(encoding="utf-8").splitlines():
        if "=" in line and not line.startswith("#"):
            key, _, value = line.partition("=")
            found.setdefault(key, []).append(value)
    return found


UNITS = ("lendface.service", "lendface-api.service", "lendface-worker@.service")


@pytest.mark.parametrize("name", UNITS)
def test_a_unit_runs_as_its_own_user_and_writes_to_its_own_folder_only(name: str) -> None:
    values = unit(name)
    assert values["User"] == ["lendface"]
    assert values["ProtectSystem"] == ["strict"]
    assert values["NoNewPrivileges"] == ["yes"]
    assert values["CapabilityBoundingSet"] == [""]
    [variables] = values["Environment"]
    given = dict(pair.split("=") for pair in variables.split())
    assert given["LENDFACE_DATA"] == f"/var/lib/{values['StateDirectory'][0]}"
    assert float(values["TimeoutStopSec"][0]) >= float(given["LENDFACE_DRAIN_S"]) + SETTLE_S


def test_units_run_commands_that_there_are() -> None:
    for name in UNITS[:2]:
        for line in unit(name)["ExecStart"] + unit(name)["ExecStartPre"]:
            program, *words = line.split()
            assert program.endswith("/lendface")
            check_command(words)
    [line] = unit(UNITS[2])["ExecStart"]
    written = line.replace("$$", "$").replace("%%", "%").replace("%H", "host")
    assert 'lendface work --queue "${1%%-*}" --executor "host-$1"' in written


def test_proxies_let_uploads_of_full_size_through_and_progress_at_once() -> None:
    most = Settings.model_fields["max_upload_mb"].default
    nginx = (DEPLOY / "proxy" / "nginx.conf").read_text(encoding="utf-8")
    caddy = (DEPLOY / "proxy" / "Caddyfile").read_text(encoding="utf-8")
    for text, pattern in ((nginx, r"client_max_body_size (\d+)m;"), (caddy, r"max_size (\d+)MB")):
        size = re.search(pattern, text)
        assert size
        assert int(size[1]) > most
        assert f"127.0.0.1:{Settings.model_fields['port'].default}" in text
    assert "proxy_buffering off;" in nginx
    assert "proxy_request_buffering off;" in nginx
    assert "access_log off;" in nginx
    assert "flush_interval -1" in caddy
    assert "\tlog" not in caddy


@cache
def metric_names(folder: Path) -> frozenset[str]:
    """All that a server with something of everything tells."""
    built = build_office(load_settings(data=folder))
    try:
        prepare(built)
        counted = build_app(built)
        assert isinstance(counted, RequestMetrics)
        text = generate_latest(counted.registry).decode()
    finally:
        built.close()
    names = set()
    for family in text_string_to_metric_families(text):
        suffixes = {
            "counter": ["_total"],
            "histogram": ["_bucket", "_sum", "_count"],
        }.get(family.type, [""])
        names |= {family.name + suffix for suffix in suffixes}
    return frozenset(names)


def test_alerts_and_scalers_ask_for_metrics_that_there_are(tmp_path: Path) -> None:
    [alerts] = documents(DEPLOY / "prometheus" / "alerts.yml")
    [scaled] = of_kind("ScaledObject")
    expressions = [rule["expr"] for group in alerts["groups"] for rule in group["rules"]]
    expressions += [trigger["metadata"]["query"] for trigger in scaled["spec"]["triggers"]]
    asked = {name for text in expressions for name in re.findall(r"\blendface_\w+", text)}
    assert len(asked) > 8
    assert asked <= metric_names(tmp_path)


def test_alerts_name_codes_and_queues_that_there_are() -> None:
    text = (DEPLOY / "prometheus" / "alerts.yml").read_text(encoding="utf-8")
    codes = {each.code for each in family(LendfaceError)}
    for words in re.findall(r'code=~"([^"]+)"', text):
        assert set(words.split("|")) <= codes
    for queue in re.findall(r'queue!?="([^"]+)"', text):
        assert queue in {name for names in WORDS.values() for name in names}


def family(kind: type[LendfaceError]) -> Iterator[type[LendfaceError]]:
    yield kind
    for child in kind.__subclasses__():
        yield from family(child)


def test_prometheus_asks_where_metrics_are_told() -> None:
    [scrape] = documents(DEPLOY / "prometheus" / "scrape.yml")
    [job] = scrape["scrape_configs"]
    assert job["metrics_path"] == "/metrics"
    [targets] = job["static_configs"]
    assert targets["targets"] == [f"127.0.0.1:{Settings.model_fields['port'].default}"]
