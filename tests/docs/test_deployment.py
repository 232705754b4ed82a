"""Container, compose, Kubernetes and systemd files: what they start, set and ask for exists.

They are not run here: no container engine is part of the tests.
"""

import re
import shutil
import subprocess
import tomllib
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.embedded.temporal import NAMESPACE, temporal_binary
from services.clock import system_clock
from services.keys import make_missing
from settings import ENVIRONMENT, MIGRATION, Settings, from_environment
from tests.docs import names
from tests.docs.pages import ROOT

CONTAINERFILE = (ROOT / "deploy" / "container" / "Containerfile").read_text("utf-8")
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "deploy" / "compose.yaml").read_text("utf-8"))
KUBERNETES: list[dict[str, Any]] = [
    document
    for file in sorted((ROOT / "deploy" / "kubernetes").glob("*.yaml"))
    for document in yaml.safe_load_all(file.read_text("utf-8"))
]
NEEDED = {
    ENVIRONMENT[field]
    for field in ("database_url", "temporal_address")
    if Settings.model_fields[field].is_required()
} | {ENVIRONMENT["keys"]}
NEEDS = {"migrate": {MIGRATION}, "public": {"DATABASE_URL"}}
"""Parts that are told less than the others."""
PORT = Settings.model_fields["port"].default
SERVICES = {name: one for name, one in COMPOSE["services"].items() if "command" in one}
OURS = {name: one for name, one in SERVICES.items() if one["command"]}


def containers() -> Iterator[tuple[str, dict[str, Any]]]:
    for document in KUBERNETES:
        pod = document.get("spec", {}).get("template", {}).get("spec", {})
        for one in (*pod.get("initContainers", ()), *pod.get("containers", ())):
            yield f"{document['metadata']['name']}/{one['name']}", one


def of_kind(kind: str) -> list[dict[str, Any]]:
    return [document for document in KUBERNETES if document["kind"] == kind]


# --- the image ------------------------------------------------------------------------------------


def test_the_image_holds_every_package_and_module_and_nothing_that_is_not_there() -> None:
    copied = {
        source
        for line in re.findall(r"^COPY (?!--from)(.+)$", CONTAINERFILE, re.M)
        for source in line.split()[:-1]
    }
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    setuptools = project["tool"]["setuptools"]
    packages = {name.rstrip("*") for name in setuptools["packages"]["find"]["include"]}
    modules = {f"{name}.py" for name in setuptools["py-modules"]}
    locks = {"requirements.lock", "requirements-assets.lock"}
    assert packages | modules | locks | {"pyproject.toml", "README.md", "NOTICE"} <= copied
    assert not [name for name in copied if not (ROOT / name).exists()]
    ignoring = (ROOT / "deploy" / "container" / "Containerfile.dockerignore").read_text("utf-8")
    assert {line[1:] for line in ignoring.splitlines() if line.startswith("!")} == copied


def test_the_image_installs_by_hash_and_runs_as_nobody_in_particular() -> None:
    joined = re.sub(r"\\\n\s*", "", CONTAINERFILE)
    assert "--require-hashes --requirement /build/requirements.lock" in joined
    assert "--require-hashes --no-deps --requirement /build/requirements-assets.lock" in joined
    user = re.findall(r"^USER (\d+)$", CONTAINERFILE, re.M)
    assert user
    assert int(user[-1]) > 0
    for lock in ("requirements.lock", "requirements-assets.lock"):
        assert "--hash=sha256:" in (ROOT / lock).read_text("utf-8")
    assert 'ENTRYPOINT ["zhibao"]' in CONTAINERFILE
    assert f"EXPOSE {PORT}" in CONTAINERFILE
    set_here = re.findall(r"\b(ZHIBAO_\w+)=", CONTAINERFILE)
    assert set_here
    assert set(set_here) <= set(ENVIRONMENT.values())


def test_the_notice_names_each_package_for_the_browser_and_where_its_licence_lies() -> None:
    notice = (ROOT / "NOTICE").read_text("utf-8")
    lock = (ROOT / "requirements-assets.lock").read_text("utf-8")
    packages = re.findall(r"^([\w.-]+)==", lock, re.M)
    assert packages
    for package in packages:
        licences = [
            file
            for file in metadata.files(package) or ()
            if file.parts[-2] == "licenses" and file.read_text()
        ]
        assert licences
        assert f"`{package}`" in notice
        known = metadata.metadata(package)
        licence = known["License-Expression" if "License-Expression" in known else "License"]
        for file in licences:
            place = file.as_posix().replace(metadata.version(package), "*")
            assert f"{licence}, {place}" in notice


