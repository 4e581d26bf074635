//! Long reads of the log leave room for others.

use std::{sync::Arc, time::Duration};

use keyward_registry::{
    LogDirection, LogField, LogFilter, LogOperator, LogPlace, LogScan, LogStore, LogValue,
};
use keyward_secret::AccountId;
use keyward_vault::{KeyFile, PassphraseParams, Slot, Unlock, Vault};
use tempfile::TempDir;
use tokio::{sync::oneshot, time::timeout};

use crate::{Database, SqliteStore};

/// How long what must be at once may take, on a busy machine.
const SOON: Duration = Duration::from_secs(5);

async fn store(directory: &TempDir) -> Arc<SqliteStore> {
    let file = KeyFile::generate().unwrap();
    let (vault, root) = Vault::create().unwrap();
    let params = PassphraseParams::build(PassphraseParams::MIN_MEMORY_KIB, 1, 1).unwrap();
    let slot = Slot::wrap(1, vault.id(), &root, &Unlock::KeyFile(&file), params).unwrap();
    let state = vault.seal_state(&root, vec![slot]).unwrap();
    let path = directory.path().join("keyward.db");
    let database = Database::open(&path).await.unwrap();
    database.save_seal(state, None).await.unwrap();
    Arc::new(database.unlock(Arc::new(vault)).await.unwrap())
}

fn scan(filters: Vec<LogFilter>) -> LogScan {
    LogScan {
        place: LogPlace {
            account: AccountId::from_bytes([0xa1; 16]),
            gateway: "default".parse().unwrap(),
        },
        filters,
        direction: LogDirection::Falling,
        after: None,
        most: 20,
    }
}

#[tokio::test]
async fn the_database_answers_while_every_reader_is_busy() {
    let directory = TempDir::new().unwrap();
    let store = store(&directory).await;
    let busy = (store.read().await.unwrap(), store.read().await.unwrap());
    timeout(SOON, store.ping()).await.unwrap().unwrap();
    drop(busy);
    store.close().await;
}

#[tokio::test]
async fn one_search_at_a_time_reads_the_log_also_where_nobody_waits_for_it_any_more() {
    let directory = TempDir::new().unwrap();
    let store = store(&directory).await;
    let (begun, begins) = oneshot::channel();
    let (end, ends) = oneshot::channel::<()>();
    let long = tokio::spawn({
        let store = Arc::clone(&store);
        async move {
            let work = move |_read| async move {
                begun.send(()).unwrap();
                ends.await.unwrap();
                Ok(())
            };
            store.in_turn(work).await.unwrap();
        }
    });
    begins.await.unwrap();
    // Whoever asked is gone, and what was asked goes on.
    long.abort();
    assert!(long.await.unwrap_err().is_cancelled());
    let text = LogValue::Text("nobody".into());
    let filter = LogFilter::build(LogField::Search, LogOperator::Contains, vec![text]).unwrap();
    let mut filtered = store.scan_logs(scan(vec![filter]));
    let early = timeout(Duration::from_millis(100), &mut filtered).await;
    assert!(early.is_err(), "two search at the same time");
    // What ends after a few entries waits for no search.
    let plain = timeout(SOON, store.scan_logs(scan(Vec::new())));
    assert!(plain.await.unwrap().unwrap().is_empty());
    end.send(()).unwrap();
    let found = timeout(SOON, filtered).await.unwrap().unwrap();
    assert!(found.is_empty());
    store.close().await;
}
