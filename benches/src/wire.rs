//! Reads one HTTP/1.1 message after another from a stream, for the two ends of a measurement.
//!
//! Cheap rather than complete: messages are framed by `Content-Length` or chunks, follow each other without pipelining,
//! and stay in one buffer that is used again. The proxies under test do not use it.

use bytes::BytesMut;
use memchr::memmem;
use tokio::io::{AsyncRead, AsyncReadExt};

const MAX_HEADERS: usize = 64;
const MAX_HEAD_BYTES: usize = 64 * 1024;
const READ_BYTES: usize = 16 * 1024;

/// A message could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The connection failed.
    #[error("cannot read from the connection")]
    Io(#[from] std::io::Error),
    /// The connection ended within a message.
    #[error("the connection ended within a message")]
    Cut,
    /// What arrived is not a message that this reader takes.
    #[error("malformed message: {0}")]
    Malformed(&'static str),
}

/// One whole message: its first line, its head and its raw body.
#[derive(Debug)]
#[non_exhaustive]
pub struct Message<'a> {
    /// The request line or the status line, without the line end.
    pub first_line: &'a [u8],
    /// Everything up to and with the blank line.
    pub head: &'a [u8],
    /// The body as it stands on the wire, chunk framing included.
    pub raw_body: &'a [u8],
    /// How long the decoded body is.
    pub body_bytes: usize,
}

/// Reads messages from one stream. Keeps its buffer between messages.
#[derive(Debug, Default)]
pub struct MessageReader {
    buffer: BytesMut,
}

impl MessageReader {
    /// Reads the next message, or `None` when the stream ended between two messages.
    ///
    /// # Errors
    ///
    /// When the stream fails, ends within a message, or carries anything but one well-formed message.
    pub async fn next<S>(&mut self, stream: &mut S) -> Result<Option<Message<'_>>, ReadError>
    where
        S: AsyncRead + Unpin,
    {
        self.buffer.clear();
        let mut head_bytes = None;
        let mut body = Body::Unknown;
        let mut seen = 0;
        loop {
            self.buffer.reserve(READ_BYTES);
            if stream.read_buf(&mut self.buffer).await? == 0 {
                return if self.buffer.is_empty() {
                    Ok(None)
                } else {
                    Err(ReadError::Cut)
                };
            }
            if head_bytes.is_none() {
                let Some(end) = memmem::find(&self.buffer, b"\r\n\r\n") else {
                    if self.buffer.len() > MAX_HEAD_BYTES {
                        return Err(ReadError::Malformed("head too long"));
                    }
                    continue;
                };
                body = Body::of_head(self.buffer.get(..end + 4).unwrap_or_default())?;
                seen = end + 4;
                head_bytes = Some(seen);
            }
            if body.advance(self.buffer.get(seen..).unwrap_or_default())? {
                break;
            }
            seen = self.buffer.len();
        }
        let (head, raw_body) = self
            .buffer
            .split_at_checked(head_bytes.unwrap_or_default())
            .unwrap_or_default();
        let first_line = memchr::memchr(b'\r', head)
            .and_then(|end| head.get(..end))
            .unwrap_or_default();
        Ok(Some(Message {
            first_line,
            head,
            raw_body,
            body_bytes: body.decoded_bytes(),
        }))
    }
}

/// How far a body has been read.
#[derive(Debug)]
enum Body {
    Unknown,
    Length { whole: usize, left: usize },
    Chunked(Chunks),
}

impl Body {
    fn of_head(head: &[u8]) -> Result<Self, ReadError> {
        let start = memchr::memchr(b'\n', head).ok_or(ReadError::Malformed("no first line"))? + 1;
        let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
        let Ok(httparse::Status::Complete((_, headers))) =
            httparse::parse_headers(head.get(start..).unwrap_or_default(), &mut headers)
        else {
            return Err(ReadError::Malformed("header fields"));
        };
        for header in headers {
            if header.name.eq_ignore_ascii_case("content-length") {
                let whole = std::str::from_utf8(header.value)
                    .ok()
                    .and_then(|value| value.parse().ok())
                    .ok_or(ReadError::Malformed("content-length"))?;
                return Ok(Self::Length { whole, left: whole });
            }
            if header.name.eq_ignore_ascii_case("transfer-encoding") {
                return Ok(Self::Chunked(Chunks::default()));
            }
        }
        Ok(Self::Length { whole: 0, left: 0 })
    }

    /// Takes the next bytes of the body; true when it is whole.
    fn advance(&mut self, bytes: &[u8]) -> Result<bool, ReadError> {
        match self {
            Self::Unknown => Ok(false),
            Self::Length { left, .. } => {
                *left = left
                    .checked_sub(bytes.len())
                    .ok_or(ReadError::Malformed("bytes after the body"))?;
                Ok(*left == 0)
            }
            Self::Chunked(chunks) => chunks.advance(bytes),
        }
    }

