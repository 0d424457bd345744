"""Starting, looking at and stopping stacks of 4, 20 and 50 services, larder and docker compose side by side, and beside both a
bare script: the same calls to the engine in the same graph, each as soon as those in front of it are done, and nothing else.

Every service of these stacks is a busybox that is ready a fifth of a second after its start, and says so by its health check."""

import http.client
import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

IMAGE = "busybox:stable"
READY = ["test", "-e", "/tmp/ready"]
COMMAND = ["sh", "-c", "sleep 0.2; touch /tmp/ready; exec sleep 100000"]
SIZES = (4, 20, 50)
HUB = Path(__file__).resolve().parent.parent / "examples" / "hub"

# key, what is measured, the goal for larder's share of the other's time (None: a goal in milliseconds, or none), against whom
CASES = [
    *((f"makespan-{size}", f"start {size} services, until healthy", 1.05, "script") for size in SIZES),
    *((f"compose-{size}", f"the same, against `up -d --wait`", None, "compose") for size in SIZES),
    ("hub-1s", "start the example application, health checks every 1 s", 0.67, "compose"),
    ("hub-10s", "the same, health checks every 10 s", 0.20, "compose"),
    ("unchanged-flat", "`up` of 50 that run, none waits for another", None, "compose"),
    ("unchanged-deep", "`up` of 50 that run, each waits for the next", None, "compose"),
    ("ps", "`ps` of 50", 0.2, "compose"),
    ("logs", "`logs --tail 100` of 50", 0.3, "compose"),
    ("down-20", "`down` of 20 that end at once", 1.0, "compose"),
]
UNCHANGED_MS = 150


class Failed(Exception):
    """A command of the benchmark failed; carries what it said."""


class Engine(http.client.HTTPConnection):
    """One connection to the engine's socket."""

    def __init__(self, path):
        super().__init__("localhost")
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self.path)

    def call(self, method, path, body=None, fine=()):
        self.request(method, path, json.dumps(body) if body is not None else None, {"Content-Type": "application/json"})
        answer = self.getresponse()
        said = answer.read()
        if answer.status >= 400 and answer.status not in fine:
            raise Failed(f"{method} {path}: {answer.status} {said[:200]}")
        return json.loads(said) if said[:1] in (b"{", b"[") else None


def engine_socket():
    host = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock")
    if not host.startswith("unix://"):
        raise Failed(f"the bare script speaks to a unix socket, and DOCKER_HOST is {host}")
    return host.removeprefix("unix://")


def tree(size):
    """Each service waits for the one in the middle before it: wide, and as deep as a team's stack."""
    return {f"s{i:02}": [] if i == 0 else [f"s{(i - 1) // 2:02}"] for i in range(size)}


def flat(size):
    return {f"s{i:02}": [] for i in range(size)}


def chain(size):
    return {f"s{i:02}": [] if i == 0 else [f"s{i - 1:02}"] for i in range(size)}


def compose_file(graph, interval="1s"):
    services = {
        name: {
            "image": IMAGE,
            "command": COMMAND,
            "stop_grace_period": "0s",
            "healthcheck": {"test": ["CMD", *READY], "interval": interval, "retries": 60},
            **({"depends_on": {other: {"condition": "service_healthy"} for other in waits}} if waits else {}),
        }
        for name, waits in graph.items()
    }
    return json.dumps({"services": services})


