//! For each finding in a Dockerfile one that has it, and one that nearly has it and has not.

use crate::support::{Ending, GOWARD, LIMIT, Scratch, run};
use std::fs;
use std::process::Command;

/// The ids that `goward check --dockerfile` finds in a text, with other files beside it.
pub(super) fn found(dockerfile: &str, beside: &[(&str, &str)]) -> Vec<(String, String, u64)> {
    let scratch = Scratch::new();
    let path = scratch.file("Dockerfile", dockerfile, 0o644);
    for (name, content) in beside {
        let file = scratch.path(name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, content).unwrap();
    }
    let mut command = Command::new(GOWARD);
    command.args(["check", "--format=json", "--fail-on=never", "--dockerfile"]).arg(&path);
    let outcome = run(&mut command, LIMIT);
    assert_eq!(outcome.ending, Ending::Exited(0), "{dockerfile}\n{}", outcome.stderr);
    let report: serde_json::Value = serde_json::from_str(&outcome.stdout).unwrap();
    let findings = report["findings"].as_array().unwrap().iter();
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    findings.map(|one| (text(&one["id"]), text(&one["severity"]), one["line"].as_u64().unwrap_or_default())).collect()
}

/// The beginning of most: a build stage with nothing wrong.
const BUILD: &str = "FROM golang:1.27-alpine AS build\nWORKDIR /src\nCOPY go.mod go.sum ./\nRUN go mod download\nCOPY . .\n\
    ARG VERSION=dev\nRUN CGO_ENABLED=0 go build -trimpath -ldflags=\"-s -w -X main.version=${VERSION}\" -o /server .\n";
/// The end of most: a final stage with nothing wrong.
const END: &str = "FROM scratch\nCOPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/\n\
    COPY --from=build /server /server\nUSER 65532:65532\nENTRYPOINT [\"/server\"]\n";

/// `@BUILD` and `@END` stand for those, `@GO …` for a stage with only this build command.
pub(super) fn whole(text: &str) -> String {
    let text = text.replace("@BUILD\n", BUILD).replace("@END\n", END);
    let go = "FROM golang:1.27 AS build\nWORKDIR /src\nCOPY go.mod go.sum ./\nRUN go mod download\nCOPY . .\nRUN ";
    text.replace("@GO ", go)
}

const FLAGS: &str = "-trimpath -ldflags=\"-s -w -X main.version=1\" -o /server .";
pub(super) const SH_END: &str = "FROM alpine:3.22\nCOPY --from=build /server /server\nUSER 65532:65532\n";
pub(super) const DEBIAN_END: &str = "FROM debian:12-slim\nCOPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/\nCOPY --from=build /server /server\nUSER 65532:65532\n";

