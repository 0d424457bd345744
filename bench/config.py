"""Compose files of every size, and one that is made to break its reader: `larder config -q` against `docker compose config
-q`, in time and memory."""

import os
import resource
import statistics
import subprocess
import tempfile
import time

# what docker compose may have: it reads the last two files until the machine's time or memory ends
SECONDS = 30
MEMORY = 3 << 30

# key, what is measured, larder's goal in milliseconds and in MB of memory (None: none), whether the file is refused
CASES = [
    ("config-20", "20 services, 4 of them built, as a team writes them", 15, None, False),
    ("config-flat", "10,000 services, none of which waits for another", 500, None, False),
    ("config-chain", "10,000 services, each of which waits for the next", 1000, None, False),
    ("config-bomb", "400 bytes of aliases that stand for 1,000,000,000 values", 100, 100, True),
]

SERVICE = """  {name}:
    {image}
    restart: unless-stopped
    command: ["serve", "--name", "{name}", "--log-level", "${{LOG_LEVEL:-info}}"]
    environment:
      <<: *variables
      SERVICE_NAME: {name}
      DATABASE_URL: postgres://app:${{DB_PASSWORD:?set in .env}}@db:5432/{name}
      WORKERS: "${{WORKERS:-2}}"
    env_file:
      - path: ./{name}.env
        required: false
    labels:
      com.example.team: platform
      com.example.tier: "{number}"
    ports:
      - "127.0.0.1:{port}:8080"
    volumes:
      - {name}-data:/var/lib/{name}
      - ./config/{name}:/etc/{name}:ro
    networks: [backend]
    depends_on:
      db:
        condition: service_healthy
    healthcheck:
      test: ["CMD", "wget", "-qO-", "http://localhost:8080/health"]
      interval: 10s
      timeout: 3s
      retries: 5
      start_period: 30s
    deploy:
      resources:
        limits:
          cpus: "0.50"
          memory: 256M
    logging: *logging
"""
DATABASE = """  db:
    image: postgres:16
    environment:
      <<: *variables
      POSTGRES_PASSWORD: ${DB_PASSWORD}
    volumes:
      - db-data:/var/lib/postgresql/data
    networks: [backend]
    healthcheck:
      test: ["CMD-SHELL", "pg_isready -U app"]
      interval: 5s
      retries: 10
"""
SHARED = """name: team
x-variables: &variables
  TZ: Europe/Berlin
  LOG_FORMAT: json
x-logging: &logging
  driver: json-file
  options:
    max-size: 10m
    max-file: "3"
"""


class Failed(Exception):
    """A command of the benchmark did not end as it should; carries what it said."""


def twenty():
    names = [f"service{number:02}" for number in range(1, 20)]
    image = lambda number: f"build:\n      context: ./{names[number]}\n      target: run" if number < 4 else "image: redis:7"
    services = [SERVICE.format(name=name, image=image(number), number=number % 3, port=8000 + number) for number, name in enumerate(names)]
    volumes = "".join(f"  {name}-data:\n" for name in [*names, "db"])
    return SHARED + "services:\n" + "".join(services) + DATABASE + "volumes:\n" + volumes + "networks:\n  backend:\n    driver: bridge\n"


def many(waits):
    def service(number):
        more = f"    depends_on: [s{number + 1}]\n" if waits and number < 9_999 else ""
        return f"  s{number}:\n    image: redis:7\n    environment:\n      NUMBER: \"{number}\"\n{more}"

    return "services:\n" + "".join(map(service, range(10_000)))


def bomb():
    levels = ["a: &a [x, x, x, x, x, x, x, x, x, x]"]
    levels += [f"{level}: &{level} [" + ",".join([f"*{below}"] * 10) + "]" for below, level in zip("abcdefgh", "bcdefghi")]
    return "services: {a: {image: x}}\nx-b:\n" + "".join(f"  {level}\n" for level in levels)


def measure(command, folder, env, refused):
    """The milliseconds of `command` and the MB it had at most; no milliseconds when it did not end within the limits."""
    def limited():
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS + 1))

    with tempfile.TemporaryFile() as said:
        start = time.perf_counter()
        child = subprocess.Popen(command, cwd=folder, stdin=subprocess.DEVNULL, stdout=said, stderr=said, env=env, preexec_fn=limited)
        ended, status, used = os.wait4(child.pid, os.WNOHANG)
        while not ended and time.perf_counter() - start < SECONDS:
            # short beside what is measured, and next to nothing of the processor
            time.sleep(0.0002)
            ended, status, used = os.wait4(child.pid, os.WNOHANG)
        took = (time.perf_counter() - start) * 1000
        if not ended:
            child.kill()
            _, status, used = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        memory = used.ru_maxrss / 1024
        if not ended or child.returncode not in (0, 2 if refused else 0):
            said.seek(0)
            tail = said.read().decode(errors="replace").splitlines()[:5]
            return None, memory, "\n".join([f"`{' '.join(map(str, command))}` ended with code {child.returncode}:", *tail])
        return took, memory, ""


def run(larder, work, rounds):
    """A row per file, with the samples of both tools and the most memory that each had."""
    folder = work / "config"
    folder.mkdir()
    env = {k: v for k, v in os.environ.items() if not k.startswith("COMPOSE_")} | {"DB_PASSWORD": "secret"}
    texts = {"config-20": twenty(), "config-flat": many(False), "config-chain": many(True), "config-bomb": bomb()}
    rows = []
    for key, what, goal, memory_goal, refused in CASES:
        print(f"bench: config of {what}", flush=True)
        file = folder / f"{key}.yaml"
        file.write_text(texts[key])
        row = {"case": key, "what": what, "goal_ms": goal, "goal_mb": memory_goal, "bytes": len(texts[key]), "refused": refused}
        row |= {"larder": [], "compose": [], "larder_mb": 0, "compose_mb": 0}
        # larder's times are small: more of them, in between
        for tool, command in [("larder", [larder]), ("compose", ["docker", "compose"]), ("larder", [larder])] * rounds:
            if tool == "compose" and row["compose"] == [None]:
                continue
            took, memory, said = measure([*command, "-f", file, "config", "-q"], folder, env, refused)
            if took is None and tool == "larder":
                raise Failed(said)
            row[tool].append(took)
            row[f"{tool}_mb"] = max(row[f"{tool}_mb"], memory)
        rows.append(judge(row))
    return rows


def judge(row):
    row["median"] = statistics.median(row["larder"])
    row["finished"] = None not in row["compose"]
    row["ratio"] = row["median"] / (statistics.median(row["compose"]) if row["finished"] else SECONDS * 1000)
    row["met"] = row["median"] <= row["goal_ms"] and (row["goal_mb"] is None or row["larder_mb"] <= row["goal_mb"])
    return row


def lines(rows, milliseconds):
    """The rows of a table for a person; `milliseconds` prints samples."""
    yield ("`config -q`, milliseconds", "n", "larder", "MB", "docker compose", "MB", "ratio", "goal", "met")
    for row in rows:
        theirs = milliseconds(row["compose"]) if row["finished"] else f"did not finish within {SECONDS} s and {MEMORY >> 30} GiB"
        goal = f"<= {row['goal_ms']} ms" + (f", {row['goal_mb']} MB" if row["goal_mb"] else "")
        ratio = f"{row['ratio']:.3f}" if row["finished"] else f"< {max(row['ratio'], 0.0001):.4f}"
        yield (row["what"], str(len(row["larder"])), milliseconds(row["larder"]), f"{row['larder_mb']:.0f}", theirs, f"{row['compose_mb']:.0f}",
               ratio, goal, "yes" if row["met"] else "NO")
