//! Lines that were edited, removed, moved or inserted.

use keyward_store::{AuditEvidence, AuditPublicKey, DatabaseCopy};
use proptest::prelude::*;
use sqlx::Connection;

use super::{Copied, check};
use crate::support::stranger;

#[test]
fn an_edited_line() {
    for edit in [
        "UPDATE audit SET actor = 'command other' WHERE seq = 3",
        "UPDATE audit SET at = at + 1 WHERE seq = 3",
        "UPDATE audit SET source = '10.0.0.1' WHERE seq = 3",
        "UPDATE audit SET source = '' WHERE seq = 3",
        "UPDATE audit SET result = 'denied' WHERE seq = 3",
        "UPDATE audit SET times = 2 WHERE seq = 3",
        "UPDATE audit SET subject_account = NULL WHERE seq = 3",
        "UPDATE audit SET format = 1 WHERE seq = 3",
        "UPDATE audit SET revision = 1 WHERE seq = 3",
    ] {
        check(
            Box::leak(Box::new([edit])),
            &["line 3: it is not as it was written"],
        );
    }
}

#[test]
fn a_line_that_lists_other_rows() {
    check(
        &["UPDATE audit_rows SET digest = zeroblob(32) WHERE seq = 3"],
        &[
            "line 3: it is not as it was written",
            "line 3: the gateway b is not as it wrote it",
        ],
    );
    check(
        &["DELETE FROM audit_rows WHERE seq = 7"],
        &[
            "line 7: it is not as it was written",
            "line 4: the gateway c that it wrote is gone",
        ],
    );
}

#[test]
fn a_removed_line() {
    check(
        &[
            "DELETE FROM audit WHERE seq = 3",
            "DELETE FROM audit_rows WHERE seq = 3",
        ],
        &["line 3: it is missing", "no line wrote the gateway b"],
    );
    check(
        &["DELETE FROM audit WHERE seq IN (1, 2)"],
        &[
            "line 1: it is missing, and so are all up to line 2",
            "no line wrote the gateway default",
            "no line wrote the gateway a",
            "no line wrote the provider key",
            "no line wrote the token 000000000002",
        ],
    );
}

#[test]
fn lines_that_changed_places() {
    check(
        &[
            "UPDATE audit SET seq = 100 WHERE seq = 3",
            "UPDATE audit SET seq = 3 WHERE seq = 4",
            "UPDATE audit SET seq = 4 WHERE seq = 100",
            "UPDATE audit_rows SET seq = 100 WHERE seq = 3",
            "UPDATE audit_rows SET seq = 3 WHERE seq = 4",
            "UPDATE audit_rows SET seq = 4 WHERE seq = 100",
        ],
        &[
            "line 3: it does not follow the line before it",
            "line 3: it is not as it was written",
            "line 4: it does not follow the line before it",
            "line 4: it is not as it was written",
            "line 5: it does not follow the line before it",
        ],
    );
}

#[test]
fn a_line_that_was_inserted() {
    check(
        &[
            "UPDATE audit SET seq = -seq WHERE seq > 3",
            "UPDATE audit SET seq = 1 - seq WHERE seq < 0",
            "INSERT INTO audit SELECT 4, revision, at, actor, action, subject_kind, subject_account,
                 subject_id, rows_digest, hash, randomblob(32), mac, format, source, result, times
             FROM audit WHERE seq = 3",
            "UPDATE audit_rows SET seq = -seq WHERE seq > 3",
            "UPDATE audit_rows SET seq = 1 - seq WHERE seq < 0",
        ],
        &[
            "line 4: it is not as it was written",
            "line 5: it does not follow the line before it",
            "line 5: it is not as it was written",
            "line 5: it has another hash than the checkpoint",
            "line 6: it is not as it was written",
            "line 7: it is not as it was written",
            "line 7: it has another hash than the checkpoint",
            "line 8: it is not as it was written",
            "line 8: it has another hash than the checkpoint",
            "line 9: it is not as it was written",
        ],
    );
}

#[test]
fn an_end_that_was_cut_off() {
    check(
        &[
            "DELETE FROM audit WHERE seq = 8",
            "DELETE FROM audit_rows WHERE seq = 8",
            "UPDATE audit_rows SET digest = digest WHERE seq = 1",
        ],
        &[
            "line 1: the token 000000000001 is not as it wrote it",
            "line 8: the end was cut off: the log ends at line 7, and a checkpoint of line 8",
        ],
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Whatever single value of the log is changed, it is found.
    #[test]
    fn random_changes_of_the_log_are_found(
        seq in 1_i64..=8,
        column in 0_usize..15,
        random in any::<u32>(),
    ) {
        const COLUMNS: [&str; 15] = [
            "seq", "revision", "format", "at", "actor", "source", "action", "result", "times",
            "subject_kind", "subject_account", "subject_id", "rows_digest", "previous", "hash",
        ];
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let found = runtime.block_on(async {
            // One for all cases: each works on a file of its own.
            let copied = template().await;
            let path = copied.0.path().join("keyward.db");
            let mut stranger = stranger(&path).await;
            let name = COLUMNS[column];
            let value = match name {
                "seq" | "revision" | "format" | "at" | "times" => format!("{}", i64::from(random) + 10),
                "rows_digest" | "previous" | "hash" => format!("X'{random:064x}'"),
                _ => format!("'{random}'"),
            };
            let sql = format!("UPDATE audit SET {name} = {value} WHERE seq = {seq}");
            sqlx::query(sqlx::AssertSqlSafe(sql)).execute(&mut stranger).await.unwrap();
            stranger.close().await.unwrap();
            let mut copy = DatabaseCopy::open(&path).await.unwrap();
            let evidence = AuditEvidence {
                checkpoints: Some((&copied.1, copied.2)),
                vault: None,
            };
            !copy.check_audit(&evidence).await.unwrap().findings.is_empty()
        });
        prop_assert!(found);
    }
}

/// A copy of a database that is made once.
async fn template() -> (tempfile::TempDir, String, AuditPublicKey) {
    use tokio::sync::OnceCell;
    static MADE: OnceCell<(Vec<u8>, String, AuditPublicKey)> = OnceCell::const_new();
    let made = MADE.get_or_init(|| async {
        let copied = Copied::new().await;
        let bytes = std::fs::read(copied.fixture.path()).unwrap();
        (bytes, copied.checkpoints, copied.key)
    });
    let (bytes, checkpoints, key) = made.await;
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("keyward.db"), bytes).unwrap();
    (directory, checkpoints.clone(), *key)
}
