//! One connection to the fake provider.

use std::{io, sync::Arc};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

use super::{
    Behaviour, Recorded, State,
    answer::Answer,
    behaviour::Pace,
    http2,
    placement::Format,
    shapes,
    writing::{Written, released, write_answer},
};
use crate::wire::{self, Body, MessageReader, RequestHead};

/// A stream, and the socket below it.
trait Wire: AsyncRead + AsyncWrite + Unpin {
    fn socket(&self) -> &TcpStream;
}

impl Wire for TcpStream {
    fn socket(&self) -> &TcpStream {
        self
    }
}

impl Wire for TlsStream<TcpStream> {
    fn socket(&self) -> &TcpStream {
        self.get_ref().0
    }
}

/// Serves requests until either side ends the connection.
pub(super) async fn serve(
    tcp: TcpStream,
    tls: Option<TlsAcceptor>,
    number: usize,
    state: Arc<State>,
) {
    let _open = state.count_open();
    // Whatever breaks here is the other side's doing, and its own tests look at it.
    let _ended: io::Result<()> = async {
        tcp.set_nodelay(true)?;
        match tls {
            None => requests(tcp, number, &state).await,
            Some(tls) => {
                let stream = tls.accept(tcp).await?;
                match stream.get_ref().1.alpn_protocol() {
                    Some(b"h2") => http2::requests(stream, number, &state).await,
                    _ => requests(stream, number, &state).await,
                }
            }
        }
    }
    .await;
}

async fn requests<S: Wire>(mut stream: S, number: usize, state: &State) -> io::Result<()> {
    let mut reader = MessageReader::new();
    while let Some(head) = reader.head(&mut stream).await? {
        let Some(head) = RequestHead::parse(&head) else {
            let answer = Answer::json(400, &serde_json::json!({"error": "not a request"}))
                .with_header("connection", "close");
            write_answer(&mut stream, &answer, false, Pace::Even, &state.gate).await?;
            return Ok(());
        };
        let behaviour = state.next_behaviour();
        if let Behaviour::EarlyAnswer(status) = behaviour {
            return answer_early(stream, head, number, status, state).await;
        }
        if wire::lists(&head.headers, "expect", "100-continue") {
            stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await?;
            stream.flush().await?;
        }
        let framing = head.framing();
        let body = reader.body(&mut stream, framing).await;
        let is_last = body.is_truncated || wire::lists(&head.headers, "connection", "close");
        let request = recorded(head, body, number);
        state.record(request.clone());
        match behaviour {
            Behaviour::CutBeforeHead | Behaviour::RefuseStream => return Ok(()),
            Behaviour::Reset => return stream.socket().set_zero_linger(),
            Behaviour::StallBeforeHead => released(&state.gate).await,
            _ => {}
        }
        let answer = answer(&request, &behaviour, state);
        let is_head_request = request.method == "HEAD";
        let pace = behaviour.pace();
        let written =
            write_answer(&mut stream, &answer, is_head_request, pace, &state.gate).await?;
        if written == Written::Cut {
            return Ok(());
        }
        if is_last {
            break;
        }
    }
    stream.shutdown().await
}

pub(super) fn answer(request: &Recorded, behaviour: &Behaviour, state: &State) -> Answer {
    if let Behaviour::Status(status, body) = behaviour {
        return Answer::whole(*status, "application/json", body.clone().into_bytes());
    }
    let format = Format::of(request.path(), &state.placement);
    match state.find_key(&request.headers) {
        Ok(key) => match state.told(&key) {
            Some(told) => told,
            None => behaviour.apply(shapes::answer(request, format), &key),
        },
        Err(refusal) => format.refuse(refusal),
    }
}

/// Answers, then reads on until the other side ends: closing with bytes unread would reset the connection
/// and could take the answer with it.
async fn answer_early<S: Wire>(
    mut stream: S,
    head: RequestHead,
    number: usize,
    status: u16,
    state: &State,
) -> io::Result<()> {
    let format = Format::of(&head.target, &state.placement);
    let body = Body {
        is_truncated: true,
        ..Body::default()
    };
    state.record(recorded(head, body, number));
    let answer = format
        .error(status, "answered early")
        .with_header("connection", "close");
    write_answer(&mut stream, &answer, false, Pace::Even, &state.gate).await?;
    stream.shutdown().await?;
    let mut unread = vec![0; 64 * 1024];
    while stream.read(&mut unread).await? > 0 {}
    Ok(())
}

fn recorded(head: RequestHead, body: Body, connection: usize) -> Recorded {
    Recorded {
        method: head.method,
        target: head.target,
        headers: head.headers,
        body: body.bytes,
        trailers: body.trailers,
        truncated: body.is_truncated,
        connection,
        is_http2: false,
    }
}
