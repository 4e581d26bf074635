//! The audit log while a server runs: no change without its line, and checkpoints of what is whole.

use std::{path::Path, sync::Arc, time::Duration};

use keyward_registry::{AuditQuery, AuditState, AuditStore, Change, RegistryStore};
use keyward_store::{AuditEvidence, CheckpointFile, CheckpointSettings, DatabaseCopy, SqliteStore};
use sqlx::Connection;
use tokio::{sync::oneshot, task::JoinSet};

use crate::support::{ACCOUNT, Fixture, commit, gateway, put_token, token};

fn settings(path: &Path, lines: u64) -> CheckpointSettings {
    CheckpointSettings {
        file: CheckpointFile::open(path).unwrap(),
        every: Duration::from_secs(3_600),
        lines,
    }
}

fn lines(path: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

async fn put(store: &SqliteStore, number: u64, name: &str) {
    commit(store, vec![put_token(token(number, name))])
        .await
        .unwrap();
}

async fn wait_until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let waited = tokio::time::timeout(Duration::from_secs(30), async {
        while !is_so().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    waited.await.unwrap_or_else(|_| panic!("{what}"));
}

/// Watches while `during` runs, then stops as a server does.
async fn watched(
    store: &SqliteStore,
    settings: CheckpointSettings,
    during: impl Future<Output = ()>,
) {
    let (stop, stopped) = oneshot::channel::<()>();
    let watch = store.watch_audit(Some(settings), async {
        let _dropped = stopped.await;
    });
    let during = async {
        during.await;
        drop(stop);
    };
    tokio::join!(watch, during);
}

#[tokio::test]
async fn a_write_whose_line_is_not_stored_does_not_happen() {
    let fixture = Fixture::new().await;
    let store = &fixture.store;
    put(store, 1, "one").await;
    let mut stranger = fixture.stranger().await;
    for table in ["audit", "audit_rows"] {
        let sql = format!(
            "CREATE TRIGGER full BEFORE INSERT ON {table} BEGIN SELECT RAISE(ABORT, 'the disk is full'); END"
        );
        sqlx::query(sqlx::AssertSqlSafe(sql))
            .execute(&mut stranger)
            .await
            .unwrap();
        let changes = vec![
            put_token(token(1, "renamed")),
            Change::PutGateway(gateway("default")),
        ];
        commit(store, changes).await.unwrap_err();
        let loaded = store.load().await.unwrap();
        assert_eq!(loaded.revision, 1, "{table}");
        assert_eq!(loaded.tokens, [token(1, "one")], "{table}");
        assert_eq!(loaded.gateways, [], "{table}");
        assert!(store.feed_after(1).await.unwrap().subjects.is_empty());
        sqlx::query("DROP TRIGGER full")
            .execute(&mut stranger)
            .await
            .unwrap();
    }
    // The other way round: a row that cannot be written leaves no line.
    let sql = "CREATE TRIGGER full BEFORE UPDATE ON tokens BEGIN SELECT RAISE(ABORT, 'the disk is full'); END";
    sqlx::query(sql).execute(&mut stranger).await.unwrap();
    let renamed = vec![put_token(token(1, "renamed"))];
    commit(store, renamed).await.unwrap_err();
    let verdict = store.verify_audit().await.unwrap();
    assert_eq!(verdict, keyward_store::AuditVerdict::Whole { lines: 1 });
    stranger.close().await.unwrap();
    store.close().await;
}

#[tokio::test]
async fn a_checkpoint_follows_after_so_many_lines_and_at_the_end() {
    let fixture = Fixture::new().await;
    let store = &fixture.store;
    let path = fixture.directory.path().join("checkpoints");
    watched(store, settings(&path, 3), async {
        for number in 1..=3 {
            put(store, number, "one").await;
        }
        wait_until("line 3 is signed", async || {
            lines(&path).last().is_some_and(|line| line.contains(" 3 "))
        })
        .await;
        put(store, 4, "one").await;
    })
    .await;
    let last = lines(&path).pop().unwrap();
    assert_eq!(last.split(' ').nth(3), Some("4"));
    let state = store.audit_state();
    assert_eq!((state.verified_to, state.findings), (4, Vec::new()));
    assert_eq!(state.checkpoints.unwrap().newest, Some(4));
    assert_eq!(
        state.public_key.unwrap(),
        store.audit_public_key().await.unwrap().to_string()
    );
    store.close().await;
}

#[tokio::test]
async fn a_file_that_cannot_be_written_is_told_and_written_later() {
    let fixture = Fixture::new().await;
    let store = &fixture.store;
    let directory = fixture.directory.path().join("sink");
    std::fs::create_dir(&directory).unwrap();
    let path = directory.join("checkpoints");
    watched(store, settings(&path, 1), async {
        let checkpoints = || store.audit_state().checkpoints.unwrap();
        put(store, 1, "one").await;
        wait_until("line 1 is signed", async || checkpoints().newest == Some(1)).await;
        let signed_at = checkpoints().signed_at;
        std::fs::remove_dir_all(&directory).unwrap();
        put(store, 2, "two").await;
        let failing = |state: AuditState| state.checkpoints.is_some_and(|found| found.is_failing);
        wait_until("it is told", async || failing(store.audit_state())).await;
        let failed = checkpoints();
        assert_eq!((failed.newest, failed.signed_at), (Some(1), signed_at));
        std::fs::create_dir(&directory).unwrap();
        put(store, 3, "three").await;
        wait_until("it is written", async || !lines(&path).is_empty()).await;
        wait_until("it is told", async || !failing(store.audit_state())).await;
    })
    .await;
    store.close().await;
}

/// The server remembers what it signed last: a file that has lost it is not gone on with as if it had never been.
#[tokio::test]
async fn a_file_that_was_cut_while_it_could_not_be_written_is_found() {
    let fixture = Fixture::new().await;
    let store = &fixture.store;
    let (directory, away) = (
        fixture.directory.path().join("sink"),
        fixture.directory.path().join("away"),
    );
    std::fs::create_dir(&directory).unwrap();
    let path = directory.join("checkpoints");
    watched(store, settings(&path, 1), async {
        let checkpoints = || store.audit_state().checkpoints.unwrap();
        for number in 1..=2 {
            put(store, number, "one").await;
            wait_until("it is signed", async || {
                checkpoints().newest == Some(number)
            })
            .await;
        }
        std::fs::rename(&directory, &away).unwrap();
        put(store, 3, "one").await;
        wait_until("it is told", async || checkpoints().is_failing).await;
        let moved = away.join("checkpoints");
        let first = lines(&moved).remove(0);
        std::fs::write(&moved, format!("{first}\n")).unwrap();
        std::fs::rename(&away, &directory).unwrap();
        put(store, 4, "one").await;
        wait_until("it is written", async || checkpoints().newest == Some(4)).await;
    })
    .await;
    let text = std::fs::read_to_string(&path).unwrap();
    let evidence = AuditEvidence {
        checkpoints: Some((&text, store.audit_public_key().await.unwrap())),
        vault: None,
    };
    let mut copy = DatabaseCopy::open(&fixture.path()).await.unwrap();
    let report = copy.check_audit(&evidence).await.unwrap();
    let told: Vec<_> = report.findings.iter().map(ToString::to_string).collect();
    assert_eq!(told.len(), 1, "{told:?}");
    let expected = "line 2 of the checkpoints does not follow the checkpoint before it";
    assert!(told[0].starts_with(expected), "{told:?}");
    store.close().await;
}

#[tokio::test]
async fn what_is_not_whole_is_told_and_not_signed() {
    let mut fixture = Fixture::new().await;
    let path = fixture.directory.path().join("checkpoints");
    for number in 1..=3 {
        put(&fixture.store, number, "one").await;
    }
    let mut stranger = fixture.stranger().await;
    sqlx::query("UPDATE audit SET actor = 'command other' WHERE seq = 2")
        .execute(&mut stranger)
        .await
        .unwrap();
    stranger.close().await.unwrap();
    fixture.reopen().await;
    let store = &fixture.store;
    watched(store, settings(&path, 1), put(store, 4, "one")).await;
    assert_eq!(lines(&path), [""; 0]);
    let findings = store.audit_state().findings;
    assert_eq!(findings.len(), 1, "{findings:?}");
    assert_eq!(findings[0].seq, 2);
    store.close().await;
}

/// A database that was put back to an earlier state, whole and genuine, is behind what was signed of it.
#[tokio::test]
async fn a_database_that_was_put_back_is_found_by_the_checkpoints() {
    let mut fixture = Fixture::new().await;
    let path = fixture.directory.path().join("checkpoints");
    put(&fixture.store, 1, "one").await;
    fixture.store.close().await;
    let older = std::fs::read(fixture.path()).unwrap();
    fixture.reopen().await;
    let revoke = Change::Token(keyward_auth::Change::DeleteToken {
        account: ACCOUNT,
        id: token(1, "one").id,
    });
    commit(&fixture.store, vec![revoke]).await.unwrap();
    let watch = fixture
        .store
        .watch_audit(Some(settings(&path, 1)), async {});
    watch.await;
    assert_eq!(lines(&path).len(), 1);
    fixture.store.close().await;

    std::fs::write(fixture.path(), older).unwrap();
    fixture.reopen().await;
    let store = &fixture.store;
    // The key that signs is derived, so that a database from before its first use has the same.
    store.watch_audit(Some(settings(&path, 1)), async {}).await;
    let findings = store.audit_state().findings;
    assert_eq!(findings.len(), 1, "{findings:?}");
    assert!(
        findings[0].what.contains("the log ends at line 1"),
        "{findings:?}"
    );
    assert_eq!(lines(&path).len(), 1, "nothing more is signed");
    store.close().await;
}

/// The file of a server that runs can be checked as it stands.
#[tokio::test]
async fn a_running_database_is_read_beside_its_server() {
    let fixture = Fixture::new().await;
    let store = &fixture.store;
    for number in 1..=3 {
        put(store, number, "one").await;
        let mut copy = DatabaseCopy::open(&fixture.path()).await.unwrap();
        let report = copy.check_audit(&AuditEvidence::default()).await.unwrap();
        assert_eq!((report.lines, report.findings), (number, Vec::new()));
    }
    store.close().await;
}

#[tokio::test]
async fn a_line_that_cannot_be_read_does_not_end_a_list() {
    let fixture = Fixture::new().await;
    for number in 1..=5 {
        put(&fixture.store, number, "app").await;
    }
    let mut query = AuditQuery::new(ACCOUNT);
    query.newest_first = false;
    let seqs = async |query: &AuditQuery| -> Vec<u64> {
        let lines = fixture.store.list_audit(query.clone()).await.unwrap();
        lines.iter().map(|line| line.seq).collect()
    };
    let all = seqs(&query).await;
    let damaged = all[all.len() - 3];
    let mut connection = fixture.stranger().await;
    sqlx::query("UPDATE audit SET action = CAST(x'ff' AS TEXT) WHERE seq = $1")
        .bind(i64::try_from(damaged).unwrap())
        .execute(&mut connection)
        .await
        .unwrap();
    let readable: Vec<_> = all.into_iter().filter(|seq| *seq != damaged).collect();

    query.limit = 2;
    query.after = Some(0);
    let mut found: Vec<u64> = Vec::new();
    loop {
        let page = seqs(&query).await;
        query.after = page.last().copied();
        found.extend(&page);
        if page.len() < query.limit {
            break;
        }
    }
    assert_eq!(found, readable);
}

#[tokio::test]
async fn many_who_ask_for_a_check_get_one_that_began_after_they_asked() {
    let fixture = Fixture::new().await;
    put(&fixture.store, 1, "app").await;
    let findings = async || {
        let mut asked = JoinSet::new();
        for _ in 0..20 {
            let store = Arc::clone(&fixture.store);
            asked.spawn(async move { store.check_audit().await.unwrap().findings });
        }
        asked.join_all().await
    };
    assert!(findings().await.iter().all(Vec::is_empty));
    let mut stranger = fixture.stranger().await;
    sqlx::query("UPDATE audit SET action = 'nothing' WHERE seq = 1")
        .execute(&mut stranger)
        .await
        .unwrap();
    assert!(findings().await.iter().all(|found| !found.is_empty()));
}