/// id, what has it, what nearly has it. `$FLAGS`, `$ALPINE` and `$DEBIAN` stand for the constants above.
const CORPUS: &[(&str, &str, &str)] = &[
    ("GW300", "FROMM scratch\n", "# syntax=docker/dockerfile:1\nfrom scratch\n"),
    ("GW300", "@BUILD\nFROM scratch\nCOPY --from=7 /a /a\n", "@BUILD\nFROM scratch\nCOPY --from=0 /server /server\n"),
    ("GW300", "RUN true\n", "ARG A\nFROM scratch\n"),
    ("GW301", "@BUILD\n$DEBIANENTRYPOINT /server\n", "@BUILD\n$DEBIANENTRYPOINT exec /server\n"),
    (
        "GW301",
        "@BUILD\n$DEBIANSHELL [\"/bin/dash\", \"-c\"]\nENTRYPOINT /server -x\n",
        "@BUILD\n$DEBIANENTRYPOINT [ \"/server\", \"-x\" ]\n",
    ),
    ("GW302", "@BUILD\n$DEBIANCMD /server\n", "@BUILD\n$DEBIANCMD [\"/server\"]\n"),
    ("GW303", "@BUILD\nFROM scratch\nCOPY --from=build /server /server\nCMD /server\n", "@BUILD\n@END\n"),
    (
        "GW303",
        "@BUILD\nFROM gcr.io/distroless/static-debian12:nonroot\nRUN mkdir /data\n",
        "@BUILD\nFROM gcr.io/distroless/static-debian12:debug-nonroot\nSHELL [\"/busybox/sh\", \"-c\"]\nRUN mkdir /data\n",
    ),
    ("GW303", "@BUILD\nFROM scratch\nRUN echo\n", "@BUILD\nFROM scratch\nRUN [\"/goward\", \"check\", \"/server\"]\n"),
    ("GW304", "@BUILD\n$ALPINEENTRYPOINT ['/server']\n", "@BUILD\n$ALPINEENTRYPOINT [\"/server\"]\n"),
    ("GW304", "@BUILD\n$ALPINECMD [\"/server\",]\n", "@BUILD\n$ALPINERUN [ -f /server ] && true\nCMD [\"/server\"]\n"),
    (
        "GW305",
        "@BUILD\n$DEBIANENTRYPOINT [\"sh\", \"-c\", \"migrate && /server\"]\n",
        "@BUILD\n$DEBIANENTRYPOINT [\"bash\", \"-c\", \"migrate && /server\"]\n",
    ),
    (
        "GW305",
        "@BUILD\n$DEBIANCOPY docker/start.sh /start.sh\nENTRYPOINT [\"/start.sh\"]\n",
        "@BUILD\n$DEBIANCOPY docker/exec.sh /start.sh\nENTRYPOINT [\"/start.sh\"]\n",
    ),
    (
        "GW306",
        "@BUILD\n$DEBIANENTRYPOINT exec /server\nCMD [\"-x\"]\n",
        "@BUILD\n$DEBIANENTRYPOINT [\"/server\"]\nCMD [\"-x\"]\n",
    ),
    (
        "GW306",
        "@BUILD\n$ALPINECMD [\"a\"]\nCMD [\"b\"]\n",
        "FROM alpine:3.22 AS a\nCMD [\"a\"]\nFROM a\nUSER 1:1\nCMD [\"b\"]\n",
    ),
    (
        "GW307",
        "@BUILD\nFROM alpine:3.22\nCOPY --from=build /server /\nENTRYPOINT [\"/server\"]\n",
        "@BUILD\nFROM alpine:3.22\nCOPY --from=build /server /\nENTRYPOINT [\"/goward\", \"--user\", \"65532:65532\", \"--\", \"/server\"]\n",
    ),
    (
        "GW307",
        "@BUILD\nFROM gcr.io/distroless/static-debian12:latest-amd64\nCMD [\"/server\"]\n",
        "@BUILD\nFROM gcr.io/distroless/static-debian12:nonroot\nCMD [\"/server\"]\n",
    ),
    (
        "GW308",
        "@BUILD\n$ALPINEUSER 0\nENTRYPOINT [\"/server\"]\n",
        "@BUILD\n$ALPINEUSER 0\nRUN true\nUSER 10001:0\nENTRYPOINT [\"/server\"]\n",
    ),
    (
        "GW309",
        "@BUILD\nFROM scratch\nCOPY --from=build /server /server\nUSER app\nENTRYPOINT [\"/server\"]\n",
        "@BUILD\nFROM scratch\nCOPY --from=build /etc/passwd /etc/passwd\nUSER app\nENTRYPOINT [\"/server\"]\n",
    ),
    (
        "GW309",
        "@BUILD\n$ALPINEUSER app\nCMD [\"/server\"]\n",
        "@BUILD\n$ALPINEUSER 0\nRUN adduser -D app\nUSER app\nCMD [\"/server\"]\n",
    ),
    ("GW310", "@BUILD\n$ALPINEUSER nobody\nCMD [\"/server\"]\n", "@BUILD\n$ALPINEUSER 65534\nCMD [\"/server\"]\n"),
    ("GW311", "FROM golang:1.27\nCMD [\"/server\"]\n", "FROM golang:1.27 AS build\nFROM scratch\nCMD [\"/server\"]\n"),
    (
        "GW312",
        "@BUILD\nFROM alpine:3.22\nRUN apk add --no-cache git build-base\n",
        "@BUILD\nFROM alpine:3.22\nRUN apk add --no-cache --virtual .deps git build-base && apk del .deps\n",
    ),
    (
        "GW313",
        "@BUILD\nFROM alpine:3.22\nRUN apk add tzdata\n",
        "@BUILD\nFROM alpine:3.22\nRUN apk add --no-cache tzdata\n",
    ),
    (
        "GW313",
        "@BUILD\nFROM debian:12\nRUN apt-get update && apt-get install -y ca-certificates\n",
        "@BUILD\nFROM debian:12\nRUN apt-get update \\\n # why\n && apt-get install -y ca-certificates \\\n && rm -rf /var/lib/apt/lists/*\n",
    ),
    (
        "GW314",
        "FROM golang:1.27-alpine AS build\nCOPY . .\nRUN go mod download\nRUN CGO_ENABLED=0 go build $FLAGS\n@END\n",
        "@BUILD\n@END\n",
    ),
    (
        "GW314",
        "FROM golang:1.27-alpine AS build\nCOPY . .\nRUN CGO_ENABLED=0 go build $FLAGS\n@END\n",
        "FROM golang:1.27-alpine AS build\nCOPY . .\nRUN --mount=type=cache,target=/go/pkg/mod CGO_ENABLED=0 go build $FLAGS\n@END\n",
    ),
    (
        "GW315",
        "FROM golang:1.27-alpine AS build\nCOPY go.mod ./\nRUN go mod download\n",
        "FROM golang:1.27-alpine AS build\nCOPY go.mod go.su[m] go.* ./\nRUN go mod download\n",
    ),
    ("GW316", "@GO go build $FLAGS\n@END\n", "@GO CGO_ENABLED=0 go build $FLAGS\n@END\n"),
    (
        "GW316",
        "@GO CGO_ENABLED=1 go build $FLAGS\n$ALPINECMD [\"/server\"]\n",
        "@GO CGO_ENABLED=1 go build $FLAGS\n$DEBIANCMD [\"/server\"]\n",
    ),
    (
        "GW316",
        "FROM golang:1.27-alpine AS build\nRUN apk add --no-cache gcc musl-dev\nRUN go build $FLAGS\n@END\n",
        "FROM golang:1.27-alpine AS build\nRUN go build $FLAGS\n@END\n",
    ),
    (
        "GW316",
        "@GO go build $FLAGS\nFROM gcr.io/distroless/static-debian12:nonroot\nCOPY --from=build /server /\nCMD [\"/server\"]\n",
        "@GO go build $FLAGS\nFROM gcr.io/distroless/base-debian12:nonroot\nCOPY --from=build /server /\nCMD [\"/server\"]\n",
    ),
    (
        "GW316",
        "@GO go build $FLAGS\n@END\n",
        "FROM golang:1.27 AS build\nENV CGO_ENABLED=0\nRUN go build $FLAGS\n@END\n",
    ),
    ("GW317", "@GO CGO_ENABLED=0 && go build $FLAGS\n@END\n", "@GO export CGO_ENABLED=0 && go build $FLAGS\n@END\n"),
    (
        "GW317",
        "@GO export CGO_ENABLED=0\nRUN go build $FLAGS\n@END\n",
        "@GO go env -w CGO_ENABLED=0\nRUN go build $FLAGS\n@END\n",
    ),
    (
        "GW317",
        "@GO CGO_ENABLED=0; go build $FLAGS\n@END\n",
        "FROM golang:1.27 AS build\nENV CGO_ENABLED=1\nRUN CGO_ENABLED=0; go build $FLAGS\n@END\n",
    ),
    (
        "GW318",
        "@GO CGO_ENABLED=0 go build -ldflags=\"-X main.version=1\" -o /server .\n@END\n",
        "@GO CGO_ENABLED=0 go build -ldflags '-s -X main.version=1' -o /server .\n@END\n",
    ),
    (
        "GW318",
        "@GO CGO_ENABLED=0 go build -o /server .\n@END\n",
        "FROM golang:1.27 AS build\nENV LD=\"-s -w -X main.v=1\"\nRUN <<EOF\nset -e\nCGO_ENABLED=0 go build -ldflags=\"$LD\" .\nEOF\n@END\n",
    ),
    (
        "GW319",
        "@GO CGO_ENABLED=0 go build -ldflags=-s -o /server .\n@END\n",
        "@GO CGO_ENABLED=0 go build -ldflags=\"-s ${LDFLAGS}\" -o /server .\n@END\n",
    ),
    (
        "GW320",
        "@BUILD\nFROM scratch\nCOPY --from=build /server /server\nUSER 1:1\nENTRYPOINT [\"/server\"]\n",
        "@BUILD\nFROM scratch\nCOPY --from=build /root-fs/ /\nUSER 1:1\nENTRYPOINT [\"/server\"]\n",
    ),
    (
        "GW320",
        "@BUILD\nFROM debian:12-slim\nUSER 1:1\n",
        "@BUILD\nFROM debian:12-slim\nRUN apt-get update && apt-get install -y ca-certificates && rm -rf /var/lib/apt/lists/*\nUSER 1:1\n",
    ),
    ("GW321", "FROM golang AS build\n@END\n", "ARG GO=1.27\nFROM golang:${GO} AS build\n@END\n"),
    ("GW321", "FROM example.com:5000/base:latest\n", "FROM example.com:5000/base:latest@sha256:0123\n"),
    ("GW322", "FROM golang:1.24-alpine AS build\n@END\n", "FROM golang:1.26 AS build\n@END\n"),
    ("GW323", "FROM alpine:3.19\n", "FROM alpine:3.22\n"),
    ("GW323", "FROM debian:buster-slim\n", "FROM debian:bookworm-slim\n"),
    (
        "GW324",
        "FROM alpine:3.22\nADD https://example.com/x /x\n",
        "FROM alpine:3.22\nADD --checksum=sha256:01 https://example.com/x /x\n",
    ),
    (
        "GW325",
        "@BUILD\n@END\nHEALTHCHECK CMD /server -health\n",
        "@BUILD\n@END\nHEALTHCHECK CMD [\"/server\", \"-health\"]\n",
    ),
    (
        "GW326",
        "@BUILD\n$ALPINEHEALTHCHECK CMD curl -f http://localhost/ || exit 1\nCMD [\"/server\"]\n",
        "@BUILD\n$ALPINEHEALTHCHECK CMD wget -qO- http://localhost/ || exit 1\nCMD [\"/server\"]\n",
    ),
    ("GW327", "@BUILD\n@END\nSTOPSIGNAL SIGQUIT\n", "@BUILD\n@END\nSTOPSIGNAL 15\n"),
    (
        "GW328",
        "@BUILD\nFROM alpine:3.22\nRUN apk add --no-cache ffmpeg\nUSER 1:1\nCMD [\"/server\"]\n",
        "@BUILD\nFROM alpine:3.22\nRUN apk add --no-cache ffmpeg tini\nUSER 1:1\nENTRYPOINT [\"tini\", \"--\", \"/server\"]\n",
    ),
    ("GW329", "@BUILD\n@END\nEXPOSE 80/tcp\n", "@BUILD\n@END\nEXPOSE 8080 53/udp\n"),
    ("GW330", "!ignore\n@BUILD\n@END\n", "@BUILD\n@END\n"),
    ("GW331", "!.dockerignore=bin\n@BUILD\n@END\n", "!.dockerignore=bin\\n/.git\n@BUILD\n@END\n"),
    (
        "GW332",
        "ARG VERSION=1\nFROM golang:1.27-alpine AS build\nRUN CGO_ENABLED=0 go build -ldflags=\"-s -X main.version=$VERSION\"\n@END\n",
        "ARG VERSION=1\nFROM golang:1.27-alpine AS build\nARG VERSION\nRUN CGO_ENABLED=0 go build -ldflags=\"-s -X main.version=$VERSION\"\n@END\n",
    ),
    (
        "GW332",
        "FROM alpine:3.22\nENV ARCH=${TARGETARCH}\n",
        "FROM alpine:3.22\nARG TARGETARCH\nENV ARCH=${TARGETARCH}\n",
    ),
    ("GW333", "@GO make build\n@END\n", "@GO make generate && CGO_ENABLED=0 go build $FLAGS\n@END\n"),
    ("GW334", "FROM scratch\nENV DB_PASSWORD=x\n", "FROM scratch\nENV DB_PASSWORD_FILE=/run/secrets/x TOKEN_TTL=5\n"),
    ("GW335", "FROM golang:1.27\nCMD [\"go\", \"run\", \".\"]\n", "FROM golang:1.27\nCMD [\"go\", \"version\"]\n"),
    (
        "GW336",
        "FROM --platform=$BUILDPLATFORM golang:1.27 AS build\nRUN CGO_ENABLED=0 go build $FLAGS\n@END\n",
        "FROM --platform=$BUILDPLATFORM golang:1.27 AS build\nARG TARGETARCH\nRUN CGO_ENABLED=0 GOARCH=$TARGETARCH go build $FLAGS\n@END\n",
    ),
    (
        "GW337",
        "FROM alpine:3.22\nUSER 1:1\n# goward: ignore=GW302\nCMD /server\n",
        "FROM alpine:3.22\nUSER 1:1\n# goward: ignore=GW302 it is ash\nCMD /server\n",
    ),
    (
        "GW338",
        "@BUILD\n$ALPINECOPY . .\nCMD [\"/server\"]\n",
        "@BUILD\n$ALPINECOPY config.json web/ ./\nCMD [\"/server\"]\n",
    ),
];

