//! Demonstrations that take too long for every test run, by name.

use std::{error::Error, path::Path};

use clap::Parser;

use crate::{
    floods, fuzz, instructions, memory, packages, pairs, process, streams, test::sdk, usage,
    workspace::Workspace,
};

/// One demonstration.
struct Demonstration {
    name: &'static str,
    description: &'static str,
    run: fn(&Workspace) -> Result<(), Box<dyn Error>>,
}

const DEMONSTRATIONS: &[Demonstration] = &[
    Demonstration {
        name: "pairs",
        description: "CPU per request of Keyward against the minimal proxy, 20 interleaved pairs",
        run: |workspace| {
            Ok(pairs::run(
                workspace,
                &pairs::Options::parse_from(["pairs"]),
            )?)
        },
    },
    Demonstration {
        name: "pairs-tls",
        description: "the same with TLS to the upstream",
        run: |workspace| {
            Ok(pairs::run(
                workspace,
                &pairs::Options::parse_from(["pairs", "--tls"]),
            )?)
        },
    },
    Demonstration {
        name: "instructions",
        description: "user-space instructions per request, against an earlier revision and the minimal proxy",
        run: |workspace| {
            Ok(instructions::run(
                workspace,
                &instructions::Options::parse_from(["instructions"]),
            )?)
        },
    },
    Demonstration {
        name: "resets",
        description: "100,000 HTTP/2 requests that are reset at once, while another client asks on",
        run: floods::resets,
    },
    Demonstration {
        name: "chunks",
        description: "10 MiB in chunks of one byte: CPU against chunks of 16 KiB",
        run: floods::chunks,
    },
    Demonstration {
        name: "h2",
        description: "nghttp2's own client and load generator against a running server",
        run: floods::h2,
    },
    Demonstration {
        name: "differential",
        description: "100,000 hostile requests through the gateway; four parsers agree on what comes out",
        run: |workspace| {
            let sdks = sdk::prepare(workspace)?;
            let mut tests = workspace.cargo([
                "test",
                "--package",
                "keyward-gateway",
                "--test",
                "differential",
                "--",
                "--nocapture",
            ]);
            tests.env("KEYWARD_TEST_PYTHON", sdks.python);
            Ok(process::run(
                tests.env("KEYWARD_DIFFERENTIAL_CASES", "100000"),
            )?)
        },
    },
    Demonstration {
        name: "streams",
        description: "memory per idle stream beside the minimal proxy's; 5,000 streams whole and in order",
        run: |workspace| {
            Ok(streams::run(
                workspace,
                &streams::Options::parse_from(["streams"]),
            )?)
        },
    },
    Demonstration {
        name: "package",
        description: "every library crate built from its package, alone and with each feature",
        run: |workspace| packages::run(workspace, packages::Depth::Full),
    },
    Demonstration {
        name: "memory",
        description: "peak memory under 1,000 slow readers, 100 MB bodies and 5,000 streams, against a budget",
        run: |workspace| {
            Ok(memory::run(
                workspace,
                &memory::Options::parse_from(["memory"]),
            )?)
        },
    },
    Demonstration {
        name: "outage",
        description: "ten minutes of outages, limits and clients' mistakes: no key changes its status",
        run: |workspace| life(workspace, "outages", ("KEYWARD_OUTAGE_SECS", "600")),
    },
    Demonstration {
        name: "rotations",
        description: "100 rotations of a key under a load of 100,000 requests, none of which fails",
        run: |workspace| {
            life(
                workspace,
                "rotations_under_load",
                ("KEYWARD_ROTATIONS", "100"),
            )
        },
    },
    Demonstration {
        name: "limits",
        description: "64 clients in 60 windows: limits in memory, of one and of two on one Redis, fixed and sliding",
        run: |workspace| {
            let mut tests = workspace.cargo([
                "test",
                "--package",
                "keyward-limits-redis",
                "--test",
                "it",
                "limits_are_exact",
                "--",
                "--nocapture",
                "--test-threads=1",
            ]);
            Ok(process::run(tests.env("KEYWARD_LIMIT_WINDOWS", "60"))?)
        },
    },
    Demonstration {
        name: "prices",
        description: "how many providers and models have a price, checked when, from how many sources",
        run: |workspace| {
            let mut tests = workspace.cargo([
                "test",
                "--package",
                "keyward-routes",
                "--test",
                "it",
                "prices::every_source",
                "--",
                "--nocapture",
            ]);
            Ok(process::run(&mut tests)?)
        },
    },
    Demonstration {
        name: "budgets",
        description: "200 streams at once against a budget for 50: in memory, of one and of two on one Redis",
        run: |workspace| {
            let mut tests = workspace.cargo([
                "test",
                "--package",
                "keyward-limits-redis",
                "--test",
                "it",
                "budgets_hold",
                "--",
                "--nocapture",
                "--test-threads=1",
            ]);
            Ok(process::run(&mut tests)?)
        },
    },
    Demonstration {
        name: "killed",
        description: "100 rounds of random writes ended by kill -9; every acknowledged one is there",
        run: |workspace| {
            let mut tests = workspace.cargo([
                "test",
                "--package",
                "keyward-store",
                "--all-features",
                "--test",
                "it",
                "killed",
                "--",
                "--nocapture",
            ]);
            Ok(process::run(tests.env("KEYWARD_KILL_ROUNDS", "100"))?)
        },
    },
    Demonstration {
        name: "life",
        description: "1,000,000 transitions of versions, rotation and status against a model; the seed is printed",
        run: |workspace| {
            let mut tests = workspace.cargo([
                "test",
                "--package",
                "keyward-vault",
                "--test",
                "it",
                "life",
                "--",
                "--nocapture",
            ]);
            Ok(process::run(
                tests.env("KEYWARD_LIFE_TRANSITIONS", "1000000"),
            )?)
        },
    },
    Demonstration {
        name: "schemathesis",
        description: "300 generated requests to every operation of the REST API and more in chains, against its description",
        run: |workspace| {
            let sdks = sdk::prepare(workspace)?;
            let mut tests = workspace.cargo([
                "test",
                "--package",
                "keyward",
                "--test",
                "it",
                "openapi",
                "--",
                "--nocapture",
            ]);
            tests.env("KEYWARD_TEST_PYTHON", sdks.python);
            Ok(process::run(
                tests.env("KEYWARD_SCHEMATHESIS_CASES", "300"),
            )?)
        },
    },
    Demonstration {
        name: "scale",
        description: "100,000 provider keys and 100,000 tokens: start-up, memory, lists, look-ups, saves",
        run: |workspace| {
            let mut tests = workspace.cargo([
                "test",
                "--release",
                "--package",
                "keyward",
                "--test",
                "scale",
                "--",
                "--nocapture",
            ]);
            Ok(process::run(tests.env("KEYWARD_SCALE", "100000"))?)
        },
    },
    Demonstration {
        name: "logs",
        description: "1,000,000 entries of the log of requests: saved, listed, filtered, let go of; what they take on the disk",
        run: |workspace| {
            let mut tests = workspace.cargo([
                "test",
                "--release",
                "--package",
                "keyward-store",
                "--test",
                "it",
                "a_large_log",
                "--",
                "--nocapture",
            ]);
            Ok(process::run(tests.env("KEYWARD_LOG_ENTRIES", "1000000"))?)
        },
    },
    Demonstration {
        name: "pictures",
        description: "every page of the dashboard drawn into docs/pictures, with 10,000 keys where there are many",
        run: |workspace| {
            let mut tests = workspace.cargo([
                "test",
                "--package",
                "keyward",
                "--test",
                "it",
                "dashboard::pictures",
            ]);
            let pictures = workspace.root().join("docs/pictures");
            Ok(process::run(tests.env("KEYWARD_PICTURES", pictures))?)
        },
    },
    Demonstration {
        name: "usage",
        description: "recorded answers of providers (--corpus DIR), cut in many ways: the tokens that each says",
        run: |_| Err(NoCorpus.into()),
    },
    Demonstration {
        name: "fuzz",
        description: "every fuzz target for 10 minutes; needs nightly and cargo-fuzz",
        run: fuzz::run,
    },
];

