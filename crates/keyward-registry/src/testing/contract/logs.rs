//! The log of requests: what is kept, found again, changed and let go of.

use std::time::{Duration, SystemTime};

use keyward_auth::TokenId;
use keyward_providers::Usage;
use keyward_routes::{Metadata, Money};
use keyward_secret::AccountId;

use super::{ONE, TWO};
use crate::{
    GatewayId, LogBody, LogDeletion, LogDirection, LogEntry, LogField, LogFieldKind, LogFilter,
    LogId, LogLimit, LogMark, LogMetadata, LogOperator, LogOrder, LogPage, LogPatch, LogPlace,
    LogQuery, LogRecord, LogScan, LogSide, LogText, LogTrim, LogValue, ProviderKeyId, ProviderSlug,
    RegistryStore,
};

const START: u64 = 1_800_000_000_000;

pub(super) fn at(millis: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_millis(START + millis)
}

pub(super) fn place(account: AccountId, gateway: &str) -> LogPlace {
    LogPlace {
        account,
        gateway: GatewayId::parse(gateway).expect("an id"),
    }
}

pub(super) fn prod() -> LogPlace {
    place(ONE, "prod")
}

/// The id of the entry with this number: two entries share a millisecond.
fn id(number: u64) -> LogId {
    let mut bytes = *LogId::first_at(at(number / 2)).as_bytes();
    let [.., low] = number.to_be_bytes();
    bytes[15] = low;
    LogId::from_bytes(bytes).expect("a UUIDv7")
}

/// An entry with nothing but what it must have.
pub(super) fn bare(place: LogPlace, number: u64) -> LogEntry {
    LogEntry {
        id: id(number),
        account: place.account,
        gateway: place.gateway,
        event_id: None,
        provider: ProviderSlug::parse("openai").expect("a slug"),
        model: None,
        path: LogText::path(""),
        request_content_type: None,
        response_content_type: None,
        status: None,
        success: false,
        cached: false,
        duration: Duration::ZERO,
        step: None,
        usage: Usage::UNKNOWN,
        cost: None,
        custom_cost: false,
        metadata: LogMetadata::default(),
        provider_key: None,
        token: None,
        user_agent: None,
        authentication: false,
        byok: false,
        compat: false,
        error_code: None,
        request_bytes: 0,
        response_bytes: 0,
        feedback: None,
        score: None,
    }
}

fn usage(input: Option<u64>, output: Option<u64>) -> Usage {
    let mut usage = Usage::UNKNOWN;
    (usage.input, usage.output) = (input, output);
    usage
}

/// An entry with everything.
fn full(place: LogPlace, number: u64) -> LogEntry {
    let mut usage = usage(Some(1_000), Some(200));
    (usage.cache_read, usage.cache_write) = (Some(400), Some(30));
    (usage.cache_write_hour, usage.reasoning) = (Some(20), Some(150));
    LogEntry {
        event_id: Some(LogText::new("order-7'\"%_")),
        model: Some(LogText::new("gpt-5")),
        path: LogText::path("v1/chat/completions?x=1"),
        request_content_type: Some(LogText::new("application/json")),
        response_content_type: Some(LogText::new("text/event-stream")),
        status: Some(200),
        success: true,
        cached: true,
        duration: Duration::from_millis(1_234),
        step: Some(2),
        usage,
        cost: Some(Money::from_nanos(1_234_567_891)),
        custom_cost: true,
        metadata: LogMetadata::from(&Metadata::parse(
            br#"{"team":"Blue Whale","seats":3,"share":0.1,"trial":true,"user":""}"#,
        )),
        provider_key: Some(ProviderKeyId::from_bytes([7; 16])),
        token: Some(TokenId::parse("0V2kQ9xTz3Ab").expect("an id")),
        user_agent: Some(LogText::new("OpenAI/Python 3.54.0")),
        authentication: true,
        byok: true,
        compat: true,
        error_code: Some(2_045),
        request_bytes: 321,
        response_bytes: 1 << 40,
        feedback: LogMark::feedback(-1.0),
        score: LogMark::score(99.5),
        ..bare(place, number)
    }
}

