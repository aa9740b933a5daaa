//! The one table of findings: `--list`, `--explain`, SARIF's rules and docs/findings/ come from it. An id never changes its
//! meaning, and one that is given up is not given out again. GW1xx is about the program, GW2xx about the files and the user,
//! GW3xx about a Dockerfile, GW4xx about an image's configuration and layers. Pure.

use super::finding::Severity::{self, Error, Note, Warning};

/// What can be found.
#[derive(Debug, PartialEq, Eq)]
pub struct Rule {
    /// `GW101`
    pub id: &'static str,
    /// How bad it is, unless a finding says that here it is less.
    pub severity: Severity,
    /// In a few words.
    pub title: &'static str,
    /// Why it matters, in a sentence or two.
    pub help: &'static str,
}

macro_rules! rules {
    ($($name:ident $id:literal $severity:ident $title:literal $help:literal;)*) => {
        $(pub(crate) static $name: Rule = Rule { id: $id, severity: $severity, title: $title, help: $help };)*

        /// Every one of them, by id.
        pub static ALL: &[&Rule] = &[$(&$name),*];
    };
}

rules! {
    PROGRAM_MISSING "GW101" Error "the program is not in the image"
        "The container ends at once with exit code 127. Often the COPY went somewhere else, or the build wrote elsewhere.";
    NOT_EXECUTABLE "GW102" Error "the program cannot be executed"
        "The container ends at once with exit code 126: no x bit, a directory, a script without its interpreter, another system's program.";
    LOADER_MISSING "GW103" Error "the loader of a dynamically linked program is not in the image"
        "The kernel says 'no such file or directory' though the program is there. A Go program needs a loader when it was built with cgo, or as PIE.";
    LIBRARY_MISSING "GW104" Error "a shared library is not in the image"
        "The loader ends the program with exit code 127 before main.";
    OTHER_ARCHITECTURE "GW105" Error "built for another architecture"
        "The kernel says 'exec format error'. Usual after a build on an arm64 laptop for an amd64 cluster, or the other way round.";
    DAMAGED "GW106" Error "the program is damaged or truncated"
        "It dies of SIGSEGV before main, or is not started at all. A full disk or a broken download did that.";
    NO_BUILD_INFO "GW107" Note "no Go build information in the program"
        "The program is not Go's, or the information was removed: its toolchain, modules and their known faults cannot be checked.";
    GO_UNSUPPORTED "GW108" Note "built with a Go version out of support"
        "It gets no more security fixes in the standard library: net/http, crypto/tls and the runtime are inside the program.";
    NOT_STRIPPED "GW109" Note "symbol table and debug information are in the program"
        "About a third of the file. Goroutine dumps keep names and line numbers without them; only debuggers need them.";
    NO_VERSION "GW110" Note "no version in the program"
        "A running server or a core dump does not say which build it is.";
    BUILD_PATHS "GW111" Note "paths of the build machine are in the program"
        "Builds on two machines differ, and dumps tell where the source was.";
    MODIFIED_SOURCE "GW112" Note "built from a modified source tree"
        "The commit that the program names is not what it was built from.";
    NEEDS_GOMAXPROCS "GW113" Note "the program does not know the container's CPU limit"
        "Go before 1.25 (or with containermaxprocs=0) starts as many threads as the machine has CPUs; under a quota it is throttled for parts of each period.";
    DEBUG_BUILD "GW114" Warning "a build for debugging"
        "The race detector costs 5 to 10 times the memory and 2 to 20 times the time; -gcflags=-N -l turns the optimizer off.";
    LIBC_TOO_OLD "GW115" Error "the program needs a newer glibc than the image has"
        "The loader ends the program before main: version `GLIBC_2.34' not found.";
    NEWER_PROCESSOR "GW116" Note "the program runs on newer processors only"
        "It was built for a level of amd64 above v1, and says on others: This program can only be run on AMD64 processors with v3 microarchitecture support.";

    RUNS_AS_ROOT "GW201" Warning "the server runs as root"
        "Whoever gets into the server is root in the container, and root outside with any hole in between.";
    NO_SUCH_USER "GW202" Error "the user does not exist in the image"
        "The runtime cannot turn the name into a number and does not start the container.";
    USER_MAY_NOT_RUN "GW203" Error "the user may not execute the program"
        "The container ends at once with exit code 126: a directory on the way is closed to that user, or the file's mode is.";
    NOT_WRITABLE "GW204" Error "the user cannot write where it must"
        "Seen only when the server first writes there, often hours after the start.";
    NO_CERTIFICATES "GW205" Error "no CA certificates where Go looks for them"
        "Every outgoing TLS connection fails: x509: certificate signed by unknown authority.";
    BAD_CERTIFICATES "GW206" Error "the CA certificates are unusable"
        "The file is there but holds no certificate, or none that is still valid: as without them, every TLS connection fails.";
    NO_ZONES "GW207" Warning "no time zones"
        "time.LoadLocation fails for everything but UTC: unknown time zone Europe/Berlin.";
    UNKNOWN_ZONE "GW208" Warning "TZ names a zone that is not in the image"
        "Go silently uses UTC: logs and schedules are off by hours.";
    BAD_TMP "GW209" Warning "/tmp is missing or not writable for everybody"
        "os.CreateTemp fails, and with it the first upload of more than 32 MB that net/http parses.";
    NO_HOME "GW210" Note "the user has no entry in /etc/passwd and no HOME"
        "os.UserHomeDir fails ($HOME is not defined), and user.Current without cgo.";
    HOSTS_NOT_FIRST "GW211" Warning "names are not looked up in /etc/hosts"
        "The hosts line of nsswitch.conf lists no files: localhost goes to a DNS server, and fails or goes elsewhere.";
    NO_LOCALHOST "GW212" Warning "localhost is not in /etc/hosts"
        "The name goes to a DNS server then. Docker and Kubernetes write the file; other runtimes may not.";
    SET_UID "GW213" Warning "set-uid or set-gid programs"
        "A way back to root for whoever gets into the server. goward's no_new_privs closes it at run time; better it is not there.";
    WORLD_WRITABLE "GW214" Warning "files that everybody can write"
        "Whoever gets into the server can change what others run or read.";
    PRIVATE_KEY "GW215" Error "a private key in the image"
        "Everybody who can pull the image has it, for good: a registry keeps what was pushed.";
    CREDENTIALS "GW216" Error "credentials in the image"
        "Everybody who can pull the image has them, for good.";
    DOT_ENV "GW217" Warning "an .env file in the image"
        "It usually holds passwords, for one environment, and came along with COPY . by accident.";
    DOT_GIT "GW218" Warning "a git repository in the image"
        "The whole history with everything that was ever removed from it, and its size.";
    SOURCES "GW219" Warning "Go sources in the image"
        "The server does not need them; whoever gets into it reads them.";
    TOOLCHAIN "GW220" Warning "a Go toolchain in the image"
        "Hundreds of megabytes, and a compiler for whoever gets in. Build in one stage and copy the program into another.";
    CACHES "GW221" Warning "caches of a build or a package manager in the image"
        "Size without use in every pull.";
    MORE_THAN_NEEDED "GW222" Note "files that a static program does not need"
        "Shells, package managers and libraries of a base image: each is size, and something whose faults must be followed.";
    SELF_WRITABLE "GW223" Note "the server can overwrite its own program"
        "Whoever gets into it can stay. The program should be root's, and the user another.";
    NO_NAMESERVER "GW224" Warning "resolv.conf names no nameserver"
        "Go asks 127.0.0.1 then, where nobody answers: every name that is not in /etc/hosts fails.";

    NOT_A_DOCKERFILE "GW300" Error "the Dockerfile cannot be built"
        "An instruction that does not exist, no FROM, or a stage that is not there.";
    SHELL_ENTRYPOINT "GW301" Warning "ENTRYPOINT in shell form"
        "A shell is started and may stay PID 1: it forwards no signals, so docker stop waits for ten seconds and then kills. Arguments and CMD are ignored.";
    SHELL_CMD "GW302" Warning "CMD in shell form"
        "A shell is started and may stay PID 1: it forwards no signals, so docker stop waits for ten seconds and then kills.";
    NO_SHELL "GW303" Error "a shell is needed where there is none"
        "The shell form is run with /bin/sh, and scratch and distroless images have none: no such file or directory.";
    NOT_JSON "GW304" Error "a list that is not valid JSON"
        "JSON requires double quotes. Without them this is the shell form, and the shell gets the brackets as text.";
    NO_EXEC "GW305" Warning "a wrapper that does not exec"
        "The shell stays PID 1 and does not forward signals; the server is killed without being asked to stop.";
    IGNORED_CMD "GW306" Warning "CMD that is ignored"
        "An ENTRYPOINT in shell form ignores CMD; and of several CMD or ENTRYPOINT instructions in one stage only the last counts.";
    NO_USER "GW307" Warning "the final stage has no USER"
        "The server runs as root.";
    USER_ROOT "GW308" Warning "USER is root"
        "The server runs as root.";
    USER_UNKNOWN "GW309" Error "USER is a name that is not in the image"
        "On scratch there is no /etc/passwd: unable to find user. Numbers need no entry.";
    USER_BY_NAME "GW310" Note "USER is a name"
        "Kubernetes' runAsNonRoot can only check numbers, and refuses to start the pod.";
    SINGLE_STAGE "GW311" Warning "the final stage has the Go toolchain"
        "Hundreds of megabytes, and a compiler for whoever gets in. Build in one stage and copy the program into another.";
    BUILD_PACKAGES "GW312" Warning "build packages in the final stage"
        "Compilers and version control are for the build; what is not in the image needs no security updates.";
    PACKAGE_CACHE "GW313" Warning "a package manager's cache in the final stage"
        "Size without use in every pull. It must be removed in the same RUN: a later one only hides it.";
    SOURCE_FIRST "GW314" Warning "the source is copied before the modules are downloaded"
        "Every edit downloads all modules again, as the layer before has changed.";
    NO_GO_SUM "GW315" Warning "go.sum is not copied before the modules are downloaded"
        "The download is not verified against it, and go build stops: missing go.sum entry.";
    CGO_WITHOUT_LIBC "GW316" Error "a build with cgo for an image without that libc"
        "net and os/user use C where cgo is on: the program needs a loader that the final stage does not have. No such file or directory.";
    CGO_NOT_SET "GW317" Warning "CGO_ENABLED=0 that does not reach the build"
        "A variable set before && or ; belongs to the shell alone: go build does not see it.";
    NOT_STRIPPED_BUILD "GW318" Note "built without -ldflags=-s"
        "Symbol table and debug information are about a third of the file. Goroutine dumps keep names and lines without them.";
    NO_VERSION_BUILD "GW319" Note "built without a version"
        "A running server does not say which build it is.";
    NO_CERTIFICATES_COPIED "GW320" Warning "no CA certificates in the final stage"
        "Every outgoing TLS connection fails: x509: certificate signed by unknown authority.";
    UNPINNED "GW321" Warning "a base image whose tag moves"
        "The same commit gives another image tomorrow, and another Go version with it.";
    GO_IMAGE_UNSUPPORTED "GW322" Note "a Go version out of support"
        "It gets no more security fixes in the standard library, which is inside the program.";
    BASE_UNSUPPORTED "GW323" Note "a distribution out of support"
        "It gets no more security fixes.";
    ADD_URL "GW324" Warning "ADD of a URL without a checksum"
        "Whatever is there on the day of the build goes into the image, unverified.";
    HEALTH_SHELL "GW325" Error "a HEALTHCHECK that needs a shell the image lacks"
        "The container is unhealthy for ever: exec: /bin/sh: no such file or directory.";
    HEALTH_PROGRAM "GW326" Warning "a HEALTHCHECK with a program the image lacks"
        "The container is unhealthy for ever.";
    STOPSIGNAL_UNFIT "GW327" Warning "a STOPSIGNAL that does not stop a Go server"
        "Go ignores some signals, dies of others without cleaning up, and prints its goroutines on QUIT and ABRT.";
    NO_INIT "GW328" Warning "a server that starts other programs, and no init"
        "Orphans that its children leave behind are not reaped: zombies pile up until no process ids are left.";
    LOW_PORT "GW329" Note "a port below 1024 without root"
        "Docker allows it since 20.10; Kubernetes and podman may not: bind: permission denied.";
    NO_DOCKERIGNORE "GW330" Warning "COPY . without a .dockerignore"
        "The whole directory is sent and copied: .git, .env, local builds. And every change there spoils the cache.";
    DOCKERIGNORE_GAPS "GW331" Note ".dockerignore lets .git through"
        "COPY . brings the history into the image, and each commit spoils the cache.";
    EMPTY_ARG "GW332" Warning "an ARG that is empty in this stage"
        "An ARG before FROM is for the FROM lines alone, any other for its stage: each stage must declare what it uses.";
    CANNOT_TELL "GW333" Note "how the program is built is not known"
        "A Makefile, a script or another tool builds the program: whether cgo is off and a version set is written there.";
    SECRET_IN_ENV "GW334" Warning "a secret in ARG, ENV or a command"
        "It is in the image's history or configuration, readable by everybody who can pull it.";
    GO_RUN "GW335" Warning "the server is compiled at each start"
        "It needs the toolchain and the sources in the image, and starts slowly; go run also stands between the server and its signals.";
    WRONG_ARCHITECTURE_BUILD "GW336" Warning "cross-built, but not for the target"
        "With --platform=$BUILDPLATFORM the toolchain is the build machine's; without GOARCH=$TARGETARCH so is the program.";
    BAD_IGNORE "GW337" Warning "an ignore comment that does not say enough"
        "A finding that is ignored without a reason is never fixed later, and an id that does not exist ignores nothing.";
    SOURCES_SHIPPED "GW338" Warning "the sources are copied into the final stage"
        "The server does not need them; whoever gets into it reads them, and every edit makes the image anew.";
    SECRET_COPIED "GW339" Warning "a file with secrets is copied"
        "Everybody who can pull the image has it, for good; of a stage that is not shipped, whoever has the build's cache.";
    RECOMMENDED "GW340" Note "packages that are only recommended are installed too"
        "apt-get installs what a package recommends: size, and more whose faults must be followed.";
    PLAIN_ADD "GW341" Note "ADD where COPY does the same"
        "ADD unpacks archives and fetches URLs, depending on what it finds; COPY does what it says.";
    GLIBC_NEWER "GW342" Error "built against a newer glibc than the final stage has"
        "The loader ends the program before main: version `GLIBC_2.34' not found.";
    ANY_VERSION "GW343" Warning "a Go program installed without a fixed version"
        "The same commit builds another program tomorrow, and one day none: its newest version may need a newer Go.";
    COPY_IGNORED "GW344" Error "COPY of a file that .dockerignore leaves out"
        "The file is not sent to the builder: the build ends with 'not found', though it is there.";
    MISSPELT "GW345" Warning "a variable that is never set, with nearly the name of one that is"
        "It is empty: the path, the version or the flag that it stands in is not what was meant.";
    NOT_WRITTEN "GW346" Error "COPY of a path that the build writes elsewhere"
        "The build ends with 'not found', or copies an empty directory of the base in its place.";
    NOT_COPIED "GW347" Error "what is started is not in the image"
        "The container ends at once with exit code 127: nothing copies, builds or installs a program of that name there.";
    NOT_EXPANDED "GW348" Warning "a variable, an operator or a command line in exec form"
        "No shell reads the list: the program is given $PORT as it stands, or && as an argument; 'sleep infinity' is one name.";
    SCRIPT_UNFIT "GW349" Error "a script that cannot be started"
        "The container ends at once: the script's interpreter is not in the image, its first line ends with CR, or it has no x bit.";
    PIPED_DOWNLOAD "GW350" Warning "a download that is used unverified"
        "Whatever is there on the day of the build is run or unpacked, and a download that fails half-way goes unnoticed.";
    OPEN_MODE "GW351" Warning "chmod 777"
        "Whoever gets into the server can change what others run or read.";
    OUTSIDE_CONTEXT "GW352" Error "COPY from outside the build context"
        "The builder sees nothing above the context, and no path of the machine: not found, or another file of that name.";
    OLD_ENV "GW353" Note "ENV in its old form, without ="
        "ENV NAME VALUE takes all that follows as the value, a second NAME=VALUE too; docker build --check warns of it.";
    GO_TOO_OLD "GW354" Error "go.mod asks for a newer Go than the image has"
        "Docker's golang images set GOTOOLCHAIN=local: go: go.mod requires go >= 1.27 (running go 1.26; GOTOOLCHAIN=local).";
    UNKNOWN_STAGE "GW355" Note "COPY from a name that no stage has"
        "Docker pulls an image of that name, unless the build defines a context of that name; often a stage was renamed.";
    HEALTH_UNFIT "GW356" Error "a HEALTHCHECK that does not fit what is started"
        "goward status asks the init of the container: if that is not goward, the container is unhealthy for ever.";
    HEALTH_TIMEOUT "GW357" Warning "a HEALTHCHECK that is killed before its probe gives up"
        "Docker kills the probe: the reason why the server is unhealthy is lost, and processes that the probe started may stay.";

    IMAGE_SHELL_ENTRYPOINT "GW401" Warning "the image starts its server through a shell"
        "A shell may stay PID 1: it forwards no signals, so docker stop waits for ten seconds and then kills.";
    IMAGE_STOPSIGNAL "GW403" Warning "the image's stop signal does not stop a Go server"
        "Go ignores some signals, dies of others without cleaning up, and prints its goroutines on QUIT and ABRT.";
    IMAGE_HEALTHCHECK "GW404" Error "the image's HEALTHCHECK cannot be executed"
        "The container is unhealthy for ever.";
    IMAGE_LOW_PORT "GW405" Note "a port below 1024 without root"
        "Docker allows it since 20.10; Kubernetes and podman may not: bind: permission denied.";
    HIDDEN_SECRET "GW406" Error "a secret that a later layer only hides"
        "A layer that removes a file takes nothing out of those below: whoever pulls the image has it.";
    HIDDEN_SIZE "GW407" Note "removed files are still in the image"
        "Their layer is pulled all the same. Remove them in the RUN that made them, or copy only what is needed from another stage.";
    IMAGE_SECRET_IN_ENV "GW408" Warning "a secret in the image's environment"
        "Everybody who can pull the image reads it in its configuration.";
    UNREADABLE_LAYER "GW409" Warning "a layer cannot be read"
        "Its contents are unknown, and files that it may hold are not checked.";
    STARTS_CHILDREN "GW410" Note "the program can start other programs, and there is no init"
        "If it does, orphans that its children leave behind are not reaped, and stay as zombies.";
    NO_PROGRAM "GW411" Note "the image names no program"
        "Without ENTRYPOINT and CMD it is unknown what the container runs.";
}

/// By its id.
pub fn find(id: &str) -> Option<&'static Rule> {
    ALL.iter().find(|rule| rule.id.eq_ignore_ascii_case(id)).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_in_order_and_once() {
        assert!(ALL.windows(2).all(|pair| pair[0].id < pair[1].id));
        assert!(ALL.iter().all(|rule| rule.id.len() == 5 && rule.help.ends_with('.') && !rule.title.ends_with('.')));
        assert_eq!(find("gw101").unwrap().id, "GW101");
        assert!(find("GW1").is_none());
    }
}
