"""Version 2 on a folder that looks like its file system; version 1 is tried for real by the integration tests."""

from collections.abc import Callable
from pathlib import Path

import pytest

from lethe.sandbox import Policy, cgroup_hierarchies, cgroups
from lethe.sandbox.cgroups import CgroupTree, RunGroup

MIB = 2**20


@pytest.fixture
def unified(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A version 2 mount with this process in `/slice/own`."""
    mount = tmp_path / "cgroup"
    own = mount / "slice" / "own"
    own.mkdir(parents=True)
    for folder in (mount, mount / "slice", own):
        (folder / "cgroup.controllers").write_text("cpuset cpu io memory pids\n")
        (folder / "cgroup.subtree_control").write_text("memory pids\n" if folder != own else "")
        (folder / "cgroup.procs").write_text("")
    describe(tmp_path, monkeypatch, f"30 20 0:26 / {mount} rw,nosuid - cgroup2 cgroup2 rw\n", "0::/slice/own\n")
    return own


def describe(folder: Path, monkeypatch: pytest.MonkeyPatch, mountinfo: str, membership: str) -> None:
    for name, text in (("_MOUNTINFO", mountinfo), ("_MEMBERSHIP", membership)):
        (folder / name).write_text(text)
        monkeypatch.setattr(cgroup_hierarchies, name, folder / name)


def test_own_group_of_version_2(unified: Path) -> None:
    assert cgroup_hierarchies.own_groups() == {"unified": unified}


def test_the_leaf_that_holds_the_host_is_not_the_base(
    unified: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    leaf = unified / cgroup_hierarchies.HOST_LEAF
    leaf.mkdir()
    (leaf / "cgroup.controllers").write_text("memory pids\n")
    mount = unified.parent.parent
    describe(tmp_path, monkeypatch, f"30 20 0:26 / {mount} rw - cgroup2 cgroup2 rw\n", f"0::/slice/own/{leaf.name}\n")
    assert cgroup_hierarchies.own_groups() == {"unified": unified}


def test_version_1_and_hybrid(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("memory/docker/abc", "cpu,cpuacct", "unified"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "unified" / "cgroup.controllers").write_text("hugetlb\n")
    describe(
        tmp_path,
        monkeypatch,
        f"31 20 0:27 /docker/abc {tmp_path}/memory rw - cgroup cgroup rw,memory\n"
        f"32 20 0:28 / {tmp_path}/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n"
        f"33 20 0:29 / {tmp_path}/unified rw - cgroup2 cgroup2 rw\n",
        "5:memory:/docker/abc\n4:cpu,cpuacct:/elsewhere/not/shown\n3:pids:/unmounted\n0::/\n",
    )
    both = tmp_path / "cpu,cpuacct"
    assert cgroup_hierarchies.own_groups() == {"memory": tmp_path / "memory", "cpuacct": both, "cpu": both}


def test_no_cgroups_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    describe(tmp_path, monkeypatch, "21 1 0:1 / / rw - overlay overlay rw\n", "0::/\n")
    with CgroupTree.create() as tree:
        assert (tree.version, tree.limits_memory, tree.create_group(Policy())) == (0, False, None)


def test_controllers_are_handed_down_once(unified: Path) -> None:
    cgroup_hierarchies.hand_down(unified)
    assert (unified / "cgroup.subtree_control").read_text() == "+memory +pids +cpu"
    (unified / "cgroup.subtree_control").write_text("cpu memory pids")
    cgroup_hierarchies.hand_down(unified)
    assert (unified / "cgroup.subtree_control").read_text() == "cpu memory pids"


def busy_until(done: Callable[[], bool], monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Makes handing down from `folder` fail with EBUSY, as while it holds processes."""
    original = cgroup_hierarchies.hand_down

    def hand_down(target: Path) -> None:
        if target == folder and not done():
            raise OSError(16, "Device or resource busy")
        original(target)

    monkeypatch.setattr(cgroup_hierarchies, "hand_down", hand_down)


def test_a_delegated_group_moves_its_processes_into_a_leaf(unified: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    leaf = unified / cgroup_hierarchies.HOST_LEAF
    (unified / "cgroup.procs").write_text("41\n42\n")
    busy_until(leaf.exists, monkeypatch, unified)
    monkeypatch.setattr(cgroup_hierarchies, "_is_delegated", lambda _: True)
    assert cgroup_hierarchies.enable(unified) == unified
    assert (leaf / "cgroup.procs").read_text() == "42"  # the real file takes one write a process


def test_a_group_that_is_not_ours_stays_as_it_is(unified: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    busy_until(lambda: False, monkeypatch, unified)
    assert cgroup_hierarchies.enable(unified) == unified.parent
    assert not (unified / cgroup_hierarchies.HOST_LEAF).exists()


def test_the_root_that_a_container_sees_is_its_own(unified: Path) -> None:
    assert cgroup_hierarchies._is_delegated(unified.parent.parent)
    assert not cgroup_hierarchies._is_delegated(unified)


def test_limits_and_counts_of_version_2(unified: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cgroups, "_remove", lambda _: None)  # the stand-in's files would hold the folders
    with CgroupTree.create() as tree:
        assert (tree.version, tree.limits_memory) == (2, True)
        (made,) = unified.glob(f"{cgroups.PREFIX}*")
        group = tree.create_group(Policy(memory_bytes=64 * MIB, processes=10))
        assert group is not None
        (folder,) = group.distinct
        assert folder.parent == made
    assert (folder / "memory.max").read_text() == str(64 * MIB)
    (folder / "cpu.stat").write_text("usage_usec 1500000\nuser_usec 1\n")
    (folder / "memory.peak").write_text("1048576\n")
    (folder / "memory.events").write_text("low 0\nmax 9\noom 2\noom_kill 1\n")
    (folder / "pids.events").write_text("max 3\n")
    usage = group.usage()
    assert (usage.cpu_s, usage.peak_memory_bytes, usage.memory_hits, usage.process_hits) == (1.5, MIB, 1, 3)
    assert usage.foreign_kills == 0


@pytest.mark.parametrize("is_met", [False, True])
def test_only_a_group_that_met_its_limit_is_blamed(tmp_path: Path, is_met: bool) -> None:
    (tmp_path / "memory.events").write_text(f"oom {int(is_met)}\noom_kill 1\n")
    (tmp_path / "memory.oom_control").write_text("oom_kill_disable 0\nunder_oom 0\noom_kill 1\n")
    (tmp_path / "memory.limit_in_bytes").write_text(f"{64 * MIB}\n")
    (tmp_path / "memory.max_usage_in_bytes").write_text(f"{64 * MIB - 4096 if is_met else 40 * MIB}\n")
    for controller in ("unified", "memory"):
        usage = RunGroup({controller: tmp_path}).usage()
        assert (usage.memory_hits, usage.foreign_kills) == ((1, 0) if is_met else (0, 1))


def test_files_that_an_older_kernel_lacks_count_nothing(tmp_path: Path) -> None:
    usage = RunGroup({"unified": tmp_path}).usage()
    assert (usage.cpu_s, usage.peak_memory_bytes, usage.memory_hits, usage.process_hits) == (None, None, 0, 0)


def test_one_write_kills_a_group_of_version_2(tmp_path: Path) -> None:
    (tmp_path / "cgroup.kill").write_text("")
    RunGroup({"unified": tmp_path}).kill()
    assert (tmp_path / "cgroup.kill").read_text() == "1"


def test_cores_are_a_share_of_each_period(tmp_path: Path) -> None:
    for name in ("memory.max", "cpu.max", "cpu.cfs_period_us", "cpu.cfs_quota_us"):
        (tmp_path / name).write_text("max")
    cgroups._set_limits("unified", tmp_path, Policy(cores=1.5))
    cgroups._set_limits("cpu", tmp_path, Policy(cores=1.5))
    assert (tmp_path / "cpu.max").read_text() == "150000 100000"
    assert (tmp_path / "cpu.cfs_quota_us").read_text() == "150000"
    assert (tmp_path / "cpu.cfs_period_us").read_text() == "100000"
