//! What archives and directories may hold: names and links that lead elsewhere, layers cut off, secrets hidden and not.

use super::*;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;

/// An entry of a tar archive, as no tar would write some of them.
fn entry(name: &str, kind: u8, link: &str, content: &[u8]) -> Vec<u8> {
    let mut block = vec![0u8; 512];
    block[..name.len()].copy_from_slice(name.as_bytes());
    block[100..108].copy_from_slice(b"0000755\0");
    block[108..116].copy_from_slice(b"0000000\0");
    block[116..124].copy_from_slice(b"0000000\0");
    block[124..136].copy_from_slice(format!("{:011o}\0", content.len()).as_bytes());
    block[148..156].fill(b' ');
    block[156] = kind;
    block[157..157 + link.len()].copy_from_slice(link.as_bytes());
    let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    block.extend_from_slice(content);
    block.resize(block.len().div_ceil(512) * 512, 0);
    block
}

/// An image of these layers. Its lists come first, so that what is cut off is a layer.
fn image(scratch: &Scratch, layers: &[Vec<u8>], fields: &str) -> PathBuf {
    let names: Vec<String> = (0..layers.len()).map(|at| format!("\"{at}.tar\"")).collect();
    let manifest = format!("[{{\"Config\":\"c.json\",\"Layers\":[{}]}}]", names.join(","));
    let mut bytes = entry("manifest.json", b'0', "", manifest.as_bytes());
    bytes.extend(entry("c.json", b'0', "", config(fields).as_bytes()));
    for (at, layer) in layers.iter().enumerate() {
        bytes.extend(entry(&format!("{at}.tar"), b'0', "", layer));
    }
    let to = scratch.path("image.tar");
    fs::write(&to, bytes).unwrap();
    to
}

fn check_layers(layers: &[Vec<u8>], fields: &str, arguments: &[&str]) -> Report {
    let scratch = Scratch::new();
    check_archive(&image(&scratch, layers, fields), arguments)
}

const KEY: &[u8] = b"-----BEGIN PRIVATE KEY-----\n";
const START: &str = "\"User\":\"7\",\"Entrypoint\":[\"/bin/server\"]";

#[test]
fn names_that_lead_through_links_and_dots() {
    if !has_go() {
        return;
    }
    let program = fs::read(server()).unwrap();
    let link = |name, to| entry(name, b'2', to, b"");
    let bin = || link("bin", "usr/bin");
    for (case, layers) in [
        ("one layer", vec![[bin(), entry("bin/server", b'0', "", &program)].concat()]),
        ("two layers", vec![bin(), entry("bin/server", b'0', "", &program)]),
        ("absolute", vec![[link("bin", "/usr/bin"), entry("bin/server", b'0', "", &program)].concat()]),
        ("up", vec![[link("a/b", "../bin"), entry("a/b/server", b'0', "", &program)].concat()]),
        ("dots", vec![entry("opt/./../bin/./server", b'0', "", &program)]),
        ("above the root", vec![entry("../../bin/server", b'0', "", &program)]),
        (
            "hard link",
            vec![[bin(), entry("usr/bin/x", b'0', "", &program), entry("bin/server", b'1', "bin/x", b"")].concat()],
        ),
    ] {
        let report = check_layers(&layers, START, &[]);
        assert!(!report.has("GW101") && report.says("/bin/server: go1."), "{case}: {}", report.0);
    }
    // What is removed through a link is gone, and a link in a circle ends.
    let layers =
        [[bin(), entry("usr/bin/server", b'0', "", &program)].concat(), entry("bin/.wh.server", b'0', "", b"")];
    assert!(check_layers(&layers, START, &[]).has("GW101"));
    let circle = [link("bin", "sbin"), link("sbin", "bin"), entry("bin/server", b'0', "", &program)].concat();
    assert!(check_layers(&[circle], START, &[]).has("GW101"));
}

