//! `keyward logs …`.

use std::{
    collections::{HashSet, VecDeque},
    time::Duration,
};

use http::Method;
use keyward_control::csv::{LOG_COLUMNS, log_line};
use keyward_registry::{GatewayId, LogId};
use serde_json::{Value, json};

use crate::{
    args::{
        Connect, InGateway,
        logs::{Filter, Format, LogsCommand},
    },
    client::{Client, escaped, logs_path, text, whole_log_path},
    failure::Failure,
    output::{self, Output},
};

/// How often `--follow` looks for more.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Entries in an answer, the most that there may be.
const MOST: usize = 50;
/// The same where nothing is counted.
const MOST_UNCOUNTED: usize = 1_000;
/// How many entries `--follow` remembers to have shown: those of the answers before, whatever their order.
const REMEMBERED: usize = 10_000;

pub(crate) async fn run(command: LogsCommand) -> Result<(), Failure> {
    match command {
        LogsCommand::List {
            lines,
            filter,
            gateway,
            connect,
        } => list(lines, &filter, &gateway, &connect).await,
        LogsCommand::Show {
            id,
            gateway,
            connect,
        } => show(id, &gateway, &connect).await,
        LogsCommand::Tail {
            lines,
            follow,
            filter,
            gateway,
            connect,
        } => tail(lines, follow, &filter, &gateway, &connect).await,
        LogsCommand::Export {
            format,
            filter,
            gateway,
            connect,
        } => export(format, &filter, &gateway, &connect).await,
    }
}

impl Filter {
    /// As the control plane takes them.
    fn filters(&self) -> Vec<Value> {
        let is = |key: &str, value: Value| json!({"key": key, "operator": "eq", "value": [value]});
        let provider = self.provider.as_ref();
        let all = [
            provider.map(|slug| is("provider", slug.as_str().into())),
            self.model
                .as_ref()
                .map(|model| is("model", model.as_str().into())),
            self.status.map(|status| is("status_code", status.into())),
            self.failed.then(|| is("success", false.into())),
            self.key
                .map(|id| is("provider_key_id", id.to_string().into())),
            self.token.map(|id| is("token_id", id.to_string().into())),
        ];
        all.into_iter().flatten().collect()
    }

    /// As the query of a request, of entries before `last`. `page` says how many.
    fn query(&self, page: &str, last: Option<&str>) -> String {
        let mut filters = self.filters();
        if let Some(last) = last {
            filters.push(json!({"key": "id", "operator": "lt", "value": [last]}));
        }
        let mut query = page.to_owned();
        if !filters.is_empty() {
            query += &format!("&filters={}", escaped(&Value::from(filters).to_string()));
        }
        for (name, moment, end) in [
            ("start_date", &self.since, "T00:00:00Z"),
            ("end_date", &self.before, "T23:59:59.999Z"),
        ] {
            if let Some(moment) = moment {
                let is_day = moment.len() == "2027-01-15".len();
                let end = if is_day { end } else { "" };
                query += &format!("&{name}={}", escaped(&format!("{moment}{end}")));
            }
        }
        query
    }
}

/// Where entries are read, one answer after the other: the newest first.
struct Reader<'a> {
    client: &'a Client,
    path: String,
    /// How many entries an answer has at most, as its query says it.
    page: String,
    filter: &'a Filter,
    /// The entry behind which the next answer goes on.
    last: Option<String>,
}

impl<'a> Reader<'a> {
    fn new(client: &'a Client, gateway: &GatewayId, filter: &'a Filter) -> Self {
        Self {
            client,
            path: logs_path(gateway),
            page: format!("per_page={MOST}"),
            filter,
            last: None,
        }
    }

    /// One that reads everything, in long answers that count nothing.
    fn of_all(client: &'a Client, gateway: &GatewayId, filter: &'a Filter) -> Self {
        Self {
            path: whole_log_path(gateway),
            page: format!("limit={MOST_UNCOUNTED}"),
            ..Self::new(client, gateway, filter)
        }
    }

    /// The next entries; none where there are no more.
    async fn next(&mut self) -> Result<Vec<Value>, Failure> {
        let query = self.filter.query(&self.page, self.last.as_deref());
        let path = format!("{}?{query}", self.path);
        let Value::Array(entries) = self.client.send(Method::GET, &path, None).await? else {
            return Err(Failure::new("the control plane's answer is no list")
                .help("`keyward status` says which server it is, and of which version"));
        };
        self.last = entries
            .last()
            .map(|entry| text(entry, "id"))
            .or(self.last.take());
        Ok(entries)
    }

    /// The newest entries, at most so many.
    async fn newest(&mut self, most: usize) -> Result<Vec<Value>, Failure> {
        let mut found = Vec::new();
        while found.len() < most {
            let entries = self.next().await?;
            let is_last = entries.len() < MOST;
            found.extend(entries);
            if is_last {
                break;
            }
        }
        found.truncate(most);
        Ok(found)
    }
}

const COLUMNS: [&str; 9] = [
    "time", "status", "provider", "model", "in", "out", "cost", "ms", "id",
];

fn row(entry: &Value) -> Vec<String> {
    [
        "created_at",
        "status_code",
        "provider",
        "model",
        "tokens_in",
        "tokens_out",
        "cost",
        "duration",
        "id",
    ]
    .map(|name| text(entry, name))
    .to_vec()
}

