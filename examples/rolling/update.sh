#!/bin/sh
# A minimal rolling update: a new server is started beside the old one, and the old one is stopped, while requests come through a
# proxy that sends them to the servers that are ready.
#
#   examples/rolling/update.sh ./goward --drain 5s     goward (the static binary), and its options
#
# It prints how many requests were lost; the exit code is 1 if any was. It needs only Docker and Go: the image is built here, and
# all containers share one network, which has only loopback.
#
#   this script          on Kubernetes
#   proxy                kube-proxy, or another load balancer
#   kubelet              the kubelet with a readinessProbe: exec: {command: [/goward, status, --ready]}
#   docker stop          the end of a pod: SIGTERM, and SIGKILL after terminationGracePeriodSeconds
#
# One thing is harder here: on Kubernetes the control plane removes a deleted pod from the endpoints at once, and only the update of
# the proxies takes time. Here only goward knows of the stop.
set -eu
goward=$1
shift
here=$(cd "$(dirname "$0")" && pwd)
name=goward-rolling-$$
work=$(mktemp -d)
clean() {
    trap - EXIT INT TERM
    docker rm -f "$name-proxy" "$name-1" "$name-2" "$name-load" >/dev/null 2>&1 || true
    docker rmi -f "$name" >/dev/null 2>&1 || true
    rm -rf "$work" "$work.log"
}
trap clean EXIT
trap 'exit 130' INT TERM

cp "$goward" "$work/goward"
export CGO_ENABLED=0
go build -C "$here" -trimpath -o "$work/" ./proxy ./kubelet ./load
go build -C "$here/../servers" -trimpath -o "$work/" ./good
printf 'FROM scratch\nCOPY . /\nUSER 65532:65532\nENTRYPOINT ["/goward"]\n' >"$work/Dockerfile"
docker build -q -t "$name" "$work" >"$work.log" 2>&1 || { cat "$work.log" >&2; exit 125; }

server() { # NUMBER OPTIONS...
    n=$1 at=localhost:808$1
    shift
    docker run -d --name "$name-$n" --network "container:$name-proxy" \
        -e PORT="808$n" -e GOWARD_HEALTH="http://$at/healthz" "$name" "$@" -- /good >/dev/null
    docker exec "$name-$n" /goward status --wait ready >/dev/null
    # The kubelet finds that a container has ended when it looks again.
    { docker exec "$name-$n" /kubelet "$at" || true; sleep 0.5; echo "$at unready"; } >&3 2>/dev/null &
    sleep 2 # until the proxy knows of it
}

mkfifo "$work/lines"
docker run -i --name "$name-proxy" --network none --entrypoint /proxy "$name" <"$work/lines" &
exec 3>"$work/lines"
until docker top "$name-proxy" >/dev/null 2>&1; do sleep 0.1; done
server 1 "$@"

docker run --name "$name-load" --network "container:$name-proxy" --entrypoint /load "$name" \
    -requests "${REQUESTS:-10000}" 'http://localhost:8080/slow?ms=20' &
load=$!
server 2 "$@"
docker stop -t 10 "$name-1" >/dev/null
sleep 1
docker kill -s TERM "$name-load" >/dev/null # It ends when it has made its requests.
code=0
wait $load || code=$?
docker logs "$name-1" 2>&1 | tail -n 1
exit $code
