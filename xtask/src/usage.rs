//! Recorded answers of providers against what they are known to say: `cargo xtask show usage --corpus DIR`.
//!
//! The directory has a `manifest.jsonl`: for each answer its file, provider, endpoint, content type and coding, and its
//! counts. Answers are read as the gateway reads them: in one piece, byte by byte, as the network cut them where that is
//! known, and the short ones cut in two at every byte.

use std::{collections::BTreeMap, error::Error, fs, io::Read, path::Path};

use flate2::read::GzDecoder;
use http::Method;
use keyward_providers::{
    BaseUrl, Catalogue, CredentialPlacement, Provider, Usage, UsageReader, UsageShape,
};
use serde_json::Value;

/// Answers up to this size are cut at every byte.
const SHORT: usize = 4096;

/// The corpus could not be read, or an answer was read otherwise.
#[derive(Debug, thiserror::Error)]
enum UsageError {
    #[error("line {0} of the manifest has no `{1}`")]
    Field(usize, &'static str),
    #[error("the answer {0} is coded as `{1}`, which this command does not decode")]
    Coding(String, String),
    #[error("{0} answers were read otherwise than they are known to say")]
    Wrong(usize),
}

/// One line of the manifest.
struct Recorded {
    file: String,
    provider: String,
    endpoint: String,
    content_type: Option<String>,
    body: Vec<u8>,
    expected: Usage,
    chunks: Vec<usize>,
}

#[derive(Default)]
struct Count {
    answers: usize,
    right: usize,
    wrong: usize,
    silent: usize,
}

/// Reads every answer of `corpus`, and prints how many were read right.
pub(crate) fn run(corpus: &Path) -> Result<(), Box<dyn Error>> {
    let catalogue = Catalogue::built_in()?;
    let base = BaseUrl::parse("https://provider.example.com")?;
    let custom = Provider::custom("custom", "Custom", &base, CredentialPlacement::Bearer);
    let manifest = fs::read_to_string(corpus.join("manifest.jsonl"))?;
    let mut known = Count::default();
    let mut others = Count::default();
    let mut providers = BTreeMap::<String, usize>::new();
    let mut not_read = BTreeMap::<String, usize>::new();
    let mut otherwise = BTreeMap::<String, usize>::new();
    for (at, line) in manifest.lines().enumerate() {
        let recorded = Recorded::read(corpus, at + 1, &serde_json::from_str(line)?)?;
        let found = catalogue.find(slug(&recorded.provider));
        let provider = found.map_or(&custom, |provider| provider);
        let rest = rest(&recorded.provider, &recorded.endpoint);
        let Some(shape) = provider.usage_shape(&Method::POST, &rest) else {
            *not_read.entry(recorded.provider).or_default() += 1;
            continue;
        };
        let count = match found {
            Some(_) => {
                *providers.entry(recorded.provider.clone()).or_default() += 1;
                &mut known
            }
            None => &mut others,
        };
        count.answers += 1;
        match recorded.differences(shape) {
            differences if !differences.is_empty() && found.is_none() => {
                count.wrong += 1;
                let of = format!("{} {}", recorded.provider, recorded.endpoint);
                *otherwise.entry(of).or_default() += 1;
            }
            differences if !differences.is_empty() => {
                count.wrong += 1;
                println!(
                    "{}: {} {}",
                    recorded.file, recorded.provider, recorded.endpoint
                );
                println!("  it says  {:?}", recorded.expected);
                for (how, usage) in differences {
                    println!("  {how:<8} {usage:?}");
                }
            }
            _ if recorded.expected.is_unknown() => count.silent += 1,
            _ => count.right += 1,
        }
    }
    println!(
        "usage: {} answers of {} providers, {} counts right, {} wrong, {} without expectation",
        known.answers,
        providers.len(),
        known.right,
        known.wrong,
        known.silent
    );
    for (provider, count) in providers {
        println!("  {provider:<14} {count}");
    }
    println!(
        "of others, read as a custom provider's: {} answers, {} right, {} wrong, {} without expectation",
        others.answers, others.right, others.wrong, others.silent
    );
    for (of, count) in otherwise {
        println!("  {of}: {count} not read right");
    }
    for (provider, count) in not_read {
        println!("not read, as the provider has no shape: {provider} {count}");
    }
    match known.wrong {
        0 => Ok(()),
        wrong => Err(UsageError::Wrong(wrong).into()),
    }
}

impl Recorded {
    fn read(corpus: &Path, at: usize, line: &Value) -> Result<Self, Box<dyn Error>> {
        let text = |name: &'static str| {
            let text = line.get(name).and_then(Value::as_str);
            text.map(str::to_owned).ok_or(UsageError::Field(at, name))
        };
        let file = text("file")?;
        let raw = fs::read(corpus.join(&file))?;
        let coding = line.get("content_encoding").and_then(Value::as_str);
        let body = match coding {
            None => raw,
            Some("gzip") => {
                let mut body = Vec::new();
                GzDecoder::new(raw.as_slice()).read_to_end(&mut body)?;
                body
            }
            Some(other) => return Err(UsageError::Coding(file, other.to_owned()).into()),
        };
        let chunks = line.get("chunk_lengths").and_then(Value::as_array);
        let chunks = chunks.filter(|_| coding.is_none()).into_iter().flatten();
        Ok(Self {
            provider: text("provider")?,
            endpoint: text("endpoint")?,
            content_type: text("content_type").ok(),
            body,
            expected: expected(line),
            chunks: chunks
                .filter_map(|length| usize::try_from(length.as_u64()?).ok())
                .collect(),
            file,
        })
    }

