"""AsyncFlow's own README scenario, without its drops."""

import numpy as np
import simpy
import yaml
from asyncflow.config.constants import LatencyKey
from asyncflow.runtime.simulation_runner import SimulationRunner
from asyncflow.schemas.payload import SimulationPayload

from peer import main

README = """
rqs_input:
  id: generator-1
  avg_active_users: { mean: 100, distribution: poisson }
  avg_request_per_minute_per_user: { mean: 100, distribution: poisson }
  user_sampling_window: 60
topology_graph:
  nodes:
    client: { id: client-1 }
    servers:
      - id: app-1
        server_resources: { cpu_cores: 1, ram_mb: 2048 }
        endpoints:
          - endpoint_name: /api
            steps:
              - kind: initial_parsing
                step_operation: { cpu_time: 0.002 }
              - kind: ram
                step_operation: { necessary_ram: 120 }
              - kind: io_db
                step_operation: { io_waiting_time: 0.012 }
  edges:
    - { id: gen-client, source: generator-1, target: client-1, dropout_rate: 0,
        latency: { mean: 0.003, distribution: exponential } }
    - { id: client-app, source: client-1, target: app-1, dropout_rate: 0,
        latency: { mean: 0.003, distribution: exponential } }
    - { id: app-client, source: app-1, target: client-1, dropout_rate: 0,
        latency: { mean: 0.003, distribution: exponential } }
sim_settings:
  total_simulation_time: 300
  sample_period_s: 0.05
  enabled_sample_metrics:
    - ready_queue_len
    - event_loop_io_sleep
    - ram_in_use
    - edge_concurrent_connection
  enabled_event_metrics:
    - rqs_clock
"""


def readme(customers, seed):
    scenario = yaml.safe_load(README)
    per_second = 100 * 100 / 60
    scenario["sim_settings"]["total_simulation_time"] = round(customers / per_second)
    payload = SimulationPayload.model_validate(scenario)
    runner = SimulationRunner(env=simpy.Environment(), simulation_input=payload)
    runner.rng = np.random.default_rng(seed)
    latency = runner.run().get_latency_stats()
    return (
        int(latency[LatencyKey.TOTAL_REQUESTS]),
        latency[LatencyKey.MEAN],
        latency[LatencyKey.P95],
    )


main({"asyncflow": readme})
