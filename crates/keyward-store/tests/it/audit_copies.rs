//! A copy of the database and a file of checkpoints, taken anywhere: what was touched is found without the vault.

mod checkpoints;
mod export;
mod forged;
mod lines;
mod rows;

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use keyward_registry::{AuditStore, Change};
use keyward_store::{
    AuditEvidence, AuditPublicKey, AuditReport, CheckpointFile, CheckpointSettings, DatabaseCopy,
};
use keyward_vault::SecretId;
use sqlx::Connection;

use crate::support::{
    ACCOUNT, Fixture, commit, gateway, key, new_secret, put_token, replacement, token,
};

const ONE: SecretId = SecretId::from_bytes([1; 16]);
const TWO: SecretId = SecretId::from_bytes([2; 16]);

/// A closed database with eight lines, and what was signed of it.
struct Copied {
    fixture: Fixture,
    key: AuditPublicKey,
    checkpoints: String,
}

impl Copied {
    /// Rows of every kind, some replaced and some removed; checkpoints at the lines 5, 7 and 8, each by a server that
    /// was started anew.
    async fn new() -> Self {
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

    async fn check(&self) -> AuditReport {
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
    let settings = settings(&checkpoint_path(fixture));
    fixture.store.watch_audit(Some(settings), async {}).await;
    assert_eq!(fixture.store.audit_state().findings, []);
}

/// Nothing is signed before the end.
fn settings(path: &Path) -> CheckpointSettings {
    CheckpointSettings {
        file: CheckpointFile::open(path).unwrap(),
        every: Duration::from_secs(3_600),
        lines: 1_000,
    }
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
