//! A copy of the database and a file of checkpoints, taken anywhere: what was touched is found without the vault.

use std::path::PathBuf;

use keyward_registry::{AuditQuery, AuditStore, Change};
use keyward_store::{
    AuditEvidence, AuditPublicKey, AuditReport, CheckpointFile, CheckpointSettings, DatabaseCopy,
    check_audit_export,
};
use keyward_vault::SecretId;
use proptest::prelude::*;
use sqlx::{Connection, SqliteConnection};

use crate::support::{
    ACCOUNT, Fixture, commit, gateway, key, new_secret, put_token, replacement, stranger, token,
};

const ONE: SecretId = SecretId::from_bytes([1; 16]);
const TWO: SecretId = SecretId::from_bytes([2; 16]);

/// A closed database with eight lines, and what was signed of it.
pub(crate) struct Copied {
    pub(crate) fixture: Fixture,
    key: AuditPublicKey,
    checkpoints: String,
}

impl Copied {
    /// Rows of every kind, some replaced and some removed; checkpoints at the lines 5, 7 and 8, each by a server that
    /// was started anew.
    pub(crate) async fn new() -> Self {
        let mut fixture = Fixture::new().await;
        let (store, vault) = (&fixture.store, &fixture.vault);
        let mut changes = vec![
            Change::PutGateway(gateway("default")),
            Change::PutProviderKey(key(ONE)),
            put_token(token(1, "one")),
            put_token(token(2, "two")),
        ];
        changes.extend(new_secret(vault, ONE, "sk-one"));
        changes.extend(new_secret(vault, TWO, "sk-two"));
        commit(store, changes).await.unwrap();
        for name in ["a", "b", "c"] {
            commit(store, vec![Change::PutGateway(gateway(name))])
                .await
                .unwrap();
        }
        let changes = replacement(store, vault, ONE, "sk-one-again").await;
        commit(store, changes).await.unwrap();
        sign(&mut fixture).await;
        let store = &fixture.store;
        let changes = vec![Change::Vault(keyward_vault::Change::DeleteSecret {
            account: ACCOUNT,
            secret: TWO,
        })];
        commit(store, changes).await.unwrap();
        let changes = vec![Change::DeleteGateway {
            account: ACCOUNT,
            id: gateway("c").id,
        }];
        commit(store, changes).await.unwrap();
        sign(&mut fixture).await;
        let store = &fixture.store;
        commit(store, vec![put_token(token(1, "renamed"))])
            .await
            .unwrap();
        sign(&mut fixture).await;
        let key = fixture.store.audit_public_key().await.unwrap();
        fixture.store.close().await;
        let checkpoints = std::fs::read_to_string(checkpoint_path(&fixture)).unwrap();
        assert_eq!(checkpoints.lines().count(), 3);
        Self {
            fixture,
            key,
            checkpoints,
        }
    }

    pub(crate) async fn check(&self) -> AuditReport {
        self.check_with(&AuditEvidence {
            checkpoints: Some((&self.checkpoints, self.key)),
            vault: None,
        })
        .await
    }

    async fn check_with(&self, evidence: &AuditEvidence<'_>) -> AuditReport {
        let mut copy = DatabaseCopy::open(&self.fixture.path()).await.unwrap();
        copy.check_audit(evidence).await.unwrap()
    }

    async fn edit(&self, statements: &[&'static str]) {
        let mut stranger = self.fixture.stranger().await;
        for statement in statements {
            let done = sqlx::query(*statement)
                .execute(&mut stranger)
                .await
                .unwrap();
            assert!(done.rows_affected() > 0, "{statement}");
        }
        stranger.close().await.unwrap();
    }
}

fn checkpoint_path(fixture: &Fixture) -> PathBuf {
    fixture.directory.path().join("checkpoints")
}

/// Signs how the log stands, as a server does that is stopped.
async fn sign(fixture: &mut Fixture) {
    fixture.reopen().await;
    let settings = CheckpointSettings {
        file: CheckpointFile::open(&checkpoint_path(fixture)).unwrap(),
        every: std::time::Duration::from_secs(3_600),
        lines: 1_000,
    };
    fixture.store.watch_audit(Some(settings), async {}).await;
    assert_eq!(fixture.store.audit_state().findings, []);
}

/// Edits the copy, and sees the findings that name this.
#[track_caller]
fn check(edit: &'static [&'static str], expected: &[&str]) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let copied = Copied::new().await;
        assert_eq!(copied.check().await.findings, []);
        copied.edit(edit).await;
        let report = copied.check().await;
        let told: Vec<_> = report.findings.iter().map(ToString::to_string).collect();
        assert_eq!(told.len(), expected.len(), "{edit:?}: {told:#?}");
        for (told, expected) in told.iter().zip(expected) {
            assert!(told.starts_with(expected), "{edit:?}: {told}");
        }
    });
}