/// Entries that differ in everything that a filter may ask for.
pub(super) fn various() -> Vec<LogEntry> {
    let mut entries = vec![bare(prod(), 0), full(prod(), 1)];
    for number in 2..40_u64 {
        let mut entry = bare(prod(), number);
        let pick = |texts: &[&str]| {
            let at = usize::try_from(number).unwrap_or(0) % texts.len();
            LogText::new(texts.get(at).copied().unwrap_or_default())
        };
        entry.provider =
            ProviderSlug::parse(&pick(&["openai", "anthropic", "groq"])).expect("a slug");
        entry.model = (!number.is_multiple_of(5))
            .then(|| pick(&["gpt-5", "GPT-5-mini", "claude", "5", "ÄöÜ"]));
        entry.user_agent = number
            .is_multiple_of(3)
            .then(|| pick(&["curl/8", "a%b_c", "OpenAI"]));
        entry.event_id = number
            .is_multiple_of(4)
            .then(|| pick(&["one", "two", "three"]));
        entry.response_content_type = number
            .is_multiple_of(2)
            .then(|| pick(&["application/json", "text/plain", "x"]));
        entry.status =
            (!number.is_multiple_of(7)).then_some(if number.is_multiple_of(6) { 429 } else { 200 });
        entry.success = entry.status == Some(200);
        entry.cached = number.is_multiple_of(9);
        entry.byok = number.is_multiple_of(2);
        entry.authentication = number.is_multiple_of(3);
        entry.compat = number.is_multiple_of(8);
        entry.duration = Duration::from_millis(number * 10);
        entry.usage = usage(
            (!number.is_multiple_of(4)).then_some(number),
            (!number.is_multiple_of(3)).then_some(number * 2),
        );
        entry.cost = (!number.is_multiple_of(4)).then_some(Money::from_nanos(number * 50_000_000));
        entry.feedback = number
            .is_multiple_of(5)
            .then(|| LogMark::feedback(1.0))
            .flatten();
        entry.score = number
            .is_multiple_of(6)
            .then(|| LogMark::score(12.25))
            .flatten();
        entry.error_code = number.is_multiple_of(6).then_some(2_003);
        entry.token = number
            .is_multiple_of(2)
            .then(|| TokenId::parse("0V2kQ9xTz3Ab").expect("an id"));
        entry.provider_key = number
            .is_multiple_of(3)
            .then(|| ProviderKeyId::from_bytes([7; 16]));
        let metadata: &[u8] = match number % 4 {
            0 => br#"{"team":"blue","seats":3}"#,
            1 => br#"{"plan":"3"}"#,
            2 => br#"{"trial":true,"big":1e300,"share":0.1}"#,
            _ => b"",
        };
        entry.metadata = LogMetadata::from(&Metadata::parse(metadata));
        entries.push(entry);
    }
    entries
}

/// Every field with every operator that it has, and values of which some are there.
fn filters() -> Vec<LogFilter> {
    let texts = [
        "openai",
        "GPT-5",
        "5",
        "l",
        "",
        "3",
        "true",
        "0.1",
        "team",
        "ä",
        "%",
        "_",
        "one",
        "0V2kQ9xTz3Ab",
    ];
    let texts = texts.map(|text| LogValue::Text(text.into()));
    let numbers = [0.0, 0.2, 12.25, 1.0, 200.0, 20.0, 2_003.0].map(LogValue::Number);
    let flags = [true, false].map(LogValue::Flag);
    let times = [
        LogValue::Time(at(3)),
        LogValue::Time(at(3) + Duration::from_micros(1)),
    ];
    let ids = [LogValue::Id(id(5)), LogValue::Id(id(1_000))];
    let mut filters = Vec::new();
    for (_, field, kind) in LogField::ALL {
        let values: &[LogValue] = match kind {
            LogFieldKind::Text => &texts,
            LogFieldKind::Number => &numbers,
            LogFieldKind::Flag => &flags,
            LogFieldKind::Time => &times,
            LogFieldKind::Id => &ids,
        };
        let several = vec![LogValue::Null, values.first().cloned().expect("a value")];
        let all = values.iter().map(|value| vec![value.clone()]);
        let all = all.chain([values.to_vec(), vec![LogValue::Null], several]);
        for values in all {
            for operator in [
                LogOperator::Eq,
                LogOperator::Neq,
                LogOperator::Contains,
                LogOperator::Lt,
                LogOperator::Gt,
            ] {
                filters.extend(LogFilter::build(*field, operator, values.clone()));
            }
        }
    }
    filters
}

