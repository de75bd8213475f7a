"""taskiq on Redis: two-step runs, the second kicked by the first. python offline_taskiq.py REDIS_URL COUNT -> JSON."""

import asyncio
import json
import os
import subprocess
import sys
import time

from taskiq_redis import ListQueueBroker, RedisAsyncResultBackend

url = os.environ.get("BENCH_REDIS") or sys.argv[1]
broker = ListQueueBroker(url).with_result_backend(RedisAsyncResultBackend(url))


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
    folder = os.path.dirname(os.path.abspath(__file__))
    worker = subprocess.Popen(
        [
            *(sys.executable, "-m", "taskiq", "worker", "offline_taskiq:broker"),
            *("--workers", "1", "--max-async-tasks", "16", "--log-level", "ERROR"),
        ],
        cwd=folder,
        env={**os.environ, "BENCH_REDIS": url},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        await broker.startup()
        await ended(str(await ended((await one.kiq(0)).task_id)))
        began = time.perf_counter()
        first = [(await one.kiq(number)).task_id for number in range(count)]
        stored = time.perf_counter()
        for task_id in first:
            await ended(str(await ended(task_id)))
        over = time.perf_counter()
    finally:
        worker.terminate()
        worker.wait()
        await broker.shutdown()
    print(json.dumps({"acknowledged": count / (stored - began), "runs": count / (over - began)}), flush=True)


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[2])))
