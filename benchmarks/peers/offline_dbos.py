"""Plain DBOS: two-step runs, through a queue or begun at once. python offline_dbos.py DATABASE_URL COUNT queued|direct
-> a line of JSON. On SQLite its file has a write-ahead log, as ours has, which DBOS itself does not ask for.
"""

import json
import sqlite3
import sys
import time
from concurrent.futures import ThreadPoolExecutor

from dbos import DBOS, DBOSConfig

url, count, way = sys.argv[1], int(sys.argv[2]), sys.argv[3]
SENDERS = 8
if url.startswith("sqlite:///"):
    with sqlite3.connect(url.removeprefix("sqlite:///")) as file:
        file.execute("PRAGMA journal_mode = WAL")
DBOS(config=DBOSConfig(name="bench", system_database_url=url, log_level="ERROR", run_admin_server=False))


@DBOS.step()
def one(number: int) -> int:
    return number + 1


@DBOS.step()
def two(number: int) -> int:
    return number * 2


@DBOS.workflow()
def both(number: int) -> int:
    return two(one(number))


DBOS.launch()
queue = DBOS.register_queue("bench", worker_concurrency=16, polling_interval_sec=0.1)


def begin(number: int) -> object:
    return queue.enqueue(both, number) if way == "queued" else DBOS.start_workflow(both, number)


begin(0).get_result()
cpu = time.process_time()
with ThreadPoolExecutor(SENDERS) as senders:
    began = time.perf_counter()
    handles = list(senders.map(begin, range(count)))
    stored = time.perf_counter()
    for handle in handles:
        handle.get_result(polling_interval_sec=0.05)
    ended = time.perf_counter()
of_a_run = 1000 * (time.process_time() - cpu) / count
time.sleep(1)
cpu = time.process_time()
time.sleep(5)
idle = (time.process_time() - cpu) / 5
told = {
    "acknowledged": count / (stored - began),
    "runs": count / (ended - began),
    "cpu": of_a_run,
    "idle": 100 * idle,
}
print(json.dumps(told), flush=True)
DBOS.destroy()
