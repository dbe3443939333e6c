"""The models in salabim."""

import heapq
import itertools
import random
from collections import deque

import salabim as sim

from peer import ARRIVALS, CORES, RATE, SERVICE, WORK, WORKERS, main


def environment():
    return sim.Environment(trace=False, yieldless=False, do_reset=True)


class Source(sim.Component):
    """Calls `arrive` for each customer."""

    def setup(self, customers, rate, draw, arrive):
        self.customers, self.rate, self.draw, self.arrive = customers, rate, draw, arrive

    def process(self):
        for _ in range(self.customers):
            yield self.hold(self.draw(self.rate))
            self.arrive()


class Server(sim.Component):
    """Serves the arrival times in `waiting`; faster than a resource and a component a customer."""

    def setup(self, waiting, draw):
        self.waiting, self.draw, self.total = waiting, draw, 0.0

    def process(self):
        while True:
            while not self.waiting:
                yield self.passivate()
            yield self.hold(self.draw(SERVICE))
            self.total += self.env.now() - self.waiting.popleft()


def mm1(customers, seed):
    draw = random.Random(seed).expovariate
    env = environment()
    waiting = deque()
    server = Server(waiting=waiting, draw=draw)

    def arrive():
        waiting.append(env.now())
        if server.ispassive():
            server.activate()

    Source(customers=customers, rate=ARRIVALS, draw=draw, arrive=arrive)
    env.run()
    return customers, server.total / customers


class Cores(sim.Component):
    """Cores shared equally, in virtual time: salabim has none."""

    def setup(self):
        self.running, self.order, self.attained, self.since = [], itertools.count(), 0.0, 0.0

    def start(self, task, amount):
        self.settle()
        heapq.heappush(self.running, (self.attained + amount, next(self.order), task))
        self.look_ahead()

    def rate(self):
        return min(1.0, CORES / len(self.running))

    def settle(self):
        if self.running:
            self.attained += (self.env.now() - self.since) * self.rate()
        self.since = self.env.now()

    def look_ahead(self):
        wait = (self.running[0][0] - self.attained) / self.rate()
        self.activate(delay=max(0.0, wait))

    def process(self):
        while True:
            if self.running:
                self.settle()
                heapq.heappop(self.running)[2].activate()
            if self.running:
                wait = (self.running[0][0] - self.attained) / self.rate()
                yield self.hold(max(0.0, wait))
            else:
                yield self.passivate()


class Request(sim.Component):
    total = 0.0

    def setup(self, workers, cores, draw):
        self.workers, self.cores, self.draw = workers, cores, draw

    def process(self):
        arrived = self.env.now()
        yield self.request(self.workers)
        for mean in WORK:
            self.cores.start(self, self.draw(1 / mean))
            yield self.passivate()
        self.release()
        Request.total += self.env.now() - arrived


def sync5(customers, seed):
    draw = random.Random(seed).expovariate
    env = environment()
    workers, cores = sim.Resource(capacity=WORKERS), Cores()
    Request.total = 0.0

    def arrive():
        Request(workers=workers, cores=cores, draw=draw)

    Source(customers=customers, rate=RATE, draw=draw, arrive=arrive)
    env.run()
    return customers, Request.total / customers


main({"mm1": mm1, "sync5": sync5})