/// Others that nearly have it and have not.
const HAVE_NOT: &[(&str, &str)] = &[
    ("GW301", "@BUILD\n$DEBIANENTRYPOINT exec /server || exit 1\n"),
    ("GW307", "@BUILD\nFROM gcr.io/distroless/static-debian12@sha256:0123\nCMD [\"/server\"]\n"),
    (
        "GW307",
        "@BUILD\nFROM alpine:3.22\nENTRYPOINT [\"setpriv\", \"--reuid=1000\", \"--clear-groups\", \"/server\"]\n",
    ),
    ("GW307", "@BUILD\nFROM alpine:3.22\nENTRYPOINT exec su-exec app /server\n"),
    ("GW307", "@BUILD\nFROM alpine:3.22\nENTRYPOINT [\"sh\", \"-c\", \"exec gosu app /server\"]\n"),
    ("GW309", "@BUILD\n$ALPINEUSER $UNSET\nCMD [\"/server\"]\n"),
    ("GW308", "@BUILD\nFROM example.com/base:1\nUSER $APP_USER\nCMD [\"/server\"]\n"),
    ("GW311", "@BUILD\n@END\nFROM build AS test\nRUN go test ./...\n"),
    ("GW313", "@BUILD\nFROM debian:12\nRUN apt-get update && apt-get install -y tzdata && rm -rf /var/lib/apt\n"),
    ("GW313", "@BUILD\nFROM alpine:3.22\nRUN apk add tzdata && rm -rf /var/cache/*\n"),
    ("GW313", "@BUILD\nFROM fedora:43\nRUN dnf install -y tzdata && rm -rf /var/cache/dnf\n"),
    (
        "GW314",
        "FROM golang:1.27 AS build\nCOPY . .\nRUN --mount=type=cache,target=/go CGO_ENABLED=0 go build $FLAGS\n@END\n",
    ),
    (
        "GW314",
        "FROM golang:1.27 AS build\nCOPY . .\nRUN --mount=type=cache,target=/go/pkg/ CGO_ENABLED=0 go build $FLAGS\n@END\n",
    ),
    ("GW314", "FROM golang:1.27 AS build\nCOPY . .\nRUN CGO_ENABLED=0 go build -mod=vendor $FLAGS\n@END\n"),
    ("GW316", "@GO CGO_ENABLED=1 CC=\"zig cc -target x86_64-linux-musl\" go build $FLAGS\n@END\n"),
    ("GW316", "@GO CC=musl-gcc go build -ldflags='-s -linkmode external -extldflags -static'\n@END\n"),
    ("GW316", "@GO go build $FLAGS\nFROM busybox:1.37\nCOPY --from=build /server /server\nCMD [\"/server\"]\n"),
    ("GW316", "@GO go build -o /bin/gen ./gen && /bin/gen && CGO_ENABLED=0 go build $FLAGS\n@END\n"),
    ("GW318", "@GO go build std\nRUN go build ./...\nRUN CGO_ENABLED=0 go build $FLAGS\n@END\n"),
    ("GW320", "@BUILD\nFROM scratch AS binary\nCOPY --from=build /server /server\n"),
    (
        "GW320",
        "@BUILD\nFROM scratch\nENV SSL_CERT_FILE=/ca/bundle\nCOPY ca/ /ca/\nCOPY --from=build /server /server\nCMD [\"/server\"]\n",
    ),
    (
        "GW320",
        "@BUILD\nFROM debian:12\nARG PKGS\nRUN apt-get update && apt-get install -y $PKGS && rm -rf /var/lib/apt/lists/*\n",
    ),
    (
        "GW326",
        "@BUILD\nFROM alpine:3.22\nARG PKGS\nRUN apk add --no-cache $PKGS\nHEALTHCHECK CMD curl -f localhost\nCMD [\"/server\"]\n",
    ),
    ("GW327", "@BUILD\n@END\nARG SIG\nSTOPSIGNAL $SIG\n"),
    ("GW331", "!.dockerignore=./.git\n@BUILD\n@END\n"),
    ("GW331", "!.dockerignore=.git/**\n@BUILD\n@END\n"),
    ("GW331", "!.dockerignore=**/.git\n@BUILD\n@END\n"),
    ("GW332", "ARG GOLANG_VERSION=1.27\nFROM golang:${GOLANG_VERSION} AS build\nRUN echo $GOLANG_VERSION\n@END\n"),
    ("GW332", "ARG VERSION=1\nFROM alpine:3.22\nRUN echo '$VERSION' \\$VERSION \"\\$VERSION\" ${VERSION:-2}\n"),
    ("GW332", "ARG VERSION=1\nFROM alpine:3.22\nRUN : ${VERSION:=2} && echo \"$VERSION\"\n"),
    ("GW332", "ARG VERSION=1\nFROM alpine:3.22\nRUN . /etc/release && echo \"$VERSION\"\n"),
    (
        "GW334",
        "FROM scratch\nENV ACCESS_TOKEN_DURATION=5m TOKEN_HEADER=X-A SECRET_MANAGER=gcp PASSWORD_POLICY=strict\n",
    ),
    (
        "GW336",
        "FROM --platform=$BUILDPLATFORM golang:1.27 AS build\nARG TARGETARCH\nRUN go build -o /bin/gen ./cmd/gen && /bin/gen\nRUN CGO_ENABLED=0 GOARCH=$TARGETARCH go build $FLAGS\n@END\n",
    ),
    (
        "GW300",
        "FROM alpine:3.22\nENV A b\nENV C=d E=\"f g\"\nEXPOSE 80 1-2/udp $PORT\nHEALTHCHECK --start-interval=1s none\n",
    ),
    (
        "GW300",
        "ARG GO\nFROM golang:${GO}\nONBUILD COPY --chown=1:1 a b\nRUN --mount=type=cache,target=/x --network=none true\n",
    ),
    ("GW301", "FROM alpine:3.22 AS base\nONBUILD ENTRYPOINT [\"/server\"]\nFROM base\n"),
    ("GW303", "@BUILD\nFROM scratch\nCOPY --from=busybox:1.37 /bin/ /bin/\nCMD [\"sh\", \"-c\", \"exec /server\"]\n"),
    ("GW307", "@BUILD\nFROM alpine:3.22 AS base\nONBUILD USER 65532:65532\nFROM base\nCMD [\"/server\"]\n"),
    ("GW311", "@BUILD\nFROM alpine:3.22\nRUN apk add --no-cache go && go build . && apk del go\nCMD [\"/server\"]\n"),
    (
        "GW320",
        "FROM golang:1.27 AS build\nRUN make install DESTDIR=/image\nFROM scratch\nCOPY --from=build /image /\nCMD [\"/server\"]\n",
    ),
    ("GW320", "@BUILD\nFROM scratch\nCOPY --from=build /dist /\nCMD [\"/server\"]\n"),
    (
        "GW321",
        "@BUILD\nFROM scratch\nCOPY --from=build /server /\nCOPY --from=assets / /a/\nCOPY --from=busybox:1.37 /a /a\n",
    ),
    ("GW324", "FROM alpine:3.22\nADD https://github.com/a/b.git#v1 /b\n"),
    ("GW338", "!.dockerignore=*\\n!server\n@BUILD\n$ALPINECOPY . .\nCMD [\"/server\"]\n"),
    (
        "GW316",
        "@GO go install go.uber.org/mock/mockgen\nRUN go generate ./...\nRUN CGO_ENABLED=0 go build $FLAGS\n@END\n",
    ),
    (
        "GW318",
        "@GO go install go.uber.org/mock/mockgen\nRUN go generate ./...\nRUN CGO_ENABLED=0 go build $FLAGS\n@END\n",
    ),
    (
        "GW316",
        "@GO go mod download && go install github.com/mattn/go-sqlite3\nRUN CGO_ENABLED=0 go build $FLAGS\n@END\n",
    ),
    (
        "GW316",
        "@GO go build -o /usr/local/bin/ google.golang.org/protobuf/cmd/protoc-gen-go && buf generate\nRUN CGO_ENABLED=0 go build $FLAGS\n@END\n",
    ),
    ("GW316", "@GO go build -o /usr/local/bin/ example.com/protoc-gen-go && buf generate && make\n@END\n"),
    (
        "GW316",
        "@GO go build -o /out/admin ./cmd/admin && CGO_ENABLED=0 go build -ldflags=-s -o /out/server ./cmd/server\nFROM debian:12-slim AS admin\nCOPY --from=build /out/admin /\nENTRYPOINT [\"/admin\"]\nFROM scratch\nCOPY --from=build /out/server /\nENTRYPOINT [\"/server\"]\n",
    ),
    (
        "GW316",
        "@GO if [ -n \"$RACE\" ]; then CGO_ENABLED=1 go build -race -o /out/server-race .; fi && CGO_ENABLED=0 go build -o /out/server .\nFROM scratch\nCOPY --from=build /out/server /\n",
    ),
    ("GW316", "@GO cd tools && go build -o ../bin/ ./...\nRUN CGO_ENABLED=0 go build $FLAGS\n@END\n"),
    (
        "GW316",
        "@GO GOOS=wasip1 GOARCH=wasm go build -o /app.wasm ./cmd/app\nFROM scratch\nCOPY --from=build /app.wasm /\n",
    ),
    ("GW316", "FROM --platform=linux/amd64 golang:1.27 AS build\nRUN GOARCH=arm64 go build $FLAGS\n@END\n"),
    ("GW316", "@GO GOARCH=riscv64 go build $FLAGS\n@END\n"),
    ("GW316", "FROM golang:1.27 AS build\nENV GOFLAGS=\"-tags=netgo,osusergo\"\nRUN go build $FLAGS\n@END\n"),
    (
        "GW316",
        "FROM golang:1.27 AS build\nENV GOFLAGS=\"-trimpath '-ldflags=-s -w -linkmode=external -extldflags=-static'\"\nRUN go build -o /server .\n@END\n",
    ),
    (
        "GW318",
        "FROM golang:1.27 AS build\nENV GOFLAGS=\"-trimpath '-ldflags=-s -w'\"\nRUN go build -o /server .\n@END\n",
    ),
    ("GW316", "FROM golang:1.27 AS build\nARG LDFLAGS\nRUN go build -ldflags=\"${LDFLAGS}\" -o /server .\n@END\n"),
    ("GW316", "FROM golang:1.27 AS build\nARG GOFLAGS\nRUN go build -o /server .\n@END\n"),
    ("GW316", "FROM golang:1.27 AS build\nARG TAGS\nRUN go build -tags \"$TAGS\" -o /server .\n@END\n"),
    ("GW316", "FROM golang:1.27 AS build\nARG EXT\nRUN go build -ldflags=\"-s -extldflags=$EXT\" -o /server .\n@END\n"),
    ("GW316", "@GO go build $BUILD_FLAGS -o /server .\n@END\n"),
    ("GW318", "@GO CGO_ENABLED=0 go build $BUILD_FLAGS -o /server .\n@END\n"),
    ("GW316", "@GO go build -tags netgo,osusergo $FLAGS\n@END\n"),
    ("GW316", "@GO set -a; CGO_ENABLED=0; go build $FLAGS\n@END\n"),
    ("GW316", "@GO CGO_ENABLED=0; . ./build.env && go build $FLAGS\n@END\n"),
    ("GW317", "@GO set -a; CGO_ENABLED=0; go build $FLAGS\n@END\n"),
    ("GW317", "@GO CGO_ENABLED=0; . ./build.env && go build $FLAGS\n@END\n"),
    ("GW316", "@GO export $(cat .env) && go build $FLAGS\n@END\n"),
    (
        "GW316",
        "@GO go build $FLAGS\n$ALPINERUN wget example.com/glibc-2.35-r1.apk && apk add --no-cache glibc-2.35-r1.apk\nCMD [\"/server\"]\n",
    ),
    (
        "GW316",
        "@GO go build $FLAGS\n$ALPINERUN mkdir /lib64 && ln -s /lib/libc.musl-x86_64.so.1 /lib64/ld-linux-x86-64.so.2\nCMD [\"/server\"]\n",
    ),
    ("GW315", "FROM golang:1.27-alpine AS build\nCOPY go.mod go.su[m] ./\nRUN go mod download\n"),
    ("GW315", "FROM golang:1.27-alpine AS build\nCOPY go.mod main.go ./\nRUN go mod tidy && go build .\n"),
    ("GW315", "FROM golang:1.27-alpine AS build\nCOPY go.mod go.sum main.go ./\nRUN go build .\n"),
    (
        "GW314",
        "FROM golang:1.27 AS build\nENV GOMODCACHE=/cache/m\nCOPY . .\nRUN --mount=type=cache,target=/cache CGO_ENABLED=0 go build $FLAGS\n@END\n",
    ),
    (
        "GW314",
        "FROM golang:1.27 AS build\nENV GOPATH=/work\nCOPY . .\nRUN --mount=type=cache,target=/work/pkg/ CGO_ENABLED=0 go build $FLAGS\n@END\n",
    ),
    (
        "GW316",
        "FROM debian:12 AS build\nRUN apt-get update && apt-get install -y --no-install-recommends golang\nRUN go build $FLAGS\n@END\n",
    ),
    (
        "GW314",
        "FROM golang:1.27 AS build\nCOPY go.mod go.sum ./\nCOPY backend/ ./backend/\nRUN go mod download\nRUN CGO_ENABLED=0 go build $FLAGS\n@END\n",
    ),
    (
        "GW314",
        "FROM golang:1.27 AS build\nCOPY frontend/ ./\nRUN go mod download\nRUN CGO_ENABLED=0 go build $FLAGS\n@END\n",
    ),
    (
        "GW336",
        "FROM --platform=$BUILDPLATFORM golang:1.27 AS build\nARG TARGETARCH\nENV GOARCH=$TARGETARCH\nRUN go build\n@END\n",
    ),
];

