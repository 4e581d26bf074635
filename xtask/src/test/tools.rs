//! The programs that the tests need beside cargo's own, and how to get them.

use std::process::Command;

use crate::process;

/// A program that tests start, and the Debian packages that bring it.
struct Tool {
    name: &'static str,
    /// Succeeds when the tool is there and good enough.
    probe: &'static [&'static str],
    packages: &'static [&'static str],
}

const TOOLS: &[Tool] = &[
    Tool {
        name: "cargo",
        probe: &["cargo", "--version"],
        packages: &[],
    },
    Tool {
        name: "git",
        probe: &["git", "--version"],
        packages: &["git"],
    },
    Tool {
        name: "Python 3.9 or newer with venv",
        probe: &[
            "python3",
            "-c",
            "import sys, ensurepip, venv; sys.exit(sys.version_info < (3, 9))",
        ],
        packages: &["python3", "python3-venv"],
    },
    Tool {
        name: "node",
        probe: &["node", "--version"],
        packages: &["nodejs"],
    },
    Tool {
        name: "npm",
        probe: &["npm", "--version"],
        packages: &["npm"],
    },
    Tool {
        name: "openssl",
        probe: &["openssl", "version"],
        packages: &["openssl"],
    },
    Tool {
        name: "curl",
        probe: &["curl", "--version"],
        packages: &["curl"],
    },
    Tool {
        name: "bash",
        probe: &["bash", "--version"],
        packages: &["bash"],
    },
    Tool {
        name: "setsid",
        probe: &["setsid", "--version"],
        packages: &["util-linux"],
    },
    Tool {
        name: "redis-server",
        probe: &[
            "sh",
            "-c",
            "exec \"${KEYWARD_TEST_REDIS:-redis-server}\" --version",
        ],
        packages: &["redis-server"],
    },
    Tool {
        name: "chromium",
        probe: &["chromium", "--version"],
        packages: &["chromium"],
    },
    Tool {
        name: "chromedriver",
        probe: &["chromedriver", "--version"],
        packages: &["chromium-driver"],
    },
];

/// Programs are missing and could not be installed.
#[derive(Debug, thiserror::Error)]
#[error("missing: {names}\ninstall with: {line}")]
pub(crate) struct MissingTools {
    names: String,
    line: String,
}

/// Looks for every tool. Installs missing ones when that needs no password: as root on Debian.
pub(crate) fn check() -> Result<(), MissingTools> {
    let missing = missing();
    if missing.is_empty() {
        return Ok(());
    }
    let packages: Vec<&str> = missing
        .iter()
        .flat_map(|tool| tool.packages)
        .copied()
        .collect();
    if !packages.is_empty()
        && rustix::process::geteuid().is_root()
        && is_there(&["apt-get", "--version"])
    {
        println!("installing {}", packages.join(" "));
        let install = process::run(Command::new("apt-get").args(["update", "--quiet", "--quiet"]))
            .and_then(|()| {
                let mut install = Command::new("apt-get");
                install
                    .args(["install", "--yes", "--no-install-recommends"])
                    .args(&packages);
                process::run(install.env("DEBIAN_FRONTEND", "noninteractive"))
            });
        if let Err(error) = install {
            println!("{error}");
        }
    }
    refuse(&self::missing())
}

fn missing() -> Vec<&'static Tool> {
    TOOLS.iter().filter(|tool| !is_there(tool.probe)).collect()
}

fn is_there(probe: &[&str]) -> bool {
    let Some((program, arguments)) = probe.split_first() else {
        return false;
    };
    process::output(Command::new(program).args(arguments)).is_ok()
}

fn refuse(missing: &[&Tool]) -> Result<(), MissingTools> {
    if missing.is_empty() {
        return Ok(());
    }
    let packages: Vec<&str> = missing
        .iter()
        .flat_map(|tool| tool.packages)
        .copied()
        .collect();
    let line = if packages.is_empty() {
        "the Rust toolchain's installer".to_owned()
    } else {
        format!("sudo apt-get install {}", packages.join(" "))
    };
    let names: Vec<&str> = missing.iter().map(|tool| tool.name).collect();
    Err(MissingTools {
        names: names.join(", "),
        line,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_tools_are_named_with_the_line_that_installs_them() {
        let wanted: Vec<&Tool> = TOOLS
            .iter()
            .filter(|tool| ["node", "npm"].contains(&tool.name))
            .collect();
        let error = refuse(&wanted).unwrap_err().to_string();
        assert_eq!(
            error,
            "missing: node, npm\ninstall with: sudo apt-get install nodejs npm"
        );
        refuse(&[]).unwrap();
    }

    #[test]
    fn a_program_that_fails_its_probe_is_missing() {
        assert!(is_there(&["true"]));
        assert!(!is_there(&["false"]));
        assert!(!is_there(&["keyward-no-such-program"]));
    }
}
