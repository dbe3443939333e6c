"""The models in SimPy."""

import heapq
import itertools
import random

import simpy

from peer import ARRIVALS, CORES, RATE, SERVICE, WORK, WORKERS, main


def mm1(customers, seed):
    """A source, a store and a server: four events a customer, faster than a resource's six."""
    draw = random.Random(seed).expovariate
    env = simpy.Environment()
    store = simpy.Store(env)
    total = 0.0

    def source():
        for _ in range(customers):
            yield env.timeout(draw(ARRIVALS))
            yield store.put(env.now)

    def server():
        nonlocal total
        for _ in range(customers):
            arrived = yield store.get()
            yield env.timeout(draw(SERVICE))
            total += env.now - arrived

    env.process(source())
    env.run(env.process(server()))
    return customers, total / customers


class Cores:
    """Cores shared equally, in virtual time: SimPy has none."""

    def __init__(self, env, cores):
        self.env, self.cores = env, cores
        self.running, self.order = [], itertools.count()
        self.attained, self.since, self.version = 0.0, 0.0, 0

    def work(self, amount):
        """An event that comes when the cores have done this much for whoever waits for it."""
        self.settle()
        done = self.env.event()
        heapq.heappush(self.running, (self.attained + amount, next(self.order), done))
        self.look_ahead()
        return done

    def rate(self):
        return min(1.0, self.cores / len(self.running))

    def settle(self):
        if self.running:
            self.attained += (self.env.now - self.since) * self.rate()
        self.since = self.env.now

    def look_ahead(self):
        self.version += 1
        if self.running:
            wait = (self.running[0][0] - self.attained) / self.rate()
            timeout = self.env.timeout(max(0.0, wait), self.version)
            timeout.callbacks.append(self.finish)

    def finish(self, timeout):
        if timeout.value == self.version:
            self.settle()
            heapq.heappop(self.running)[2].succeed()
            self.look_ahead()


def sync5(customers, seed):
    draw = random.Random(seed).expovariate
    env = simpy.Environment()
    workers, cores = simpy.Resource(env, WORKERS), Cores(env, CORES)
    total = 0.0

    def request(arrived):
        nonlocal total
        with workers.request() as worker:
            yield worker
            for mean in WORK:
                yield cores.work(draw(1 / mean))
        total += env.now - arrived

    def source():
        for _ in range(customers):
            yield env.timeout(draw(RATE))
            env.process(request(env.now))

    env.process(source())
    env.run()
    return customers, total / customers


main({"mm1": mm1, "sync5": sync5})
