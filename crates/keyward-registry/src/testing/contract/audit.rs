//! The audit log: what is written to it besides changes, and how it is read.

use super::{ONE, TWO, load, records::token, time};
use crate::{
    AccountRecord, Actor, AuditLine, AuditQuery, AuditResult, Batch, Change, RefusedAttempt,
    RegistryStore, Subject,
};

/// Three changes, the second of another account; then an attempt of nobody's on the first account, and one on
/// nothing.
async fn fill(store: &dyn RegistryStore) {
    for (id, second) in [(ONE, 1), (TWO, 2), (ONE, 3)] {
        let audit = AuditLine {
            at: time(second),
            actor: Actor::Token {
                id: token().id,
                source: Some([10, 0, 0, 1].into()),
            },
            action: "contract.change",
            subject: Subject::Account(id),
        };
        let changes = vec![Change::PutAccount(AccountRecord {
            id,
            name: "contract".to_owned(),
            created_at: time(0),
        })];
        let batch = Batch { changes, audit };
        store.commit(batch).await.expect("a commit");
    }
    let attempt = |subject, result| RefusedAttempt {
        at: time(4),
        actor: Actor::Unknown {
            source: Some([10, 0, 0, 2].into()),
        },
        action: "contract.try".into(),
        subject,
        result,
        times: 7,
    };
    let attempts = vec![
        attempt(Some(Subject::Account(ONE)), AuditResult::Denied),
        attempt(None, AuditResult::Unauthenticated),
    ];
    store.append_refused(attempts).await.expect("two lines");
}

pub(super) async fn refused_attempts_are_no_change(store: &dyn RegistryStore) {
    fill(store).await;
    assert_eq!(load(store).await.revision, 3);
    let feed = store.feed_after(3).await.expect("a feed");
    assert!(feed.subjects.is_empty());
    let query = AuditQuery::new(ONE);
    let lines = store.list_audit(query).await.expect("lines");
    let last = lines.last().expect("a line");
    assert_eq!((last.times, last.result.as_str()), (7, "denied"));
    assert_eq!(last.actor, "unknown");
    assert_eq!(last.source.as_deref(), Some("10.0.0.2"));
    assert_eq!(last.subject_id, ONE.to_string());
}

async fn check(store: &dyn RegistryStore, set: impl FnOnce(&mut AuditQuery), expected: &[u64]) {
    let mut query = AuditQuery::new(ONE);
    set(&mut query);
    let asked = format!("{query:?}");
    let lines = store.list_audit(query).await.expect("lines");
    let numbers: Vec<_> = lines.iter().map(|line| line.seq).collect();
    assert_eq!(numbers, expected, "{asked}");
}

pub(super) async fn the_log_is_read_by_condition_and_page(store: &dyn RegistryStore) {
    fill(store).await;
    let text = |text: &str| Some(text.to_owned());
    let id = token().id.to_string();
    check(store, |_| {}, &[1, 3, 4]).await;
    check(store, |query| query.with_server = true, &[1, 3, 4, 5]).await;
    check(store, |query| query.since = Some(time(3)), &[3, 4]).await;
    check(store, |query| query.before = Some(time(3)), &[1]).await;
    check(
        store,
        |query| query.actor = text(&format!("token {id}")),
        &[1, 3],
    )
    .await;
    check(store, |query| query.actor = text(&id), &[1, 3]).await;
    check(store, |query| query.actor = text("unknown"), &[4]).await;
    check(store, |query| query.token = text(&id), &[1, 3]).await;
    check(store, |query| query.token = text("unknown"), &[]).await;
    let both = |query: &mut AuditQuery| {
        query.actor = text("unknown");
        query.token = text(&id);
    };
    check(store, both, &[]).await;
    check(store, |query| query.source = text("10.0.0.1"), &[1, 3]).await;
    check(store, |query| query.action = text("contract.try"), &[4]).await;
    check(
        store,
        |query| query.result = Some(AuditResult::Denied),
        &[4],
    )
    .await;
    check(store, |query| query.is_refused = true, &[4]).await;
    check(store, |query| query.subject_kind = text("gateway"), &[]).await;
    check(
        store,
        |query| query.subject_id = text(&ONE.to_string()),
        &[1, 3, 4],
    )
    .await;
    check(store, |query| query.limit = 2, &[1, 3]).await;
    check(store, |query| query.after = Some(3), &[4]).await;
    let page = |query: &mut AuditQuery| {
        query.newest_first = true;
        query.after = Some(4);
        query.limit = 1;
    };
    check(store, page, &[3]).await;
}