    /// The ways of cutting the answer in which it is read otherwise than it is known to say.
    fn differences(&self, shape: UsageShape) -> Vec<(String, Usage)> {
        let body = self.body.as_slice();
        let mut found = Vec::new();
        let mut check = |how: String, pieces: &mut dyn Iterator<Item = &[u8]>| {
            let mut reader = UsageReader::new(shape, self.content_type.as_deref());
            pieces.for_each(|piece| reader.feed(piece));
            // Only one provider says it, and the corpus does not.
            let mut usage = reader.usage();
            usage.cache_write_hour = None;
            if usage != self.expected && found.is_empty() {
                found.push((how, usage));
            }
        };
        check("whole".to_owned(), &mut std::iter::once(body));
        check("bytes".to_owned(), &mut body.chunks(1));
        let mut rest = body;
        let mut recorded = self.chunks.iter().map(|length| {
            let (piece, after) = rest.split_at((*length).min(rest.len()));
            rest = after;
            piece
        });
        let mut pieces: Vec<_> = recorded.by_ref().collect();
        pieces.push(rest);
        check("network".to_owned(), &mut pieces.into_iter());
        if body.len() <= SHORT {
            for at in 0..body.len() {
                let (one, other) = body.split_at(at);
                check(format!("cut {at}"), &mut [one, other].into_iter());
            }
        }
        found
    }
}

/// What the manifest says, with its words for it made ours: a part that is larger than its whole is not believed.
fn expected(line: &Value) -> Usage {
    let count = |table: &str, name: &str| line.get(table)?.get(name)?.as_u64();
    let part = |part: Option<u64>, whole: Option<u64>| {
        part.filter(|part| whole.is_none_or(|whole| *part <= whole))
    };
    let mut usage = Usage::UNKNOWN;
    usage.input = count("expect_total", "input");
    usage.output = count("expect_total", "output");
    usage.cache_read = part(count("expect", "cached_input_tokens"), usage.input);
    usage.cache_write = part(count("expect", "cache_write_tokens"), usage.input);
    usage.reasoning = part(count("expect", "reasoning_tokens"), usage.output);
    usage
}

/// The catalogue's name of a provider.
fn slug(provider: &str) -> &str {
    match provider {
        "gemini" => "google-ai-studio",
        "vertex" => "google-vertex-ai",
        "bedrock" => "aws-bedrock",
        other => other,
    }
}

/// A path of the endpoint below the provider.
fn rest(provider: &str, endpoint: &str) -> String {
    match (provider, endpoint) {
        ("gemini", "chat/completions") => "v1beta/openai/chat/completions".to_owned(),
        ("gemini", "interactions") => "v1beta/interactions".to_owned(),
        ("gemini", verb) => format!("v1beta/models/gemini:{verb}"),
        ("vertex", verb @ ("rawPredict" | "streamRawPredict")) => {
            format!("v1/projects/p/locations/l/publishers/anthropic/models/claude:{verb}")
        }
        ("vertex", verb) => format!("v1/projects/p/locations/l/publishers/google/models/m:{verb}"),
        ("bedrock", verb) => format!("model/m/{verb}"),
        ("cohere" | "ollama", endpoint) => endpoint.to_owned(),
        (_, endpoint) => format!("v1/{endpoint}"),
    }
}
