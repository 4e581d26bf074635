//! Files of checkpoints that were touched.

use keyward_registry::AuditStore;

use super::{Copied, checkpoint_path, settings};
use crate::support::{commit, put_token, token};

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
    store.watch_audit(Some(settings(&path)), async {}).await;
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