/// No demonstration has the wanted name.
#[derive(Debug, thiserror::Error)]
#[error("no demonstration is called `{0}`: `cargo xtask show` lists them")]
struct UnknownName(String);

/// The demonstration needs a directory.
#[derive(Debug, thiserror::Error)]
#[error("`usage` reads recorded answers: name their directory with `--corpus DIR`")]
struct NoCorpus;

/// Runs the demonstration called `name`, or lists all.
pub(crate) fn run(
    workspace: &Workspace,
    name: Option<&str>,
    corpus: Option<&Path>,
) -> Result<(), Box<dyn Error>> {
    if let (Some("usage"), Some(corpus)) = (name, corpus) {
        return usage::run(corpus);
    }
    let Some(name) = name else {
        for demonstration in DEMONSTRATIONS {
            println!("{:<12} {}", demonstration.name, demonstration.description);
        }
        return Ok(());
    };
    let found = DEMONSTRATIONS
        .iter()
        .find(|demonstration| demonstration.name == name);
    (found.ok_or_else(|| UnknownName(name.to_owned()))?.run)(workspace)
}

/// One test of the gateway about the life of a key, whole.
fn life(
    workspace: &Workspace,
    test: &str,
    (variable, value): (&str, &str),
) -> Result<(), Box<dyn Error>> {
    let mut tests = workspace.cargo([
        "test",
        "--package",
        "keyward-gateway",
        "--test",
        "it",
        test,
        "--",
        "--nocapture",
    ]);
    Ok(process::run(tests.env(variable, value))?)
}