fn query() -> LogQuery {
    LogQuery {
        place: prod(),
        filters: Vec::new(),
        order: LogOrder::CreatedAt,
        direction: LogDirection::Falling,
        skipped: 0,
        most: 100,
        with_ranges: false,
    }
}

pub(super) async fn save(store: &dyn RegistryStore, entries: Vec<LogEntry>) {
    let records: Vec<_> = entries.into_iter().map(LogRecord::new).collect();
    let refused = store.save_logs(&records, &[]).await.expect("a save");
    assert_eq!(refused, 0);
}

async fn list(store: &dyn RegistryStore, query: LogQuery) -> LogPage {
    store.list_logs(query).await.expect("a page")
}

async fn find(store: &dyn RegistryStore, place: LogPlace, number: u64) -> Option<LogEntry> {
    store.find_log(place, id(number)).await.expect("an answer")
}

fn ids(entries: &[LogEntry]) -> Vec<LogId> {
    entries.iter().map(|entry| entry.id).collect()
}

async fn left(store: &dyn RegistryStore) -> Vec<LogId> {
    let page = list(
        store,
        LogQuery {
            direction: LogDirection::Rising,
            ..query()
        },
    )
    .await;
    assert_eq!(
        page.total,
        u64::try_from(page.entries.len()).expect("a number")
    );
    ids(&page.entries)
}

fn numbered(numbers: impl IntoIterator<Item = u64>) -> Vec<LogId> {
    numbers.into_iter().map(id).collect()
}

pub(super) async fn entries_come_back_as_they_were_saved(store: &dyn RegistryStore) {
    assert_eq!(list(store, query()).await, LogPage::default());
    let two = [bare(prod(), 0), full(prod(), 1)];
    save(store, two.to_vec()).await;
    for (number, entry) in (0..).zip(&two) {
        assert_eq!(find(store, prod(), number).await.as_ref(), Some(entry));
    }
    let page = list(store, query()).await;
    let [one, other] = two;
    assert_eq!(page.entries, [other, one]);
    // Neither another gateway's nor another account's.
    for elsewhere in [place(ONE, "other"), place(TWO, "prod")] {
        assert_eq!(find(store, elsewhere.clone(), 1).await, None);
        let page = list(
            store,
            LogQuery {
                place: elsewhere,
                ..query()
            },
        )
        .await;
        assert_eq!(page, LogPage::default());
    }
    assert_eq!(find(store, prod(), 2).await, None);
}

pub(super) async fn an_entry_is_saved_once(store: &dyn RegistryStore) {
    save(store, Vec::new()).await;
    save(store, vec![bare(prod(), 3)]).await;
    let mut again = bare(prod(), 3);
    again.success = true;
    // Out of order, twice in one batch, and beside one of the same millisecond.
    save(
        store,
        vec![
            bare(prod(), 5),
            bare(prod(), 2),
            again.clone(),
            bare(prod(), 2),
        ],
    )
    .await;
    assert_eq!(left(store).await, numbered([2, 3, 5]));
    assert_eq!(find(store, prod(), 3).await, Some(bare(prod(), 3)));
    // The same id elsewhere is another entry.
    save(
        store,
        vec![bare(place(ONE, "other"), 3), bare(place(TWO, "prod"), 3)],
    )
    .await;
    let mut counts = store.count_logs().await.expect("counts");
    counts.sort();
    let expected = [
        (place(ONE, "other"), 1),
        (prod(), 3),
        (place(TWO, "prod"), 1),
    ];
    assert_eq!(counts, expected);
}

