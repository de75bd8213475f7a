"""Plain DBOS: two-step runs through a queue. python offline_dbos.py DATABASE_URL COUNT -> a line of JSON."""

import json
import sys
import time

from dbos import DBOS, DBOSConfig

url, count = sys.argv[1], int(sys.argv[2])
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
queue.enqueue(both, 0).get_result()
began = time.perf_counter()
handles = [queue.enqueue(both, number) for number in range(count)]
stored = time.perf_counter()
for handle in handles:
    handle.get_result()
ended = time.perf_counter()
time.sleep(1)
cpu = time.process_time()
time.sleep(5)
idle = (time.process_time() - cpu) / 5
told = {"acknowledged": count / (stored - began), "runs": count / (ended - began), "idle": 100 * idle}
print(json.dumps(told), flush=True)
DBOS.destroy()
