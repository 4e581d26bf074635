//! Rate limits that several instances count in one Redis.

use std::{fs, path::Path};

use keyward_testing::{Canary, RedisServer};
use tempfile::TempDir;

use crate::support::{Dev, run, send, until};

/// A copy of the data directory of `dev`, as a backup that was put back elsewhere.
fn copy_of(directory: &Path) -> TempDir {
    let copy = TempDir::new().unwrap();
    let (from, to) = (directory.join(".keyward"), copy.path().join(".keyward"));
    fs::create_dir(&to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
    copy
}

fn config(directory: &TempDir, redis: &RedisServer, password: &Canary, on_loss: &str) -> String {
    fs::write(
        directory.path().join("redis.password"),
        format!("{}\n", password.text()),
    )
    .unwrap();
    let url = redis.url();
    format!(
        "[limits]\nstore = \"redis\"\nurl = \"{url}\"\npassword_file = \"redis.password\"\non_loss = \"{on_loss}\"\n"
    )
}

fn metric(dev: &Dev, name: &str) -> Option<String> {
    let url = format!("{}/metrics", dev.text("control_url"));
    let bearer = format!("Bearer {}", dev.text("api_token"));
    let metrics = send("GET", &url, &[("authorization", &bearer)], "").body;
    let value = |line: &str| Some(line.strip_prefix(name)?.trim().to_owned());
    metrics.lines().find_map(value)
}

#[test]
fn two_instances_over_copies_of_one_database_share_a_limit_in_redis() {
    let password = Canary::new("redis-password");
    let mut redis = RedisServer::start_with_password(password.text());
    let first = Dev::start();
    let limit = [
        "gateways",
        "update",
        "default",
        "--set",
        "rate_limiting_limit=4",
        "--set",
        "rate_limiting_interval=31536000",
    ];
    first.run(&limit).ok();
    let directory = first.stop();
    let other = copy_of(directory.path());
    let one_config = config(&directory, &redis, &password, "closed");
    let other_config = config(&other, &redis, &password, "open");
    let one = Dev::start_with(directory, &one_config);
    let other = Dev::start_with(other, &other_config);

    let ask = |dev: &Dev| dev.chat_with(dev.text("gateway_token"));
    let mut statuses = Vec::new();
    for _ in 0..4 {
        statuses.push(ask(&one).status);
        statuses.push(ask(&other).status);
    }
    assert_eq!(statuses, [200, 200, 200, 200, 429, 429, 429, 429]);
    assert_eq!(ask(&other).json()["internalCode"], 2003);
    until("both tell that they count in Redis", || {
        let is_up = |dev| metric(dev, "keyward_limits_store_up").as_deref() == Some("1");
        is_up(&one) && is_up(&other)
    });

    // Without Redis each does as it was told, and both stay ready.
    redis.kill();
    until("both notice", || {
        let is_down = |dev| metric(dev, "keyward_limits_store_up").as_deref() == Some("0");
        is_down(&one) && is_down(&other)
    });
    let refused = ask(&one);
    assert_eq!(
        (refused.status, refused.json()["internalCode"].clone()),
        (503, 9031.into())
    );
    assert_eq!(ask(&other).status, 200);
    for dev in [&one, &other] {
        let ready = send(
            "GET",
            &format!("{}/readyz", dev.text("control_url")),
            &[],
            "",
        );
        assert_eq!(ready.status, 200);
        let lost = metric(dev, "keyward_limits_lost_total").unwrap();
        assert_ne!(lost, "0");
        let told = dev.server.logged();
        let warned = "Redis does not count what rate limits limit";
        assert_eq!(told.matches(warned).count(), 1, "{told}");
    }
    redis.restart();
    until("it is back", || ask(&one).status == 200);
    one.stop();
    other.stop();
}

#[test]
fn settings_of_limits_that_cannot_be_meant_stop_the_start_and_are_found_before() {
    let directory = TempDir::new().unwrap();
    let write = |text: &str| fs::write(directory.path().join("keyward.toml"), text).unwrap();
    let check = || run(directory.path(), &["config", "check", "keyward.toml"]);
    write("[limits]\nstore = \"redis\"\nurl = \"redis://127.0.0.1\"\non_loss = \"closed\"\n");
    check().ok();
    write("[limits]\nstore = \"redis\"\nurl = \"redis://127.0.0.1\"\n");
    check().failed(5, &["`[limits] on_loss`"]);
    run(directory.path(), &["dev", "--config", "keyward.toml"]).failed(1, &["`[limits] on_loss`"]);
    write("[limits]\nurl = \"redis://:hunter2@127.0.0.1\"\n");
    for command in [
        vec!["config", "check", "keyward.toml"],
        vec!["config", "show", "keyward.toml"],
        vec!["dev", "--config", "keyward.toml"],
    ] {
        let done = run(directory.path(), &command);
        assert_ne!(done.code, Some(0), "{done:?}");
        assert!(done.err.contains("a password stands in it"), "{done:?}");
        assert!(!format!("{done:?}").contains("hunter2"), "{done:?}");
    }
    write(
        "[limits]\nstore = \"redis\"\nurl = \"redis://127.0.0.1\"\non_loss = \"open\"\npassword_file = \"nowhere\"\n",
    );
    run(directory.path(), &["dev", "--config", "keyward.toml"])
        .failed(1, &["nowhere", "password_file"]);
}
