//! One connection to the fake provider that speaks HTTP/2.
//!
//! What ends a connection over HTTP/1.1 ends a stream here: the others on the connection go on.

use std::{future::poll_fn, io, sync::Arc, time::Duration};

use bytes::Bytes;
use h2::{Reason, RecvStream, SendStream, server::SendResponse};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use tokio::{net::TcpStream, task::JoinSet, time::sleep};
use tokio_rustls::server::TlsStream;

use super::{
    Behaviour, Recorded, State,
    answer::{Answer, AnswerBody},
    behaviour::Pace,
    connection,
    placement::Format,
    writing::{FILLER, released},
};
use crate::wire::Headers;

/// Serves requests until either side ends the connection.
pub(super) async fn requests(
    stream: TlsStream<TcpStream>,
    number: usize,
    state: &Arc<State>,
) -> io::Result<()> {
    let mut connection = h2::server::handshake(stream)
        .await
        .map_err(io::Error::other)?;
    let mut exchanges = JoinSet::new();
    while let Some(accepted) = connection.accept().await {
        let (request, respond) = accepted.map_err(io::Error::other)?;
        let behaviour = state.next_behaviour();
        let state = Arc::clone(state);
        exchanges.spawn(async move {
            // What breaks here is the other side's doing, and its own tests look at it.
            let _ended = exchange(request, respond, behaviour, number, &state).await;
        });
        while exchanges.try_join_next().is_some() {}
    }
    Ok(())
}

async fn exchange(
    request: Request<RecvStream>,
    mut respond: SendResponse<Bytes>,
    behaviour: Behaviour,
    number: usize,
    state: &State,
) -> Result<(), h2::Error> {
    match behaviour {
        Behaviour::RefuseStream => {
            respond.send_reset(Reason::REFUSED_STREAM);
            return Ok(());
        }
        Behaviour::EarlyAnswer(status) => {
            let format = Format::of(request.uri().path(), &state.placement);
            state.record(head_of(&request, number));
            let answer = format.error(status, "answered early");
            return write(respond, &answer, false, Pace::Even, state).await;
        }
        _ => {}
    }
    let request = read(request, number).await;
    state.record(request.clone());
    match behaviour {
        Behaviour::CutBeforeHead | Behaviour::Reset => {
            respond.send_reset(Reason::INTERNAL_ERROR);
            return Ok(());
        }
        Behaviour::StallBeforeHead => released(&state.gate).await,
        _ => {}
    }
    let answer = connection::answer(&request, &behaviour, state);
    let is_head_request = request.method == "HEAD";
    write(respond, &answer, is_head_request, behaviour.pace(), state).await
}

/// A request without its body, which is left unread.
fn head_of(request: &Request<RecvStream>, number: usize) -> Recorded {
    let uri = request.uri();
    // What HTTP/1.1 says in `Host`.
    let authority = uri.authority().map(|authority| {
        let value = authority.as_str().as_bytes().to_vec();
        ("host".to_owned(), value)
    });
    Recorded {
        method: request.method().to_string(),
        target: uri
            .path_and_query()
            .map_or_else(String::new, ToString::to_string),
        headers: authority
            .into_iter()
            .chain(to_fields(request.headers()))
            .collect(),
        body: Vec::new(),
        trailers: Vec::new(),
        truncated: true,
        connection: number,
        is_http2: true,
    }
}

async fn read(request: Request<RecvStream>, number: usize) -> Recorded {
    let mut recorded = head_of(&request, number);
    let mut body = request.into_body();
    recorded.truncated = loop {
        match body.data().await {
            None => break false,
            Some(Err(_reset)) => break true,
            Some(Ok(data)) => {
                recorded.body.extend_from_slice(&data);
                let _closed = body.flow_control().release_capacity(data.len());
            }
        }
    };
    if let Ok(Some(trailers)) = body.trailers().await {
        recorded.trailers = to_fields(&trailers).collect();
    }
    recorded
}