# --- compose --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", OURS)
def test_a_compose_service_starts_a_command_that_exists_with_all_it_needs(name: str) -> None:
    service = OURS[name]
    assert names.why_no_command(" ".join(["zhibao", *service["command"]])) is None
    needed = NEEDS.get(name, NEEDED)
    assert needed <= set(service["environment"]) <= set(ENVIRONMENT.values()) | needed
    assert (ROOT / "deploy" / service["build"]["context"]).resolve() == ROOT
    assert (ROOT / service["build"]["dockerfile"]).is_file()


def test_compose_prepares_database_and_namespace_before_it_serves() -> None:
    services = COMPOSE["services"]
    for name in ("worker", "api"):
        waits = services[name]["depends_on"]
        assert {one: waits[one]["condition"] for one in waits} == {
            "migrate": "service_completed_successfully",
            "setup": "service_completed_successfully",
        }
    made = {"rings": {"condition": "service_completed_successfully"}}
    for waiting, other, more in (("migrate", "postgres", {}), ("setup", "temporal", made)):
        assert services[waiting]["depends_on"] == {other: {"condition": "service_healthy"}} | more
        assert "healthcheck" in services[other]
    for service in services.values():
        for volume in service.get("volumes", ()):
            source = volume.split(":")[0]
            assert source in COMPOSE["volumes"] or (ROOT / "deploy" / source).is_file()


def test_compose_asks_the_api_for_its_health_where_it_listens() -> None:
    api = COMPOSE["services"]["api"]
    asked = re.search(r"http://127\.0\.0\.1:(\d+)(/\w+)", " ".join(api["healthcheck"]["test"]))
    assert asked
    assert int(asked[1]) == PORT
    assert names.why_no_address(f"GET {asked[2]}") is None
    assert api["ports"] == [f"127.0.0.1:{PORT}:{PORT}"]


def test_the_development_server_knows_the_options_that_compose_gives_it() -> None:
    program, *words = COMPOSE["services"]["temporal"]["entrypoint"]
    assert program == "temporal"
    command = [word for word in words if not word.startswith("-")]
    shown = "".join(
        subprocess.run([temporal_binary(), *asked], capture_output=True, text=True).stdout
        for asked in ([*command, "--help"], ["options"])
    )
    options = [word.partition("=")[0] for word in words if word.startswith("-")]
    assert options
    assert not [one for one in options if f"{one} " not in shown]
    assert f"--namespace={NAMESPACE}" in words


# --- Kubernetes -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "container"), list(containers()))
def test_a_container_starts_a_command_that_exists_with_all_it_needs(
    name: str, container: dict[str, Any]
) -> None:
    assert names.why_no_command(" ".join(["zhibao", *container["args"]])) is None
    given: set[str] = set()
    for source in container["envFrom"]:
        [(kind, named)] = source.items()
        wanted = "ConfigMap" if kind == "configMapRef" else "Secret"
        [found] = [d for d in of_kind(wanted) if d["metadata"]["name"] == named["name"]]
        given |= set(found.get("data") or found["stringData"])
    needed = NEEDS.get(name.rpartition("/")[2], NEEDED)
    assert needed <= given <= set(ENVIRONMENT.values()) | needed
    assert (MIGRATION in given) == (needed == {MIGRATION})
    image = COMPOSE["services"]["api"]["image"]
    assert container["image"] == image


def test_probes_ask_for_addresses_that_exist_on_the_port_that_is_served() -> None:
    [api] = [one for name, one in containers() if name == "zhibao-api/api"]
    assert api["ports"] == [{"name": "http", "containerPort": PORT}]
    for probe in ("livenessProbe", "readinessProbe"):
        asked = api[probe]["httpGet"]
        assert asked["port"] == "http"
        assert names.why_no_address(f"GET {asked['path']}") is None
    [config] = of_kind("ConfigMap")
    assert config["data"]["ZHIBAO_PORT"] == str(PORT)


def test_selectors_select_what_they_are_meant_for() -> None:
    for deployment in of_kind("Deployment"):
        labels = deployment["spec"]["template"]["metadata"]["labels"]
        assert deployment["spec"]["selector"]["matchLabels"].items() <= labels.items()
    assert len(of_kind("Service")) == 2
    for service in of_kind("Service"):
        selected = [
            deployment["metadata"]["name"]
            for deployment in of_kind("Deployment")
            if service["spec"]["selector"].items()
            <= deployment["spec"]["template"]["metadata"]["labels"].items()
        ]
        assert selected == [service["metadata"]["name"]]


def test_the_secret_holds_placeholders_only() -> None:
    given = {name: one for s in of_kind("Secret") for name, one in s["stringData"].items()}
    assert all("change-me" in value for value in given.values())


