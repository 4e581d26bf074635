//! The run.

use std::time::Instant;

use crate::{
    ask::Protocol,
    case::Case,
    classes,
    page::{self, Row},
    world::{Limits, World},
};

/// Runs every case in every protocol that has a form of it, and compares the page.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_class_is_kept() {
    let started = Instant::now();
    let usual = World::start(Limits::Usual).await;
    let impatient = World::start(Limits::Impatient).await;
    let mut failures = Vec::new();
    let mut rows = Vec::new();
    for case in &classes::all(&usual) {
        let began = Instant::now();
        rows.push(run(case, &usual, &mut failures).await);
        let took = began.elapsed();
        if took.as_secs() >= 2 {
            println!(
                "{} {:?} {}: {:.1} s",
                case.class,
                case.plane,
                case.name,
                took.as_secs_f64()
            );
        }
    }
    // These wait for the most part.
    let (idle, stalled) = classes::idle();
    let waiting = idle.iter().map(async |case| {
        let mut failures = Vec::new();
        let row = run(case, &impatient, &mut failures).await;
        (row, failures)
    });
    for (row, failed) in futures_util::future::join_all(waiting).await {
        rows.push(row);
        failures.extend(failed);
    }
    for case in &stalled {
        rows.push(run(case, &impatient, &mut failures).await);
    }
    usual.stop();
    impatient.stop();
    rows.sort_by_key(|row| (row.class, row.plane));
    print!("{}", page::table(&rows));
    println!(
        "threats: {} cases, {} requests over HTTP/1.1 and {} over HTTP/2, {} failures, {:.1} s",
        rows.len(),
        rows.iter().filter(|row| row.http1).count(),
        rows.iter().filter(|row| row.http2).count(),
        failures.len(),
        started.elapsed().as_secs_f64(),
    );
    assert!(
        failures.is_empty(),
        "{} failed:\n{}",
        failures.len(),
        failures.join("\n")
    );
    page::compare(&rows);
}

async fn run(case: &Case, world: &World, failures: &mut Vec<String>) -> Row {
    let mut row = Row {
        class: case.class,
        plane: case.plane,
        name: case.name.clone(),
        http1: false,
        http2: false,
    };
    let mut protocols = vec![];
    for protocol in [Protocol::Http1, Protocol::Http2] {
        if case.speaks(protocol) {
            protocols.push(protocol);
        }
    }
    row.http1 = protocols.contains(&Protocol::Http1);
    row.http2 = protocols.contains(&Protocol::Http2);
    if protocols.is_empty() {
        // No request is made.
        protocols.push(Protocol::Http1);
    }
    for protocol in protocols {
        if let Err(reason) = case.run(world, protocol).await {
            let mut reason = reason;
            if reason.len() > 900 {
                reason.truncate(reason.floor_char_boundary(900));
            }
            failures.push(format!(
                "class {}, {:?}, {protocol:?}, {}: {reason}",
                case.class, case.plane, case.name
            ));
        }
    }
    row
}
