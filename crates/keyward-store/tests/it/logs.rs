//! The log of requests at its size: names beyond those that are shared, and a million entries.

use std::time::{Duration, Instant, SystemTime};

use keyward_providers::Usage;
use keyward_registry::{
    LogDirection, LogEntry, LogField, LogFilter, LogGroup, LogId, LogMetadata, LogOperator,
    LogOrder, LogPage, LogPlace, LogQuery, LogRecord, LogScan, LogStore, LogSumQuery, LogText,
    LogTrim, LogValue, ProviderKeyId,
};
use keyward_routes::{Metadata, Money};

use crate::support::{ACCOUNT, Fixture};

/// 2027-01-15T08:00:00Z.
const START: u64 = 1_800_000_000_000;
/// How many entries a batch has.
const BATCH: u64 = 1_000;

fn place() -> LogPlace {
    LogPlace {
        account: ACCOUNT,
        gateway: "default".parse().unwrap(),
    }
}

/// The id of an entry, 100 to a second.
fn id(number: u64) -> LogId {
    let time = SystemTime::UNIX_EPOCH + Duration::from_millis(START + number * 10);
    let mut bytes = *LogId::first_at(time).as_bytes();
    // As random as a real one's, for what the disk takes.
    let random = number.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes();
    bytes[9..].copy_from_slice(&random[..7]);
    LogId::from_bytes(bytes).unwrap()
}

