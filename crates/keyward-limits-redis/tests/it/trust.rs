//! Passwords and certificates.

use std::time::Duration;

use keyward_limits_redis::{OnLoss, RedisCounters, Settings, SettingsError};
use keyward_routes::{
    Admission, Budgets as _, Counters as _, Decision, Loss, Reservation, Technique,
};
use keyward_secret::SecretBytes;
use keyward_testing::{Canary, LogCapture, RedisServer, TestCa};

use crate::support::{ask, connected, is_let, redis, settings, wrong_time};

fn with_password(url: &str, password: &str) -> Settings {
    Settings {
        password: Some(SecretBytes::copy_from(password.as_bytes())),
        ..settings(url, OnLoss::Closed)
    }
}

#[tokio::test]
async fn a_password_opens_a_wrong_one_does_not_and_neither_is_told() {
    let logs = LogCapture::install();
    let (right, wrong) = (Canary::new("redis"), Canary::new("redis"));
    let server = RedisServer::start_with_password(right.text());
    let asks = [ask("", 5, 86_400, Technique::Fixed)];

    let counters = connected(with_password(&server.url(), right.text())).await;
    assert!(is_let(counters.take(&asks, wrong_time()).await));
    let printed = format!(
        "{counters:?} {:?}",
        with_password(&server.url(), right.text())
    );
    assert!(!printed.contains(right.text()));

    for settings in [
        with_password(&server.url(), wrong.text()),
        settings(&server.url(), OnLoss::Closed),
    ] {
        let counters = RedisCounters::start(settings).unwrap();
        assert!(!counters.is_up_within(Duration::from_millis(300)).await);
        assert_eq!(
            counters.take(&asks, wrong_time()).await,
            Decision::Lost(Loss::Closed)
        );
    }
    let told = logs.contents();
    assert!(
        told.contains("it refuses the user or the password"),
        "{told}"
    );
    for secret in [&right, &wrong] {
        assert!(!told.contains(secret.text()));
    }
}

#[tokio::test]
async fn tls_is_spoken_with_whom_is_trusted_alone() {
    let ca = TestCa::new();
    let server = RedisServer::start_with_tls(&ca);
    let trusting = |ca: &TestCa| Settings {
        extra_ca_pem: vec![ca.ca_pem().as_bytes().to_vec()],
        ..settings(&server.url(), OnLoss::Closed)
    };
    let counters = connected(trusting(&ca)).await;
    let asks = [ask("", 1, 86_400, Technique::Fixed)];
    assert!(is_let(counters.take(&asks, wrong_time()).await));
    assert!(!is_let(counters.take(&asks, wrong_time()).await));

    let counters = RedisCounters::start(trusting(&TestCa::new())).unwrap();
    assert!(!counters.is_up_within(Duration::from_millis(300)).await);

    // Without TLS it answers nothing that is understood.
    let plain = server.url().replace("rediss", "redis");
    let counters = RedisCounters::start(settings(&plain, OnLoss::Closed)).unwrap();
    assert!(!counters.is_up_within(Duration::from_millis(300)).await);
}

#[tokio::test]
async fn settings_that_cannot_be_used_are_refused_at_once() {
    let not_text = Settings {
        password: Some(SecretBytes::copy_from(b"\xff")),
        ..settings("redis://127.0.0.1", OnLoss::Open)
    };
    let error = RedisCounters::start(not_text).unwrap_err();
    assert!(matches!(error, SettingsError::Password));
    let no_authority = Settings {
        extra_ca_pem: vec![
            b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n".to_vec(),
        ],
        ..settings("rediss://127.0.0.1", OnLoss::Open)
    };
    let error = RedisCounters::start(no_authority).unwrap_err();
    assert!(matches!(error, SettingsError::Tls(_)));
}

/// What docs/limits.md says that the user needs.
const NEEDED: &[&str] = &[
    "~{keyward}:*",
    "+evalsha",
    "+script|load",
    "+time",
    "+mget",
    "+set",
    "+select",
    "+get",
    "+del",
    "+hget",
    "+hset",
    "+hdel",
    "+hmget",
    "+hgetall",
    "+pexpire",
];

#[tokio::test]
async fn a_user_needs_what_is_documented_and_no_less() {
    let logs = LogCapture::install();
    let page = include_str!("../../../../docs/limits.md");
    assert!(page.contains(&format!("on >PASSWORD {}\n", NEEDED.join(" "))));

    let server = RedisServer::start();
    let mut redis = redis(&server.url());
    let make = |redis: &mut redis::Connection, user: &str, rights: &[&str]| {
        let mut command = redis::cmd("ACL");
        command.arg("SETUSER").arg(user).arg("on").arg(">hush");
        let () = command.arg(rights).query(redis).unwrap();
        let url = server.url().replace("://", &format!("://{user}@")) + "/3";
        with_password(&url, "hush")
    };
    let enough = make(&mut redis, "enough", NEEDED);
    let counters = connected(enough).await;
    let budgets = counters.budgets();
    let spends = [crate::budgets::spend(10, 10)];
    let reserved = budgets
        .reserve(&spends, Reservation::LASTS, wrong_time())
        .await;
    assert!(matches!(reserved, Admission::Admitted(_)), "{reserved:?}");
    let asks = [ask("", 1, 86_400, Technique::Sliding)];
    assert!(is_let(counters.take(&asks, wrong_time()).await));
    assert!(!is_let(counters.take(&asks, wrong_time()).await));
    drop((counters, budgets));

    for (place, missing) in NEEDED.iter().enumerate() {
        let less: Vec<_> = NEEDED
            .iter()
            .copied()
            .filter(|right| right != missing)
            .collect();
        let settings = make(&mut redis, &format!("without-{place}"), &less);
        // So that it does not know the script from another.
        let () = redis::cmd("SCRIPT").arg("FLUSH").query(&mut redis).unwrap();
        let mark = logs.mark();
        let counters = RedisCounters::start(settings).unwrap();
        let _budgets = counters.budgets();
        assert!(
            !counters.is_up_within(Duration::from_millis(300)).await,
            "{missing}"
        );
        let told = logs.contents_from(mark);
        let expected = match *missing {
            "+select" => "have no such database",
            _ => "its user may not run",
        };
        assert!(told.contains(expected), "{missing}: {told}");
    }
}
