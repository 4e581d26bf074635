//! Reading HTTP/1.1 messages byte for byte.
//!
//! Written by hand, because a test must see a message as it stood on the wire: header names in their case
//! and order, and where it was cut.

use std::io;

use memchr::memmem;
use tokio::io::{AsyncRead, AsyncReadExt};

/// Header fields in order, names as they stood on the wire.
pub(crate) type Headers = Vec<(String, Vec<u8>)>;

const MAX_HEAD: usize = 4 << 20;
const MAX_FIELDS: usize = 4096;

/// How the end of a body is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Framing {
    Length(u64),
    Chunked,
    UntilClose,
}

/// A body as far as it came.
#[derive(Debug, Default)]
pub(crate) struct Body {
    pub(crate) bytes: Vec<u8>,
    pub(crate) trailers: Headers,
    /// Whether the connection ended, or the framing broke, before the body's end.
    pub(crate) is_truncated: bool,
}

/// Reads messages from a connection, one after the other.
#[derive(Debug)]
pub(crate) struct MessageReader {
    buffer: Vec<u8>,
}

impl MessageReader {
    pub(crate) const fn new() -> Self {
        Self { buffer: Vec::new() }
    }

    /// The bytes up to and with the empty line; nothing when the connection ended before the first one.
    pub(crate) async fn head<R: AsyncRead + Unpin>(
        &mut self,
        from: &mut R,
    ) -> io::Result<Option<Vec<u8>>> {
        loop {
            if let Some(end) = memmem::find(&self.buffer, b"\r\n\r\n") {
                return Ok(Some(self.take(end + 4)));
            }
            if self.buffer.len() > MAX_HEAD {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "head too long"));
            }
            if !self.fill(from).await? {
                return if self.buffer.is_empty() {
                    Ok(None)
                } else {
                    Err(io::ErrorKind::UnexpectedEof.into())
                };
            }
        }
    }

    /// A body. A connection that breaks off is no error here: what came before is what a test looks at.
    pub(crate) async fn body<R: AsyncRead + Unpin>(
        &mut self,
        from: &mut R,
        framing: Framing,
    ) -> Body {
        let mut body = Body::default();
        body.is_truncated = match framing {
            Framing::Length(length) => !self.counted(from, length, &mut body.bytes).await,
            Framing::Chunked => self.chunked(from, &mut body).await.is_none(),
            Framing::UntilClose => self.until_close(from, &mut body.bytes).await.is_err(),
        };
        body
    }

    /// Moves `length` bytes; whether all of them came.
    async fn counted<R: AsyncRead + Unpin>(
        &mut self,
        from: &mut R,
        length: u64,
        into: &mut Vec<u8>,
    ) -> bool {
        let mut wanted = length;
        loop {
            let here = usize::try_from(wanted)
                .unwrap_or(usize::MAX)
                .min(self.buffer.len());
            into.extend(self.buffer.drain(..here));
            wanted -= u64::try_from(here).expect("a length fits into 64 bits");
            if wanted == 0 {
                return true;
            }
            if !matches!(self.fill(from).await, Ok(true)) {
                return false;
            }
        }
    }

    async fn chunked<R: AsyncRead + Unpin>(&mut self, from: &mut R, body: &mut Body) -> Option<()> {
        loop {
            let line = self.line(from).await?;
            let digits = line.split(';').next().unwrap_or_default().trim();
            let size = u64::from_str_radix(digits, 16).ok()?;
            if size == 0 {
                break;
            }
            if !self.counted(from, size, &mut body.bytes).await
                || !self.line(from).await?.is_empty()
            {
                return None;
            }
        }
        loop {
            let line = self.line(from).await?;
            if line.is_empty() {
                return Some(());
            }
            let (name, value) = line.split_once(':')?;
            body.trailers
                .push((name.to_owned(), value.trim().as_bytes().to_vec()));
        }
    }

    async fn until_close<R: AsyncRead + Unpin>(
        &mut self,
        from: &mut R,
        into: &mut Vec<u8>,
    ) -> io::Result<()> {
        let end = loop {
            match self.fill(from).await {
                Ok(true) => {}
                Ok(false) => break Ok(()),
                Err(error) => break Err(error),
            }
        };
        into.append(&mut self.buffer);
        end
    }

    /// One line without its end.
    async fn line<R: AsyncRead + Unpin>(&mut self, from: &mut R) -> Option<String> {
        loop {
            if let Some(end) = memmem::find(&self.buffer, b"\r\n") {
                let line = self.take(end + 2);
                return Some(String::from_utf8_lossy(&line[..end]).into_owned());
            }
            if !matches!(self.fill(from).await, Ok(true)) {
                return None;
            }
        }
    }

    /// Reads more; `false` at the end of the connection.
    async fn fill<R: AsyncRead + Unpin>(&mut self, from: &mut R) -> io::Result<bool> {
        self.buffer.reserve(16 * 1024);
        Ok(from.read_buf(&mut self.buffer).await? > 0)
    }

    fn take(&mut self, length: usize) -> Vec<u8> {
        self.buffer.drain(..length).collect()
    }
}