/// As a busy gateway has them: four providers, eight models, three clients, forty keys, one in twenty fails.
fn entry(number: u64) -> LogEntry {
    let pick = |texts: &[&str]| {
        let at = usize::try_from(number).unwrap() % texts.len();
        LogText::new(texts[at])
    };
    let mut usage = Usage::UNKNOWN;
    usage.input = Some(number % 9_000 + 100);
    usage.cache_read = number.is_multiple_of(3).then_some(64);
    usage.output = Some(number % 700);
    let fails = number.is_multiple_of(20);
    let metadata = match number % 5 {
        0 => format!(r#"{{"user":"u-{}"}}"#, number % 1_000),
        _ => String::new(),
    };
    LogEntry {
        id: id(number),
        account: ACCOUNT,
        gateway: "default".parse().unwrap(),
        event_id: None,
        provider: pick(&["openai", "anthropic", "google-ai-studio", "groq"])
            .parse()
            .unwrap(),
        model: Some(pick(&[
            "gpt-5",
            "claude-sonnet-4-5",
            "gemini-2.5-pro",
            "llama-3.3-70b-versatile",
            "gpt-5-mini",
            "claude-haiku-4-5",
            "gemini-2.5-flash",
            "qwen-3-32b",
        ])),
        path: LogText::path("v1/chat/completions"),
        request_content_type: Some(LogText::new("application/json")),
        response_content_type: Some(pick(&[
            "application/json",
            "text/event-stream; charset=utf-8",
        ])),
        status: Some(if fails { 429 } else { 200 }),
        success: !fails,
        cached: false,
        duration: Duration::from_millis(number % 20_000),
        step: None,
        usage,
        cost: Some(Money::from_nanos(number % 90_000_000)),
        custom_cost: false,
        metadata: LogMetadata::from(&Metadata::parse(metadata.as_bytes())),
        provider_key: Some(ProviderKeyId::from_bytes(
            [u8::try_from(number % 40).unwrap(); 16],
        )),
        token: Some(format!("{:012}", number % 40).parse().unwrap()),
        user_agent: Some(pick(&[
            "OpenAI/Python 3.54.0",
            "Anthropic/JS 1.20.0",
            "curl/8.14.1",
        ])),
        authentication: true,
        byok: true,
        compat: false,
        error_code: None,
        request_bytes: number % 30_000,
        response_bytes: number % 9_000,
        feedback: None,
        score: None,
    }
}

fn query() -> LogQuery {
    LogQuery {
        place: place(),
        filters: Vec::new(),
        order: LogOrder::CreatedAt,
        direction: LogDirection::Falling,
        skipped: 0,
        most: 20,
        with_ranges: false,
    }
}

fn is(field: LogField, operator: LogOperator, value: LogValue) -> LogFilter {
    LogFilter::build(field, operator, vec![value]).unwrap()
}

fn text(text: &str) -> LogValue {
    LogValue::Text(text.into())
}

/// Where a client makes up a text for every request, the table of shared texts is full some time.
#[tokio::test]
async fn texts_beyond_those_that_are_shared_are_found_all_the_same() {
    let fixture = Fixture::new().await;
    let store = &fixture.store;
    let named = |number: u64| LogText::new(&format!("agent-{number}-end"));
    let entries = (0..10_050).map(|number| LogEntry {
        user_agent: Some(named(number)),
        model: Some(named(20_000 - number)),
        ..entry(number)
    });
    let entries: Vec<_> = entries.collect();
    let records: Vec<_> = entries.iter().cloned().map(LogRecord::new).collect();
    for batch in records.chunks(2_000) {
        store.save_logs(batch, &[]).await.unwrap();
    }
    let mut stranger = fixture.stranger().await;
    let names: i64 = sqlx::query_scalar("SELECT count(*) FROM log_name")
        .fetch_one(&mut stranger)
        .await
        .unwrap();
    assert_eq!(names, 10_000);
    for (field, operator, value) in [
        (LogField::UserAgent, LogOperator::Eq, "agent-10049-end"),
        (LogField::UserAgent, LogOperator::Eq, "agent-1-end"),
        (LogField::UserAgent, LogOperator::Contains, "T-1004"),
        (LogField::UserAgent, LogOperator::Neq, "agent-10049-end"),
        (LogField::Model, LogOperator::Contains, "99-end"),
        (LogField::Provider, LogOperator::Eq, "groq"),
    ] {
        let filter = is(field, operator, text(value));
        let expected = entries.iter().filter(|entry| filter.matches(entry)).count();
        assert!(expected > 0);
        let page = store
            .list_logs(LogQuery {
                filters: vec![filter],
                ..query()
            })
            .await
            .unwrap();
        assert_eq!(
            page.total,
            u64::try_from(expected).unwrap(),
            "{field} {value}"
        );
    }
    let by_model = LogQuery {
        order: LogOrder::Model,
        direction: LogDirection::Rising,
        ..query()
    };
    let page = store.list_logs(by_model).await.unwrap();
    let mut sorted = entries;
    sorted.sort_by(|one, other| LogOrder::Model.compare(one, other));
    assert_eq!(page.entries, sorted[..20]);
    fixture.store.close().await;
}

/// Says how long something took, and what came of it.
async fn timed<T>(what: &str, task: impl Future<Output = T>) -> T {
    let begun = Instant::now();
    let done = task.await;
    println!("{what:<60} {:>9.1} ms", begun.elapsed().as_secs_f64() * 1e3);
    done
}

/// `cargo xtask show logs` runs it with a million.
#[tokio::test]
async fn a_large_log_is_listed_filtered_and_trimmed() {
    let total: u64 = std::env::var("KEYWARD_LOG_ENTRIES")
        .map_or(4_000, |text| text.parse().expect("a number of entries"));
    assert!(total.is_multiple_of(2_000), "a multiple of 2,000");
    let fixture = Fixture::new().await;
    let store = &*fixture.store;
    let begun = Instant::now();
    let mut longest = Duration::ZERO;
    for start in (0..total).step_by(usize::try_from(BATCH).unwrap()) {
        let records: Vec<_> = (start..start + BATCH)
            .map(|number| LogRecord::new(entry(number)))
            .collect();
        let batch = Instant::now();
        assert_eq!(store.save_logs(&records, &[]).await.unwrap(), 0);
        longest = longest.max(batch.elapsed());
    }
    let took = begun.elapsed();
    let count = u32::try_from(total).unwrap();
    println!(
        "{total} entries in {:.1} s: {:.0} in a second; the longest batch of {BATCH} took {:.1} ms",
        took.as_secs_f64(),
        f64::from(count) / took.as_secs_f64(),
        longest.as_secs_f64() * 1e3,
    );
    let mut stranger = fixture.stranger().await;
    sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)")
        .execute(&mut stranger)
        .await
        .unwrap();
    let size = u32::try_from(std::fs::metadata(fixture.path()).unwrap().len()).unwrap();
    let each = f64::from(size) / f64::from(count);
    println!(
        "{:.1} MB on the disk: {each:.0} bytes for each entry",
        f64::from(size) / 1e6
    );
    assert!(each < 400.0, "{each} bytes");

    look(store, total).await;
    look_closely(store, total).await;
    sum_up(store, total).await;
    retain(store, total).await;
    fixture.store.close().await;
}

