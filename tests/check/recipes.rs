//! What a Dockerfile starts, as whom, and on what: for each case what is found in it and what is not.

use super::dockerfiles::{found, whole};

/// Scripts of the build context.
const BESIDE: &[(&str, &str)] = &[
    ("go.mod", "module x\nrequire y v1.0.0\n"),
    (".dockerignore", ".git\n"),
    ("noexec.sh", "#!/bin/sh\nmigrate\n/server\n"),
    ("redirects.sh", "#!/usr/bin/env bash\nexec 2>&1\n/server\n"),
    ("gosu.sh", "#!/bin/sh\ngosu app /server \"$@\"\n"),
    ("forwards.sh", "#!/bin/sh\ntrap 'kill -TERM \"$pid\"' TERM INT\n\"$@\" & pid=$!\nwait \"$pid\"\n"),
    ("ignores.sh", "#!/bin/sh\ntrap '' TERM\n\"$@\" &\nwait\n"),
    ("with-tini.sh", "#!/bin/sh\nexec /sbin/tini -- /server \"$@\"\n"),
    ("gosu-entry", "#!/bin/sh\nexec gosu app \"$@\"\n"),
    ("tool.py", "#!/usr/bin/env python3\n/server\n"),
    ("busybox.sh", "#!/busybox/sh\nexec /server\n"),
    ("hack/setup.sh", "#!/bin/sh\nadduser -D app\n"),
    ("scripts/install-all", "#!/bin/sh\nadduser -D app\n"),
    ("tree/etc/passwd", "app:x:1:1::/:/\n"),
    ("server", "\u{7f}ELF"),
];

/// A line `@CLEAN` stands for a base with nothing wrong; the others are those of [`whole`].
fn ids(text: &str) -> Vec<String> {
    let clean = "FROM alpine:3.22\nUSER 65532:65532\n";
    let text = text.replace("@CLEAN\n", clean);
    found(&whole(&text), BESIDE).into_iter().map(|(id, ..)| id).collect()
}