pub(super) async fn a_full_gateway_takes_no_more(store: &dyn RegistryStore) {
    let limits = [LogLimit {
        place: prod(),
        most: 3,
    }];
    let elsewhere = place(ONE, "other");
    let batch = |numbers: &[u64]| {
        let entries = numbers
            .iter()
            .flat_map(|number| [bare(prod(), *number), bare(elsewhere.clone(), *number)]);
        entries.map(LogRecord::new).collect::<Vec<_>>()
    };
    assert_eq!(
        store
            .save_logs(&batch(&[1, 2]), &limits)
            .await
            .expect("a save"),
        0
    );
    // What is there already takes no room.
    assert_eq!(
        store
            .save_logs(&batch(&[2, 3, 4, 5]), &limits)
            .await
            .expect("a save"),
        2
    );
    assert_eq!(left(store).await, numbered([1, 2, 3]));
    let page = list(
        store,
        LogQuery {
            place: elsewhere,
            ..query()
        },
    )
    .await;
    assert_eq!(page.total, 5);
}

pub(super) async fn entries_are_found_by_every_filter(store: &dyn RegistryStore) {
    let entries = various();
    save(store, entries.clone()).await;
    save(
        store,
        vec![full(place(ONE, "other"), 1), full(place(TWO, "prod"), 1)],
    )
    .await;
    let check = async |query: LogQuery| {
        let expected = entries.iter().filter(|entry| query.matches(entry));
        let mut expected: Vec<_> = expected.cloned().collect();
        expected.reverse();
        let page = list(store, query.clone()).await;
        assert_eq!(ids(&page.entries), ids(&expected), "{query:?}");
        assert_eq!(
            page.total,
            u64::try_from(expected.len()).expect("a number"),
            "{query:?}"
        );
        expected.len()
    };
    let mut found = 0;
    let all = filters();
    for filter in &all {
        found += check(LogQuery {
            filters: vec![filter.clone()],
            ..query()
        })
        .await;
    }
    assert!(found > all.len(), "most filters find nothing");
    // Two together.
    for (one, other) in all.iter().zip(all.iter().skip(97)) {
        check(LogQuery {
            filters: vec![one.clone(), other.clone()],
            ..query()
        })
        .await;
    }
    for search in [
        "GPT",
        "curl/8",
        "%",
        "_",
        "chat/comp",
        "order-7",
        "0001",
        "Ä",
        "anthropic",
        "",
        "nowhere",
    ] {
        let value = vec![LogValue::Text(search.into())];
        let filter = LogFilter::build(LogField::Search, LogOperator::Contains, value);
        check(LogQuery {
            filters: vec![filter.expect("a filter")],
            ..query()
        })
        .await;
    }
}

pub(super) async fn entries_are_listed_in_every_order_and_by_page(store: &dyn RegistryStore) {
    save(store, various()).await;
    for (_, order) in LogOrder::ALL {
        for direction in [LogDirection::Rising, LogDirection::Falling] {
            let mut expected = various();
            expected.sort_by(|one, other| order.compare(one, other));
            if direction == LogDirection::Falling {
                expected.reverse();
            }
            let mut listed = Vec::new();
            for page in 0..5 {
                let query = LogQuery {
                    order,
                    direction,
                    skipped: page * 11,
                    most: 11,
                    ..query()
                };
                let page = list(store, query).await;
                assert_eq!(page.total, 40);
                listed.extend(page.entries);
            }
            assert_eq!(ids(&listed), ids(&expected), "{order:?} {direction:?}");
        }
    }
}

