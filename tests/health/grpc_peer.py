"""A gRPC server with the health service as Google wrote it.

It prints its port. Each line on its standard input, SERVICE STATUS, changes the
status of a service ("-" is the server as a whole) and is answered by "done".
"""
import sys
from concurrent import futures

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

server = grpc.server(futures.ThreadPoolExecutor(max_workers=2))
servicer = health.HealthServicer()
health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
port = server.add_insecure_port("127.0.0.1:0")
server.start()
print(port, flush=True)
for line in sys.stdin:
    service, status = line.split()
    servicer.set("" if service == "-" else service, health_pb2.HealthCheckResponse.ServingStatus.Value(status))
    print("done", flush=True)
server.stop(None)
