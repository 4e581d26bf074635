//! How much memory may be taken: what is written, or a half of what the machine or its control group allows.

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Deserializer, de};

const KIB: u64 = 1024;

/// A number of bytes: an integer, or a text such as `512 MiB`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bytes(pub(crate) u64);

impl Bytes {
    fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let digits = text.trim_end_matches(|character: char| !character.is_ascii_digit());
        let unit = text.get(digits.len()..)?.trim();
        let factor = match unit {
            "" | "B" => 1,
            "KiB" => KIB,
            "MiB" => KIB * KIB,
            "GiB" => KIB * KIB * KIB,
            _ => return None,
        };
        digits.parse::<u64>().ok()?.checked_mul(factor).map(Self)
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(
            untagged,
            expecting = "a number of bytes, such as 536870912 or \"512 MiB\""
        )]
        enum Written {
            Number(u64),
            Text(String),
        }
        match Written::deserialize(deserializer)? {
            Written::Number(bytes) => Ok(Self(bytes)),
            Written::Text(text) => Self::parse(&text).ok_or_else(|| {
                de::Error::custom("a number of bytes is digits, with or without KiB, MiB or GiB")
            }),
        }
    }
}

/// A half of the memory that this process may use: the other half is for the kernel, above all its socket buffers,
/// and for what else runs. `None` where the system does not say how much there is.
pub(crate) fn half_of_what_there_is() -> Option<u64> {
    let machine = fs::read_to_string("/proc/meminfo").ok();
    let machine = machine.as_deref().and_then(parse_meminfo);
    let group = fs::read_to_string("/proc/self/cgroup").ok();
    let group = group.as_deref().and_then(|text| {
        let limits = limit_files(text).into_iter().filter_map(|path| {
            let text = fs::read_to_string(path).ok()?;
            text.trim().parse::<u64>().ok()
        });
        limits.min()
    });
    [machine, group]
        .into_iter()
        .flatten()
        .min()
        .map(|bytes| bytes / 2)
}

fn parse_meminfo(text: &str) -> Option<u64> {
    let total = text
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kib: u64 = total.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(KIB)
}

/// Where the limits of this process's control group stand, its own and those of the groups around it: cgroup v2's
/// `memory.max`, or v1's `memory.limit_in_bytes`. A file that says `max` sets no limit.
fn limit_files(cgroup: &str) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for line in cgroup.lines() {
        let mut parts = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(group)) = (parts.next(), parts.next()) else {
            continue;
        };
        let (root, name) = match controllers {
            "" => ("/sys/fs/cgroup", "memory.max"),
            controllers if controllers.split(',').any(|name| name == "memory") => {
                ("/sys/fs/cgroup/memory", "memory.limit_in_bytes")
            }
            _ => continue,
        };
        // In a container the group's path may be the host's, which is not to be seen: the root is always tried.
        let group = Path::new(group.trim_start_matches('/'));
        for ancestor in group.ancestors() {
            files.push(Path::new(root).join(ancestor).join(name));
        }
    }
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_of_bytes_has_a_unit_or_none() {
        for (text, bytes) in [
            ("0", 0),
            ("536870912", 536_870_912),
            ("512MiB", 536_870_912),
            ("512 MiB", 536_870_912),
            ("2 GiB", 2_147_483_648),
            ("64 KiB", 65_536),
        ] {
            assert_eq!(Bytes::parse(text), Some(Bytes(bytes)), "{text}");
        }
        for text in ["", "MiB", "512 MB", "1.5 GiB", "-1", "99999999999 GiB"] {
            assert_eq!(Bytes::parse(text), None, "{text}");
        }
    }

    #[test]
    fn what_the_system_says_is_read() {
        let text = "MemFree: 1 kB\nMemTotal:       24683400 kB\n";
        assert_eq!(parse_meminfo(text), Some(24_683_400 * 1024));
        assert!(half_of_what_there_is().is_some_and(|bytes| bytes > 0));
    }

    #[test]
    fn limits_of_all_groups_around_are_looked_at() {
        let paths = |text| -> Vec<String> {
            let files = limit_files(text).into_iter();
            files
                .map(|path| path.to_string_lossy().into_owned())
                .collect()
        };
        assert_eq!(
            paths("0::/a.slice/b.service\n"),
            [
                "/sys/fs/cgroup/a.slice/b.service/memory.max",
                "/sys/fs/cgroup/a.slice/memory.max",
                "/sys/fs/cgroup/memory.max"
            ]
        );
        assert_eq!(
            paths("4:cpu,cpuacct:/x\n3:memory:/x\n"),
            [
                "/sys/fs/cgroup/memory/x/memory.limit_in_bytes",
                "/sys/fs/cgroup/memory/memory.limit_in_bytes"
            ]
        );
    }
}
