"""What the models' mean response times are, by theory."""

from math import sqrt

import numpy as np

from peer import ARRIVALS, CORES, RATE, SERVICE, WORK, WORKERS


def mm1():
    """Mean stay, and the asymptotic standard deviation of the mean over n customers times sqrt(n)
    (Daley 1968, of the wait; the service adds next to nothing at this load)."""
    busy = ARRIVALS * SERVICE
    variance = busy * (2 + 5 * busy - 4 * busy**2 + busy**3) / (1 - busy) ** 4
    return SERVICE / (1 - busy), SERVICE * sqrt(variance)


def sync5(longest=400):
    """Mean stay: a Markov chain of how many are inside and, of those in workers, how many are at
    which burst; solved level by level from the top, where it is cut off."""
    reductions = [None] * (longest + 1)
    after = None
    for inside in range(longest, 0, -1):
        out = stays(inside)
        if after is not None:
            out = out + after @ leaves(inside + 1)
        after = reductions[inside] = arrives(inside - 1) @ np.linalg.inv(-out)
    level, total, weighted = np.ones(1), 1.0, 0.0
    for inside in range(1, longest + 1):
        level = level @ reductions[inside]
        total += level.sum()
        weighted += inside * level.sum()
    return weighted / total / RATE


def phases(inside):
    """Who is at which burst: all ways of splitting those in workers."""
    working = min(inside, WORKERS)
    splits = ((a, b) for a in range(working + 1) for b in range(working + 1 - a))
    return [(a, b, working - a - b) for a, b in splits]


def speeds(split):
    """How often a burst of each kind ends."""
    share = min(1.0, CORES / sum(split))
    return [count * share / mean for count, mean in zip(split, WORK)]


def arrives(inside):
    """Rates of arrival, from the phases of one level to those of the next."""
    to = {split: at for at, split in enumerate(phases(inside + 1))}
    rates = np.zeros((len(phases(inside)), len(to)))
    for at, (a, b, c) in enumerate(phases(inside)):
        rates[at, to[(a + 1, b, c) if inside < WORKERS else (a, b, c)]] = RATE
    return rates


def leaves(inside):
    """Rates of leaving, from the phases of one level to those of the one below."""
    to = {split: at for at, split in enumerate(phases(inside - 1))}
    rates = np.zeros((len(phases(inside)), len(to)))
    for at, (a, b, c) in enumerate(phases(inside)):
        if c > 0:
            below = (a + 1, b, c - 1) if inside > WORKERS else (a, b, c - 1)
            rates[at, to[below]] = speeds((a, b, c))[2]
    return rates


def stays(inside):
    """Rates within a level, and on the diagonal those of leaving each of its phases."""
    to = {split: at for at, split in enumerate(phases(inside))}
    rates = np.zeros((len(to), len(to)))
    for (a, b, c), at in to.items():
        first, query, last = speeds((a, b, c))
        rates[at, at] = -(RATE + first + query + last)
        if a > 0:
            rates[at, to[(a - 1, b + 1, c)]] = first
        if b > 0:
            rates[at, to[(a, b - 1, c + 1)]] = query
    return rates


def asyncflow():
    """Three edges of 3 ms, 12 ms of waiting, and 2 ms on one core, as M/D/1: the arrivals stay
    Poisson through exponential edges."""
    cpu, rate = 0.002, 100 * 100 / 60
    busy = cpu * rate
    return 3 * 0.003 + 0.012 + cpu + cpu * busy / (2 * (1 - busy))


if __name__ == "__main__":
    print(mm1(), sync5(), asyncflow())
