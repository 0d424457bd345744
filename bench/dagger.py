"""Builds with Dagger (`--builder auto`) and with the engine's own BuildKit (`--builder docker`) side by side, where a Dagger engine
answers: a source edit, and a change of dependencies until the new image is on the Docker Engine."""

import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

BASE = "python:3.11-slim"
# what the RUN in front of the cut does beside writing 40 MB that nothing can compress
SLOW = {"quick": "", "slow": "sleep 8; "}
DOCKERFILE = """FROM {base}
WORKDIR /app
COPY requirements.txt .
RUN {slow}python3 -c "import random; random.seed(open('requirements.txt').read()); open('/opt/blob', 'wb').write(random.randbytes(40 << 20))"
COPY main.py .
CMD ["python3", "main.py"]
"""
# key, what is measured, the goal for auto's share of BuildKit's time (None: there is none)
CASES = [
    ("edit", "a source file edited", 1.1),
    ("slow", "dependencies changed, a RUN of 8 s that writes 40 MB", 1.5),
    ("quick", "the same, a RUN of 0.3 s", None),
]
# the parts of a build by Dagger: what larder says it is doing when one begins
PARTS = [
    ("session", None),
    ("build", "reading the build context"),
    ("export", "fetching the image from Dagger"),
    ("load", "loading the image onto the engine"),
    ("rest", None),
]


class Failed(Exception):
    """A command of the benchmark failed; carries what it said."""


def build(larder, folder, env, builder):
    """Builds, and returns the milliseconds of all of it and of each part of the first build by Dagger in it."""
    command = [larder, "--builder", builder, "--progress", "json", "-f", folder / "compose.yaml", "build"]
    begun = time.perf_counter()
    marks = {}
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env) as process:
        for line in process.stdout:
            now = (time.perf_counter() - begun) * 1000
            event = json.loads(line)
            name = event.get("doing") or event.get("event") or event.get("type")
            if name == "finished" and "loading the image onto the engine" in marks:
                name = "loaded"
            marks.setdefault(name, now)
        said = process.stderr.read()
    took = (time.perf_counter() - begun) * 1000
    if process.returncode != 0:
        raise Failed(said.strip() or f"larder ended with code {process.returncode}")
    if "loaded" not in marks:
        return took, {}
    at = [0, *(marks[doing] for _, doing in PARTS if doing), marks["loaded"], took]
    return took, {name: end - begin for (name, _), begin, end in zip(PARTS, at, at[1:])}


def run(larder, work, rounds, seen):
    """The rows of each case and the parts of builds by Dagger; nothing, and aloud, where Dagger does not build here. The images
    that it makes are put into `seen`."""
    folder = work / "dagger"
    folder.mkdir()
    project = f"larder-bench-dagger-{os.getpid()}"
    (folder / "compose.yaml").write_text(f"name: {project}\nservices:\n  app:\n    build: .\n")
    env = {k: v for k, v in os.environ.items() if not k.startswith("COMPOSE_")} | {"XDG_CACHE_HOME": str(folder / "cache")}
    edits = iter(range(1, 1 << 30))

    def edit(name):
        (folder / name).write_text(f"# edit {next(edits)} of {time.time_ns()}\n")

    def measured(builder):
        took, parts = build(larder, folder, env, builder)
        named = subprocess.run(["docker", "image", "ls", "-q", "--no-trunc", f"{project}-app"], capture_output=True, text=True)
        seen.update(named.stdout.split())
        return took, parts

    def dockerfile(key):
        (folder / "Dockerfile").write_text(DOCKERFILE.format(base=BASE, slow=SLOW[key]))

    for name in ("requirements.txt", "main.py"):
        edit(name)
    dockerfile("quick")
    try:
        print("bench: warming up Dagger", flush=True)
        measured("dagger")
    except Failed as why:
        print(f"bench: SKIPPED, builds with Dagger are not measured, as none answers here that can build:\n{why}", flush=True)
        return [], []
    samples = {key: {"docker": [], "auto": []} for key, _, _ in CASES}
    parts = []
    for number in range(rounds + 1):
        for builder in ("docker", "auto") if number % 2 == 0 else ("auto", "docker"):
            print(f"bench: round {number} of {rounds}, builder {builder}", flush=True)
            for key in SLOW:
                dockerfile(key)
                edit("requirements.txt")
                took, own = measured(builder)
                if builder == "auto" and not own:
                    raise Failed("Dagger built nothing with `--builder auto`")
                # the first round also makes what later ones go on from
                if number:
                    samples[key][builder].append(took)
                    parts += [own | {"case": key}] if own else []
            for again in range(5):
                edit("main.py")
                took, _ = measured(builder)
                # the first edit after a load is the first look that BuildKit has at that image
                if number and again:
                    samples["edit"][builder].append(took)
    rows = []
    for key, what, goal in CASES:
        own = samples[key]
        ratio = statistics.median(own["auto"]) / statistics.median(own["docker"])
        rows.append({"what": what, **own, "ratio": ratio, "goal": goal, "met": None if goal is None else ratio <= goal})
    return rows, parts


def lines(rows, milliseconds):
    yield ("builds, milliseconds", "n", "--builder auto (Dagger)", "--builder docker", "ratio", "goal", "met")
    for row in rows:
        goal = "" if row["goal"] is None else f"<= {row['goal']:.2f}"
        yield (row["what"], str(len(row["auto"])), milliseconds(row["auto"]), milliseconds(row["docker"]), f"{row['ratio']:.2f}", goal,
               {None: "", True: "yes", False: "NO"}[row["met"]])


def part_lines(parts, milliseconds):
    yield ("where Dagger's time goes", *(name for name, _ in PARTS))
    for key, what, _ in CASES:
        own = [part for part in parts if part["case"] == key]
        if own:
            yield (what, *(milliseconds([part[name] for part in own]) for name, _ in PARTS))


if __name__ == "__main__":
    sys.exit(f"run {Path(__file__).parent / 'run'} --only dagger")
