//! What depends on whoever runs it (classes 18 and 20).

use std::{
    fs, io,
    net::{IpAddr, SocketAddr},
    path::Path,
    process::Stdio,
    sync::{Arc, Mutex},
    time::Duration,
};

use keyward_forward::{
    BoxFuture, SystemDial, TlsConfig,
    dial::{Guard, Resolve},
};
use keyward_testing::{TestCa, outputs};
use tempfile::TempDir;
use tokio::process::Command;

use crate::{
    ask::{Ask, Plane},
    case::{BOTH, Case, NEITHER, Verdict, ensure, exchange, hold_always},
    world::{Limits, World},
};

pub(super) fn cases() -> Vec<Case> {
    let mut cases = unreadable();
    cases.extend(addresses());
    cases
}

/// How a directory that starts is spoilt.
type Spoil = fn(&Path);

fn unreadable() -> Vec<Case> {
    let cases: [(&str, Spoil, &str); 9] = [
        (
            "the key file is gone",
            |at| fs::remove_file(at.join("key")).unwrap(),
            "",
        ),
        (
            "the key file is empty",
            |at| fs::write(at.join("key"), "").unwrap(),
            "",
        ),
        (
            "the key file is another one",
            |at| fs::write(at.join("key"), "0".repeat(64)).unwrap(),
            "",
        ),
        (
            "the key file is a directory",
            |at| {
                fs::remove_file(at.join("key")).unwrap();
                fs::create_dir(at.join("key")).unwrap();
            },
            "",
        ),
        (
            "a certificate authority's file is gone",
            |_| {},
            "[tls]\nextra_ca_files = [\"gone.pem\"]\n",
        ),
        (
            "a certificate authority's file holds none",
            |at| fs::write(at.join("ca.pem"), "nothing").unwrap(),
            "[tls]\nextra_ca_files = [\"ca.pem\"]\n",
        ),
        (
            "the database is none",
            |at| fs::write(at.join(".keyward/keyward.db"), "nothing at all").unwrap(),
            "",
        ),
        ("the configuration does not parse", |_| {}, "[tls\n"),
        (
            "the configuration has an unknown field",
            |_| {},
            "[tls]\nextra_ca_file = \"ca.pem\"\n",
        ),
    ];
    cases
        .into_iter()
        .map(|(name, spoil, more)| {
            Case::run_on(18, Plane::Data, name, NEITHER, move |_, _| {
                Box::pin(refuses_to_start(spoil, more))
            })
        })
        .collect()
}

const LISTEN: &str =
    "[gateway]\nlisten = \"127.0.0.1:0\"\nworkers = 1\n[control]\nlisten = \"127.0.0.1:0\"\n";

/// A directory that `serve` would start from is spoilt, and then it does not.
async fn refuses_to_start(spoil: Spoil, more: &'static str) -> Verdict {
    let directory = TempDir::new().unwrap();
    let at = directory.path();
    let good = format!("data_dir = \".keyward\"\n[seal]\nkey_file = \"key\"\n{LISTEN}");
    fs::write(at.join("keyward.toml"), &good).unwrap();
    let init = [
        "vault",
        "init",
        "--config",
        "keyward.toml",
        "--token-out",
        "token",
    ];
    let (code, told) = keyward(at, &init).await;
    ensure(code == Some(0), || format!("init: {told}"))?;
    if let Some(token) = fs::read_to_string(at.join("token"))
        .ok()
        .filter(|text| text.trim().len() > 12)
    {
        keyward_testing::register_canary(token.trim());
    }
    fs::write(at.join("keyward.toml"), format!("{good}{more}")).unwrap();
    spoil(at);
    let (code, told) = keyward(at, &["serve", "--config", "keyward.toml"]).await;
    ensure(
        matches!(code, Some(1..=3)) && told.contains("error"),
        || format!("{code:?}: {told}"),
    )
}

/// Runs the binary to its end. One that serves is ended after a while, and has no code.
async fn keyward(directory: &Path, arguments: &[&str]) -> (Option<i32>, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_keyward"));
    command
        .current_dir(directory)
        .args(arguments)
        .env_clear()
        .stdin(Stdio::null())
        .kill_on_drop(true);
    match tokio::time::timeout(Duration::from_secs(30), command.output()).await {
        Ok(output) => {
            let output = output.unwrap();
            outputs("command-stdout", &output.stdout);
            outputs("command-stderr", &output.stderr);
            (
                output.status.code(),
                String::from_utf8_lossy(&output.stderr).into_owned(),
            )
        }
        Err(_) => (None, "it runs".to_owned()),
    }
}

/// A resolver that answers one address for every name.
#[derive(Debug)]
struct Answers(Mutex<IpAddr>);

impl Resolve for Answers {
    fn resolve<'a>(
        &'a self,
        _host: &'a str,
        port: u16,
    ) -> BoxFuture<'a, io::Result<Vec<SocketAddr>>> {
        let address = *self.0.lock().unwrap();
        Box::pin(async move { Ok(vec![SocketAddr::new(address, port)]) })
    }
}

/// A provider's name that resolves to an address that is none of the public Internet.
fn addresses() -> Vec<Case> {
    [
        ("loopback", "127.0.0.1"),
        ("another loopback", "127.8.8.8"),
        ("IPv6 loopback", "::1"),
        ("mapped loopback", "::ffff:127.0.0.1"),
        ("NAT64 of loopback", "64:ff9b::7f00:1"),
        ("private", "10.0.0.1"),
        ("carrier's", "100.64.0.1"),
        ("link-local", "169.254.10.10"),
        ("cloud metadata", "169.254.169.254"),
        ("metadata over IPv6", "fd00:ec2::254"),
        ("unique local", "fd12:3456::1"),
        ("unspecified", "0.0.0.0"),
        ("multicast", "224.0.0.1"),
    ]
    .into_iter()
    .map(|(name, address)| {
        let name = format!("a name that resolves to `{address}` ({name})");
        Case::run_on(20, Plane::Data, name, BOTH, move |_, protocol| {
            Box::pin(async move {
                let answers = Arc::new(Answers(Mutex::new(address.parse().unwrap())));
                let dial = SystemDial::build(TlsConfig::default()).unwrap();
                let dial = Arc::new(dial.with_guard(Guard::new()).with_resolve(answers));
                let url = "https://upstream.example/v1";
                let world = World::with(Limits::Usual, &TestCa::new(), dial, Some(url)).await;
                let seen = exchange(&world, &Ask::chat(&world), protocol).await;
                world.stop();
                hold_always(&world, &seen)?;
                ensure(
                    matches!(seen.status, Some(502 | 403)) && seen.upstream.is_empty(),
                    || format!("{seen:?}"),
                )
            })
        })
    })
    .collect()
}
