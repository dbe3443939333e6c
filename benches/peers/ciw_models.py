"""The models in Ciw."""

import ciw
from ciw.dists import Exponential

from peer import ARRIVALS, CORES, RATE, SERVICE, WORK, WORKERS, main


def run(network, customers, seed, **how):
    ciw.seed(seed)
    simulation = ciw.Simulation(network, **how)
    simulation.simulate_until_max_customers(customers, method="Finish")
    stays = [record.exit_date - record.arrival_date for record in simulation.get_all_records()]
    return len(stays), sum(stays) / len(stays)


def mm1(customers, seed):
    network = ciw.create_network(
        arrival_distributions=[Exponential(rate=ARRIVALS)],
        service_distributions=[Exponential(rate=SERVICE)],
        number_of_servers=[1],
    )
    return run(network, customers, seed)


def sync5(customers, seed):
    """Without waits the workers are the places of a node that shares its cores."""
    first, query, last = (Exponential(rate=1 / mean) for mean in WORK)
    network = ciw.create_network(
        arrival_distributions=[Exponential(rate=RATE)],
        service_distributions=[first + query + last],
        number_of_servers=[WORKERS],
        ps_thresholds=[CORES],
    )
    return run(network, customers, seed, node_class=ciw.PSNode)


main({"mm1": mm1, "sync5": sync5})
