"""What the runs of all peers have in common: `python <peer>.py <model> <customers> <seed>` does one
run and prints it as JSON, timed by the CPU it took. And the models' numbers, in seconds."""

import json
import sys
import time

# M/M/1.
ARRIVALS, SERVICE = 0.9, 1.0
# Five sync workers and their database on two cores: what a request computes, one after the other,
# and how many come. As `sync5` in `benches/sites/mod.rs`.
WORKERS, CORES, RATE, WORK = 5, 2, 75.0, (0.008, 0.004, 0.008)


def main(models):
    """Runs the model named by the arguments: a function of customers and seed to the responses."""
    model, customers, seed = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    start = time.process_time()
    count, mean, *p95 = models[model](customers, seed)
    seconds = time.process_time() - start
    run = {"customers": count, "seconds": seconds, "mean": mean, "p95": p95[0] if p95 else None}
    print(json.dumps(run))