pub(super) async fn ranges_span_all_pages(store: &dyn RegistryStore) {
    let with_ranges = || LogQuery {
        most: 1,
        with_ranges: true,
        ..query()
    };
    let empty = list(store, with_ranges()).await.ranges;
    assert_eq!(empty, Some(crate::LogRanges::default()));
    save(store, various()).await;
    let ranges = list(store, with_ranges()).await.ranges.expect("ranges");
    assert_eq!(ranges.duration, Some((0, 1_234)));
    assert_eq!(ranges.tokens_in, Some((2, 1_000)));
    assert_eq!(ranges.tokens_out, Some((4, 200)));
    assert_eq!(ranges.total_tokens, Some((6, 1_200)));
    let cost = (
        Money::from_nanos(100_000_000),
        Money::from_nanos(1_950_000_000),
    );
    assert_eq!(ranges.cost, Some(cost));
    let narrow = LogFilter::build(
        LogField::Success,
        LogOperator::Eq,
        vec![LogValue::Flag(false)],
    );
    let query = LogQuery {
        filters: vec![narrow.expect("a filter")],
        ..with_ranges()
    };
    let ranges = list(store, query).await.ranges.expect("ranges");
    assert_eq!(ranges.tokens_in, Some((6, 35)));
}

pub(super) async fn entries_are_read_one_after_another(store: &dyn RegistryStore) {
    save(store, various()).await;
    let openai = LogFilter::build(
        LogField::Provider,
        LogOperator::Eq,
        vec![LogValue::Text("openai".into())],
    );
    let openai = openai.expect("a filter");
    for direction in [LogDirection::Rising, LogDirection::Falling] {
        for filters in [Vec::new(), vec![openai.clone()]] {
            let mut expected: Vec<_> = various()
                .into_iter()
                .filter(|entry| filters.iter().all(|filter| filter.matches(entry)))
                .collect();
            if direction == LogDirection::Falling {
                expected.reverse();
            }
            let (mut read, mut after) = (Vec::new(), None);
            loop {
                let scan = LogScan {
                    place: prod(),
                    filters: filters.clone(),
                    direction,
                    after,
                    most: 7,
                };
                let entries = store.scan_logs(scan).await.expect("entries");
                let Some(last) = entries.last() else { break };
                after = Some(last.id);
                read.extend(entries);
            }
            assert_eq!(read, expected);
        }
    }
}

