//! Pages of the dashboard: how long the server takes for one, and what a browser loads for it.

use std::{
    io::Write,
    time::{Duration, Instant},
};

use flate2::{Compression, write::GzEncoder};
use keyward_testing::client::{RawAnswer, send_raw};

use crate::server::Server;

/// Somebody who is signed in.
pub(crate) struct Visitor<'a> {
    server: &'a Server,
    cookie: String,
}

impl<'a> Visitor<'a> {
    pub(crate) async fn sign_in(server: &'a Server) -> Self {
        let mut visitor = Self {
            server,
            cookie: String::new(),
        };
        let page = visitor.ask("GET", "/sign-in", "").await;
        visitor.keep(&page);
        let page = page.text();
        let (_, csrf) = page.split_once(r#"name="csrf" value=""#).unwrap();
        let (csrf, _) = csrf.split_once('"').unwrap();
        let form = format!("csrf={csrf}&token={}", server.admin());
        let answer = visitor.ask("POST", "/sign-in", &form).await;
        assert_eq!(answer.status, 303, "{}", answer.text());
        visitor.keep(&answer);
        visitor
    }

    /// A page: the fastest of five, and its size, as gzip with what it loads for the first time.
    pub(crate) async fn page(&self, path: &str) -> (Duration, usize) {
        let mut fastest = Duration::MAX;
        let mut text = String::new();
        for _ in 0..5 {
            let start = Instant::now();
            let answer = self.ask("GET", path, "").await;
            fastest = fastest.min(start.elapsed());
            assert_eq!(answer.status, 200, "{path}: {}", answer.text());
            text = answer.text();
        }
        let mut weight = gzip(&text);
        for part in text
            .split(['"', '#'])
            .filter(|part| part.starts_with("/assets/"))
        {
            // What stands in a page more than once is loaded once.
            if text
                .find(part)
                .is_some_and(|first| text[first..].as_ptr() == part.as_ptr())
            {
                weight += self.ask("GET", part, "").await.body.len();
            }
        }
        (fastest, weight)
    }

    async fn ask(&self, method: &str, path: &str, form: &str) -> RawAnswer {
        let host = self.server.control();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: {host}\r\norigin: http://{host}\r\ncookie: {}\r\n\
             accept-encoding: gzip\r\ncontent-length: {}\r\n\r\n{form}",
            self.cookie,
            form.len()
        );
        send_raw(host, request.as_bytes()).await.unwrap()
    }

    fn keep(&mut self, answer: &RawAnswer) {
        for (name, value) in &answer.headers {
            if name.eq_ignore_ascii_case("set-cookie") {
                let value = String::from_utf8_lossy(value);
                let (pair, _) = value.split_once(';').unwrap();
                self.cookie = format!("{}; {pair}", self.cookie);
            }
        }
    }
}

fn gzip(text: &str) -> usize {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap().len()
}