fn judged(cases: &[(&str, &str)], wanted: bool) {
    let mut wrong = Vec::new();
    for (id, text) in cases {
        let ids = ids(text);
        if ids.iter().any(|found| found == id) != wanted {
            wrong.push(format!("{id} should be found: {wanted}\n{text}{ids:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[test]
fn wrappers_that_stay_in_between() {
    judged(
        &[
            ("GW305", "@CLEAN\nCOPY noexec.sh /usr/local/bin/noexec.sh\nENTRYPOINT [\"noexec.sh\"]\n"),
            ("GW305", "@CLEAN\nCOPY noexec.sh /\nENTRYPOINT [\"/bin/sh\", \"/noexec.sh\"]\n"),
            ("GW305", "@CLEAN\nWORKDIR /app\nCOPY . .\nENTRYPOINT [\"/app/noexec.sh\"]\n"),
            ("GW305", "@CLEAN\nWORKDIR /srv\nWORKDIR app\nCOPY noexec.sh noexec.sh\nCMD [\"/srv/app/noexec.sh\"]\n"),
            ("GW305", "@CLEAN\nWORKDIR /app\nCOPY *.sh ./\nCMD [\"./noexec.sh\"]\n"),
            ("GW305", "@CLEAN\nCOPY <<EOF /entry.sh\n#!/bin/sh\n/server\nEOF\nENTRYPOINT [\"/entry.sh\"]\n"),
            ("GW305", "@CLEAN\nCOPY redirects.sh /entry.sh\nENTRYPOINT [\"/entry.sh\"]\n"),
            ("GW305", "@CLEAN\nCOPY gosu.sh /entry.sh\nENTRYPOINT [\"/entry.sh\"]\n"),
            ("GW305", "@CLEAN\nCOPY ignores.sh /entry.sh\nENTRYPOINT [\"/entry.sh\"]\nCMD [\"/server\"]\n"),
        ],
        true,
    );
    judged(
        &[
            ("GW305", "@CLEAN\nCOPY forwards.sh /entry.sh\nENTRYPOINT [\"/entry.sh\"]\nCMD [\"/server\"]\n"),
            ("GW305", "@DEBIAN\nENTRYPOINT [\"sh\", \"-c\", \"trap 'kill $!' TERM; /server & wait\"]\n"),
            ("GW305", "@CLEAN\nCOPY tool.py /entry\nENTRYPOINT [\"/entry\"]\n"),
            (
                "GW305",
                "@CLEAN\nCOPY noexec.sh /entry.sh\nCOPY --from=build /entry.sh /entry.sh\nENTRYPOINT [\"/entry.sh\"]\n",
            ),
            ("GW305", "@CLEAN\nCOPY <<EOF /entry.sh\n#!/bin/sh\nexec /server\nEOF\nENTRYPOINT [\"/entry.sh\"]\n"),
        ],
        false,
    );
}

#[test]
fn forms_and_their_shells() {
    let debug = "@BUILD\nFROM gcr.io/distroless/static-debian12:debug-nonroot\n";
    judged(
        &[
            ("GW302", "@BUILD\n@END\nCMD --port 8080\n"),
            ("GW303", &format!("{debug}RUN mkdir /data\n")),
            ("GW303", &format!("{debug}CMD /server\n")),
            ("GW303", &format!("{debug}CMD [\"/bin/sh\", \"-c\", \"exec /server\"]\n")),
            ("GW325", &format!("{debug}HEALTHCHECK CMD wget -q localhost\nCMD [\"/server\"]\n")),
            ("GW303", "@BUILD\nFROM scratch AS prod\nCOPY --from=build /server /\nCMD /server\nFROM alpine:3.22\n"),
            ("GW304", "@BUILD\n@END\nHEALTHCHECK CMD ['/server', 'health']\n"),
            ("GW304", "@CLEAN\nCMD [ \"/server\", \"-x\", ]\n"),
            ("GW304", "@CLEAN\nCMD [ /server ]\n"),
            ("GW335", "FROM golang:1.27\nCOPY . .\nCMD [\"sh\", \"-c\", \"go run ./cmd\"]\n"),
            ("GW328", "FROM alpine:3.22\nRUN apk add --no-cache ffmpeg\nCOPY gosu-entry /e\nENTRYPOINT [\"/e\"]\n"),
        ],
        true,
    );
    judged(
        &[
            ("GW302", "@BUILD\n@END\nCMD [\"--port\", \"8080\"]\n"),
            ("GW303", &format!("{debug}SHELL [\"/busybox/sh\", \"-c\"]\nRUN mkdir /data\n")),
            ("GW303", &format!("{debug}ENTRYPOINT [\"sh\", \"-c\", \"exec /server\"]\n")),
            ("GW303", &format!("{debug}ENTRYPOINT [\"/busybox/sh\", \"-c\", \"exec /server\"]\n")),
            ("GW303", &format!("{debug}COPY busybox.sh /e.sh\nENTRYPOINT [\"/e.sh\"]\n")),
            ("GW325", &format!("{debug}HEALTHCHECK CMD [\"wget\", \"-q\", \"localhost\"]\nCMD [\"/server\"]\n")),
            ("GW325", &format!("{debug}HEALTHCHECK CMD [\"/busybox/sh\", \"-c\", \"true\"]\nCMD [\"/server\"]\n")),
            ("GW304", "@CLEAN\nCMD [ \"$DEBUG\" = 1 ] && exec dlv exec /server || exec /server\n"),
            ("GW304", "@CLEAN\nCMD [ \"$DEBUG\" ] && exec dlv exec /server || exec /server\n"),
            ("GW304", "@CLEAN\nHEALTHCHECK CMD [ \"$(wget -qO- localhost/health)\" = ok ]\nCMD [\"/server\"]\n"),
            ("GW304", "@CLEAN\nCMD [null]\n"),
            ("GW328", "FROM alpine:3.22\nRUN apk add --no-cache ffmpeg\nCOPY with-tini.sh /e\nENTRYPOINT [\"/e\"]\n"),
        ],
        false,
    );
}

/// What a script, a package or a directory may have brought.
#[test]
fn what_is_done_elsewhere() {
    let app = "USER app\nHEALTHCHECK CMD curl localhost\nCMD [\"/server\"]\n";
    for run in [
        "RUN --mount=type=bind,source=hack/setup.sh,target=/setup.sh sh /setup.sh",
        "COPY hack/setup.sh /tmp/\nRUN /tmp/setup.sh",
        "COPY scripts/ /usr/local/bin/\nRUN install-all",
        "COPY install-packages /usr/local/bin/\nRUN install-packages curl",
        "RUN apt-get install -y --no-install-recommends /tmp/*.deb",
        "RUN dpkg -i /tmp/myapp.deb",
        "RUN wget -qO- https://example.com/setup | bash",
        "RUN . /tmp/setup && true",
        "RUN xargs -a /pkgs.txt apt-get install -y",
        "RUN bash -euxc 'apt-get update; apt-get install -y ca-certificates curl; useradd app'",
        "COPY tree /",
        "WORKDIR /\nCOPY tree .",
    ] {
        let ids = ids(&format!("FROM debian:12-slim\n{run}\n{app}"));
        let guessed = ids.iter().any(|id| matches!(id.as_str(), "GW309" | "GW320" | "GW326"));
        assert!(!guessed, "{run}\n{ids:?}");
    }
    judged(
        &[
            ("GW320", "FROM scratch\nCOPY server /\nUSER 1:1\nENTRYPOINT [\"/x\"]\n"),
            ("GW320", "FROM scratch\nCOPY myapp /\nUSER 1:1\nENTRYPOINT [\"/myapp\"]\n"),
            (
                "GW320",
                "@BUILD\nFROM debian:12-slim\nCOPY --from=build /server /server\nRUN /server version\nCMD [\"/server\"]\n",
            ),
            ("GW303", "FROM scratch\nCOPY hack/setup.sh /\nRUN /setup.sh\n"),
            ("GW320", "FROM scratch\nCOPY server /s\nRUN [\"/goward\", \"check\", \"/s\"]\nCMD [\"/s\"]\n"),
            ("GW320", "FROM debian:12\nRUN apt-get install -y --no-install-recommends curl\nCOPY x /x\nCMD [\"/x\"]\n"),
            ("GW320", "FROM debian:12\nRUN apt-get install -y tzdata\nCOPY x /x\nCMD [\"/x\"]\n"),
            ("GW312", "FROM debian:12\nRUN bash -c \"apt-get install -y build-essential\"\nCOPY x /x\nCMD [\"/x\"]\n"),
            ("GW313", "FROM debian:12\nRUN bash -c \"apt-get update && apt-get install -y build-essential\"\n"),
        ],
        true,
    );
    judged(
        &[
            ("GW320", "FROM debian:12\nRUN apt-get install -y curl\nCOPY x /x\nCMD [\"/x\"]\n"),
            ("GW316", "@GO CGO_ENABLED=0 bash -c 'go build -o /server .'\n@END\n"),
            ("GW332", "ARG VERSION=1\nFROM alpine:3.22\nRUN VERSION=2 sh -c 'echo $VERSION'\n"),
        ],
        false,
    );
}

#[test]
fn users_and_groups() {
    judged(
        &[
            ("GW309", "FROM alpine:3.22\nRUN mkdir -p /app\nUSER app\nCMD [\"/server\"]\n"),
            ("GW309", "FROM alpine:3.22\nUSER 1000:app\nCMD [\"/server\"]\n"),
            ("GW309", "FROM scratch\nCOPY server /server\nUSER 1000:users2\nCMD [\"/server\"]\n"),
            ("GW307", "FROM alpine:3.22\nCOPY noexec.sh /bin/entry\nENTRYPOINT [\"tini\", \"--\", \"entry\"]\n"),
        ],
        true,
    );
    judged(
        &[
            ("GW309", "FROM alpine:3.22\nRUN chown -R app:app /data\nUSER app\nCMD [\"/server\"]\n"),
            ("GW309", "FROM debian:12\nRUN apt-get install -y postgresql\nUSER postgres\nCMD [\"/server\"]\n"),
            ("GW309", "FROM alpine:3.22\nRUN addgroup -g 1000 app\nUSER 1000:app\nCMD [\"/server\"]\n"),
            ("GW309", "FROM debian:12\nUSER 1000:users\nCMD [\"/server\"]\n"),
            (
                "GW307",
                "FROM alpine:3.22\nCOPY gosu-entry /usr/local/bin/gosu-entry\nENTRYPOINT [\"tini\", \"--\", \"gosu-entry\"]\n",
            ),
            ("GW307", "FROM registry.example.com/base/alpine:3.22.1-hardened\nCMD [\"/server\"]\n"),
        ],
        false,
    );
}

#[test]
fn what_comes_from_outside() {
    let keys = "FROM https.example/tini\nADD https://example.com/tini /tini\n";
    judged(
        &[
            ("GW334", "FROM scratch\nENV DB_PASSWORD hunter2\n"),
            ("GW334", "FROM scratch\nARG API_TOKEN\nENV API_TOKEN=$API_TOKEN\n"),
            ("GW321", "FROM alpine:edge\n"),
            ("GW332", "ARG VERSION=1\nFROM alpine:3.22\nCOPY <<EOF /v\n$VERSION\nEOF\n"),
            ("GW332", "FROM registry.example.com/x:1\nENV ARCH=$TARGETARCH\n"),
            ("GW311", "FROM golang:1.27\nCOPY . .\nRUN go build .\n"),
        ],
        true,
    );
    judged(
        &[
            ("GW334", "FROM scratch\nENV ALLOW_EMPTY_PASSWORD=yes REQUIRE_TOKEN=true\n"),
            ("GW334", "FROM scratch\nENV JWT_PRIVATE_KEY=/run/secrets/jwt.pem CLIENT_SECRET=\"/run/secrets/oidc\"\n"),
            ("GW334", "FROM scratch\nENV VAULT_TOKEN=${VAULT_TOKEN:-}\nENV DB_PASSWORD /run/secrets/x\n"),
            ("GW324", &format!("{keys}RUN echo \"c5b0 /tini\" | sha256sum -c -\n")),
            (
                "GW324",
                &format!("{keys}ADD https://example.com/tini.asc /tini.asc\nRUN gpg --batch --verify /tini.asc\n"),
            ),
            ("GW321", "FROM alpine:20250108\n"),
            ("GW332", "ARG GO_VERSION=1\nFROM ghcr.io/acme/go-builder:${GO_VERSION}\nRUN echo $GO_VERSION\n"),
            ("GW332", "ARG VERSION=1\nFROM alpine:3.22\nRUN --mount=type=secret,id=v,env=VERSION echo \"$VERSION\"\n"),
            ("GW332", "ARG VERSION=1\nFROM alpine:3.22\nCOPY <<\"EOF\" /v\n$VERSION\nEOF\n"),
            ("GW311", "FROM golang:1.27\n"),
            ("GW311", "FROM golang:1.27-alpine\nRUN go install example.com/tool@v1.0.0\n"),
        ],
        false,
    );
}