/// The head of a request.
#[derive(Debug)]
pub(crate) struct RequestHead {
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) headers: Headers,
}

impl RequestHead {
    pub(crate) fn parse(head: &[u8]) -> Option<Self> {
        let mut fields = vec![httparse::EMPTY_HEADER; MAX_FIELDS];
        let mut request = httparse::Request::new(&mut fields);
        request.parse(head).ok()?.is_complete().then_some(())?;
        Some(Self {
            method: request.method?.to_owned(),
            target: request.path?.to_owned(),
            headers: owned(request.headers),
        })
    }

    pub(crate) fn framing(&self) -> Framing {
        framing(&self.headers).unwrap_or(Framing::Length(0))
    }
}

/// The head of an answer.
#[derive(Debug)]
pub(crate) struct AnswerHead {
    pub(crate) status: u16,
    pub(crate) reason: String,
    pub(crate) headers: Headers,
}

impl AnswerHead {
    pub(crate) fn parse(head: &[u8]) -> Option<Self> {
        let mut fields = vec![httparse::EMPTY_HEADER; MAX_FIELDS];
        let mut answer = httparse::Response::new(&mut fields);
        answer.parse(head).ok()?.is_complete().then_some(())?;
        Some(Self {
            status: answer.code?,
            reason: answer.reason.unwrap_or_default().to_owned(),
            headers: owned(answer.headers),
        })
    }

    pub(crate) fn framing(&self, request_method: &str) -> Framing {
        if request_method == "HEAD" || self.status < 200 || matches!(self.status, 204 | 304) {
            return Framing::Length(0);
        }
        framing(&self.headers).unwrap_or(Framing::UntilClose)
    }
}

/// The first field of that name.
pub(crate) fn find<'a>(headers: &'a Headers, name: &str) -> Option<&'a [u8]> {
    headers
        .iter()
        .find(|(candidate, _)| candidate.eq_ignore_ascii_case(name))
        .map(|(_, value)| value.as_slice())
}

/// Whether a field lists `token`.
pub(crate) fn lists(headers: &Headers, name: &str, token: &str) -> bool {
    headers
        .iter()
        .filter(|(candidate, _)| candidate.eq_ignore_ascii_case(name))
        .any(|(_, value)| {
            String::from_utf8_lossy(value)
                .split(',')
                .any(|item| item.trim().eq_ignore_ascii_case(token))
        })
}

fn framing(headers: &Headers) -> Option<Framing> {
    if lists(headers, "transfer-encoding", "chunked") {
        return Some(Framing::Chunked);
    }
    let length = find(headers, "content-length")?;
    std::str::from_utf8(length)
        .ok()?
        .trim()
        .parse()
        .ok()
        .map(Framing::Length)
}

fn owned(fields: &[httparse::Header<'_>]) -> Headers {
    fields
        .iter()
        .map(|field| (field.name.to_owned(), field.value.to_vec()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{Framing, MessageReader, RequestHead};

    #[tokio::test]
    async fn messages_follow_each_other_on_one_connection() {
        let wire = b"POST /a HTTP/1.1\r\nX-Odd-Case: 1\r\nx-odd-case: 2\r\nTransfer-Encoding: chunked\r\n\r\n\
            3;note=1\r\nabc\r\n2\r\nde\r\n0\r\nX-End: yes\r\n\r\n\
            GET /b HTTP/1.1\r\n\r\n";
        let mut from = &wire[..];
        let mut reader = MessageReader::new();
        let head = reader.head(&mut from).await.unwrap().unwrap();
        let head = RequestHead::parse(&head).unwrap();
        let names: Vec<&str> = head.headers.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["X-Odd-Case", "x-odd-case", "Transfer-Encoding"]);
        let body = reader.body(&mut from, head.framing()).await;
        assert_eq!(body.bytes, b"abcde");
        assert_eq!(body.trailers, [("X-End".to_owned(), b"yes".to_vec())]);
        assert!(!body.is_truncated);
        let head = reader.head(&mut from).await.unwrap().unwrap();
        assert_eq!(RequestHead::parse(&head).unwrap().target, "/b");
        assert_eq!(reader.head(&mut from).await.unwrap(), None);
    }

    #[tokio::test]
    async fn a_body_that_breaks_off_is_marked() {
        for (framing, wire) in [
            (Framing::Length(9), &b"abc"[..]),
            (Framing::Chunked, b"3\r\nabc\r\n"),
            (Framing::Chunked, b"3\r\nabc\r\n0\r\n"),
            (Framing::Chunked, b"3\r\nabcd\r\n0\r\n\r\n"),
        ] {
            let mut from = wire;
            let body = MessageReader::new().body(&mut from, framing).await;
            assert!(body.is_truncated, "{framing:?}");
            assert_eq!(body.bytes, b"abc");
        }
    }
}
