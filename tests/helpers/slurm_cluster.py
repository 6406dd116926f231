"""A Slurm cluster of its own on loopback, from Debian's slurmctld, slurmd and munge; run as root, as in CI."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "squeue", "scancel", "scontrol", "sinfo")


def missing() -> str | None:
    """Why there can be no such cluster here."""
    absent = [program for program in PROGRAMS if shutil.which(program, path=_path()) is None]
    if absent:
        return (
            f"Slurm is not installed ({', '.join(absent)}); Debian: apt-get install slurmctld slurmd slurm-client munge"
        )
    return None if sys.platform == "linux" and os.geteuid() == 0 else "slurmd must be started by root"


class Cluster:
    """Nodes ``n1``, ``n2``, ..., partitions ``main`` and ``short`` (10 minutes), two licences ``solver``.

    Attributes:
        conf: Of Slurm, for ``SLURM_CONF``.
    """

    def __init__(self, folder: Path, nodes: int = 2, cores: int = 2) -> None:
        self.folder = folder
        self.conf = folder / "slurm.conf"
        self.nodes = [f"n{k + 1}" for k in range(nodes)]
        self.daemons: dict[str, subprocess.Popen[bytes]] = {}
        ports = _free_ports(nodes + 1)
        lines = [
            "ClusterName=loop", "SlurmctldHost=localhost(127.0.0.1)", f"SlurmctldPort={ports[0]}", "SlurmUser=root",
            "SlurmdUser=root", "AuthType=auth/munge", f"AuthInfo=socket={folder}/munge.socket", "CredType=cred/munge",
            f"StateSaveLocation={folder}/state", f"SlurmdSpoolDir={folder}/spool-%n",
            f"SlurmctldPidFile={folder}/slurmctld.pid", f"SlurmdPidFile={folder}/slurmd-%n.pid",
            f"SlurmctldLogFile={folder}/slurmctld.log", f"SlurmdLogFile={folder}/slurmd-%n.log",
            "ProctrackType=proctrack/linuxproc", "TaskPlugin=task/none", "SelectType=select/cons_tres",
            "SelectTypeParameters=CR_CPU", "SchedulerType=sched/backfill", "ReturnToService=2", "MpiDefault=none",
            "SchedulerParameters=sched_interval=1,bf_interval=2,batch_sched_delay=0", "SlurmdTimeout=10",
            "SlurmctldTimeout=10", "KillWait=2", "MinJobAge=300", "MessageTimeout=5", "InactiveLimit=0", "Waittime=0",
            "SlurmdParameters=config_overrides", "Licenses=solver:2",
        ]  # fmt: skip
        for name, port in zip(self.nodes, ports[1:], strict=True):
            lines.append(f"NodeName={name} NodeHostname=localhost NodeAddr=127.0.0.1 Port={port} CPUs={cores} "
                         "RealMemory=4000 State=UNKNOWN")  # fmt: skip
        lines.append(f"PartitionName=main Nodes={','.join(self.nodes)} Default=YES MaxTime=INFINITE State=UP")
        lines.append(f"PartitionName=short Nodes={','.join(self.nodes)} MaxTime=10 State=UP")
        (folder / "state").mkdir()
        self.conf.write_text("\n".join(lines) + "\n")
        (folder / "cgroup.conf").write_text("CgroupAutomount=no\n")

    def start(self) -> None:
        key = self.folder / "munge.key"
        key.write_bytes(os.urandom(1024))
        key.chmod(0o600)
        files = {name: f"--{name}={self.folder}/munge.{name[:4]}" for name in ("pid-file", "log-file", "seed-file")}
        self._spawn("munged", "--foreground", "--force", f"--socket={self.folder}/munge.socket", f"--key-file={key}",
                    "--num-threads=2", *files.values())  # fmt: skip
        _wait(lambda: (self.folder / "munge.socket").exists(), "munged does not start")
        self.start_controller()
        for name in self.nodes:
            self.start_node(name)
        self.wait_for_nodes()

    def wait_for_nodes(self) -> None:
        """Until all nodes are idle; those that Slurm took out of service are given back to it."""

        def idle() -> bool:
            states = self.output("sinfo", "-h", "-N", "-p", "main", "-o", "%N %T").split()
            out = [name for name, state in zip(states[::2], states[1::2], strict=True) if state.startswith("d")]
            if out:
                self.output("scontrol", "update", f"NodeName={','.join(out)}", "State=RESUME")
            return states[1::2] == ["idle"] * len(self.nodes)

        _wait(idle, "the nodes do not come up", self.folder)

    def start_controller(self) -> None:
        self._spawn("slurmctld", "-D", "-f", str(self.conf))
        _wait(lambda: "UP" in self.output("scontrol", "ping"), "slurmctld does not start", self.folder)

    def start_node(self, name: str) -> None:
        self._spawn("slurmd", "-D", "-N", name, "-f", str(self.conf), key=name)

    def kill(self, key: str) -> None:
        """Kill a daemon: ``slurmctld`` or a node; a node's jobs die with it."""
        daemon = self.daemons.pop(key)
        if key in self.nodes:
            for pid in _children_of_steps(f"[{key}]", self.folder / f"spool-{key}"):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        daemon.kill()
        daemon.wait()

    def stop(self) -> None:
        for job in self.output("squeue", "-h", "-o", "%A").split():
            self.output("scancel", "-s", "KILL", job)
        for daemon in reversed(list(self.daemons.values())):
            daemon.kill()
            daemon.wait()

    def output(self, *command: str) -> str:
        return subprocess.run(command, env=self.environment(), capture_output=True, text=True, check=False).stdout

    def environment(self) -> dict[str, str]:
        return os.environ | {"SLURM_CONF": str(self.conf), "PATH": _path()}

    def _spawn(self, program: str, *arguments: str, key: str = "") -> None:
        path = shutil.which(program, path=_path())
        assert path is not None
        with (self.folder / f"{key or program}.out").open("ab") as log:
            daemon = subprocess.Popen([path, *arguments], env=self.environment(), stdout=log, stderr=log)
        self.daemons[key or program] = daemon


@contextlib.contextmanager
def cluster(nodes: int = 2, cores: int = 2) -> Iterator[Cluster]:
    """Such a cluster while the block lasts."""
    folder = Path(tempfile.mkdtemp(prefix="slurm-"))
    made = Cluster(folder, nodes, cores)
    try:
        made.start()
        yield made
    finally:
        made.stop()
        shutil.rmtree(folder, ignore_errors=True)


def _path() -> str:
    return os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/bin"])


def _free_ports(count: int) -> Sequence[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


def _children_of_steps(step: str, spool: Path) -> list[int]:
    """Every process of the jobs of a node: the steps whose spool folder is the node's, and what they started."""
    parents, steps = {}, set()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError, IndexError, ValueError):
                pid = int(entry.name)
                parents[pid] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
                command = (entry / "cmdline").read_bytes()
                if command.startswith(b"slurmstepd") and str(spool).encode() in (entry / "environ").read_bytes():
                    steps.add(pid)
    family = set(steps)
    while more := {pid for pid, parent in parents.items() if parent in family} - family:
        family |= more
    return sorted(family)


def _wait(ready: object, message: str, logs: Path | None = None, seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    assert callable(ready)
    while not ready():
        if time.monotonic() > deadline:
            text = "" if logs is None else "\n".join(file.read_text()[-2000:] for file in logs.glob("*.log"))
            raise RuntimeError(f"{message}\n{text}")
        time.sleep(0.1)
