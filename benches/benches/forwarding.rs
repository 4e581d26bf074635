//! Wall time of one forwarded request over real loopback sockets, one request after the other.
//!
//! Wall times on one machine differ from run to run by more than the proxies do; `cargo xtask pairs` compares CPU.

#[path = "forwarding/keyward.rs"]
mod keyward;

use std::{
    io,
    net::{SocketAddr, TcpListener},
    thread,
    time::{Duration, Instant},
};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use keyward_benches::{
    job::{self, Answer},
    load::{Connection, Target},
    minimal_proxy, upstream,
};
use tokio::runtime::{Builder, LocalRuntime};

use self::keyward::Setting;

/// Something that does the job, and its name in the results.
struct Subject {
    name: &'static str,
    target: Target,
}

/// Every subject, running. They end with the process.
fn subjects() -> io::Result<Vec<Subject>> {
    let upstream = start(|listener, runtime| runtime.block_on(upstream::serve(listener, None)))?;
    let minimal = start(move |listener, runtime| {
        runtime.block_on(minimal_proxy::serve(listener, upstream, None))
    })?;
    let mut subjects = vec![
        // What the sockets, the upstream and the client cost without any proxy.
        Subject {
            name: "direct",
            target: Target::new(
                upstream,
                "/v1/chat/completions",
                vec![format!("authorization: Bearer {}", job::PROVIDER_KEY)],
            ),
        },
        Subject {
            name: "minimal",
            target: Target::new(
                minimal,
                job::CLIENT_PATH,
                vec![format!("cf-aig-authorization: {}", job::GATEWAY_TOKEN)],
            ),
        },
    ];
    for (name, setting) in [
        ("keyward", Setting::Plain),
        ("keyward-asked", Setting::Asked),
        ("keyward-unlogged", Setting::Unlogged),
        ("keyward-full-log", Setting::FullLog),
        ("keyward-budget", Setting::Budget),
        ("keyward-overlap", Setting::Overlapping),
        ("keyward-pool", Setting::PoolOfThree),
        ("keyward-limited", Setting::Limited),
        ("keyward-unified", Setting::Unified),
        ("keyward-route", Setting::Route),
    ] {
        let target = keyward::start(upstream, setting)?;
        subjects.push(Subject { name, target });
    }
    Ok(subjects)
}

/// Runs `serve` on a thread and a runtime of its own.
fn start<F>(serve: F) -> io::Result<SocketAddr>
where
    F: FnOnce(tokio::net::TcpListener, &LocalRuntime) -> io::Result<()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0")?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    thread::spawn(move || {
        let runtime = runtime()?;
        let listener = {
            let _guard = runtime.enter();
            tokio::net::TcpListener::from_std(listener)?
        };
        serve(listener, &runtime)
    });
    Ok(address)
}

fn runtime() -> io::Result<LocalRuntime> {
    Builder::new_current_thread()
        .enable_io()
        .build_local(Default::default())
}

/// Promise: none by itself; shows how far Keyward's wall time is from the minimal proxy's.
#[expect(
    clippy::expect_used,
    reason = "a benchmark that cannot run has nothing to say"
)]
fn forwarding(c: &mut Criterion) {
    let subjects = subjects().expect("start the subjects");
    for (group, answer) in [
        ("forwarding/json", Answer::Json),
        ("forwarding/events", Answer::Events),
    ] {
        let mut group = c.benchmark_group(group);
        group.throughput(Throughput::Elements(1));
        // A stream that is asked what it takes is another one than the load expects.
        let is_expected =
            |subject: &&Subject| answer == Answer::Json || subject.name != "keyward-asked";
        for subject in subjects.iter().filter(is_expected) {
            let runtime = runtime().expect("make a runtime");
            let mut connection = runtime
                .block_on(Connection::open(&subject.target, answer))
                .expect("connect to the subject");
            group.bench_function(subject.name, |bencher| {
                bencher.iter_custom(|iterations| {
                    runtime.block_on(exchanges(&mut connection, iterations))
                });
            });
        }
        group.finish();
    }
}

#[expect(clippy::expect_used, reason = "a failed exchange has no wall time")]
async fn exchanges(connection: &mut Connection, iterations: u64) -> Duration {
    let started = Instant::now();
    for _ in 0..iterations {
        connection.exchange().await.expect("exchange");
    }
    started.elapsed()
}

criterion_group!(benches, forwarding);
criterion_main!(benches);
