"""The first start of a clone after somebody else filled the registry: larder, which finds the images by their fingerprints, and docker
compose, which is told of them by `larder export`; and a push of a stack that did not change. The engine's build cache
keeps layers, so hardly any of them is downloaded: what is left is what each tool does beside that.
"""

import os
import shutil
import socket
import statistics
import subprocess
import time
from pathlib import Path

HUB = Path(__file__).resolve().parent.parent / "examples" / "hub"
REGISTRY = f"127.0.0.1:{os.environ.get('REGISTRY_PORT', '5000')}"
NAMED = ["postgres:16-alpine", "redis:7-alpine", "python:3.11-slim", "node:18-alpine"]
GOAL_MS = 1000.0


class Failed(Exception):
    """A command of the benchmark failed; carries what it said."""


def run(command, env=None):
    """Runs `command` to its end and returns the milliseconds it took, and its standard output."""
    begun = time.perf_counter()
    done = subprocess.run(list(map(str, command)), stdin=subprocess.DEVNULL, capture_output=True, text=True, env=env)
    took = (time.perf_counter() - begun) * 1000
    if done.returncode != 0:
        raise Failed(f"`{' '.join(map(str, command))}` ended with code {done.returncode}:\n{done.stderr[-2000:]}")
    return took, done.stdout


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Clone:
    """A clone of the example whose images come from the registry alone."""

    def __init__(self, larder, work):
        self.larder, self.folder = larder, work / "pantry" / "hub"
        self.project = f"larder-bench-pantry-{os.getpid()}"
        self.repository = f"{REGISTRY}/{self.project}"
        shutil.copytree(HUB, self.folder, ignore=shutil.ignore_patterns(".larder", "node_modules", "__pycache__"))
        for file in [self.folder / "compose.yaml", *self.folder.glob("*/Dockerfile")]:
            text = file.read_text()
            for name in NAMED:
                text = text.replace(f"image: {name}", f"image: {self.repository}/{name}").replace(f"FROM {name}", f"FROM {self.repository}/{name}")
            file.write_text(text)
        self.cache = work / "pantry" / "cache"
        self.env = {k: v for k, v in os.environ.items() if not k.startswith("COMPOSE_")}
        self.env |= {"WEB_PORT": str(free_port()), "POSTGRES_PORT": str(free_port()), "XDG_CACHE_HOME": str(self.cache),
                     "LARDER_CACHE_FROM": f"{self.repository}/app", "LARDER_CACHE_TO": f"{self.repository}/app",
                     "LARDER_TRUSTED_REGISTRIES": self.repository}
        self.export = work / "pantry" / "export" / "compose.yaml"

    def word(self, *words):
        return run([self.larder, "-f", self.folder / "compose.yaml", "-p", self.project, *words], self.env)

    def compose(self, *words):
        return run(["docker", "compose", "-f", self.export, "-p", self.project, *words], self.env)

    def fill(self):
        """What CI does."""
        for name in NAMED:
            run(["docker", "tag", name, f"{self.repository}/{name}"])
            run(["docker", "push", "-q", f"{self.repository}/{name}"])
        self.word("prewarm")
        self.export.parent.mkdir(parents=True)
        self.word("export", "-o", self.export)

    def names(self):
        """All images of the clone, by digest where they are pinned."""
        lines = self.export.read_text().splitlines()
        return sorted({line.split("image:")[1].strip().strip("'\"") for line in lines if line.strip().startswith("image:")})

    def down(self):
        run(["docker", "compose", "-f", self.folder / "compose.yaml", "-p", self.project, "down", "--volumes", "--timeout", "1"], self.env)

    def forget(self):
        """Takes the clone's images off the engine, and what larder remembers."""
        listed = run(["docker", "image", "ls", "--digests", "--no-trunc", "--format", "{{.Repository}}:{{.Tag}}\t{{.Repository}}@{{.Digest}}\t{{.ID}}"])[1]
        rows = [line.split("\t") for line in listed.splitlines()]
        own = {image for name, _, image in rows if self.project in name}
        # their other names are those of the stand-ins that other cases use
        names = {name for name, _, image in rows if self.project in name or (image in own and name.startswith("localhost/larder/"))}
        digests = {digest for name, digest, _ in rows if self.project in name and not digest.endswith("@<none>")}
        for name in sorted(names | digests):
            if not name.endswith(":<none>"):
                subprocess.run(["docker", "rmi", "-f", name], capture_output=True)
        for service in ("api", "web"):
            made = run(["docker", "image", "ls", "-q", "--filter", f"label=dev.larder.made-for={self.project}/{service}"])[1].split()
            if made:
                subprocess.run(["docker", "rmi", "-f", *set(made)], capture_output=True)
        shutil.rmtree(self.cache, ignore_errors=True)

    def pull(self):
        """What nobody can do without: all images at once."""
        begun = time.perf_counter()
        pulls = [subprocess.Popen(["docker", "pull", "-q", name], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) for name in self.names()]
        for pull in pulls:
            if pull.wait() != 0:
                raise Failed(pull.stderr.read().decode())
        return (time.perf_counter() - begun) * 1000


def bench(larder, work, rounds):
    """The rows: first starts, larder's own part of them, pushes of an unchanged stack."""
    clone = Clone(larder, work)
    samples = {key: [] for key in ("larder", "compose", "pull", "start", "own", "push")}
    try:
        print("bench: filling the registry", flush=True)
        clone.fill()
        for _ in range(max(3, rounds)):
            samples["push"].append(clone.word("prewarm")[0])
        for number in range(rounds):
            print(f"bench: clone {number + 1} of {rounds}", flush=True)
            clone.forget()
            pull = clone.pull()
            clone.forget()
            first = clone.word("up")[0]
            clone.down()
            # with all images there, and nothing else
            start = clone.word("up")[0]
            clone.down()
            clone.forget()
            compose = clone.compose("up", "-d", "--wait")[0]
            clone.down()
            for key, took in (("larder", first), ("compose", compose), ("pull", pull), ("start", start), ("own", first - pull - start)):
                samples[key].append(took)
    finally:
        clone.down()
        clone.forget()
    ratio = statistics.median(a / b for a, b in zip(samples["larder"], samples["compose"]))
    return [
        {"what": "first start of a clone, all images in the registry", "larder": samples["larder"], "other": samples["compose"], "words": f"{ratio:.3f}", "goal": "", "met": None},
        {"what": "  of it, `docker pull` of the same images at once, and a start with them there", "larder": samples["pull"], "other": samples["start"], "words": "", "goal": "", "met": None},
        judged("  of it, what larder adds to both", samples["own"]),
        judged("`prewarm`, nothing changed", samples["push"]),
    ]


def judged(what, samples):
    median = statistics.median(samples)
    return {"what": what, "larder": samples, "other": [], "words": f"{median:.0f} ms", "goal": f"<= {GOAL_MS:.0f} ms", "met": median <= GOAL_MS}


def lines(rows, milliseconds):
    yield ("images from a registry, milliseconds", "n", "larder (or pull)", "docker compose (or start)", "ratio", "goal", "met")
    for row in rows:
        other = milliseconds(row["other"]) if row["other"] else ""
        yield (row["what"], str(len(row["larder"])), milliseconds(row["larder"]), other, row["words"], row["goal"], {None: "", True: "yes", False: "NO"}[row["met"]])