def script(project, graph):
    """The bare calls; returns the milliseconds from the first to the last container's health."""
    path = engine_socket()
    healthy = {name: threading.Event() for name in graph}
    network, faults = threading.Event(), []
    begun = time.perf_counter()

    def service(name, waits):
        try:
            engine = Engine(path)
            body = {
                "Image": IMAGE, "Cmd": COMMAND, "Labels": {"com.docker.compose.project": project},
                "Healthcheck": {"Test": ["CMD", *READY], "Interval": 1_000_000_000, "Retries": 60}, "StopTimeout": 0,
                "HostConfig": {"NetworkMode": f"{project}_default"},
            }
            network.wait()
            made = engine.call("POST", f"/containers/create?name={project}-{name}-1", body)["Id"]
            for other in waits:
                healthy[other].wait()
            engine.call("POST", f"/containers/{made}/start")
            pause = 0.05
            while True:
                engine.call("GET", f"/containers/{made}/json")
                probe = engine.call("POST", f"/containers/{made}/exec", {"Cmd": READY})["Id"]
                engine.call("POST", f"/exec/{probe}/start", {"Detach": True})
                while (state := engine.call("GET", f"/exec/{probe}/json"))["Running"]:
                    time.sleep(0.005)
                if state["ExitCode"] == 0:
                    break
                time.sleep(pause)
                pause = min(pause * 1.5, 1)
        except Exception as fault:  # told by the main thread
            faults.append(fault)
        finally:
            healthy[name].set()

    threads = [threading.Thread(target=service, args=item, daemon=True) for item in graph.items()]
    for thread in threads:
        thread.start()
    Engine(path).call("POST", "/networks/create", {"Name": f"{project}_default", "Labels": {"com.docker.compose.project": project}})
    network.set()
    for thread in threads:
        thread.join()
    if faults:
        raise Failed(f"the bare script: {faults[0]}")
    return (time.perf_counter() - begun) * 1000


class Stack:
    """A Compose file, and the two tools on it, each with a project of its own."""

    def __init__(self, larder, work, name, text, folder=None):
        self.folder = folder or work / f"runtime-{name}"
        self.folder.mkdir(exist_ok=True)
        if text is not None:
            (self.folder / "compose.yaml").write_text(text)
        self.project = f"larder-bench-{name}-{os.getpid()}"
        self.command = {"larder": [larder], "compose": ["docker", "compose"]}
        self.env = {k: v for k, v in os.environ.items() if not k.startswith("COMPOSE_")}
        self.env["XDG_CACHE_HOME"] = str(work / "runtime-cache")

    def time(self, tool, *words):
        command = [*self.command[tool], "-f", self.folder / "compose.yaml", "-p", self.project, *words]
        with tempfile.TemporaryFile() as said:
            begun = time.perf_counter()
            code = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=said, stderr=said, env=self.env).returncode
            took = (time.perf_counter() - begun) * 1000
            if code != 0:
                said.seek(0)
                tail = said.read().decode(errors="replace").splitlines()[-20:]
                raise Failed("\n".join([f"`{' '.join(map(str, command))}` ended with code {code}:", *tail]))
        return took

    def remove(self):
        """By the label alone: neither tool is asked, and nothing of the next measurement is warmed up."""
        label = f"label=com.docker.compose.project={self.project}"
        containers = subprocess.run(["docker", "ps", "-aq", "--filter", label], capture_output=True, text=True).stdout.split()
        if containers:
            subprocess.run(["docker", "rm", "-fv", *containers], capture_output=True)
        for kind in ("network", "volume"):
            found = subprocess.run(["docker", kind, "ls", "-q", "--filter", label], capture_output=True, text=True).stdout.split()
            if found:
                subprocess.run(["docker", kind, "rm", *found], capture_output=True)


UP = {"larder": ["up"], "compose": ["up", "-d", "--wait"]}


def starts(stack, graph, runs, samples, size):
    """Each of the three in turn, in another order each time."""
    for number in range(runs + 1):
        tools = ["larder", "compose", "script"]
        for tool in tools[number % 3:] + tools[:number % 3]:
            took = script(stack.project, graph) if tool == "script" else stack.time(tool, *UP[tool])
            stack.remove()
            if number:  # the first one of each warms what is warm for everybody
                samples[f"makespan-{size}"][tool].append(took)
                samples[f"compose-{size}"][tool].append(took)


def hub(larder, work, interval, runs, samples):
    folder = work / f"runtime-hub-{interval}"
    shutil.copytree(HUB, folder, ignore=shutil.ignore_patterns(".larder", "node_modules", "__pycache__"))
    file = folder / "compose.yaml"
    file.write_text(file.read_text().replace("interval: 1s", f"interval: {interval}"))
    stack = Stack(larder, work, f"hub{interval}", None, folder)
    with socket.socket() as one, socket.socket() as other:
        one.bind(("127.0.0.1", 0))
        other.bind(("127.0.0.1", 0))
        stack.env |= {"WEB_PORT": str(one.getsockname()[1]), "POSTGRES_PORT": str(other.getsockname()[1])}
    stack.time("larder", "build")
    for number in range(runs):
        for tool in ("larder", "compose") if number % 2 == 0 else ("compose", "larder"):
            samples[f"hub-{interval}"][tool].append(stack.time(tool, *UP[tool]))
            stack.remove()
    return stack


