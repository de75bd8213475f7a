"""taskiq: two-step runs, the second kicked by the first; on Redis, or on NATS with its log on the disk.

python offline_taskiq.py redis://… | nats://… COUNT -> a line of JSON.
"""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time

from taskiq import AsyncBroker

url = os.environ.get("BENCH_STORE") or sys.argv[1]


def broker_of(url: str) -> AsyncBroker:
    if url.startswith("redis"):
        from taskiq_redis import ListQueueBroker, RedisAsyncResultBackend

        return ListQueueBroker(url).with_result_backend(RedisAsyncResultBackend(url))
    from taskiq_nats import NATSObjectStoreResultBackend, PullBasedJetStreamBroker

    return PullBasedJetStreamBroker(url).with_result_backend(NATSObjectStoreResultBackend(url))


broker = broker_of(url)


@broker.task(task_name="two")
async def two(number: int) -> int:
    return number * 2


@broker.task(task_name="one")
async def one(number: int) -> str:
    return (await two.kiq(number + 1)).task_id


async def ended(task_id: str) -> object:
    while not await broker.result_backend.is_result_ready(task_id):
        await asyncio.sleep(0.005)
    return (await broker.result_backend.get_result(task_id)).return_value


async def main(count: int) -> None:
    await broker.startup()  # first: who comes at the same time would make the same streams
    worker = subprocess.Popen(
        [
            *(sys.executable, "-m", "taskiq", "worker", "offline_taskiq:broker"),
            *("--workers", "1", "--max-async-tasks", "16", "--log-level", "ERROR"),
        ],
        cwd=os.path.dirname(os.path.abspath(__file__)),
        env={**os.environ, "BENCH_STORE": url},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        await ended(str(await ended((await one.kiq(0)).task_id)))
        spent = time.process_time() + cpu(worker.pid)
        began = time.perf_counter()
        first = [(await one.kiq(number)).task_id for number in range(count)]
        stored = time.perf_counter()
        for task_id in first:
            await ended(str(await ended(task_id)))
        over = time.perf_counter()
        spent = time.process_time() + cpu(worker.pid) - spent
        await asyncio.sleep(1)
        before = cpu(worker.pid)
        await asyncio.sleep(5)
        idle = 100 * (cpu(worker.pid) - before) / 5
    finally:
        os.killpg(worker.pid, signal.SIGKILL)  # told to end, one on NATS waits for its next message first
        worker.wait()
        await broker.shutdown()
    told = {
        "acknowledged": count / (stored - began),
        "runs": count / (over - began),
        "cpu": 1000 * spent / count,
    }
    told["idle"] = idle
    print(json.dumps(told), flush=True)


def cpu(pid: int) -> float:
    """Seconds of a process and of those it has started, ended ones among them."""
    with open(f"/proc/{pid}/stat") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    with open(f"/proc/{pid}/task/{pid}/children") as file:
        children = file.read().split()
    own = sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")
    return own + sum(cpu(int(child)) for child in children)


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[2])))
