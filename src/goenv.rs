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
    add("GOMEMLIMIT", memory_limit(read).map(|limit| limit.to_string()));
    // Of a program that nobody can read it is not known whether it looks.
    if let Some(build) = build {
        let groups = Groups::read(read);
        let cpus = allowed(&read("/proc/self/status").unwrap_or_default());
        // What Go would take by itself, and what there is.
        let found = if needs_gomaxprocs(build) { None } else { groups.cpus_that_go_finds(read) };
        let taken = found.map(|quota| quota.max(2)).into_iter().chain(cpus).min();
        let quota =
            groups.cpus(read).map(|quota| quota.max(2)).filter(|quota| taken.is_none_or(|taken| *quota < taken));
        add("GOMAXPROCS", quota.map(|quota| quota.to_string()));
    }
    add("GOTRACEBACK", Some("all".to_owned()));
    set
}

/// What GOMEMLIMIT should be: 90 % of the smallest limit.
pub fn memory_limit(read: Read<'_>) -> Option<u64> {
    Groups::read(read).memory(read).map(|limit| limit / 10 * 9 + limit % 10 * 9 / 10)
}

/// The files that may limit the memory.
pub fn memory_files(read: Read<'_>) -> Vec<String> {
    Groups::read(read).memory_files().collect()
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
    /// Its own group, as /proc/self/cgroup names it.
    cpu_group_v1: Option<String>,
    group_v2: Option<String>,
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
            line.map(str::to_owned)
        };
        let has = |name: &'static str| move |controllers: &str| controllers.split(',').any(|one| one == name);
        let (memory, cpu, v2) = (of(&has("memory")), of(&has("cpu")), of(&str::is_empty));
        let path = |group: &Option<String>| group.clone().unwrap_or_default();
        Groups {
            memory_v1: upwards("/sys/fs/cgroup/memory", &path(&memory)),
            cpu_v1: [upwards("/sys/fs/cgroup/cpu", &path(&cpu)), upwards("/sys/fs/cgroup/cpu,cpuacct", &path(&cpu))]
                .concat(),
            v2: upwards("/sys/fs/cgroup", &path(&v2)),
            cpu_group_v1: cpu,
            group_v2: v2,
        }
    }

    fn memory_files(&self) -> impl Iterator<Item = String> {
        let v1 = self.memory_v1.iter().map(|directory| [directory, "/memory.limit_in_bytes"].concat());
        v1.chain(self.v2.iter().map(|directory| [directory, "/memory.max"].concat()))
    }

    /// The smallest limit, in bytes.
    fn memory(&self, read: Read<'_>) -> Option<u64> {
        let limits = self.memory_files().filter_map(|file| read(&file)?.trim().parse::<u64>().ok());
        // v1 says a number near 2^63 where there is none.
        limits.filter(|limit| *limit < 1 << 62 && *limit > 0).min()
    }

    /// The smallest quota, in CPUs, rounded up.
    fn cpus(&self, read: Read<'_>) -> Option<u64> {
        let v1 = self.cpu_v1.iter().filter_map(|directory| quota_v1(directory, read));
        v1.chain(self.v2.iter().filter_map(|directory| quota_v2(directory, read))).min()
    }

    /// The quota that Go's runtime finds: that of its own group and of none around it, where /proc/self/mountinfo shows that group
    /// (internal/runtime/cgroup).
    fn cpus_that_go_finds(&self, read: Read<'_>) -> Option<u64> {
        let mounts = read("/proc/self/mountinfo")?;
        let (group, version) = match &self.cpu_group_v1 {
            Some(group) => (group.as_str(), "cgroup"),
            None => (self.group_v2.as_deref()?, "cgroup2"),
        };
        let directory = mounts.lines().find_map(|line| {
            let (fields, rest) = line.split_once(" - ")?;
            let mut fields = fields.split(' ').skip(3);
            let (root, point) = (fields.next()?, fields.next()?);
            let mut rest = rest.split(' ');
            let kind = rest.next()?;
            let mut is_cpu = || rest.nth(1).is_some_and(|options| options.split(',').any(|option| option == "cpu"));
            if kind != version || version == "cgroup" && !is_cpu() {
                return None;
            }
            let below = group.strip_prefix(root.trim_end_matches('/'))?;
            (below.is_empty() || below.starts_with('/')).then(|| [point, below.trim_end_matches('/')].concat())
        })?;
        if version == "cgroup" { quota_v1(&directory, read) } else { quota_v2(&directory, read) }
    }
}