async fn list(
    lines: u16,
    filter: &Filter,
    gateway: &InGateway,
    connect: &Connect,
) -> Result<(), Failure> {
    let client = Client::connect(connect).await?;
    let gateway = client.gateway(gateway.named.as_ref())?;
    let mut reader = Reader::new(&client, &gateway, filter);
    let found = reader.newest(usize::from(lines)).await?;
    let rows: Vec<_> = found.iter().map(row).collect();
    Output::new(connect.json).list(&COLUMNS, &rows, &found)
}

async fn show(id: LogId, gateway: &InGateway, connect: &Connect) -> Result<(), Failure> {
    let client = Client::connect(connect).await?;
    let gateway = client.gateway(gateway.named.as_ref())?;
    let path = format!("{}/{id}", logs_path(&gateway));
    let entry = client.send(Method::GET, &path, None).await?;
    let usage = entry.get("usage_metadata").unwrap_or(&Value::Null);
    let fields = [
        ("id", text(&entry, "id")),
        ("time", text(&entry, "created_at")),
        ("event id", text(&entry, "event_id")),
        ("provider", text(&entry, "provider")),
        ("model", text(&entry, "model")),
        ("path", text(&entry, "path")),
        ("status", text(&entry, "status_code")),
        ("error code", text(&entry, "error_code")),
        ("success", text(&entry, "success")),
        ("duration ms", text(&entry, "duration")),
        ("tokens in", text(&entry, "tokens_in")),
        ("of a cache", text(usage, "cache_read_tokens")),
        ("tokens out", text(&entry, "tokens_out")),
        ("of reasoning", text(usage, "reasoning_tokens")),
        ("cost", text(&entry, "cost")),
        ("provider key", text(&entry, "provider_key_id")),
        ("token", text(&entry, "token_id")),
        ("user agent", text(&entry, "user_agent")),
        ("metadata", text(&entry, "metadata")),
        ("feedback", text(&entry, "feedback")),
        ("score", text(&entry, "score")),
        ("request bytes", text(&entry, "request_size")),
        ("response bytes", text(&entry, "response_size")),
        ("request", text(&entry, "request_head")),
        ("response", text(&entry, "response_head")),
    ];
    let told: Vec<_> = fields
        .into_iter()
        .filter(|(_, value)| !value.is_empty())
        .collect();
    Output::new(connect.json).fields(&told, &entry)
}

async fn tail(
    lines: u16,
    follow: bool,
    filter: &Filter,
    gateway: &InGateway,
    connect: &Connect,
) -> Result<(), Failure> {
    let client = Client::connect(connect).await?;
    let gateway = client.gateway(gateway.named.as_ref())?;
    let output = Output::new(connect.json);
    let mut reader = Reader::new(&client, &gateway, filter);
    let mut found = reader.newest(usize::from(lines).max(MOST)).await?;
    let older = found.split_off(found.len().min(usize::from(lines)));
    found.reverse();
    if !follow {
        let rows: Vec<_> = found.iter().map(row).collect();
        return output.list(&COLUMNS, &rows, &found);
    }
    let mut shown = Shown::default();
    for entry in &older {
        shown.note(entry);
    }
    // What is older than all that was there at the start is not asked for.
    let oldest = older
        .last()
        .or(found.first())
        .map(|entry| text(entry, "id"));
    loop {
        for entry in &found {
            let is_read = match output {
                Output::Json => output::print_on(entry)?,
                Output::Table | Output::Records => output::print_on(output::record(&row(entry)))?,
            };
            if !is_read {
                return Ok(());
            }
        }
        for entry in &found {
            shown.note(entry);
        }
        tokio::time::sleep(LOOK_EVERY).await;
        found = shown
            .new_of(
                &mut Reader::new(&client, &gateway, filter),
                oldest.as_deref(),
            )
            .await?;
    }
}

/// The entries that `--follow` has shown.
#[derive(Default)]
struct Shown {
    ids: HashSet<String>,
    order: VecDeque<String>,
}

impl Shown {
    fn note(&mut self, entry: &Value) {
        let id = text(entry, "id");
        if !self.ids.insert(id.clone()) {
            return;
        }
        self.order.push_back(id);
        if self.order.len() > REMEMBERED
            && let Some(oldest) = self.order.pop_front()
        {
            self.ids.remove(&oldest);
        }
    }

    /// What was not shown, the oldest first: answers are read until one has nothing new.
    async fn new_of(
        &self,
        reader: &mut Reader<'_>,
        oldest: Option<&str>,
    ) -> Result<Vec<Value>, Failure> {
        let mut found = Vec::new();
        while found.len() < REMEMBERED {
            let entries = reader.next().await?;
            let count = entries.len();
            let new = entries.into_iter().filter(|entry| {
                let id = text(entry, "id");
                !self.ids.contains(&id) && oldest.is_none_or(|oldest| id.as_str() > oldest)
            });
            let before = found.len();
            found.extend(new);
            if count < MOST || found.len() == before {
                break;
            }
        }
        found.reverse();
        Ok(found)
    }
}

async fn export(
    format: Format,
    filter: &Filter,
    gateway: &InGateway,
    connect: &Connect,
) -> Result<(), Failure> {
    let client = Client::connect(connect).await?;
    let gateway = client.gateway(gateway.named.as_ref())?;
    let mut reader = Reader::of_all(&client, &gateway, filter);
    if format == Format::Csv {
        output::print(LOG_COLUMNS.join(","))?;
    }
    loop {
        let entries = reader.next().await?;
        for entry in &entries {
            let is_read = match format {
                Format::Jsonl => output::print_on(entry)?,
                Format::Csv => output::print_on(log_line(entry))?,
            };
            if !is_read {
                return Ok(());
            }
        }
        if entries.len() < MOST_UNCOUNTED {
            return Ok(());
        }
    }
}