pub(super) async fn an_entry_is_changed_where_it_is(store: &dyn RegistryStore) {
    save(
        store,
        vec![
            bare(prod(), 1),
            full(prod(), 2),
            full(place(ONE, "other"), 1),
        ],
    )
    .await;
    let patch = |place, number, patch| async move {
        store
            .patch_log(place, id(number), patch)
            .await
            .expect("a patch")
    };
    let all = LogPatch {
        feedback: Some(LogMark::feedback(1.0)),
        score: Some(LogMark::score(50.0)),
        metadata: Some(LogMetadata::from(&Metadata::parse(br#"{"seen":true}"#))),
    };
    assert!(patch(prod(), 1, all.clone()).await);
    let mut expected = bare(prod(), 1);
    expected.feedback = LogMark::feedback(1.0);
    expected.score = LogMark::score(50.0);
    expected.metadata = all.metadata.clone().expect("metadata");
    assert_eq!(find(store, prod(), 1).await, Some(expected));
    // What is not named stays; what is named as none goes.
    assert!(
        patch(
            prod(),
            2,
            LogPatch {
                score: Some(None),
                ..LogPatch::default()
            }
        )
        .await
    );
    let mut expected = full(prod(), 2);
    expected.score = None;
    assert_eq!(find(store, prod(), 2).await, Some(expected.clone()));
    assert!(patch(prod(), 2, LogPatch::default()).await);
    assert_eq!(find(store, prod(), 2).await, Some(expected));
    // Not there, not here.
    assert!(!patch(prod(), 3, all.clone()).await);
    assert!(!patch(place(TWO, "prod"), 1, all).await);
    let untouched = full(place(ONE, "other"), 1);
    assert_eq!(find(store, place(ONE, "other"), 1).await, Some(untouched));
}

pub(super) async fn bodies_are_kept_apart_and_go_with_their_entry(store: &dyn RegistryStore) {
    let body = |text: &str| LogBody::new(text.as_bytes().to_vec());
    let records = [
        LogRecord {
            entry: bare(prod(), 1),
            request: body("asked"),
            response: body("answered"),
        },
        LogRecord {
            entry: bare(prod(), 2),
            request: body(""),
            response: None,
        },
        LogRecord {
            entry: bare(prod(), 3),
            request: body("old"),
            response: body("old"),
        },
    ];
    store.save_logs(&records, &[]).await.expect("a save");
    let read = |place, number, side| async move {
        let body = store.find_log_body(place, id(number), side).await;
        body.expect("an answer").map(LogBody::into_bytes)
    };
    assert_eq!(
        read(prod(), 1, LogSide::Request).await,
        Some(b"asked".to_vec())
    );
    assert_eq!(
        read(prod(), 1, LogSide::Response).await,
        Some(b"answered".to_vec())
    );
    assert_eq!(read(prod(), 2, LogSide::Request).await, Some(Vec::new()));
    assert_eq!(read(prod(), 2, LogSide::Response).await, None);
    assert_eq!(read(place(TWO, "prod"), 1, LogSide::Request).await, None);
    let trim = LogTrim {
        most: Some(2),
        before: None,
        at_once: 10,
    };
    assert_eq!(store.trim_logs(prod(), trim).await.expect("a trim"), 1);
    assert_eq!(read(prod(), 1, LogSide::Request).await, None);
    // A new entry with the old id has no body of before.
    save(store, vec![bare(prod(), 1)]).await;
    assert_eq!(read(prod(), 1, LogSide::Request).await, None);
    assert_eq!(
        read(prod(), 3, LogSide::Request).await,
        Some(b"old".to_vec())
    );
}

pub(super) async fn entries_are_deleted_by_filter_and_number(store: &dyn RegistryStore) {
    let mut entries: Vec<_> = (0..10).map(|number| bare(prod(), number)).collect();
    for entry in entries.iter_mut().step_by(2) {
        entry.success = true;
    }
    save(store, entries).await;
    save(store, vec![bare(place(ONE, "other"), 1)]).await;
    let succeeded = LogFilter::build(
        LogField::Success,
        LogOperator::Eq,
        vec![LogValue::Flag(true)],
    );
    let deletion = LogDeletion {
        place: prod(),
        filters: vec![succeeded.expect("a filter")],
        order: LogOrder::CreatedAt,
        direction: LogDirection::Falling,
        most: 3,
    };
    let delete = async |deletion| store.delete_logs(deletion).await.expect("a deletion");
    assert_eq!(delete(deletion.clone()).await, 3);
    assert_eq!(left(store).await, numbered([0, 1, 2, 3, 5, 7, 9]));
    assert_eq!(delete(deletion.clone()).await, 2);
    assert_eq!(delete(deletion.clone()).await, 0);
    let all = LogDeletion {
        filters: Vec::new(),
        direction: LogDirection::Rising,
        most: 2,
        ..deletion
    };
    assert_eq!(delete(all).await, 2);
    assert_eq!(left(store).await, numbered([5, 7, 9]));
    assert!(find(store, place(ONE, "other"), 1).await.is_some());
}

pub(super) async fn the_oldest_entries_are_let_go_of(store: &dyn RegistryStore) {
    // Two in each millisecond, and not in the order of their making.
    save(
        store,
        (0..10).rev().map(|number| bare(prod(), number)).collect(),
    )
    .await;
    save(store, vec![bare(place(ONE, "other"), 0)]).await;
    let trim = async |most, before: Option<u64>, at_once| {
        let trim = LogTrim {
            most,
            before: before.map(at),
            at_once,
        };
        store.trim_logs(prod(), trim).await.expect("a trim")
    };
    assert_eq!(trim(None, None, 100).await, 0);
    assert_eq!(trim(Some(10), Some(0), 100).await, 0);
    assert_eq!(trim(Some(9), None, 100).await, 1);
    assert_eq!(trim(None, Some(2), 100).await, 3);
    assert_eq!(left(store).await, numbered(4..10));
    // A little at a time; whichever of the two bounds asks for more.
    assert_eq!(trim(Some(3), Some(3), 2).await, 2);
    assert_eq!(trim(Some(3), Some(3), 2).await, 1);
    assert_eq!(left(store).await, numbered(7..10));
    assert_eq!(trim(Some(0), None, 100).await, 3);
    assert_eq!(left(store).await, []);
    assert!(find(store, place(ONE, "other"), 0).await.is_some());
}