    fn decoded_bytes(&self) -> usize {
        match self {
            Self::Unknown => 0,
            Self::Length { whole, .. } => *whole,
            Self::Chunked(chunks) => chunks.decoded,
        }
    }
}

/// How far a chunked body has been read.
#[derive(Debug, Default)]
struct Chunks {
    decoded: usize,
    at: At,
}

#[derive(Clone, Copy, Debug)]
enum At {
    /// In the line that says how long the next chunk is.
    Size {
        value: usize,
        in_extension: bool,
    },
    /// In a chunk or the line end behind it.
    Data {
        left: usize,
    },
    /// In the trailers, this far into a line.
    Trailer {
        line_bytes: usize,
    },
    End,
}

impl Default for At {
    fn default() -> Self {
        Self::Size {
            value: 0,
            in_extension: false,
        }
    }
}

impl Chunks {
    fn advance(&mut self, mut bytes: &[u8]) -> Result<bool, ReadError> {
        while let Some((&byte, rest)) = bytes.split_first() {
            match self.at {
                At::Data { left } => {
                    let taken = left.min(bytes.len());
                    bytes = bytes.get(taken..).unwrap_or_default();
                    self.at = if taken == left {
                        At::default()
                    } else {
                        At::Data { left: left - taken }
                    };
                    continue;
                }
                At::End => return Err(ReadError::Malformed("bytes after the body")),
                At::Size {
                    value,
                    in_extension,
                } => self.at = self.after_size_byte(byte, value, in_extension)?,
                At::Trailer { line_bytes: 0 } if byte == b'\n' => self.at = At::End,
                At::Trailer { line_bytes } => {
                    let line_bytes = match byte {
                        b'\n' => 0,
                        b'\r' => line_bytes,
                        _ => line_bytes + 1,
                    };
                    self.at = At::Trailer { line_bytes };
                }
            }
            bytes = rest;
        }
        Ok(matches!(self.at, At::End))
    }

    fn after_size_byte(
        &mut self,
        byte: u8,
        value: usize,
        in_extension: bool,
    ) -> Result<At, ReadError> {
        if byte == b'\n' {
            if value == 0 {
                return Ok(At::Trailer { line_bytes: 0 });
            }
            self.decoded += value;
            // The two bytes behind a chunk are its line end.
            return Ok(At::Data { left: value + 2 });
        }
        if in_extension || byte == b';' {
            return Ok(At::Size {
                value,
                in_extension: true,
            });
        }
        if byte == b'\r' {
            return Ok(At::Size {
                value,
                in_extension,
            });
        }
        let digit = char::from(byte)
            .to_digit(16)
            .ok_or(ReadError::Malformed("chunk size"))?;
        value
            .checked_mul(16)
            .and_then(|value| value.checked_add(usize::try_from(digit).ok()?))
            .map(|value| At::Size {
                value,
                in_extension,
            })
            .ok_or(ReadError::Malformed("chunk size"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Hands a message out in pieces of `step` bytes.
    struct Slowly<'a> {
        rest: &'a [u8],
        step: usize,
    }

    impl AsyncRead for Slowly<'_> {
        fn poll_read(
            mut self: std::pin::Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
            into: &mut tokio::io::ReadBuf<'_>,
        ) -> std::task::Poll<std::io::Result<()>> {
            let (now, later) = self.rest.split_at(self.step.min(self.rest.len()));
            into.put_slice(now);
            self.rest = later;
            std::task::Poll::Ready(Ok(()))
        }
    }

    fn read(wire: &[u8], step: usize) -> Result<Option<usize>, ReadError> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        let mut reader = MessageReader::default();
        let read = runtime.block_on(reader.next(&mut Slowly { rest: wire, step }));
        read.map(|message| message.map(|message| message.body_bytes))
    }

    #[test]
    fn the_body_is_whole_however_it_arrives() {
        let length = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
        let chunked = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nA;x=1\r\n0123456789\r\n3\r\nabc\r\n0\r\nx: y\r\n\r\n";
        for step in 1..80 {
            assert_eq!(read(length, step).unwrap(), Some(5), "{step}");
            assert_eq!(read(chunked, step).unwrap(), Some(13), "{step}");
        }
    }

    #[test]
    fn a_cut_message_is_an_error_and_a_quiet_end_is_none() {
        assert!(matches!(
            read(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel", 100),
            Err(ReadError::Cut)
        ));
        assert!(matches!(
            read(
                b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n",
                100
            ),
            Err(ReadError::Cut)
        ));
        assert_eq!(read(b"", 100).unwrap(), None);
    }

    #[test]
    fn bytes_after_the_body_are_refused() {
        let wire = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhello";
        assert!(matches!(read(wire, 100), Err(ReadError::Malformed(_))));
    }
}