#[test]
fn layers_that_are_cut_off() {
    let noise: Vec<u8> = (0..200_000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    let layers: Vec<Vec<u8>> = (0..4).map(|at| entry(&format!("d/{at}"), b'0', "", &noise)).collect();
    let scratch = Scratch::new();
    let to = image(&scratch, &layers, START);
    assert!(!check_archive(&to, &[]).has("GW409"));
    let whole = fs::read(&to).unwrap();
    for part in [30, 60, 90] {
        fs::write(&to, &whole[..whole.len() * part / 100]).unwrap();
        let report = check_archive(&to, &[]);
        assert!(report.has("GW409") && report.says("cut off") && !report.has("GW101"), "{part} %: {}", report.0);
    }
}

/// As tar packs an unpacked archive whose layers are one file.
#[test]
fn a_layer_that_is_a_hard_link() {
    let scratch = Scratch::new();
    let layer = entry("app/tls.key", b'0', "", KEY);
    let bytes = [
        entry("0/layer.tar", b'0', "", &layer),
        entry("1/layer.tar", b'1', "./0/layer.tar", b""),
        entry("c.json", b'0', "", config("").as_bytes()),
        entry("manifest.json", b'0', "", b"[{\"Config\":\"c.json\",\"Layers\":[\"1/layer.tar\"]}]"),
    ];
    let to = scratch.path("image.tar");
    fs::write(&to, bytes.concat()).unwrap();
    assert!(check_archive(&to, &[]).has("GW215"));
}

/// uids above 2097151, as OpenShift gives them, do not fit in a header's octal digits.
#[test]
fn owners_with_large_numbers() {
    if !has_go() {
        return;
    }
    let record = |text: &str| format!("{} {text}\n", text.len() + 4);
    let owner = [record("uid=1000650000"), record("gid=1000650000")].concat();
    let own = [entry("x", b'x', "", owner.as_bytes()), entry("own", b'5', "", b"")].concat();
    let fields = START.replace("\"7\"", "\"1000650000\"");
    assert!(!check_layers(&[own], &fields, &["--writable=/own"]).has("GW204"));
    assert!(check_layers(&[entry("own", b'5', "", b"")], &fields, &["--writable=/own"]).has("GW204"));
}

/// Its holes are not filled in: nothing is said of what is inside.
#[test]
fn a_sparse_file_in_a_layer() {
    if !has_go() {
        return;
    }
    let root = Root::good();
    let scratch = Scratch::new();
    let to = scratch.path("sparse.tar");
    let file = fs::OpenOptions::new().write(true).open(root.at("/server")).unwrap();
    file.set_len(fs::metadata(server()).unwrap().len() + (1 << 20)).unwrap();
    for format in ["pax", "gnu"] {
        let mut tar = Command::new("tar");
        tar.args(["--sparse", &format!("--format={format}"), "-C"]).arg(root.scratch.path("root")).arg("-cf").arg(&to);
        assert_eq!(run(tar.arg("."), LIMIT).ending, Ending::Exited(0));
        let report = check_layers(&[fs::read(&to).unwrap()], &START.replace("/bin/", "/"), &[]);
        assert!(report.says("cannot be read here") && !report.says("\"error\""), "{format}: {}", report.0);
    }
}

/// What should not be there, by its path and beginning, and what only looks like it.
#[test]
fn secrets_and_what_is_not_one() {
    let certificate = String::from_utf8(valid_certificate()).unwrap();
    let combined = format!("{}{}", certificate.repeat(5000 / certificate.len() + 1), "-----BEGIN PRIVATE KEY-----\n");
    let openssh = "-----BEGIN OPENSSH PRIVATE KEY-----\n";
    let npm = |value: &str| format!("//registry.npmjs.org/:{value}\n");
    for (path, content, id) in [
        ("/etc/ssh/ssh_host_rsa_key", openssh, Some("GW215")),
        ("/etc/ssh/ssh_host_rsa_key.pub", "ssh-rsa AAAA\n", None),
        ("/root/.ssh/id_ed25519_sk", openssh, Some("GW215")),
        ("/root/.ssh/deploy", openssh, Some("GW215")),
        ("/root/.ssh/known_hosts", "x ssh-rsa AAAA\n", None),
        ("/app/tls.crt", combined.as_str(), Some("GW215")),
        ("/app/ca.crt", certificate.as_str(), None),
        ("/app/server.KEY", "-----BEGIN EC PRIVATE KEY-----\n", Some("GW215")),
        ("/app/sign.asc", "-----BEGIN PGP PRIVATE KEY BLOCK-----\n", Some("GW215")),
        ("/etc/apt/trusted.gpg.d/x.asc", "-----BEGIN PGP PUBLIC KEY BLOCK-----\n", None),
        ("/root/.npmrc", &npm("_authToken=npm_x"), Some("GW216")),
        ("/root/.npmrc", "_auth = eDp5\n", Some("GW216")),
        ("/root/.npmrc", &npm("_authToken=${NPM_TOKEN}"), None),
        ("/root/.pypirc", "[pypi]\nusername = __token__\npassword: pypi-x\n", Some("GW216")),
        ("/root/.pypirc", "[pypi]\nusername = x\n", None),
        ("/root/.ssh/config", "# token: none\n", None),
        // GOPATH is for one's own sources too; a toolchain, modules and Python have keys to test with.
        ("/go/src/app/server.key", "-----BEGIN PRIVATE KEY-----\n", Some("GW215")),
        ("/go/src/app/.env", "A=1\n", Some("GW217")),
        ("/go/src/app/.git/HEAD", "x", Some("GW218")),
        ("/go/src/app/main.go", "x", Some("GW219")),
        ("/var/lib/gotify/server.key", "-----BEGIN PRIVATE KEY-----\n", Some("GW215")),
        ("/usr/local/go/src/crypto/tls/testdata/example-key.pem", "-----BEGIN PRIVATE KEY-----\n", None),
        ("/usr/share/go-1.19/src/crypto/tls/testdata/example-key.pem", "-----BEGIN PRIVATE KEY-----\n", None),
        ("/usr/lib/golang/src/net/http/server.go", "x", None),
        ("/go/pkg/mod/example.com/x@v1.0.0/tls.key", "-----BEGIN PRIVATE KEY-----\n", None),
        ("/usr/lib/python3/test/keycert.pem", "-----BEGIN PRIVATE KEY-----\n", None),
        ("/usr/lib/go-1.19/bin/go", "x", Some("GW220")),
        ("/usr/lib/golang/bin/go", "x", Some("GW220")),
        ("/root/sdk/go1.22.3/pkg/tool/linux_amd64/link", "x", Some("GW220")),
        ("/opt/gopher/bin/go", "x", None),
    ] {
        let root = Root { scratch: Scratch::new() };
        root.file(path, content.as_bytes(), 0o600);
        let report = root.check(&[]);
        let ids = ["GW215", "GW216", "GW217", "GW218", "GW219", "GW220"];
        let found: Vec<&str> = report.ids().into_iter().filter(|found| ids.contains(found)).collect();
        assert_eq!(found, Vec::from_iter(id), "{path}: {}", report.0);
    }
}

/// Removed by a later layer: told as it would be of one that is there.
#[test]
fn what_a_later_layer_hides() {
    for (path, content, severity) in [
        ("app/tls.key", KEY, Some("error")),
        ("app/.env.production", b"A=1\n", Some("warning")),
        ("app/.git/config", b"x", Some("warning")),
        ("app/.env.example", b"A=\n", None),
        ("usr/local/go/src/crypto/tls/testdata/example-key.pem", KEY, None),
        ("go/pkg/mod/x@v1.0.0/.env", b"A=1\n", None),
        ("go/pkg/mod/x@v1.0.0/.git/x", b"A=1\n", None),
    ] {
        let (first, _) = path.split_once('/').unwrap();
        let gone = entry(&format!(".wh.{first}"), b'0', "", b"");
        let second = path.replace("config", "HEAD");
        let files = [entry(path, b'0', "", content), entry(&second, b'0', "", content)].concat();
        let report = check_layers(&[files, gone], START, &[]);
        let findings = report.0["findings"].as_array().unwrap();
        let hidden = findings.iter().filter(|one| one["id"] == "GW406").map(|one| one["severity"].as_str());
        assert_eq!(hidden.collect::<Vec<_>>(), Vec::from_iter(severity.map(Some)), "{path}: {}", report.0);
    }
    // What is still there is not hidden.
    let layers = ["one", "two"].map(|text| entry("app/.git/index", b'0', "", text.as_bytes()));
    let report = check_layers(&layers, START, &[]);
    assert!(report.has("GW218") && !report.has("GW406"), "{}", report.0);
}

#[test]
fn a_name_that_is_no_text_leads_nowhere() {
    let (root, host) = (Root { scratch: Scratch::new() }, Scratch::new());
    host.file("tls.key", "-----BEGIN PRIVATE KEY-----\n", 0o644);
    root.directory("/", 0o755);
    fs::create_dir(root.at("/").join(OsStr::from_bytes(b"d\xff"))).unwrap();
    symlink(host.path(""), root.at("/d\u{fffd}")).unwrap();
    // And a file of that name is not what its link leads to.
    fs::write(root.at("/").join(OsStr::from_bytes(b"\xff.key")), b"").unwrap();
    symlink(host.path("tls.key"), root.at("/\u{fffd}.key")).unwrap();
    let report = root.check(&[]);
    assert!(!report.has("GW215") && report.says("key cannot be read here"), "{}", report.0);
}

#[test]
fn what_cannot_be_read_is_said() {
    if !crate::support::requires_root() {
        return;
    }
    let root = Root { scratch: Scratch::new() };
    root.directory("/", 0o755);
    root.file("/k.pem", KEY, 0o600);
    root.directory("/secret", 0o700);
    let program = root.scratch.path("goward");
    fs::copy(GOWARD, &program).unwrap();
    fs::set_permissions(root.scratch.path(""), fs::Permissions::from_mode(0o755)).unwrap();
    let mut command = Command::new(program);
    command.args(["check", "--format=json", "--fail-on=never", "--rootfs"]).arg(root.scratch.path("root"));
    let report = Report::of(&run(command.uid(65534).gid(65534), LIMIT));
    assert!(report.says("/secret, /k.pem cannot be read here"), "{}", report.0);
    assert!(!root.check(&[]).says("cannot be read here"));
}

/// Of an overlay over another file system files have a device of their own; a file that is mounted is not of the image.
#[test]
fn files_of_an_overlay() {
    if !crate::support::requires_root() || !crate::support::requires("unshare") {
        return;
    }
    let scratch = Scratch::new();
    let script = "cd \"$1\" && mkdir l u m mounted && mount -t tmpfs x l && mount -t tmpfs x u && mkdir l/app u/up u/work &&
        echo '-----BEGIN PRIVATE KEY-----' | tee l/app/tls.key > mounted/key && : > l/app/run.key &&
        mount -t overlay x -o lowerdir=l,upperdir=u/up,workdir=u/work m && mount --bind mounted/key m/app/run.key || exit 77
        exec \"$0\" check --format=json --fail-on=never --rootfs m";
    let mut command = Command::new("unshare");
    let outcome = run(command.args(["-m", "sh", "-c", script, GOWARD]).arg(scratch.path("")), LIMIT);
    if outcome.ending == Ending::Exited(77) {
        skipped("no overlay can be mounted here");
        return;
    }
    let report = Report::of(&outcome);
    assert!(report.says("/app/tls.key") && !report.says("run.key"), "{}", report.0);
}

/// No more time than for others: whiteouts without end at the root, and links that lead on and on.
#[test]
fn a_hostile_layer_takes_no_longer() {
    let many = || (0..20_000).flat_map(|at| entry(&format!("{at}"), b'0', "", b"")).collect::<Vec<u8>>();
    let whiteouts = (0..3_000).flat_map(|_| entry(".wh..wh..opq", b'0', "", b""));
    let whiteouts = many().into_iter().chain(whiteouts).collect();
    let mut links: Vec<u8> = (0..40)
        .flat_map(|at| entry(&format!("l{at}"), b'2', &format!("{}l{}", "a/../".repeat(19), at + 1), b""))
        .collect();
    links.extend((0..30_000).flat_map(|at| entry(&format!("l0/{at}"), b'0', "", b"")));
    for (layer, unreadable) in [(whiteouts, false), (links, true)] {
        let began = Instant::now();
        let report = check_layers(&[layer], START, &[]);
        assert_eq!(report.has("GW409"), unreadable, "{}", report.0);
        assert!(began.elapsed() < LIMIT, "{:?}", began.elapsed());
    }
}