/// Others that have it.
const HAVE: &[(&str, &str)] = &[
    ("GW305", "@BUILD\n$DEBIANENTRYPOINT [\"bash\", \"-c\", \"/server & wait\"]\n"),
    ("GW301", "@BUILD\n$DEBIANENTRYPOINT exec /server | cat\n"),
    ("GW308", "@BUILD\n$ALPINEUSER $UNSET\nCMD [\"/server\"]\n"),
    ("GW313", "@BUILD\nFROM debian:12\nRUN apt-get update && apt-get install -y tzdata && rm -rf /var/lib/apt/l\n"),
    ("GW316", "@GO CC=gcc go build $FLAGS\n@END\n"),
    ("GW324", "FROM alpine:3.22\nADD https://raw.githubusercontent.com/a/b/main/x.sh /x\n"),
    ("GW332", "ARG VERSION=1\nFROM alpine:3.22\nRUN echo '$OTHER' \"${VERSION}\"\n"),
    ("GW334", "FROM scratch\nENV GITHUB_TOKEN=x\n"),
    ("GW300", "FROM scratch\nCOPY --form=x a b\n"),
    ("GW300", "FROM scratch\nENV A\n"),
    ("GW300", "FROM scratch\nENV A=1 B\n"),
    ("GW300", "FROM scratch\nHEALTHCHECK FOO\n"),
    ("GW300", "FROM scratch\nEXPOSE abc\n"),
    ("GW300", "FROM scratch\nONBUILD FROM x\n"),
    ("GW300", "FROM scratch\nONBUILD ONBUILD RUN x\n"),
    ("GW300", "FROM scratch\nONBUILD COPY --form=x a b\n"),
    ("GW300", "FROM golang:${UNSET}\n"),
    (
        "GW303",
        "@BUILD\nFROM scratch\nCOPY --from=build /server /server\nENTRYPOINT [\"/bin/sh\", \"-c\", \"exec /server\"]\n",
    ),
    ("GW303", "@BUILD\nFROM scratch\nCOPY docker/exec.sh /start.sh\nENTRYPOINT [\"/start.sh\"]\n"),
    ("GW303", "@BUILD\nFROM scratch\nENTRYPOINT [\"/goward\", \"--\"]\nCMD /server\n"),
    ("GW311", "@BUILD\nFROM alpine:3.22\nRUN apk add --no-cache go && go build .\nCMD [\"/server\"]\n"),
    ("GW311", "@BUILD\n$ALPINECOPY --from=build /usr/local/go /usr/local/go\nCMD [\"/server\"]\n"),
    ("GW314", "FROM golang:1.27 AS build\nCOPY . .\nRUN CGO_ENABLED=0 /usr/local/go/bin/go build $FLAGS\n@END\n"),
    ("GW316", "@GO go build -o /gen ./gen && go build $FLAGS && /server -version\n@END\n"),
    ("GW316", "@GO go -C cmd build $FLAGS\n@END\n"),
    ("GW316", "@GO /usr/local/go/bin/go build $FLAGS\n@END\n"),
    ("GW320", "@BUILD\nFROM scratch\nCOPY --from=build /server /\nCMD [\"/server\"]\n"),
    ("GW321", "@BUILD\n$ALPINECOPY --from=example.com/tools:latest /a /a\nCMD [\"/server\"]\n"),
    ("GW324", "FROM alpine:3.22\nONBUILD ADD https://example.com/x /x\n"),
    ("GW334", "FROM scratch\nONBUILD ENV DB_PASSWORD=x\n"),
    (
        "GW336",
        "FROM --platform=$BUILDPLATFORM golang:1.27 AS base\nFROM base AS build\nRUN CGO_ENABLED=0 go build $FLAGS\n@END\n",
    ),
    ("GW337", "FROM alpine:3.22\n# goward: ignore=GW999 because\nUSER 1:1\n"),
    (
        "GW316",
        "@GO go build -o /out/ ./cmd/server\nRUN CGO_ENABLED=0 go build -o /usr/bin/gen ./gen\nFROM scratch\nCOPY --from=build /out/* /bin/\nCMD [\"/server\"]\n",
    ),
    ("GW316", "@GO go install ./cmd/...\nFROM scratch\nCOPY --from=build /go/bin/server /bin/\n"),
    ("GW316", "@GO go build -o app .\nRUN mv app /server\n@END\n"),
    (
        "GW316",
        "@GO go build -o /tmp/server . && cp /tmp/server /srv/it\nFROM scratch\nCOPY --from=build /srv/it /server\n",
    ),
    ("GW316", "FROM --platform=linux/amd64 golang:1.27 AS build\nRUN GOARCH=amd64 go build $FLAGS\n@END\n"),
    (
        "GW316",
        "FROM --platform=$BUILDPLATFORM golang:1.27 AS build\nARG TARGETARCH\nRUN GOARCH=$TARGETARCH go build $FLAGS\n@END\n",
    ),
    ("GW316", "FROM golang:1.27 AS build\nENV GOFLAGS=-trimpath\nRUN go build $FLAGS\n@END\n"),
    ("GW316", "@GO set -eux; go build $FLAGS\n@END\n"),
    ("GW316", "FROM golang:1.27-alpine AS build\nRUN apk add --no-cache alpine-sdk\nRUN go build $FLAGS\n@END\n"),
    ("GW316", "FROM debian:12 AS build\nRUN apt-get update && apt-get install -y golang\nRUN go build $FLAGS\n@END\n"),
    ("GW333", "@GO go build -o /usr/local/bin/gen ./gen && gen && make\n@END\n"),
    (
        "GW314",
        "FROM golang:1.27 AS build\nENV GOMODCACHE=/cache/m\nCOPY . .\nRUN --mount=type=cache,target=/cachex CGO_ENABLED=0 go build $FLAGS\n@END\n",
    ),
    (
        "GW314",
        "FROM golang:1.27 AS build\nCOPY ./. /src/\nRUN go mod download\nRUN CGO_ENABLED=0 go build $FLAGS\n@END\n",
    ),
    (
        "GW314",
        "FROM golang:1.27 AS build\nCOPY backend/ ./\nRUN go mod download\nRUN CGO_ENABLED=0 go build $FLAGS\n@END\n",
    ),
    ("GW315", "FROM golang:1.27-alpine AS build\nCOPY go.mod main.go ./\nRUN go build .\n"),
    ("GW336", "FROM --platform=$BUILDPLATFORM golang:1.27 AS build\nRUN go build\n@END\n"),
    ("GW300", "FROM golang:1.27\u{a0}AS build\n"),
];