#[tokio::test]
async fn an_untouched_copy_is_whole_and_nothing_is_made_beside_it() {
    let copied = Copied::new().await;
    let files = || {
        std::fs::read_dir(copied.fixture.directory.path())
            .unwrap()
            .count()
    };
    let before = files();
    let report = copied.check().await;
    assert_eq!(report.findings, []);
    assert_eq!((report.lines, report.checkpoints), (8, 3));
    // Three gateways, a key, two tokens, a secret with two versions.
    assert_eq!((report.rows, report.uncovered), (9, 0));
    assert!(!report.has_codes);
    assert_eq!(files(), before);

    let report = copied
        .check_with(&AuditEvidence {
            checkpoints: None,
            vault: Some(copied.fixture.vault.clone()),
        })
        .await;
    assert_eq!(report.findings, []);
    assert!(report.has_codes);
    assert!(
        report.notes[0].contains("no checkpoints"),
        "{:?}",
        report.notes
    );
}

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

#[test]
fn rows_that_are_not_as_the_log_says() {
    check(
        &["UPDATE tokens SET name = 'other' WHERE id = '000000000002'"],
        &["line 1: the token 000000000002 is not as it wrote it"],
    );
    check(
        &["UPDATE tokens SET mac = zeroblob(36) WHERE id = '000000000002'"],
        &["line 1: the token 000000000002 is not as it wrote it"],
    );
    check(
        &["UPDATE gateways SET settings = '' WHERE id = 'a'"],
        &["line 2: the gateway a is not as it wrote it"],
    );
    check(
        &["DELETE FROM gateways WHERE id = 'a'"],
        &["line 2: the gateway a that it wrote is gone"],
    );
    check(
        &["INSERT INTO gateways SELECT account, 'c', settings, created_at, modified_at, revision, mac
           FROM gateways WHERE id = 'b'"],
        &["line 7: the gateway c that it, or a line after it, removed is there"],
    );
    check(
        &["INSERT INTO gateways SELECT account, 'd', settings, created_at, modified_at, revision, mac
           FROM gateways WHERE id = 'b'"],
        &["no line wrote the gateway d"],
    );
}

/// A row that is put back to what it once was has a good code of its own: only the log tells.
#[tokio::test]
async fn a_row_that_was_put_back_to_an_older_state() {
    let fixture = Fixture::new().await;
    let store = &fixture.store;
    let put = |name: &str| commit(store, vec![put_token(token(1, name))]);
    put("before").await.unwrap();
    let mut stranger = fixture.stranger().await;
    sqlx::query("CREATE TABLE kept AS SELECT * FROM tokens")
        .execute(&mut stranger)
        .await
        .unwrap();
    put("after").await.unwrap();
    for statement in [
        "DELETE FROM tokens",
        "INSERT INTO tokens SELECT * FROM kept",
        "DROP TABLE kept",
    ] {
        sqlx::query(statement).execute(&mut stranger).await.unwrap();
    }
    stranger.close().await.unwrap();
    let state = store.check_audit().await.unwrap();
    let told: Vec<_> = state.findings.iter().map(ToString::to_string).collect();
    assert_eq!(
        told,
        ["line 2: the token 000000000001 is not as it wrote it"]
    );
    store.close().await;
}

/// Without the keyring anybody can compute a chain of his own; without the signing key nobody can sign it.
#[tokio::test]
async fn a_chain_that_was_computed_anew() {
    let copied = Copied::new().await;
    let mut stranger = copied.fixture.stranger().await;
    forge(&mut stranger, 2).await;
    stranger.close().await.unwrap();
    let report = copied.check_with(&AuditEvidence::default()).await;
    assert_eq!(report.findings, [], "a chain without evidence");
    let told = |report: AuditReport| -> Vec<_> {
        let findings = report.findings.iter();
        findings
            .map(|finding| (finding.seq, finding.what.clone()))
            .collect()
    };
    let by_checkpoints = told(copied.check().await);
    assert_eq!(by_checkpoints.len(), 3, "{by_checkpoints:?}");
    for ((seq, what), expected) in by_checkpoints.iter().zip([5, 7, 8]) {
        assert!(
            *seq == expected && what.contains("checkpoint"),
            "{seq}: {what}"
        );
    }
    let evidence = AuditEvidence {
        checkpoints: None,
        vault: Some(copied.fixture.vault.clone()),
    };
    let by_codes = told(copied.check_with(&evidence).await);
    let lines: Vec<_> = by_codes.iter().map(|(seq, _)| *seq).collect();
    assert_eq!(lines, [2, 3, 4, 5, 6, 7, 8]);
}

/// Changes the actor of line `from`, and computes every hash after it as docs/audit.md says.
async fn forge(connection: &mut SqliteConnection, from: i64) {
    use sha2::{Digest, Sha256};
    use sqlx::Row;
    let mut previous: Option<Vec<u8>> = None;
    let rows = sqlx::query("SELECT * FROM audit WHERE seq >= $1 ORDER BY seq")
        .bind(from)
        .fetch_all(&mut *connection)
        .await
        .unwrap();
    for row in rows {
        let seq: i64 = row.get("seq");
        let before = previous.unwrap_or_else(|| row.get("previous"));
        let mut bytes = Vec::new();
        let put = |bytes: &mut Vec<u8>, field: &[u8]| {
            bytes.extend((field.len() as u64).to_be_bytes());
            bytes.extend(field);
        };
        put(&mut bytes, b"keyward audit line v2");
        for name in ["seq", "revision", "at", "times"] {
            bytes.extend(row.get::<i64, _>(name).to_be_bytes());
        }
        for name in [
            "actor",
            "source",
            "action",
            "result",
            "subject_kind",
            "subject_account",
            "subject_id",
        ] {
            let text: Option<String> = match name {
                "actor" => Some("command forged".to_owned()),
                name => row.get(name),
            };
            put(&mut bytes, text.unwrap_or_default().as_bytes());
        }
        put(&mut bytes, row.get("rows_digest"));
        put(&mut bytes, &before);
        let hash = Sha256::digest(&bytes).to_vec();
        sqlx::query(
            "UPDATE audit SET actor = 'command forged', previous = $2, hash = $3 WHERE seq = $1",
        )
        .bind(seq)
        .bind(before)
        .bind(hash.as_slice())
        .execute(&mut *connection)
        .await
        .unwrap();
        previous = Some(hash);
    }
}

#[tokio::test]
async fn checkpoints_that_were_touched() {
    let mut copied = Copied::new().await;
    let whole = copied.checkpoints.clone();
    let first = whole.lines().next().unwrap().to_owned();
    let other = Copied::new().await;
    for (text, expected) in [
        (
            whole.replacen(" 5 ", " 4 ", 1),
            "line 1 of the checkpoints is not as it was signed",
        ),
        (
            format!("{whole}nonsense\n"),
            "line 4 of the checkpoints is no checkpoint",
        ),
        (
            format!("{whole}{}", other.checkpoints),
            "line 4 of the checkpoints names another key",
        ),
        (
            String::new(),
            "the file of checkpoints holds none that counts",
        ),
    ] {
        copied.checkpoints = text;
        let report = copied.check().await;
        let told: Vec<_> = report.findings.iter().map(ToString::to_string).collect();
        assert!(told[0].starts_with(expected), "{told:?}");
    }
    // A line that a crash cut off is no fault.
    copied.checkpoints = format!("{}\n{whole}", &first[..100]);
    let report = copied.check().await;
    assert_eq!(report.findings, []);
    assert!(report.notes[0].contains("cut off"), "{:?}", report.notes);
}

/// Each checkpoint names the one before it, so none goes missing from between others, and none changes its place.
#[tokio::test]
async fn a_checkpoint_that_was_taken_out_is_missed() {
    let mut copied = Copied::new().await;
    let whole = copied.checkpoints.clone();
    let lines: Vec<_> = whole.lines().collect();
    assert!(lines.iter().all(|line| line.contains(" v2 ")));
    let missed = "does not follow the checkpoint before it";
    let begins = "follows no checkpoint, although others stand before it";
    for (order, expected) in [
        (vec![0, 2], vec![(2, missed)]),
        (vec![0, 2, 1], vec![(2, missed), (3, missed)]),
        (vec![0, 1, 1, 2], vec![(3, missed)]),
        (vec![0, 0, 1, 2], vec![(2, begins)]),
        (vec![1, 2], vec![]),
        (vec![0, 1], vec![]),
    ] {
        copied.checkpoints = order.iter().map(|at| format!("{}\n", lines[*at])).collect();
        let report = copied.check().await;
        let told: Vec<_> = report.findings.iter().map(ToString::to_string).collect();
        assert_eq!(told.len(), expected.len(), "{order:?}: {told:?}");
        for (told, (line, fault)) in told.iter().zip(expected) {
            let expected = format!("line {line} of the checkpoints {fault}");
            assert!(told.starts_with(&expected), "{told}");
        }
        // A file may begin where a log rotation began it.
        let begins_later = order[0] > 0;
        assert_eq!(
            report
                .notes
                .iter()
                .any(|note| note.contains("another file")),
            begins_later
        );
    }
}

/// A server tells it of its own file, and goes on: the log itself is whole.
#[tokio::test]
async fn a_server_misses_a_checkpoint_too() {
    let mut copied = Copied::new().await;
    let path = checkpoint_path(&copied.fixture);
    let lines: Vec<_> = copied.checkpoints.lines().collect();
    std::fs::write(&path, format!("{}\n{}\n", lines[0], lines[2])).unwrap();
    copied.fixture.reopen().await;
    let store = &copied.fixture.store;
    commit(store, vec![put_token(token(1, "again"))])
        .await
        .unwrap();
    let settings = CheckpointSettings {
        file: CheckpointFile::open(&path).unwrap(),
        every: std::time::Duration::from_secs(3_600),
        lines: 1_000,
    };
    store.watch_audit(Some(settings), async {}).await;
    let findings = store.audit_state().findings;
    let told = findings
        .first()
        .map(ToString::to_string)
        .unwrap_or_default();
    assert_eq!(findings.len(), 1, "{findings:?}");
    assert!(
        told.starts_with("the checkpoint of line 8 does not follow"),
        "{told}"
    );
    store.close().await;
    assert_eq!(std::fs::read_to_string(&path).unwrap().lines().count(), 3);
}

#[tokio::test]
async fn an_export_is_checked_without_the_database() {
    let copied = Copied::new().await;
    let store = crate::support::open_again(&copied.fixture).await;
    let lines = store.list_audit(AuditQuery::new(ACCOUNT)).await.unwrap();
    store.close().await;
    let text: Vec<_> = lines
        .iter()
        .map(|line| serde_json::to_string(line).unwrap())
        .collect();
    let evidence = AuditEvidence {
        checkpoints: Some((&copied.checkpoints, copied.key)),
        vault: None,
    };
    let check = |text: &[String]| {
        let report = check_audit_export(text.join("\n").as_bytes(), &evidence).unwrap();
        let findings = report
            .findings
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>();
        (report.lines, findings)
    };
    assert_eq!(check(&text), (8, Vec::new()));
    let mut edited = text.clone();
    edited[2] = edited[2].replace("test.change", "test.other");
    assert_eq!(check(&edited).1.len(), 1);
    let mut removed = text.clone();
    removed.remove(2);
    assert_eq!(check(&removed).1, ["line 3: it is missing"]);
    let mut swapped = text.clone();
    swapped.swap(2, 3);
    assert_eq!(
        check(&swapped).1,
        [
            "line 3: it is missing",
            "line 3: it stands out of its order"
        ]
    );
    let mut doubled = text.clone();
    doubled.insert(2, text[1].clone());
    assert_eq!(check(&doubled).1, ["line 2: it stands out of its order"]);
    assert!(check(&text[..6]).1[0].starts_with("line 7: the end was cut off"));
    let mut spoilt = text;
    spoilt[4] = "{}".to_owned();
    assert_eq!(check(&spoilt).1, ["line 5: it cannot be read"]);
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
