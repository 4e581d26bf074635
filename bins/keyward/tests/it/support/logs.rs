//! A server whose log holds requests, as the data plane would have written them.

use std::{
    fs,
    path::Path,
    sync::Arc,
    time::{Duration, SystemTime},
};

use keyward_providers::Usage;
use keyward_registry::{
    LogBody, LogEntry, LogId, LogMetadata, LogRecord, LogStore, LogText, ProviderKeyId,
};
use keyward_routes::{Metadata, Money};
use keyward_secret::AccountId;
use keyward_store::Database;
use keyward_vault::{KeyFile, Unlock, Vault};

use super::Dev;

/// Four requests of 2027-01-15 through the gateway `default`: three to OpenAI, of which the second failed and the third has
/// bodies, and one to Anthropic, with metadata.
pub(crate) fn with_logs() -> Dev {
    let dev = Dev::start();
    let account: AccountId = dev.text("account_id").parse().unwrap();
    let directory = dev.stop();
    fill(&directory.path().join(".keyward"), account);
    Dev::start_in(directory)
}

#[tokio::main(flavor = "current_thread")]
async fn fill(data: &Path, account: AccountId) {
    let key = KeyFile::parse(&fs::read(data.join("key")).unwrap()).unwrap();
    let database = Database::open(&data.join("keyward.db")).await.unwrap();
    let seal = database.load_seal().await.unwrap().unwrap();
    let vault = Vault::unseal(&seal, &Unlock::KeyFile(&key)).unwrap();
    let store = database.unlock(Arc::new(vault)).await.unwrap();
    let records: Vec<_> = (1..=4).map(|number| record(account, number)).collect();
    assert_eq!(store.save_logs(&records, &[]).await.unwrap(), 0);
    store.close().await;
}

/// The id of the request with this number: the same at each run.
pub(crate) fn log_id(number: u8) -> LogId {
    let millis = 1_800_000_000_000 + 1_000 * u64::from(number);
    let first = LogId::first_at(SystemTime::UNIX_EPOCH + Duration::from_millis(millis));
    let mut bytes = *first.as_bytes();
    bytes[15] = number;
    LogId::from_bytes(bytes).unwrap()
}

fn record(account: AccountId, number: u8) -> LogRecord {
    let mut usage = Usage::UNKNOWN;
    usage.input = Some(u64::from(number) * 10);
    usage.output = Some(u64::from(number));
    let fails = number == 2;
    let (provider, model, metadata) = match number {
        4 => ("anthropic", "claude-haiku-4-5", &br#"{"team":"blue"}"#[..]),
        _ => ("openai", "gpt-5", &b""[..]),
    };
    let body = |text: &str| {
        (number == 3)
            .then(|| LogBody::new(text.as_bytes().to_vec()))
            .flatten()
    };
    LogRecord {
        request: body(r#"{"model":"gpt-5"}"#),
        response: body(r#"{"choices":[]}"#),
        entry: LogEntry {
            id: log_id(number),
            account,
            gateway: "default".parse().unwrap(),
            event_id: None,
            provider: provider.parse().unwrap(),
            model: Some(LogText::new(model)),
            path: LogText::path("v1/chat/completions"),
            request_content_type: Some(LogText::new("application/json")),
            response_content_type: Some(LogText::new("application/json")),
            status: Some(if fails { 429 } else { 200 }),
            success: !fails,
            cached: false,
            duration: Duration::from_millis(u64::from(number) * 100),
            step: None,
            usage,
            cost: Some(Money::from_nanos(u64::from(number) * 10_000_000)),
            custom_cost: false,
            metadata: LogMetadata::from(&Metadata::parse(metadata)),
            provider_key: Some(ProviderKeyId::from_bytes([7; 16])),
            token: None,
            user_agent: Some(LogText::new("curl/8.14.1")),
            authentication: true,
            byok: true,
            compat: false,
            error_code: None,
            request_bytes: 17,
            response_bytes: 14,
            feedback: None,
            score: None,
        },
    }
}