def looks(stack, key, words, runs, samples):
    for number in range(3 * runs):
        for tool in ("larder", "compose") if number % 2 == 0 else ("compose", "larder"):
            samples[key][tool].append(stack.time(tool, *words[tool]))


def run(larder, work, runs, only=None):
    """All cases; their rows."""
    samples = {key: {"larder": [], "compose": [], "script": []} for key, *_ in CASES}
    stacks = []

    def stack(name, graph):
        stacks.append(Stack(larder, work, name, compose_file(graph)))
        return stacks[-1]

    def wanted(*keys):
        return any(only is None or key.startswith(only) for key in keys)

    try:
        for size in SIZES:
            if wanted(f"makespan-{size}", f"compose-{size}"):
                print(f"bench: starting {size} services", flush=True)
                starts(stack(f"tree{size}", tree(size)), tree(size), runs, samples, size)
        for interval, times in (("1s", runs), ("10s", min(runs, 3))):
            if wanted(f"hub-{interval}"):
                print(f"bench: the example application, health checks every {interval}", flush=True)
                stacks.append(hub(larder, work, interval, times, samples))
        for shape, graph in (("flat", flat(50)), ("deep", chain(50))):
            if not wanted(f"unchanged-{shape}", "ps", "logs"):
                continue
            print(f"bench: 50 services, {shape}", flush=True)
            own = stack(shape, graph)
            own.time("larder", "up")
            time.sleep(2)
            unchanged = samples[f"unchanged-{shape}"]
            unchanged["larder"] = [own.time("larder", "up") for _ in range(3 * runs)]
            if shape == "flat":
                looks(own, "ps", {tool: ["ps"] for tool in UP}, runs, samples)
                looks(own, "logs", {tool: ["logs", "--tail", "100"] for tool in UP}, runs, samples)
            # it waits half a second for each in a chain, and has its own opinion of what is to be made anew
            unchanged["compose"] = [own.time("compose", "up", "-d")]
            own.remove()
        if wanted("down-20"):
            print("bench: stopping 20 services", flush=True)
            own = stack("down", flat(20))
            for number in range(runs):
                for tool in ("larder", "compose") if number % 2 == 0 else ("compose", "larder"):
                    own.time("larder", "up")
                    samples["down-20"][tool].append(own.time(tool, "down"))
                    own.remove()
    finally:
        for own in stacks:
            own.remove()
    return [row(key, what, goal, against, samples[key]) for key, what, goal, against in CASES if samples[key]["larder"]]


def row(key, what, goal, against, samples):
    ours, theirs = samples["larder"], samples[against]
    ratio = statistics.median(ours) / statistics.median(theirs)
    met = None
    if key.startswith("unchanged"):
        met = statistics.median(ours) <= UNCHANGED_MS
        words = f"<= {UNCHANGED_MS} ms"
    else:
        words = "" if goal is None else f"<= {goal:.2f}"
        met = None if goal is None else ratio <= goal
    return {"case": key, "what": what, "against": against, "larder": ours, "other": theirs, "ratio": ratio, "goal": words, "met": met}


def lines(rows, milliseconds):
    """The rows of a table."""
    yield ("milliseconds: min / median / max", "n", "larder", "against", "its", "ratio", "goal", "met")
    for r in rows:
        against = {"script": "a bare script", "compose": "docker compose"}[r["against"]]
        yield (r["what"], str(len(r["larder"])), milliseconds(r["larder"]), against, milliseconds(r["other"]), f"{r['ratio']:.3f}", r["goal"],
               {None: "", True: "yes", False: "NO"}[r["met"]])


if __name__ == "__main__":
    sys.exit("this file is a part of bench/run")