async fn look(store: &dyn LogStore, total: u64) {
    let list = async |what: &str, query: LogQuery| -> LogPage {
        timed(what, store.list_logs(query)).await.unwrap()
    };
    let page = list("the newest page", query()).await;
    assert_eq!((page.total, page.entries[0].id), (total, id(total - 1)));
    let page = list(
        "the last page",
        LogQuery {
            skipped: total - 20,
            ..query()
        },
    )
    .await;
    assert_eq!(page.entries[19], entry(0));
    let filtered = |filters| LogQuery { filters, ..query() };
    let openai = || is(LogField::Provider, LogOperator::Eq, text("openai"));
    let failed = || is(LogField::Success, LogOperator::Eq, LogValue::Flag(false));
    let page = list("provider eq (a quarter)", filtered(vec![openai()])).await;
    assert_eq!(page.total, total / 4);
    let model = is(LogField::Model, LogOperator::Eq, text("gpt-5-mini"));
    let page = list("model eq (an eighth)", filtered(vec![model.clone()])).await;
    assert_eq!(page.total, total / 8);
    let status = is(
        LogField::StatusCode,
        LogOperator::Eq,
        LogValue::Number(429.0),
    );
    let page = list("status_code eq (a twentieth)", filtered(vec![status])).await;
    assert_eq!(page.total, total / 20);
    let page = list("success eq false (a twentieth)", filtered(vec![failed()])).await;
    assert_eq!(page.total, total / 20);
    let page = list(
        "model eq and success eq false (none)",
        filtered(vec![model, failed()]),
    )
    .await;
    let expected = (0..total)
        .filter(|number| number % 8 == 4 && number % 20 == 0)
        .count();
    assert_eq!(page.total, u64::try_from(expected).unwrap());
}

/// What no index holds.
async fn look_closely(store: &dyn LogStore, total: u64) {
    let list = async |what: &str, query: LogQuery| -> LogPage {
        timed(what, store.list_logs(query)).await.unwrap()
    };
    let filtered = |filters| LogQuery { filters, ..query() };
    let dear = is(LogField::Cost, LogOperator::Gt, LogValue::Number(0.002));
    list("cost gt", filtered(vec![dear])).await;
    let user = is(LogField::MetadataValue, LogOperator::Eq, text("u-500"));
    let page = list("metadata.value eq", filtered(vec![user])).await;
    assert!(page.total > 0);
    let newest = id(total - total / 100);
    let recent = is(
        LogField::CreatedAt,
        LogOperator::Gt,
        LogValue::Time(newest.made_at()),
    );
    let page = list("created_at gt (the last hundredth)", filtered(vec![recent])).await;
    assert_eq!(page.total, total / 100 - 1);
    let search = is(LogField::Search, LogOperator::Contains, text("haiku"));
    let page = list("search", filtered(vec![search])).await;
    assert_eq!(page.total, total / 8);
    let page = list(
        "the newest page with ranges",
        LogQuery {
            with_ranges: true,
            ..query()
        },
    )
    .await;
    assert!(page.ranges.is_some());
    list(
        "by provider",
        LogQuery {
            order: LogOrder::Provider,
            ..query()
        },
    )
    .await;
    let found = timed("one entry", store.find_log(place(), id(total / 2)))
        .await
        .unwrap();
    assert_eq!(found, Some(entry(total / 2)));
    let scan = LogScan {
        place: place(),
        filters: Vec::new(),
        direction: LogDirection::Rising,
        after: Some(id(total / 2)),
        most: 1_000,
    };
    let entries = timed("1,000 entries one after another", store.scan_logs(scan))
        .await
        .unwrap();
    assert_eq!(entries[0], entry(total / 2 + 1));
}