fn to_fields(headers: &HeaderMap) -> impl Iterator<Item = (String, Vec<u8>)> {
    headers
        .iter()
        .map(|(name, value)| (name.as_str().to_owned(), value.as_bytes().to_vec()))
}

async fn write(
    mut respond: SendResponse<Bytes>,
    answer: &Answer,
    is_head_request: bool,
    pace: Pace,
    state: &State,
) -> Result<(), h2::Error> {
    let mut head = Response::new(());
    *head.status_mut() = answer.status.try_into().expect("a status is a status");
    *head.headers_mut() = to_map(&answer.headers);
    let length = match &answer.body {
        AnswerBody::Whole(body) if body.is_empty() && matches!(answer.status, 204 | 304) => None,
        AnswerBody::Whole(body) => u64::try_from(body.len()).ok(),
        AnswerBody::Filler(length) => Some(*length),
        AnswerBody::Pieces { .. } => None,
    };
    if let Some(length) = length {
        head.headers_mut().insert("content-length", length.into());
    }
    // Fields of a connection have no place in HTTP/2.
    head.headers_mut().remove("connection");
    let mut stream = respond.send_response(head, is_head_request)?;
    if is_head_request {
        return Ok(());
    }
    let mut pieces = pieces_of(&answer.body);
    let half = pieces.len() / 2;
    for (index, piece) in pieces.drain(..).enumerate() {
        if index == half {
            match pace {
                Pace::StallHalfway => released(&state.gate).await,
                // An end before the announced length is a broken stream (RFC 9113 §8.1.1).
                Pace::CutHalfway if length.is_some() => {
                    return stream.send_data(Bytes::new(), true);
                }
                Pace::CutHalfway => {
                    // A reset drops what is not written yet, and nothing tells when it is.
                    sleep(Duration::from_millis(100)).await;
                    stream.send_reset(Reason::INTERNAL_ERROR);
                    return Ok(());
                }
                _ => {}
            }
        }
        if index > 0 {
            match pace {
                Pace::Gap(gap) => sleep(gap).await,
                Pace::Gated => released(&state.gate).await,
                _ => tokio::task::yield_now().await,
            }
        }
        send(&mut stream, piece).await?;
    }
    match &answer.body {
        AnswerBody::Pieces { trailers, .. } if !trailers.is_empty() => {
            stream.send_trailers(to_map(trailers))
        }
        _ => stream.send_data(Bytes::new(), true),
    }
}

fn to_map(fields: &Headers) -> HeaderMap {
    fields
        .iter()
        .map(|(name, value)| {
            let name = HeaderName::from_bytes(name.as_bytes()).expect("a name is a name");
            let value = HeaderValue::from_bytes(value).expect("a value is a value");
            (name, value)
        })
        .collect()
}

/// A body in the pieces it is sent in; one that is not in pieces, in two halves.
fn pieces_of(body: &AnswerBody) -> Vec<Bytes> {
    match body {
        AnswerBody::Whole(body) => {
            let (first, second) = body.split_at(body.len() / 2);
            [first, second].map(Bytes::copy_from_slice).into()
        }
        AnswerBody::Pieces { pieces, .. } => pieces.iter().cloned().map(Bytes::from).collect(),
        AnswerBody::Filler(length) => {
            let length = usize::try_from(*length).expect("a length fits into memory");
            let whole = std::iter::repeat_n(FILLER.len(), length / FILLER.len());
            whole
                .chain([length % FILLER.len()])
                .map(|length| Bytes::from_static(&FILLER[..length]))
                .collect()
        }
    }
}

/// Sends as the other side takes it.
async fn send(stream: &mut SendStream<Bytes>, mut data: Bytes) -> Result<(), h2::Error> {
    while !data.is_empty() {
        stream.reserve_capacity(data.len());
        let Some(room) = poll_fn(|cx| stream.poll_capacity(cx)).await else {
            return Ok(());
        };
        let piece = data.split_to(room?.min(data.len()));
        stream.send_data(piece, false)?;
    }
    Ok(())
}
