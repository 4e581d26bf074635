//! A chain that somebody computed anew.

use keyward_store::{AuditEvidence, AuditReport};
use sqlx::{Connection, SqliteConnection};

use super::Copied;

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
