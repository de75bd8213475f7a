"""Celery on Redis: two-step runs as chains. python offline_celery.py REDIS_URL COUNT -> a line of JSON."""

import json
import os
import subprocess
import sys
import time

from celery import Celery, chain

url = os.environ.get("BENCH_REDIS") or sys.argv[1]
app = Celery("offline_celery", broker=url, backend=url)
app.conf.update(task_acks_late=True, worker_prefetch_multiplier=1, broker_connection_retry_on_startup=True)


@app.task
def one(number: int) -> int:
    return number + 1


@app.task
def two(number: int) -> int:
    return number * 2


def main(count: int) -> None:
    folder = os.path.dirname(os.path.abspath(__file__))
    argv = [
        *(sys.executable, "-m", "celery", "-A", "offline_celery", "worker"),
        *("-P", "threads", "-c", "16"),
    ]
    worker = subprocess.Popen(
        [*argv, "--without-gossip", "--without-mingle", "-l", "ERROR"],
        cwd=folder,
        env={**os.environ, "BENCH_REDIS": url},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        chain(one.s(0), two.s()).delay().get(timeout=60)
        spent = time.process_time() + cpu(worker.pid)
        began = time.perf_counter()
        results = [chain(one.s(number), two.s()).delay() for number in range(count)]
        stored = time.perf_counter()
        for result in results:
            result.get(timeout=120)
        ended = time.perf_counter()
        spent = time.process_time() + cpu(worker.pid) - spent
        time.sleep(1)
        before = cpu(worker.pid)
        time.sleep(5)
        idle = 100 * (cpu(worker.pid) - before) / 5
    finally:
        worker.terminate()
        worker.wait()
    told = {
        "acknowledged": count / (stored - began),
        "runs": count / (ended - began),
        "cpu": 1000 * spent / count,
    }
    told["idle"] = idle
    print(json.dumps(told), flush=True)


def cpu(pid: int) -> float:
    with open(f"/proc/{pid}/stat") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    main(int(sys.argv[2]))
