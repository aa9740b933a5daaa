//! `--go-env`: what Go's runtime does not find out by itself. GOMEMLIMIT from the memory limit, GOMAXPROCS from the CPU quota
//! for programs that do not look, GOTRACEBACK. Pure: files are read through a function.

use crate::buildinfo::BuildInfo;

/// Reads a file of /proc or /sys; None where there is none.
pub type Read<'a> = &'a dyn Fn(&str) -> Option<String>;

/// The variables to set, for a program with this build information (None: no Go program, or nothing is known). `is_set` says
/// what the user has set; that is never touched.
pub fn variables(
    build: Option<&BuildInfo>,
    is_set: &dyn Fn(&str) -> bool,
    read: Read<'_>,
) -> Vec<(&'static str, String)> {
    let mut set = Vec::new();
    let mut add = |name: &'static str, value: Option<String>| {
        set.extend(value.filter(|_| !is_set(name)).map(|value| (name, value)));
    };
    let groups = Groups::read(read);
    add("GOMEMLIMIT", groups.memory(read).map(|limit| (limit / 10 * 9 + limit % 10 * 9 / 10).to_string()));
    // Of a program that nobody can read it is not known that it looks.
    if build.is_some_and(needs_gomaxprocs) {
        let cpus = allowed(&read("/proc/self/status").unwrap_or_default());
        let quota = groups.cpus(read).map(|quota| quota.max(2)).filter(|quota| cpus.is_none_or(|cpus| *quota < cpus));
        add("GOMAXPROCS", quota.map(|quota| quota.to_string()));
    }
    add("GOTRACEBACK", Some("all".to_owned()));
    set
}

/// Go looks at the CPU quota since 1.25, if the go line of go.mod is as new.
pub fn needs_gomaxprocs(build: &BuildInfo) -> bool {
    let rest = build.go.strip_prefix("go1.").unwrap_or("99");
    let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    let minor: u32 = rest.get(..digits).and_then(|digits| digits.parse().ok()).unwrap_or(99);
    let off =
        build.setting("DefaultGODEBUG").is_some_and(|debug| debug.split(',').any(|one| one == "containermaxprocs=0"));
    minor < 25 || off
}

/// How many CPUs this process may use, by its affinity: as many as there are bits in a mask in hexadecimal.
fn allowed(status: &str) -> Option<u64> {
    let mask = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed:"))?;
    Some(mask.chars().filter_map(|digit| digit.to_digit(16)).map(|digit| u64::from(digit.count_ones())).sum())
}

/// Where this process is among the control groups.
struct Groups {
    /// Of each kind: the directories from its own group up to the outermost that can be seen.
    memory_v1: Vec<String>,
    cpu_v1: Vec<String>,
    v2: Vec<String>,
}

impl Groups {
    fn read(read: Read<'_>) -> Groups {
        let groups = read("/proc/self/cgroup").unwrap_or_default();
        let of = |wanted: &dyn Fn(&str) -> bool| {
            let line = groups.lines().find_map(|line| {
                let mut fields = line.splitn(3, ':');
                let controllers = fields.nth(1)?;
                wanted(controllers).then(|| fields.next().unwrap_or_default())
            });
            line.unwrap_or_default()
        };
        let has = |name: &'static str| move |controllers: &str| controllers.split(',').any(|one| one == name);
        Groups {
            memory_v1: upwards("/sys/fs/cgroup/memory", of(&has("memory"))),
            cpu_v1: [
                upwards("/sys/fs/cgroup/cpu", of(&has("cpu"))),
                upwards("/sys/fs/cgroup/cpu,cpuacct", of(&has("cpu"))),
            ]
            .concat(),
            v2: upwards("/sys/fs/cgroup", of(&str::is_empty)),
        }
    }

    /// The smallest limit, in bytes.
    fn memory(&self, read: Read<'_>) -> Option<u64> {
        let v1 = self.memory_v1.iter().map(|directory| [directory, "/memory.limit_in_bytes"].concat());
        let v2 = self.v2.iter().map(|directory| [directory, "/memory.max"].concat());
        let limits = v1.chain(v2).filter_map(|file| read(&file)?.trim().parse::<u64>().ok());
        // v1 says a number near 2^63 where there is none.
        limits.filter(|limit| *limit < 1 << 62 && *limit > 0).min()
    }

