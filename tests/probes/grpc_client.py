"""Asks grpc.health.v1 at each of these ports, and prints "well" or "no" for each."""
import sys
from concurrent import futures

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc


def ask(port):
    with grpc.insecure_channel(f"127.0.0.1:{port}", options=[("grpc.enable_retries", 0), ("grpc.use_local_subchannel_pool", 1)]) as channel:
        try:
            answer = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=5)
        except grpc.RpcError:
            return "no"
        return "well" if answer is not None and answer.status == health_pb2.HealthCheckResponse.SERVING else "no"


with futures.ThreadPoolExecutor(max_workers=8) as pool:
    for said in pool.map(ask, sys.argv[1:]):
        print(said)
