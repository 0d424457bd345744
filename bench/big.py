"""A build context of 100,000 files: `larder plan` against `git status` over the same tree, and a source edit beside files
that the Dockerfile does not read."""

import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

FILES = 100_000
SIZE = 4096

# key, what is measured, the goal for larder's share of git's time
CASES = [
    ("big-unchanged", "`plan`, nothing changed", 120 / 223),
    ("big-edited", "`plan`, one file edited", 130 / 223),
    ("big-uncached", "`plan` without a cache file, page cache warm", 1000 / 223),
]
# how the files lie: name, folders
LAYOUTS = [("1,000 folders of 100", 1000), ("one folder of 100,000", 1)]
MEMORY_GOAL_MB = 200

COMPOSE = "services:\n  app:\n    build: .\n    command: [\"true\"]\n"
DOCKERFILE = "FROM scratch\nCOPY . /app\n"
# as a project grown over years has it: none of these leaves a file of the tree out
IGNORED = """.git
**/node_modules
!web/vendor/node_modules
**/__pycache__
**/*.pyc
**/.venv
**/.pytest_cache
**/.mypy_cache
dist
build/*
!build/keep.json
coverage
**/*.log
**/.DS_Store
**/*.swp
tmp/**
docs/_build
*.tar.gz
**/.env.*
!**/.env.example
"""


class Failed(Exception):
    """A command of the benchmark failed; carries what it said."""


def make_tree(root, folders, files=FILES):
    """`files` files of 4 KiB below `root`, each with a content of its own."""
    filler = b"one line of a source file\n" * (SIZE // 26 + 1)
    each = files // folders
    for number in range(folders):
        folder = root if folders == 1 else root / f"group{number % 10}" / f"package{number:04}"
        folder.mkdir(parents=True, exist_ok=True)
        at = os.open(folder, os.O_RDONLY)
        for position in range(each):
            name = f"module{position:05}.js"
            file = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644, dir_fd=at)
            os.write(file, (b"// %d\n" % (number * each + position) + filler)[:SIZE])
            os.close(file)
        os.close(at)


def measure(command, folder, env):
    """The milliseconds that `command` takes in `folder`, and the most memory it had, in MB."""
    with tempfile.TemporaryFile() as said:
        start = time.perf_counter()
        child = subprocess.Popen(command, cwd=folder, stdin=subprocess.DEVNULL, stdout=said, stderr=said, env=env)
        _, status, used = os.wait4(child.pid, 0)
        took = (time.perf_counter() - start) * 1000
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode != 0:
            said.seek(0)
            tail = said.read().decode(errors="replace").splitlines()[-20:]
            raise Failed("\n".join([f"`{' '.join(map(str, command))}` ended with code {child.returncode}:", *tail]))
    return took, used.ru_maxrss / 1024


class Context:
    """A project whose only context is a big tree, under git."""

    def __init__(self, larder, folder, folders):
        self.folder, self.cache = folder, folder.with_name(folder.name + "-cache")
        self.larder = larder
        self.env = {k: v for k, v in os.environ.items() if not k.startswith(("COMPOSE_", "GIT_"))} | {"XDG_CACHE_HOME": str(self.cache)}
        make_tree(folder / "src", folders)
        for name, text in [("compose.yaml", COMPOSE), ("Dockerfile", DOCKERFILE), (".dockerignore", IGNORED)]:
            (folder / name).write_text(text)
        self.edited = next((folder / "src").rglob("module00042.js"))
        who = ["-c", "user.name=bench", "-c", "user.email=bench@localhost"]
        for words in (["init", "--quiet"], ["config", "gc.auto", "0"], ["-c", "core.compression=0", "add", "--all"],
                      [*who, "commit", "--quiet", "--message", "a big tree"]):
            self.git(*words)

    def git(self, *words):
        return measure(["git", *words], self.folder, self.env)

    def plan(self):
        return measure([self.larder, "plan"], self.folder, self.env)

    def settle(self):
        """Files older than what any clock cannot tell apart, and both tools having seen them."""
        time.sleep(2.5)
        for _ in range(2):
            self.plan()
            self.git("status")

    def round(self, samples):
        """Every case once, each beside a `git status` of the same moment."""
        def pair(key):
            samples[key]["larder"].append(self.plan())
            samples[key]["git"].append(self.git("status"))

        self.settle()
        for _ in range(3):
            pair("big-unchanged")
        self.edited.write_text(f"// {time.time_ns()}\n")
        pair("big-edited")
        self.git("checkout", "--quiet", ".")
        shutil.rmtree(self.cache)
        pair("big-uncached")


def run(larder, work, rounds):
    """Results for every layout: a row per case, with larder's samples, git's and larder's peak memory."""
    rows = []
    for layout, folders in LAYOUTS:
        print(f"bench: {FILES} files in {layout}", flush=True)
        folder = work / f"big-{folders}"
        folder.mkdir()
        context = Context(larder, folder, folders)
        samples = {key: {"larder": [], "git": []} for key, _, _ in CASES}
        for _ in range(rounds):
            context.round(samples)
        for key, what, goal in CASES:
            times = {tool: [took for took, _ in taken] for tool, taken in samples[key].items()}
            memory = max(used for _, used in samples[key]["larder"])
            rows.append({"case": f"{key}-{folders}", "what": f"{layout}: {what}", "goal": goal, "memory_mb": memory, **times})
        shutil.rmtree(folder)
        shutil.rmtree(context.cache, ignore_errors=True)
    return rows
