//! An export in the place of a copy.

use keyward_registry::{AuditQuery, AuditStore};
use keyward_store::{AuditEvidence, check_audit_export};

use super::Copied;
use crate::support::{ACCOUNT, open_again};

#[tokio::test]
async fn an_export_is_checked_without_the_database() {
    let copied = Copied::new().await;
    let store = open_again(&copied.fixture).await;
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
