//! How often the kernel's OOM killer has struck in this cgroup: 137 alone does not tell.

use crate::sys::file;

/// Files of the kernel that hold a few lines.
const FEW_LINES: usize = 64 * 1024;

/// The counter of the container's own cgroup, v2 or v1.
pub(super) struct Counter {
    path: String,
    before: u64,
}

impl Counter {
    /// None where there is no such file (no cgroup mounted, a kernel before 4.13).
    pub(super) fn find() -> Option<Counter> {
        let groups = read("/proc/self/cgroup").unwrap_or_default();
        candidates(&groups).find_map(|path| {
            let before = parse(&read(&path)?)?;
            Some(Counter { path, before })
        })
    }

    /// How often since then; none where that was never.
    pub(super) fn kills(&self) -> Option<u64> {
        let now = parse(&read(&self.path)?)?;
        Some(now.saturating_sub(self.before)).filter(|kills| *kills > 0)
    }
}

fn read(path: &str) -> Option<String> {
    String::from_utf8(file::read(path, FEW_LINES).ok()?).ok()
}

/// Where the counter may be. Inside a container the cgroup is usually mounted as the root, whatever /proc says.
pub(crate) fn candidates(groups: &str) -> impl Iterator<Item = String> {
    let of = |wanted: fn(&str) -> bool| {
        let line = groups.lines().find_map(|line| {
            let mut fields = line.splitn(3, ':');
            let controllers = fields.nth(1)?;
            wanted(controllers).then(|| fields.next().unwrap_or_default().trim_end_matches('/').to_owned())
        });
        line.unwrap_or_default()
    };
    let v2 = of(|controllers| controllers.is_empty());
    let v1 = of(|controllers| controllers.split(',').any(|c| c == "memory"));
    [
        format!("/sys/fs/cgroup/memory{v1}/memory.oom_control"),
        "/sys/fs/cgroup/memory/memory.oom_control".to_owned(),
        format!("/sys/fs/cgroup{v2}/memory.events"),
        "/sys/fs/cgroup/memory.events".to_owned(),
    ]
    .into_iter()
}

/// `oom_kill 3`, a line of both memory.events (v2) and memory.oom_control (v1, since Linux 4.13).
pub(crate) fn parse(text: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix("oom_kill ")?.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_versions() {
        assert_eq!(parse("oom_kill_disable 0\nunder_oom 0\noom_kill 2\n"), Some(2));
        assert_eq!(parse("low 0\nhigh 0\nmax 9\noom 3\noom_kill 1\noom_group_kill 0\n"), Some(1));
        assert_eq!(parse("oom_kill_disable 0\nunder_oom 0\n"), None);
    }

    #[test]
    fn paths_of_both_versions() {
        let v1: Vec<_> = candidates("5:cpu,cpuacct:/a\n4:memory:/docker/abc\n").collect();
        assert_eq!(v1[0], "/sys/fs/cgroup/memory/docker/abc/memory.oom_control");
        let v2: Vec<_> = candidates("0::/kubepods/pod1\n").collect();
        assert_eq!(v2[2], "/sys/fs/cgroup/kubepods/pod1/memory.events");
        assert_eq!(candidates("0::/\n").nth(2).unwrap(), "/sys/fs/cgroup/memory.events");
    }
}