fn case(text: &str) -> Vec<(String, String, u64)> {
    let mut ignore = Some(".git\n".to_owned());
    let mut text = text;
    if let Some(rest) = text.strip_prefix("!ignore\n") {
        (text, ignore) = (rest, None);
    } else if let Some(rest) = text.strip_prefix("!.dockerignore=") {
        let (content, rest) = rest.split_once('\n').unwrap();
        (text, ignore) = (rest, Some(content.replace("\\n", "\n")));
    }
    let text = text.replace("$ALPINE", SH_END).replace("$DEBIAN", DEBIAN_END).replace("$FLAGS", FLAGS);
    let mut beside = vec![
        ("go.mod", "module x\nrequire y v1.0.0\n"),
        ("go.sum", "y v1.0.0 h1:x=\n"),
        ("backend/go.mod", "module x\nrequire y v1.0.0\n"),
        ("docker/start.sh", "#!/bin/sh\nmigrate\n/server\n"),
        ("docker/drops.sh", "#!/bin/sh\nchown app /data\nexec su-exec app \"$@\"\n"),
        ("docker/exec.sh", "#!/bin/sh\nmigrate\nexec \"$@\"\n"),
    ];
    beside.extend(ignore.as_deref().map(|ignore| (".dockerignore", ignore)));
    found(&whole(&text), &beside)
}