    /// The smallest quota, in CPUs, rounded up.
    fn cpus(&self, read: Read<'_>) -> Option<u64> {
        let number = |text: Option<&str>| text?.trim().parse::<u64>().ok().filter(|number| *number > 0);
        let v1 = self.cpu_v1.iter().filter_map(|directory| {
            let quota = number(read(&[directory, "/cpu.cfs_quota_us"].concat()).as_deref())?;
            Some((quota, number(read(&[directory, "/cpu.cfs_period_us"].concat()).as_deref())?))
        });
        let v2 = self.v2.iter().filter_map(|directory| {
            let text = read(&[directory, "/cpu.max"].concat())?;
            let mut fields = text.split_whitespace();
            Some((number(fields.next())?, number(fields.next())?))
        });
        v1.chain(v2).map(|(quota, period)| quota.div_ceil(period)).min()
    }
}

/// A group's directory and those around it, and the mount itself: inside a container that is the group, whatever /proc says.
fn upwards(mount: &str, group: &str) -> Vec<String> {
    let mut directories = Vec::new();
    let mut group = group.trim_end_matches('/');
    while !group.is_empty() && directories.len() < 64 {
        directories.push([mount, group].concat());
        group = group.rfind('/').and_then(|slash| group.get(..slash)).unwrap_or_default();
    }
    directories.push(mount.to_owned());
    directories
}

#[cfg(test)]
mod tests {
    use super::*;

    fn built(go: &str, debug: &str) -> BuildInfo {
        let settings = vec![("DefaultGODEBUG".to_owned(), debug.to_owned())];
        BuildInfo { go: go.to_owned(), settings, ..BuildInfo::default() }
    }

    fn set(build: Option<&BuildInfo>, files: &[(&str, &str)], own: &[&str]) -> Vec<String> {
        let status = ("/proc/self/status", "Name:\tx\nCpus_allowed:\t00000000,000000ff\nCpus_allowed_list:\t0-7\n");
        let read = |path: &str| {
            files.iter().chain([&status]).find(|(known, _)| *known == path).map(|(_, text)| (*text).to_owned())
        };
        let is_set = |name: &str| own.contains(&name);
        variables(build, &is_set, &read).into_iter().map(|(name, value)| format!("{name}={value}")).collect()
    }

    #[test]
    fn both_versions() {
        let v1 = [
            ("/proc/self/cgroup", "5:cpu,cpuacct:/docker/x\n4:memory:/docker/x\n"),
            ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "209715200\n"),
            ("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "250000\n"),
            ("/sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n"),
        ];
        let old = built("go1.24.11", "");
        assert_eq!(set(Some(&old), &v1, &[]), ["GOMEMLIMIT=188743680", "GOMAXPROCS=3", "GOTRACEBACK=all"]);
        let v2 = [
            ("/proc/self/cgroup", "0::/\n"),
            ("/sys/fs/cgroup/memory.max", "209715209\n"),
            ("/sys/fs/cgroup/cpu.max", "150000 100000\n"),
        ];
        assert_eq!(set(Some(&old), &v2, &[]), ["GOMEMLIMIT=188743688", "GOMAXPROCS=2", "GOTRACEBACK=all"]);
        assert_eq!(set(Some(&built("go1.27.3", "")), &v2, &["GOTRACEBACK"]), ["GOMEMLIMIT=188743688"]);
        assert_eq!(set(None, &v2, &["GOMEMLIMIT"]), ["GOTRACEBACK=all"]);
    }

    #[test]
    fn nested_groups_and_no_limits() {
        let nested = [
            ("/proc/self/cgroup", "0::/kubepods/pod/a\n"),
            ("/sys/fs/cgroup/kubepods/pod/a/memory.max", "max\n"),
            ("/sys/fs/cgroup/kubepods/pod/memory.max", "1000\n"),
            ("/sys/fs/cgroup/kubepods/memory.max", "5000\n"),
            ("/sys/fs/cgroup/kubepods/cpu.max", "max 100000\n"),
        ];
        let old = built("go1.22", "");
        assert_eq!(set(Some(&old), &nested, &[]), ["GOMEMLIMIT=900", "GOTRACEBACK=all"]);
        let none = [
            ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n"),
            ("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "-1\n"),
        ];
        assert_eq!(set(Some(&old), &none, &[]), ["GOTRACEBACK=all"]);
        // More than there are is no limit either.
        assert_eq!(set(Some(&old), &[("/sys/fs/cgroup/cpu.max", "1600000 100000")], &[]), ["GOTRACEBACK=all"]);
    }

    #[test]
    fn who_looks_himself() {
        for (go, debug, needs) in [
            ("go1.24.3", "", true),
            ("go1.25.0", "", false),
            ("go1.27.3", "a=1,containermaxprocs=0", true),
            ("devel go1.28", "", false),
        ] {
            assert_eq!(needs_gomaxprocs(&built(go, debug)), needs, "{go} {debug}");
        }
    }
}
