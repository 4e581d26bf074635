//! Reads one answer of a provider a line, as JSON, and writes its class: what `corpus/check.py` speaks.
//!
//! ```text
//! {"provider": "groq", "status": 401, "headers": {}, "body": "{\"error\":{\"code\":\"invalid_api_key\"}}"}
//! credential_rejected
//! ```

#![expect(
    clippy::print_stdout,
    reason = "standard output is what the program is for"
)]

use std::{collections::BTreeMap, error::Error, io};

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use keyward_providers::Catalogue;
use serde::Deserialize;

#[derive(Deserialize)]
struct Answer {
    provider: String,
    status: u16,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    body: String,
}

fn main() -> Result<(), Box<dyn Error>> {
    let catalogue = Catalogue::built_in()?;
    for line in io::stdin().lines() {
        let answer: Answer = serde_json::from_str(&line?)?;
        let provider = catalogue
            .find(&answer.provider)
            .ok_or_else(|| format!("there is no provider `{}`", answer.provider))?;
        let mut headers = HeaderMap::new();
        for (name, value) in &answer.headers {
            headers.append(HeaderName::try_from(name)?, HeaderValue::try_from(value)?);
        }
        let status = StatusCode::from_u16(answer.status)?;
        let verdict = provider.judge(status, &headers, answer.body.as_bytes());
        println!("{}", verdict.class);
    }
    Ok(())
}