fn number(text: Option<&str>) -> Option<u64> {
    text?.trim().parse::<u64>().ok().filter(|number| *number > 0)
}

/// The quota of one group, in CPUs, rounded up.
fn quota_v1(directory: &str, read: Read<'_>) -> Option<u64> {
    let quota = number(read(&[directory, "/cpu.cfs_quota_us"].concat()).as_deref())?;
    Some(quota.div_ceil(number(read(&[directory, "/cpu.cfs_period_us"].concat()).as_deref())?))
}

fn quota_v2(directory: &str, read: Read<'_>) -> Option<u64> {
    let text = read(&[directory, "/cpu.max"].concat())?;
    let mut fields = text.split_whitespace();
    Some(number(fields.next())?.div_ceil(number(fields.next())?))
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
        let mounts = |line: &'static str| [v2.as_slice(), &[("/proc/self/mountinfo", line)]].concat();
        let found = mounts("30 23 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup rw\n");
        assert_eq!(set(Some(&built("go1.27.3", "")), &found, &["GOTRACEBACK"]), ["GOMEMLIMIT=188743688"]);
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

    /// Go 1.25 and later looks at its own group, and at none around it (golang/go#81180).
    #[test]
    fn limits_that_go_does_not_find() {
        let new = built("go1.27.3", "");
        let groups = [
            ("/proc/self/cgroup", "0::/pod/leaf\n"),
            ("/proc/self/mountinfo", "30 23 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup rw\n"),
            ("/sys/fs/cgroup/pod/leaf/cpu.max", "max 100000\n"),
            ("/sys/fs/cgroup/pod/cpu.max", "300000 100000\n"),
        ];
        let with = |more: &[(&'static str, &'static str)]| set(Some(&new), &[more, &groups].concat(), &["GOTRACEBACK"]);
        assert_eq!(with(&[]), ["GOMAXPROCS=3"]);
        // A tighter one of its own it finds, a looser one does not help.
        assert_eq!(with(&[("/sys/fs/cgroup/pod/leaf/cpu.max", "200000 100000\n")]), [] as [&str; 0]);
        assert_eq!(with(&[("/sys/fs/cgroup/pod/leaf/cpu.max", "400000 100000\n")]), ["GOMAXPROCS=3"]);
        // It never takes less than two.
        assert_eq!(
            with(&[
                ("/sys/fs/cgroup/pod/leaf/cpu.max", "150000 100000\n"),
                ("/sys/fs/cgroup/pod/cpu.max", "100000 100000\n")
            ]),
            [] as [&str; 0]
        );
        // It finds nothing where its group is not below what is mounted, or nothing says where that is.
        let own = ("/sys/fs/cgroup/pod/leaf/cpu.max", "200000 100000\n");
        let elsewhere = "30 23 0:26 /other /sys/fs/cgroup rw - cgroup2 cgroup rw\n";
        assert_eq!(with(&[own, ("/proc/self/mountinfo", elsewhere)]), ["GOMAXPROCS=2"]);
        assert_eq!(with(&[own, ("/proc/self/mountinfo", "")]), ["GOMAXPROCS=2"]);
        // As docker has it without a namespace of control groups: what is mounted is the group.
        let docker = "30 23 0:26 /pod/leaf /sys/fs/cgroup rw - cgroup2 cgroup rw\n";
        let inside = ("/sys/fs/cgroup/cpu.max", "200000 100000\n");
        assert_eq!(
            set(Some(&new), &[groups[0], ("/proc/self/mountinfo", docker), inside], &["GOTRACEBACK"]),
            [] as [&str; 0]
        );
        // v1, with one more mount of another controller.
        let v1 = [
            ("/proc/self/cgroup", "4:cpu,cpuacct:/a\n5:cpuset:/b\n"),
            ("/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "250000\n"),
            ("/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us", "100000\n"),
        ];
        let mounts = "1 1 0:1 / /sys/fs/cgroup/cpuset rw - cgroup c rw,cpuset\n\
            2 1 0:2 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup c rw,cpu,cpuacct\n";
        let with = |group: &'static str| {
            let v1 = [&[("/proc/self/cgroup", group), ("/proc/self/mountinfo", mounts)], v1.as_slice()].concat();
            set(Some(&new), &v1, &["GOTRACEBACK"])
        };
        assert_eq!(with("4:cpu,cpuacct:/\n"), [] as [&str; 0]);
        assert_eq!(with("4:cpu,cpuacct:/a\n"), ["GOMAXPROCS=3"]);
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