#[test]
fn each_finding_has_one_that_has_it_and_one_that_has_not() {
    let mut wrong = Vec::new();
    for (id, bad, good) in CORPUS {
        let (has, has_not) = (case(bad), case(good));
        if !has.iter().any(|(found, ..)| found == id) {
            wrong.push(format!("{id} is not found in\n{bad}{has:?}"));
        }
        if has_not.iter().any(|(found, ..)| found == id) {
            wrong.push(format!("{id} is found in\n{good}{has_not:?}"));
        }
    }
    for (list, wanted) in [(HAVE, true), (HAVE_NOT, false)] {
        for (id, text) in list {
            let has = case(text);
            if has.iter().any(|(found, ..)| found == id) != wanted {
                wrong.push(format!("{id} should be found: {wanted}\n{text}{has:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[test]
fn git_is_a_note() {
    let found = case("@BUILD\nFROM alpine:3.22\nRUN apk add --no-cache git\nUSER 1:1\nCMD [\"/server\"]\n");
    assert_eq!(found, [("GW312".to_owned(), "note".to_owned(), 9)]);
}

#[test]
fn every_id_for_dockerfiles_is_in_the_corpus() {
    for rule in goward::check::table::ALL.iter().filter(|rule| rule.id.starts_with("GW3")) {
        assert!(CORPUS.iter().any(|(id, ..)| *id == rule.id), "{} ({})", rule.id, rule.title);
    }
}

#[test]
fn good_dockerfiles_have_nothing() {
    let repository = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    for file in ["Dockerfile.example", "examples/dockerfiles/good/Dockerfile"] {
        let mut command = Command::new(GOWARD);
        command.args(["check", "--fail-on=note", "--dockerfile"]).arg(repository.join(file)).current_dir(repository);
        let outcome = run(&mut command, LIMIT);
        assert_eq!(outcome.ending, Ending::Exited(0), "{file}\n{}{}", outcome.stdout, outcome.stderr);
        assert!(outcome.stdout.contains("nothing found"), "{}", outcome.stdout);
    }
    assert_eq!(case("@BUILD\n@END\n"), []);
}

/// The shell of the base decides how much the shell form matters.
#[test]
fn the_shell_form_by_shell() {
    let severity = |text: &str| case(text).into_iter().find(|(id, ..)| id == "GW301").map(|(_, severity, _)| severity);
    assert_eq!(severity("@BUILD\n$DEBIANENTRYPOINT /server\n").as_deref(), Some("warning"));
    assert_eq!(severity("@BUILD\n$ALPINEENTRYPOINT /server\n").as_deref(), Some("note"));
    assert_eq!(severity("@BUILD\n$ALPINEENTRYPOINT /server | cat\n").as_deref(), Some("warning"));
    assert_eq!(severity("@BUILD\n$DEBIANSHELL [\"/bin/bash\", \"-c\"]\nENTRYPOINT /server\n").as_deref(), Some("note"));
    assert_eq!(severity("FROM example.com/unknown:1\nENTRYPOINT /server\n").as_deref(), Some("warning"));
}

#[test]
fn what_cannot_be_known_is_not_guessed() {
    for quiet in [
        // A base that nobody knows may have a user, certificates, a shell.
        "@BUILD\nFROM example.com/base:1\nCOPY --from=build /server /server\nHEALTHCHECK CMD curl -f localhost\nENTRYPOINT [\"/server\"]\n",
        // Known only when it is built.
        "ARG BASE\n@BUILD\nFROM ${BASE}\nCOPY --from=build /server /server\nENTRYPOINT [\"/server\"]\n",
        // Whatever is in it.
        "@BUILD\nFROM scratch\nADD rootfs.tar.gz /\nUSER app:app\nENTRYPOINT [\"/bin/sh\", \"-c\", \"exec /server\"]\n",
        // The script changes the user.
        "@BUILD\nFROM alpine:3.22\nCOPY docker/drops.sh /start.sh\nENTRYPOINT [\"/start.sh\"]\n",
        // The modules came in the stage before.
        "FROM golang:1.27-alpine AS base\nCOPY go.mod go.sum ./\nRUN go mod download\nFROM base AS build\nCOPY . .\nRUN go build $FLAGS\n@END\n",
        // Inherited from an earlier stage.
        "@BUILD\nFROM alpine:3.22 AS base\nUSER 65532:65532\nENTRYPOINT [\"/goward\", \"--\"]\nFROM base\nCOPY --from=build /server /server\nCMD [\"/server\"]\n",
    ] {
        let found: Vec<_> =
            case(quiet).into_iter().filter(|(id, severity, _)| severity != "note" && id != "GW309").collect();
        assert_eq!(found, [], "{quiet}");
    }
}

/// The Dockerfiles of a usual guide to Go in production: the first try, and what it arrives at with an init.
#[test]
fn the_guides_dockerfiles() {
    let naive = "FROM golang:1.22\nWORKDIR /app\nCOPY . .\nRUN go mod download\nRUN go build -o server ./cmd/server\nEXPOSE 8080\nCMD ./server\n";
    let ids: Vec<String> = case(&format!("!ignore\n{naive}")).into_iter().map(|(id, ..)| id).collect();
    for wanted in ["GW302", "GW307", "GW311", "GW314", "GW318", "GW319", "GW322", "GW330"] {
        assert!(ids.iter().any(|id| id == wanted), "{wanted} is missing in {ids:?}");
    }
    let last = "FROM golang:1.22-alpine AS builder\nRUN apk add --no-cache git ca-certificates tzdata\nWORKDIR /app\n\
        COPY go.mod go.sum ./\nRUN go mod download && go mod verify\nCOPY . .\nARG VERSION=dev\n\
        RUN CGO_ENABLED=0 GOOS=linux GOARCH=amd64 go build -trimpath \\\n    -ldflags=\"-w -s -X main.version=${VERSION} -X main.buildTime=$(date -u +%Y)\" \\\n    -o /app/server ./cmd/server\n\n\
        FROM alpine:3.19\nRUN apk --no-cache add ca-certificates tzdata tini && \\\n    addgroup -g 1001 -S app && adduser -u 1001 -S app -G app\n\
        WORKDIR /app\nCOPY --from=builder --chown=app:app /app/server .\nUSER app\nEXPOSE 8080\n\
        HEALTHCHECK --interval=30s --timeout=3s --start-period=5s --retries=3 \\\n    CMD wget --no-verbose --tries=1 --spider http://localhost:8080/health || exit 1\n\
        ENTRYPOINT [\"/sbin/tini\", \"--\"]\nCMD [\"/app/server\"]\n";
    let found = case(last);
    assert!(found.iter().all(|(_, severity, _)| severity == "note"), "{found:?}");
    assert!(found.iter().any(|(id, ..)| id == "GW322") && found.iter().any(|(id, ..)| id == "GW323"), "{found:?}");
}

/// Every option of goward's own, with its value or without, before the program: a script that does not exec is found behind.
#[test]
fn behind_every_option_of_goward() {
    use goward::cli::options::{OPTIONS, Take};
    for option in OPTIONS.iter().filter(|option| option.name != "group") {
        let value = match option.take {
            Take::Switch(_) => "",
            Take::Value(..) | Take::List(..) => "\"1:1\", ",
        };
        let start = format!("ENTRYPOINT [\"/goward\", \"--{}\", {value}\"/start.sh\"]\n", option.name);
        let found = case(&format!("@BUILD\n$DEBIANCOPY docker/start.sh /start.sh\n{start}"));
        assert!(found.iter().any(|(id, ..)| id == "GW305"), "check/launch.rs does not know {start}{found:?}");
    }
}

#[test]
fn comments_keep_findings_out() {
    let bad = "FROM alpine:3.22\nUSER 1:1\n# goward: ignore=GW302 ash becomes the server\nCMD /server\n";
    assert_eq!(case(bad), []);
    let elsewhere = bad
        .replace("# goward: ignore=GW302 ash becomes the server\n", "")
        .replace("USER", "# goward: ignore=GW302 no\nUSER");
    assert_eq!(case(&elsewhere), [("GW302".to_owned(), "note".to_owned(), 4)]);
}

/// What only may be is no error.
#[test]
fn cgo_by_how_sure_it_is() {
    let severity = |text: &str| case(text).into_iter().find(|(id, ..)| id == "GW316").map(|(_, severity, _)| severity);
    assert_eq!(severity("@GO go build $FLAGS\n@END\n").as_deref(), Some("error"));
    assert_eq!(severity("@GO GOOS=linux GOARCH=amd64 go build $FLAGS\n@END\n").as_deref(), Some("warning"));
    assert_eq!(severity("@GO go build -tags=netgo $FLAGS\n@END\n").as_deref(), Some("note"));
}

/// make rather than a script before it, which may install something only.
#[test]
fn who_builds_it() {
    let line = |text: &str| case(text).into_iter().find(|(id, ..)| id == "GW333").map(|(.., line)| line);
    assert_eq!(line("@GO ./install.sh helm\nRUN make all\n@END\n"), Some(7));
    assert_eq!(line("@GO ./install.sh helm\nRUN ./hack/build.sh\n@END\n"), Some(7));
}

/// Neither thousands of variables nor stages that begin with each other take long, or much memory.
#[test]
fn long_ones_are_read_at_once() {
    let mut variables = "FROM alpine:3.22\n".to_owned();
    (0..6000).for_each(|at| variables.push_str(&format!("ENV A{at}=$A{}\n", at / 2)));
    let mut stages = "FROM alpine:3.22 AS s0\n".to_owned();
    (1..3000).for_each(|at| stages.push_str(&format!("FROM s{} AS s{at}\nCOPY a{at} /a{at}\n", at - 1)));
    // What doubles with each line, and what is long in many places.
    let doubled = format!("FROM alpine:3.22\nENV A=aaaaaaaaaa\n{}", "ENV A=$A$A\n".repeat(40));
    let long = format!("FROM alpine:3.22\nENV A={}\nCOPY {}/\n", "a".repeat(15_000), "$A ".repeat(300_000));
    for text in [variables, stages, doubled, long] {
        let begin = std::time::Instant::now();
        found(&text, &[]);
        assert!(begin.elapsed() < std::time::Duration::from_secs(5), "{:?}", begin.elapsed());
    }
}

/// BuildKit reads NAME.dockerignore first.
#[test]
fn the_dockerignore_of_the_dockerfile_itself() {
    let text = whole("@BUILD\n@END\n");
    let go = ("go.mod", "module x\nrequire y v1.0.0\n");
    assert_eq!(found(&text, &[go, ("Dockerfile.dockerignore", "*\n!go.mod\n")]), []);
    let ids: Vec<_> = found(&text, &[go, ("Dockerfile.dockerignore", "bin\n"), (".dockerignore", ".git\n")]);
    assert_eq!(ids, [("GW331".to_owned(), "note".to_owned(), 5)]);
}
