//! Writes an answer, well or badly.

use std::io;

use tokio::{
    io::{AsyncWrite, AsyncWriteExt},
    sync::Semaphore,
    time::sleep,
};

use super::{
    answer::{Answer, AnswerBody},
    behaviour::Pace,
};

/// The reason phrase of every answer: one that a gateway must not hand on.
pub const REASON_PHRASE: &str = "As The Fake Provider Says";

pub(super) static FILLER: [u8; 64 * 1024] = [b'x'; 64 * 1024];

/// What became of the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Written {
    Whole,
    Cut,
}

/// Writes `answer`; `gate` is where a pace that waits for a release waits.
pub(super) async fn write_answer<W: AsyncWrite + Unpin>(
    to: &mut W,
    answer: &Answer,
    is_head_request: bool,
    pace: Pace,
    gate: &Semaphore,
) -> io::Result<Written> {
    to.write_all(&head(answer)).await?;
    to.flush().await?;
    if is_head_request {
        return Ok(Written::Whole);
    }
    match &answer.body {
        AnswerBody::Whole(body) => {
            let (first, second) = body.split_at(body.len() / 2);
            to.write_all(first).await?;
            if halfway(to, pace, gate).await? == Written::Cut {
                return Ok(Written::Cut);
            }
            to.write_all(second).await?;
        }
        AnswerBody::Filler(length) => {
            filler(to, length / 2).await?;
            if halfway(to, pace, gate).await? == Written::Cut {
                return Ok(Written::Cut);
            }
            filler(to, length - length / 2).await?;
        }
        AnswerBody::Pieces { pieces, trailers } => {
            for (index, piece) in pieces.iter().enumerate() {
                if index > 0 {
                    between(to, pace, gate).await?;
                }
                if index == pieces.len() / 2 && halfway(to, pace, gate).await? == Written::Cut {
                    return Ok(Written::Cut);
                }
                chunk(to, piece).await?;
            }
            let mut end = b"0\r\n".to_vec();
            fields(&mut end, trailers);
            to.write_all(&end).await?;
        }
    }
    to.flush().await?;
    Ok(Written::Whole)
}

fn head(answer: &Answer) -> Vec<u8> {
    let mut head = format!("HTTP/1.1 {} {REASON_PHRASE}\r\n", answer.status).into_bytes();
    match &answer.body {
        // These two have no body, and must not name a length for one.
        AnswerBody::Whole(body) if body.is_empty() && matches!(answer.status, 204 | 304) => {}
        AnswerBody::Whole(body) => {
            head.extend_from_slice(format!("content-length: {}\r\n", body.len()).as_bytes());
        }
        AnswerBody::Filler(length) => {
            head.extend_from_slice(format!("content-length: {length}\r\n").as_bytes());
        }
        AnswerBody::Pieces { .. } => head.extend_from_slice(b"transfer-encoding: chunked\r\n"),
    }
    fields(&mut head, &answer.headers);
    head
}

/// Fields and the empty line behind them.
fn fields(into: &mut Vec<u8>, fields: &[(String, Vec<u8>)]) {
    for (name, value) in fields {
        into.extend_from_slice(name.as_bytes());
        into.extend_from_slice(b": ");
        into.extend_from_slice(value);
        into.extend_from_slice(b"\r\n");
    }
    into.extend_from_slice(b"\r\n");
}

async fn chunk<W: AsyncWrite + Unpin>(to: &mut W, piece: &[u8]) -> io::Result<()> {
    if piece.is_empty() {
        return Ok(());
    }
    let mut bytes = format!("{:x}\r\n", piece.len()).into_bytes();
    bytes.extend_from_slice(piece);
    bytes.extend_from_slice(b"\r\n");
    to.write_all(&bytes).await?;
    to.flush().await
}

async fn filler<W: AsyncWrite + Unpin>(to: &mut W, length: u64) -> io::Result<()> {
    let mut left = length;
    while left > 0 {
        let here = usize::try_from(left)
            .unwrap_or(usize::MAX)
            .min(FILLER.len());
        to.write_all(&FILLER[..here]).await?;
        left -= u64::try_from(here).expect("a length fits into 64 bits");
    }
    Ok(())
}

/// Lets the other side see the pieces apart.
async fn between<W: AsyncWrite + Unpin>(
    to: &mut W,
    pace: Pace,
    gate: &Semaphore,
) -> io::Result<()> {
    to.flush().await?;
    match pace {
        Pace::Gap(gap) => sleep(gap).await,
        Pace::Gated => released(gate).await,
        Pace::Even | Pace::StallHalfway | Pace::CutHalfway => tokio::task::yield_now().await,
    }
    Ok(())
}

async fn halfway<W: AsyncWrite + Unpin>(
    to: &mut W,
    pace: Pace,
    gate: &Semaphore,
) -> io::Result<Written> {
    to.flush().await?;
    match pace {
        Pace::StallHalfway => released(gate).await,
        Pace::CutHalfway => return Ok(Written::Cut),
        Pace::Even | Pace::Gap(_) | Pace::Gated => {}
    }
    Ok(Written::Whole)
}

/// Waits for one release and uses it up.
pub(super) async fn released(gate: &Semaphore) {
    gate.acquire()
        .await
        .expect("the gate is never closed")
        .forget();
}
