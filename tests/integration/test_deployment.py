"""Deployment files: valid, consistent with each other, naming only what exists. No Docker engine starts them here."""

import json
import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from click import Command
from typer.main import get_command

from lethe.evaluator.settings import WorkerSettings
from lethe.server.cli import app as cli
from lethe.server.settings import Settings

ROOT = Path(__file__).parents[2]
DOCUMENTS = [ROOT / "docs" / "operations.md", ROOT / "docs" / "hosting.md"]
INSTALLER = {"UV_DEFAULT_INDEX", "UV_INDEX", "SSL_CERT_FILE", "HTTPS_PROXY", "NO_PROXY"}
S3 = {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION", "AWS_ENDPOINT_URL"}
SERVICE_KEYS = {
    "build", "cap_drop", "command", "depends_on", "deploy", "environment", "healthcheck", "image", "logging",
    "mem_limit", "pids_limit", "ports", "profiles", "restart", "security_opt", "shm_size", "stop_grace_period",
    "volumes",
}  # fmt: skip
DURATION = re.compile(r"\d+(s|m)")


def settings_of(*classes: type[Any]) -> set[str]:
    return {f"LETHE_{name.upper()}" for one in classes for name in one.model_fields}


UNITS = sorted((ROOT / "deploy" / "systemd").glob("*.service"))
SERVER, WORKER = settings_of(Settings), settings_of(WorkerSettings)
# The port is that of the mapping, and only the profile of GPU workers has a GPU.
NOT_PASSED = {"LETHE_PORT", "LETHE_GPU"}


def compose() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    return loaded


def stages() -> dict[str, list[tuple[str, str]]]:
    """The instructions of each stage of the Dockerfile, with continued lines joined."""
    text = re.sub(r"\\\n\s*", "", (ROOT / "Dockerfile").read_text())
    found: dict[str, list[tuple[str, str]]] = {}
    for line in text.splitlines():
        if not line or line.startswith("#"):
            continue
        instruction, _, rest = line.partition(" ")
        if instruction == "FROM":
            base, name = re.fullmatch(r"(\S+) AS (\S+)", rest).groups()  # type: ignore[union-attr]
            found[name] = [("FROM", base)]
        else:
            found[name].append((instruction, rest))
    return found


def assert_command_exists(words: list[str]) -> None:
    """`lethe …` names a command of the command line, with options that it has."""
    assert Path(words[0]).name == "lethe", words
    command: Command = get_command(cli)
    rest = words[1:]
    while rest and hasattr(command, "commands"):
        assert rest[0] in command.commands, f"there is no command {words}"
        command, rest = command.commands[rest[0]], rest[1:]
    known = {option for parameter in command.params for option in parameter.opts}
    assert {word.split("=")[0] for word in rest if word.startswith("--")} <= known, words


def test_compose_file_has_the_schema_of_compose() -> None:
    document = compose()
    assert {key for key in document if not key.startswith("x-")} == {"services", "volumes"}
    for name, service in document["services"].items():
        assert set(service) <= SERVICE_KEYS, name
        assert ("image" in service) != ("build" in service), name
        for volume in service.get("volumes", []):
            assert volume.split(":")[0] in document["volumes"], (name, volume)
        for needed, how in service.get("depends_on", {}).items():
            assert needed in document["services"], (name, needed)
            condition = how["condition"]
            assert condition in {"service_healthy", "service_completed_successfully"}, name
            if condition == "service_healthy":
                assert "healthcheck" in document["services"][needed], (name, needed)
            else:
                assert document["services"][needed]["restart"] == "no"
            assert "profiles" not in document["services"][needed] or "profiles" in service, (name, needed)
        check = service.get("healthcheck")
        if check:
            assert set(check) <= {"test", "interval", "timeout", "retries", "start_period"}
            assert check["test"][0] in {"CMD", "CMD-SHELL"}
            assert all(DURATION.fullmatch(check[key]) for key in ("interval", "timeout"))
        assert service["restart"] in {"no", "unless-stopped"}, name


def test_no_service_fills_the_disk_with_logs_or_the_machine_with_processes() -> None:
    for name, service in compose()["services"].items():
        options = service["logging"]["options"]
        assert re.fullmatch(r"\d+m", options["max-size"]), name
        assert int(options["max-file"]) > 1, name
        assert service["pids_limit"] > 0, name
        limit = service["mem_limit"]
        assert re.fullmatch(r"\d+[gm]", limit) or limit == "${WORKER_MEMORY:-0}", name


def test_compose_file_names_commands_settings_and_stages_that_exist() -> None:
    built = stages()
    for name, service in compose()["services"].items():
        if "build" not in service:
            continue
        assert service["build"]["target"] in built, name
        assert_command_exists(service["command"])
        variables = set(service["environment"])
        if service["build"]["target"] == "worker":
            assert variables <= WORKER | S3 | INSTALLER, name
            assert "LETHE_DATABASE_URL" not in variables
            assert "POSTGRES_PASSWORD" not in str(service)
        else:
            assert variables <= SERVER | S3, name
        own = WORKER if service["build"]["target"] == "worker" else SERVER
        assert own <= variables | NOT_PASSED, f"{name}: {own - variables} is not passed on"


def test_compose_file_holds_no_secret_and_no_privilege() -> None:
    text = (ROOT / "docker-compose.yml").read_text()
    for variable in re.findall(r"\$\{(\w*(?:PASSWORD|SECRET)\w*)([^}]*)\}", text):
        assert variable[1].startswith(":?"), variable
    for service in compose()["services"].values():
        assert "privileged" not in service
        if "build" in service:
            assert service["cap_drop"] == ["ALL"]
            assert "no-new-privileges:true" in service["security_opt"]
            for option in service["security_opt"]:
                assert option != "seccomp=unconfined"
                if option.startswith("seccomp="):
                    assert (ROOT / option.removeprefix("seccomp=")).is_file()


def test_dockerfile_copies_what_exists_and_everything_that_is_packaged() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    built = stages()
    copied: set[str] = set()
    for name, instructions in built.items():
        base = instructions[0][1]
        assert base in built or ":" in base, name
        for instruction, rest in instructions:
            if instruction == "COPY" and not rest.startswith("--from"):
                copied |= set(rest.split()[:-1])
            if instruction == "CMD":
                assert_command_exists(json.loads(rest))
        if name != "base":
            assert ("USER", "lethe") in instructions, f"{name} runs as root"
            installs = [rest for instruction, rest in instructions if "uv pip install" in rest]
            extras = set(",".join(re.findall(r"\.\[([\w,]+)\]", " ".join(installs))).split(","))
            assert all("--constraint " in rest for rest in installs)
            assert extras <= set(project["project"]["optional-dependencies"])
            # Commands that prepare data and train need the database as well as torch.
            assert extras == {"server", name}
    for path in copied:
        assert (ROOT / path).exists(), path
    packaged = {path.name for path in (ROOT / "lethe").iterdir() if path.is_symlink()}
    assert {*project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"], *packaged} <= copied
    ignored = (ROOT / ".dockerignore").read_text().split()
    assert not copied & set(ignored)


def test_packages_of_the_images_resolve() -> None:
    locked = set(re.findall(r"^([a-z0-9-]+)==", (ROOT / "requirements.lock").read_text(), re.MULTILINE))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    wanted = [*project["dependencies"], *extras["server"], *extras["worker"]]
    names = {re.split(r"[^A-Za-z0-9._-]", requirement)[0].lower().replace("_", "-") for requirement in wanted}
    assert names <= locked
    if shutil.which("apt-cache") is None:
        pytest.skip("no apt-cache")
    packages = re.findall(r"apt-get install -y --no-install-recommends ([a-z0-9 -]+)", str(list(stages().values())))
    for package in " ".join(packages).split():
        known = subprocess.run(["apt-cache", "policy", package], capture_output=True, text=True, check=True).stdout
        if not known:
            pytest.skip("apt has no lists of packages")
        assert re.search(r"Candidate: \S*\d", known), package


def test_another_build_of_torch_is_pinned_by_version_and_all_else_by_hash() -> None:
    """uv checks hashes of constraints, and those of the lock are of the registry's build."""
    printed = subprocess.run([ROOT / "scripts" / "constraints"], capture_output=True, text=True, check=True).stdout
    lock = (ROOT / "requirements.lock").read_text()
    pins = re.findall(r"^(\S+==[^ ;\n]+)", printed, re.MULTILINE)
    own = [pin for pin in pins if pin.startswith(("torch==", "torchvision=="))]
    assert printed.splitlines()[-2:] == own
    assert all(pin in lock for pin in pins)
    assert not re.search(r"^(nvidia|cuda|triton)", printed, re.MULTILINE)
    assert printed.count("--hash=") > len(pins)


def test_systemd_units_start_commands_that_exist() -> None:
    assert [unit.stem for unit in UNITS] == [
        "lethe-backup",
        "lethe-control",
        "lethe-prune",
        "lethe-serve",
        "lethe-worker",
    ]
    for unit in UNITS:
        commands = re.findall(r"/opt/lethe/bin/(lethe [^'\n]+)", unit.read_text())
        assert commands
        for command in commands:
            assert_command_exists(shlex.split(command.replace('"', "").replace("$BACKUP_OPTIONS", "--artifacts")))


@pytest.mark.component("systemd-analyze")
def test_systemd_units_are_valid_and_give_away_no_more_than_they_need(tmp_path: Path) -> None:
    for unit in [*UNITS, *(ROOT / "deploy" / "systemd").glob("*.timer")]:
        text = unit.read_text().replace("/opt/lethe/bin/lethe", "/bin/true")  # verify wants a program that is there
        (tmp_path / unit.name).write_text(text)
    paths = sorted(str(path) for path in tmp_path.iterdir())
    verified = subprocess.run(["systemd-analyze", "verify", *paths], capture_output=True, text=True, check=False)
    own = [line for line in verified.stderr.splitlines() if "lethe-" in line]
    assert (verified.returncode, own) == (0, []), verified.stderr
    for unit in UNITS:  # 7.9 and, of the worker, 9.6 before they were hardened
        worst = 65 if unit.stem == "lethe-worker" else 20
        command = ["systemd-analyze", "security", "--offline=true", f"--threshold={worst}", str(tmp_path / unit.name)]
        rated = subprocess.run(command, capture_output=True, text=True, check=False)
        assert rated.returncode == 0, f"{unit.stem}: {rated.stdout.splitlines()[-1]}"


@pytest.mark.component("promtool")
def test_alerts_fire_when_they_should_and_only_then() -> None:
    folder = ROOT / "deploy"
    tests = yaml.safe_load((folder / "alerts_test.yml").read_text())["tests"]
    tested = {one["alertname"] for test in tests for one in test["alert_rule_test"] if one["exp_alerts"]}
    rules = yaml.safe_load((folder / "alerts.yml").read_text())["groups"][0]["rules"]
    assert tested == {rule["alert"] for rule in rules}
    command = ["promtool", "test", "rules", "alerts_test.yml"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.component("promtool")
def test_the_dashboard_loads_as_it_is_and_asks_what_prometheus_understands(tmp_path: Path) -> None:
    board = json.loads((ROOT / "deploy" / "grafana.json").read_text())
    (variable,) = board["templating"]["list"]
    assert (variable["type"], variable["query"]) == ("datasource", "prometheus")
    assert "__inputs" not in board  # these would have to be filled in by hand
    source = {"type": "prometheus", "uid": f"${{{variable['name']}}}"}
    cells: set[tuple[int, int]] = set()
    for panel in board["panels"]:
        place = panel["gridPos"]
        own = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not own & cells, f"{panel['title']} covers another panel"
        assert max(x for x, _ in own) < 24
        cells |= own
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])
    shown = [panel for panel in board["panels"] if panel["type"] != "row"]
    rules = []
    for panel in shown:
        assert panel["title"]
        assert panel["description"]
        assert panel["fieldConfig"]["defaults"]["unit"]
        assert [target["datasource"] for target in panel["targets"]] == [source] * len(panel["targets"])
        assert panel["datasource"] == source
        assert len({target["refId"] for target in panel["targets"]}) == len(panel["targets"]) > 0
        for target in panel["targets"]:
            rules.append({"record": "x", "expr": target["expr"].replace("$__rate_interval", "5m")})
            assert "$" not in rules[-1]["expr"]
    groups = [{"name": str(number), "rules": [rule]} for number, rule in enumerate(rules)]
    (tmp_path / "rules.yml").write_text(yaml.safe_dump({"groups": groups}))
    done = subprocess.run(
        ["promtool", "check", "rules", tmp_path / "rules.yml"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_documents_name_settings_and_commands_that_exist_and_every_setting() -> None:
    text = "\n".join(path.read_text() for path in DOCUMENTS)
    named = set(re.findall(r"LETHE_[A-Z_]+", text))
    secret_files = Settings.variables() | WorkerSettings.variables()
    assert SERVER | WORKER <= named <= SERVER | WORKER | secret_files, named ^ (SERVER | WORKER)
    for line in re.findall(r"`(lethe [a-z][^`]*)`", text):
        words = [word for word in shlex.split(line) if re.fullmatch(r"[a-z-]+|--[a-z-]+", word)]
        assert_command_exists(words)


STARTS = """
import json, sys
import pyseccomp
profile = json.load(open(sys.argv[1]))
assert profile["defaultAction"] == "SCMP_ACT_ALLOW"
filter = pyseccomp.SyscallFilter(pyseccomp.ALLOW)
for rule in profile["syscalls"]:
    assert rule["action"] == "SCMP_ACT_ERRNO"
    for name in rule["names"]:
        filter.add_rule(pyseccomp.ERRNO(rule["errnoRet"]), name)
filter.load()
import ctypes
assert ctypes.CDLL(None, use_errno=True).ptrace(0, 0, 0, 0) == -1, "the profile is not in force"
from lethe.sandbox.doctor import probe
print(json.dumps({finding.name: finding.ok for finding in probe() if finding.required}))
"""


UNDER_UNIT = """
import json, sys
import pyseccomp
filter = pyseccomp.SyscallFilter(pyseccomp.ALLOW)
for name in sys.argv[1].split():
    try:
        filter.add_rule(pyseccomp.ERRNO(1), name)
    except (RuntimeError, ValueError, OSError):
        pass  # of other processors
for family in set(range(46)) - {int(one) for one in sys.argv[2].split()}:
    filter.add_rule(pyseccomp.ERRNO(97), "socket", pyseccomp.Arg(0, pyseccomp.EQ, family))
filter.add_rule(pyseccomp.ERRNO(1), "personality", pyseccomp.Arg(0, pyseccomp.GT, 0))
filter.load()
import ctypes
assert ctypes.CDLL(None, use_errno=True).ptrace(0, 0, 0, 0) == -1, "the filter is not in force"
from lethe.sandbox.doctor import probe
print(json.dumps({finding.name: finding.ok for finding in probe() if finding.required}))
"""


def system_calls(names: str) -> set[str]:
    """What a SystemCallFilter= means: names of calls, with sets such as @clock resolved."""
    found: set[str] = set()
    for name in names.split():
        if name.startswith("@"):
            listed = subprocess.run(
                ["systemd-analyze", "syscall-filter", name], capture_output=True, text=True, check=True
            )
            lines = [line.strip() for line in listed.stdout.splitlines()[1:]]
            found |= system_calls(" ".join(line for line in lines if not line.startswith("#")))
        else:
            found.add(name)
    return found


@pytest.mark.component("bubblewrap", "systemd-analyze")
@pytest.mark.skipif(os.geteuid() != 0, reason="the unit runs as root")
def test_sandbox_starts_under_the_unit_of_the_worker() -> None:
    """With its capabilities, its system calls and families of sockets, and its read-only folders."""
    unit = (ROOT / "deploy" / "systemd" / "lethe-worker.service").read_text()

    def values(name: str) -> str:
        return " ".join(re.findall(rf"^{name}=(.+)$", unit, re.MULTILINE))

    capabilities = ",".join(
        one.strip("~").replace("CAP_", "-").lower() for one in values("CapabilityBoundingSet").split()
    )
    families = " ".join(str(int(getattr(socket, one))) for one in values("RestrictAddressFamilies").split())
    calls = " ".join(sorted(system_calls(values("SystemCallFilter").removeprefix("~"))))
    assert values("ProtectSystem") == "full"
    read_only = "for one in /usr /etc /boot; do mount --bind $one $one; mount -o remount,bind,ro $one; done"
    program = [sys.executable, "-c", UNDER_UNIT, calls, families]
    under = ["setpriv", f"--bounding-set={capabilities}", "--no-new-privs", *program]
    script = f"mount --make-rslave / && {read_only} && mount -t tmpfs none /home && exec {shlex.join(under)}"
    done = subprocess.run(
        ["unshare", "-m", "sh", "-ec", script], capture_output=True, text=True, check=False, cwd=ROOT, timeout=240
    )
    assert done.returncode == 0, done.stderr
    findings = json.loads(done.stdout.splitlines()[-1])
    assert findings["jail"] is True, findings
    assert all(findings.values()), findings


@pytest.mark.component("bubblewrap")
def test_sandbox_starts_under_the_profile_of_the_worker_container() -> None:
    """As there: an ordinary user, no capability, no new privileges, and the seccomp profile."""
    demoted = ["setpriv", "--bounding-set=-all", "--inh-caps=-all", "--no-new-privs"]
    if os.geteuid() == 0:
        demoted += ["--reuid=60999", "--regid=60999", "--clear-groups"]
    else:
        demoted = ["setpriv", "--no-new-privs"]
    program = [sys.executable, "-c", STARTS, str(ROOT / "deploy" / "seccomp-worker.json")]
    done = subprocess.run([*demoted, *program], capture_output=True, text=True, check=False, cwd=ROOT, timeout=240)
    assert done.returncode == 0, done.stderr
    findings = json.loads(done.stdout.splitlines()[-1])
    assert findings["jail"] is True, findings
    assert all(findings.values()), findings