def test_each_part_finds_its_keys_and_the_worker_no_others(tmp_path: Path) -> None:
    """Rings, each of its own, and not one secret from which all of them follow."""
    folder = COMPOSE["services"]["api"]["environment"][ENVIRONMENT["keys"]]
    mounted = {
        name: [one.split(":")[0] for one in service.get("volumes", ()) if f":{folder}" in one]
        for name, service in COMPOSE["services"].items()
    }
    assert mounted["api"] == ["rings"]
    assert mounted["worker"] == mounted["setup"] == ["worker-rings"]
    script = COMPOSE["services"]["rings"]["entrypoint"][-1]
    made = re.search(r"^zhibao (keys make)", script, re.M)
    assert made
    assert names.why_no_command(f"zhibao {made[1]} --folder x") is None
    copied = set(re.search(r"for purpose in ([\w ]+);", script)[1].split())  # type: ignore[index]
    make_missing(tmp_path, system_clock())
    assert copied < {one.stem for one in tmp_path.glob("*.json")}
    assert not copied & {"tokens", "programs", "totp", "links", "complaints"}
    pods = {
        one["metadata"]["name"]: one["spec"]["template"]["spec"]
        for one in KUBERNETES
        if "template" in one.get("spec", {})
    }
    for name, secret in (("zhibao-api", "zhibao-rings"), ("zhibao-worker", "zhibao-worker-rings")):
        [volume] = [one for one in pods[name]["volumes"] if one["name"] == "rings"]
        assert volume["secret"]["secretName"] == secret
        mounts = pods[name]["containers"][0]["volumeMounts"]
        [rings] = [one for one in mounts if one["name"] == "rings"]
        [settings] = [one["data"] for one in of_kind("ConfigMap")]
        assert rings["mountPath"] == settings[ENVIRONMENT["keys"]]
    operations = (ROOT / "docs" / "operations.md").read_text("utf-8")
    assert all(f"--from-file=rings/{one}.json" in operations for one in copied)


# --- systemd --------------------------------------------------------------------------------------

SYSTEMD = ROOT / "deploy" / "systemd"
UNITS = sorted(SYSTEMD.glob("*.service"))


def settings_of(unit: Path) -> dict[str, dict[str, list[str]]]:
    """A unit's sections, keys and values; a line that is none of these fails."""
    sections: dict[str, dict[str, list[str]]] = {}
    for line in unit.read_text("utf-8").splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        if named := re.fullmatch(r"\[(\w+)\]", line):
            section = sections.setdefault(named[1], {})
            continue
        key, equals, value = line.partition("=")
        assert equals, f"{unit.name}: {line}"
        assert re.fullmatch(r"[A-Z]\w+", key), f"{unit.name}: {line}"
        section.setdefault(key, []).append(value)
    return sections


@pytest.mark.parametrize("unit", [pytest.param(unit, id=unit.name) for unit in UNITS])
def test_a_unit_starts_commands_that_exist_as_nobody_in_particular(unit: Path) -> None:
    sections = settings_of(unit)
    assert list(sections) == ["Unit", "Service", "Install"]
    service = sections["Service"]
    for command in service["ExecStart"]:
        program, _, words = command.partition(" ")
        assert program == f"{service['WorkingDirectory'][0]}/.venv/bin/zhibao"
        assert names.why_no_command(f"zhibao {words}") is None
    assert service["User"] == ["zhibao"]
    for key in ("Requires", "After", "Wants"):
        for name in " ".join(sections["Unit"].get(key, [])).split():
            assert name.endswith(".target") or (SYSTEMD / name).exists(), f"{unit.name}: {name}"


def test_the_units_are_given_settings_that_exist_and_all_that_are_needed() -> None:
    for name, needed in {"zhibao": NEEDED, **NEEDS}.items():
        given = dict(
            line.split("=", 1)
            for line in (SYSTEMD / f"{name}.env").read_text("utf-8").splitlines()
            if not line.startswith("#")
        )
        assert needed <= given.keys() <= set(ENVIRONMENT.values()) | needed
        if needed == NEEDED:
            from_environment(given)


@pytest.mark.slow  # what every machine can tell of the units stands above
@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="needs systemd-analyze")
def test_systemd_understands_the_units(tmp_path: Path) -> None:
    for unit in UNITS:
        # programs that are on no tester's machine are replaced by one that is
        text = re.sub(r"/opt/zhibao/\.venv/bin/zhibao", "/bin/true", unit.read_text("utf-8"))
        (tmp_path / unit.name).write_text(text)
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *sorted(map(str, tmp_path.glob("*.service")))],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    complaints = [line for line in done.stderr.splitlines() if "zhibao" in line]
    assert complaints == []
