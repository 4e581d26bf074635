//! Rows that are not as the log says.

use keyward_registry::AuditStore;
use sqlx::Connection;

use super::check;
use crate::support::{Fixture, commit, put_token, token};

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