/// All of it in 48 steps, as plots have it.
async fn sum_up(store: &dyn LogStore, total: u64) {
    let all = |by, filters| LogSumQuery {
        place: place(),
        filters,
        by,
        since: id(0).made_at(),
        step: Duration::from_millis(total * 10 / 48 + 1),
        steps: 48,
        most_groups: 7,
        most_read: 1_000_000,
    };
    let sum = async |what: &str, query: LogSumQuery| -> u64 {
        let sums = timed(what, store.sum_logs(query)).await.unwrap();
        assert_eq!(sums.first_step, 0);
        let steps = sums.series.iter().flat_map(|series| &series.steps);
        steps.map(|(_, sum)| sum.requests()).sum()
    };
    let found = sum("sums by model", all(LogGroup::Model, Vec::new())).await;
    assert_eq!(found, total);
    let found = sum("sums by key", all(LogGroup::ProviderKey, Vec::new())).await;
    assert_eq!(found, total);
    let openai = is(LogField::Provider, LogOperator::Eq, text("openai"));
    let found = sum(
        "sums of a quarter, by model",
        all(LogGroup::Model, vec![openai]),
    )
    .await;
    assert_eq!(found, total / 4);
    let failed = is(LogField::Success, LogOperator::Eq, LogValue::Flag(false));
    let failed = all(LogGroup::Model, vec![failed]);
    let found = sum("sums of a twentieth, by model", failed).await;
    assert_eq!(found, total / 20);
    // As from a page on which somebody said from when to when.
    let within = [
        is(
            LogField::CreatedAt,
            LogOperator::Gt,
            LogValue::Time(id(0).made_at() - Duration::from_millis(1)),
        ),
        is(
            LogField::CreatedAt,
            LogOperator::Lt,
            LogValue::Time(id(total).made_at()),
        ),
    ];
    let narrowed = all(LogGroup::Model, within.to_vec());
    let found = sum("sums of a time, by model", narrowed).await;
    assert_eq!(found, total);
    let scan = LogScan {
        place: place(),
        filters: within.to_vec(),
        direction: LogDirection::Falling,
        after: Some(id(total / 2)),
        most: 1_000,
    };
    let entries = timed("1,000 entries of a time", store.scan_logs(scan))
        .await
        .unwrap();
    assert_eq!(entries[0], entry(total / 2 - 1));
    let mut part = all(LogGroup::Model, Vec::new());
    part.most_read = total / 2;
    let sums = timed("sums of what may be read of it", store.sum_logs(part)).await;
    let sums = sums.unwrap();
    assert_eq!(sums.first_step, 24);
    let nobody = is(LogField::TokenId, LogOperator::Eq, text("0V2kQ9xTz3Ab"));
    let scan = LogScan {
        place: place(),
        filters: vec![nobody],
        direction: LogDirection::Falling,
        after: None,
        most: 51,
    };
    let found = timed("a page of what is not there", store.scan_logs(scan)).await;
    assert_eq!(found.unwrap(), []);
}

async fn retain(store: &dyn LogStore, total: u64) {
    let begun = Instant::now();
    let mut longest = Duration::ZERO;
    let mut gone = 0;
    for trim in [
        LogTrim {
            most: Some(total / 2),
            before: None,
            at_once: 2_000,
        },
        LogTrim {
            most: None,
            before: Some(id(total * 3 / 4).made_at()),
            at_once: 2_000,
        },
    ] {
        loop {
            let step = Instant::now();
            let went = store.trim_logs(place(), trim).await.unwrap();
            longest = longest.max(step.elapsed());
            gone += went;
            if went < u64::from(trim.at_once) {
                break;
            }
        }
    }
    println!(
        "{gone} entries let go of in {:.1} s; the longest step of 2,000 took {:.1} ms",
        begun.elapsed().as_secs_f64(),
        longest.as_secs_f64() * 1e3,
    );
    let page = store
        .list_logs(LogQuery {
            direction: LogDirection::Rising,
            ..query()
        })
        .await
        .unwrap();
    assert_eq!(
        (page.total, page.entries[0].id),
        (total / 4, id(total * 3 / 4))
    );
}
