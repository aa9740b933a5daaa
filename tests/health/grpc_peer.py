"""A gRPC server with the health service as Google wrote it.

With the files of a certificate and a key it speaks TLS, and with those of a CA
as well it wants a certificate from its clients. Whoever shows a token gets an
error, unless it is the right one. It prints its port. Each line on its standard input, SERVICE STATUS, changes the
status of a service ("-" is the server as a whole) and is answered by "done".
"""
import sys
from concurrent import futures

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc


class Tokens(grpc.ServerInterceptor):
    """Looks at the metadata of each call."""

    def intercept_service(self, continuation, details):
        metadata = dict(details.invocation_metadata)
        token = metadata.get("token", "right")

        def refuse(_, context):
            why = metadata.get("user-agent") if token == "who" else "the token is wrong"
            context.abort(grpc.StatusCode.UNAUTHENTICATED, why)

        return continuation(details) if token == "right" else grpc.unary_unary_rpc_method_handler(refuse)


server = grpc.server(futures.ThreadPoolExecutor(max_workers=2), interceptors=(Tokens(),))
servicer = health.HealthServicer()
health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
files = [open(name, "rb").read() for name in sys.argv[1:]]
if files:
    certificate, key, *ca = files
    roots = ca[0] if ca else None
    credentials = grpc.ssl_server_credentials([(key, certificate)], roots, require_client_auth=bool(ca))
    port = server.add_secure_port("127.0.0.1:0", credentials)
else:
    port = server.add_insecure_port("127.0.0.1:0")
server.start()
print(port, flush=True)
for line in sys.stdin:
    service, status = line.split()
    servicer.set("" if service == "-" else service, health_pb2.HealthCheckResponse.ServingStatus.Value(status))
    print("done", flush=True)
server.stop(None)
