//! What costs a client little and a server much (classes 12, 13, 14, 15).

use std::time::{Duration, Instant};

use keyward_testing::{
    Behaviour,
    http2::{self, block, flag, frame, kind},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::{
    ask::{Ask, Plane, Protocol},
    case::{BOTH, Case, HTTP1, HTTP2, Must, Verdict, address, ensure, exchange, hold_that},
    world::World,
};

/// A connection that is not closed after this long stays open.
const DEADLINE: Duration = Duration::from_secs(20);

pub(super) fn cases(world: &World) -> Vec<Case> {
    let mut cases = floods(world);
    cases.extend(tiny(world));
    cases.extend(bombs(world));
    cases
}

/// The cases of class 12, for a world of short limits.
pub(super) fn idle() -> Vec<Case> {
    let mut cases = Vec::new();
    for plane in [Plane::Data, Plane::Control] {
        let mut probe =
            |name: &'static str, protocols, bytes: fn(&World, Plane, Protocol) -> Vec<u8>| {
                cases.push(Case::run_on(
                    12,
                    plane,
                    name,
                    protocols,
                    move |world, protocol| {
                        Box::pin(async move {
                            let bytes = bytes(world, plane, protocol);
                            closes(world, plane, name, protocol, &bytes).await
                        })
                    },
                ));
            };
        // What has sent nothing speaks no protocol yet.
        probe("nothing is sent", BOTH, |_, _, _| Vec::new());
        probe("one byte", BOTH, |_, _, _| b"P".to_vec());
        probe(
            "half a head",
            BOTH,
            |world, plane, protocol| match protocol {
                Protocol::Http1 => {
                    let whole = ask(world, plane).http1();
                    whole[..whole.len() / 2].to_vec()
                }
                Protocol::Http2 => {
                    let head = frame(
                        kind::HEADERS,
                        flag::END_STREAM,
                        1,
                        &block(&ask(world, plane).fields2()),
                    );
                    [http2::opening(), head].concat()
                }
            },
        );
        probe("the preface only", HTTP2, |_, _, _| http2::PREFACE.to_vec());
        probe("the preface and settings only", HTTP2, |_, _, _| {
            http2::opening()
        });
        probe("half a preface", HTTP2, |_, _, _| {
            http2::PREFACE[..12].to_vec()
        });
        probe("half a frame", HTTP2, |_, _, _| {
            [&http2::opening()[..], &[0, 0, 9, 1]].concat()
        });
        probe(
            "idle after a request",
            BOTH,
            |world, plane, protocol| match protocol {
                Protocol::Http1 => ask(world, plane).http1(),
                Protocol::Http2 => [http2::opening(), ask(world, plane).http2()].concat(),
            },
        );
        cases.push(Case::run_on(
            12,
            plane,
            "a head that comes byte by byte",
            HTTP1,
            move |world, protocol| Box::pin(drips(world, plane, protocol)),
        ));
    }
    cases
}

/// The case of class 12 that changes how the provider behaves.
pub(super) fn stalled() -> Vec<Case> {
    vec![Case::run_on(
        12,
        Plane::Data,
        "a client that takes nothing of a large answer",
        BOTH,
        |world, protocol| Box::pin(takes_nothing(world, protocol)),
    )]
}

fn ask(world: &World, plane: Plane) -> Ask {
    match plane {
        Plane::Data => Ask::data(world, "GET", "openai/models", b""),
        Plane::Control => Ask::list(world),
    }
}

/// The server closes a connection on which nothing but `bytes` comes.
async fn closes(
    world: &World,
    plane: Plane,
    name: &str,
    protocol: Protocol,
    bytes: &[u8],
) -> Verdict {
    let started = Instant::now();
    let mut stream = TcpStream::connect(address(world, plane)).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    let mut rest = Vec::new();
    let end = tokio::time::timeout(DEADLINE, stream.read_to_end(&mut rest)).await;
    drop(world.provider.take_recorded());
    let took = started.elapsed();
    println!(
        "{plane:?} {protocol:?}, {name}: closed after {:.2} s",
        took.as_secs_f64()
    );
    ensure(end.is_ok(), || format!("still open after {DEADLINE:?}"))
}

/// Each byte comes in time; the head as a whole does not.
async fn drips(world: &World, plane: Plane, _: Protocol) -> Verdict {
    let stream = TcpStream::connect(address(world, plane)).await.unwrap();
    let (mut reading, mut writing) = stream.into_split();
    let dripping = async {
        let mut interval = tokio::time::interval(Duration::from_millis(50));
        for byte in ask(world, plane).http1() {
            interval.tick().await;
            if writing.write_all(&[byte]).await.is_err() {
                return;
            }
        }
    };
    let mut rest = Vec::new();
    let ending = tokio::time::timeout(DEADLINE, reading.read_to_end(&mut rest));
    tokio::select! {
        end = ending => ensure(end.is_ok(), || "still open".to_owned()),
        () = dripping => Err("the whole head was waited for".to_owned()),
    }
}

async fn takes_nothing(world: &World, protocol: Protocol) -> Verdict {
    world.provider.behave_once(Behaviour::LargeBody(64 << 20));
    let asked = ask(world, Plane::Data);
    let stream = TcpStream::connect(world.data).await.unwrap();
    let (reading, mut writing) = stream.into_split();
    let bytes = match protocol {
        Protocol::Http1 => asked.http1(),
        Protocol::Http2 => [http2::opening(), asked.http2()].concat(),
    };
    writing.write_all(&bytes).await.unwrap();
    // Nothing is read; the end of the connection shows when more is written.
    let ended = async {
        let mut interval = tokio::time::interval(Duration::from_millis(50));
        loop {
            interval.tick().await;
            let ping = frame(kind::PING, 0, 0, &[0; 8]);
            let more: &[u8] = if protocol == Protocol::Http1 {
                b"\r\n"
            } else {
                &ping
            };
            if writing.write_all(more).await.is_err() {
                return;
            }
        }
    };
    let end = tokio::time::timeout(DEADLINE, ended).await;
    drop(reading);
    drop(world.provider.take_recorded());
    world.provider.behave(Behaviour::Normal);
    ensure(end.is_ok(), || "still open".to_owned())
}

/// While a flood runs on one connection, another client is served; and the flood costs the server nothing that lasts.
async fn survives(world: &World, plane: Plane, protocol: Protocol, flood: Vec<u8>) -> Verdict {
    let stream = TcpStream::connect(address(world, plane)).await.unwrap();
    let (mut reading, mut writing) = stream.into_split();
    let flooding = async {
        // The server may hang up before it has all of it.
        drop(writing.write_all(&flood).await);
    };
    let draining = async {
        let mut sink = vec![0; 64 * 1024];
        while matches!(reading.read(&mut sink).await, Ok(1..)) {}
    };
    let serving = async {
        for _ in 0..5 {
            let seen = exchange(world, &ask(world, plane), protocol).await;
            ensure(seen.status == Some(200), || {
                format!("another client: {seen:?}")
            })?;
        }
        Verdict::Ok(())
    };
    let both = async { tokio::join!(flooding, serving).1 };
    tokio::select! {
        verdict = both => verdict,
        () = async { draining.await; std::future::pending::<()>().await } => Ok(()),
    }?;
    drop(world.provider.take_recorded());
    let seen = exchange(world, &ask(world, plane), protocol).await;
    ensure(seen.status == Some(200), || format!("afterwards: {seen:?}"))
}

/// The server ends a connection on which `start` and then `more` without end is sent, within 64 MiB.
async fn ends(world: &World, plane: Plane, start: &[u8], more: &[u8]) -> Verdict {
    let stream = TcpStream::connect(address(world, plane)).await.unwrap();
    let (mut reading, mut writing) = stream.into_split();
    let flooding = async {
        let mut sent = writing.write_all(start).await;
        let piece = more.repeat((64 * 1024 / more.len()).max(1));
        for _ in 0..1024 {
            if sent.is_err() {
                return Ok(());
            }
            sent = writing.write_all(&piece).await;
        }
        Err("64 MiB were taken".to_owned())
    };
    let draining = async {
        let mut sink = vec![0; 64 * 1024];
        while matches!(reading.read(&mut sink).await, Ok(1..)) {}
    };
    let race = async {
        tokio::select! {
            verdict = flooding => verdict,
            () = draining => Ok(()),
        }
    };
    tokio::time::timeout(DEADLINE * 2, race)
        .await
        .unwrap_or_else(|_| Err("neither taken nor refused".to_owned()))
}

/// What a connection begins with, and what then comes without end.
type Endless = fn(&World, Plane) -> (Vec<u8>, Vec<u8>);

fn floods(world: &World) -> Vec<Case> {
    let mut cases = Vec::new();
    for plane in [Plane::Data, Plane::Control] {
        let mut flood = |name: &'static str, protocols, make: fn(&World, Plane) -> Vec<u8>| {
            cases.push(Case::run_on(
                13,
                plane,
                name,
                protocols,
                move |world, protocol| {
                    Box::pin(
                        async move { survives(world, plane, protocol, make(world, plane)).await },
                    )
                },
            ));
        };
        flood("10,000 requests, each reset at once", HTTP2, resets);
        flood("10,000 PINGs", HTTP2, |_, _| {
            behind_opening(&frame(kind::PING, 0, 0, &[0; 8]).repeat(10_000))
        });
        flood("10,000 SETTINGS", HTTP2, |_, _| {
            behind_opening(&frame(kind::SETTINGS, 0, 0, &[]).repeat(10_000))
        });
        flood("10,000 PRIORITYs", HTTP2, |_, _| {
            behind_opening(&frame(kind::PRIORITY, 0, 1, &[0, 0, 0, 0, 9]).repeat(10_000))
        });
        flood("10,000 unknown frames", HTTP2, |_, _| {
            behind_opening(&frame(0xfa, 0, 0, &[0; 8]).repeat(10_000))
        });
        flood("1,000 streams at once", HTTP2, |world, plane| {
            let ask = ask(world, plane);
            behind_opening(
                &(0..1_000)
                    .flat_map(|number| ask.on_stream(2 * number + 1))
                    .collect::<Vec<u8>>(),
            )
        });
        flood("1,000 requests in a row", HTTP1, |world, plane| {
            ask(world, plane).http1().repeat(1_000)
        });
        flood("10,000 empty lines", HTTP1, |_, _| b"\r\n".repeat(10_000));
        let mut endless = |name: &'static str, protocol: &'static [Protocol], make: Endless| {
            cases.push(Case::run_on(13, plane, name, protocol, move |world, _| {
                Box::pin(async move {
                    let (start, more) = make(world, plane);
                    ends(world, plane, &start, &more).await
                })
            }));
        };
        endless("CONTINUATION without end", HTTP2, |world, plane| {
            let head = frame(
                kind::HEADERS,
                flag::END_STREAM,
                1,
                &block(&ask(world, plane).fields2()),
            );
            let more = block(&[("x", "a".repeat(100))]).repeat(100);
            (
                behind_opening(&head),
                frame(kind::CONTINUATION, 0, 1, &more),
            )
        });
        endless("empty CONTINUATIONs without end", HTTP2, |world, plane| {
            let head = frame(
                kind::HEADERS,
                flag::END_STREAM,
                1,
                &block(&ask(world, plane).fields2()),
            );
            (behind_opening(&head), frame(kind::CONTINUATION, 0, 1, &[]))
        });
        endless("a header without end", HTTP1, |world, plane| {
            (
                [&ask(world, plane).head("")[..], b"x: "].concat(),
                b"a".to_vec(),
            )
        });
        endless("headers without end", HTTP1, |world, plane| {
            (ask(world, plane).head(""), b"x: a\r\n".to_vec())
        });
        endless("a target without end", HTTP1, |_, _| {
            (b"GET /".to_vec(), b"a".to_vec())
        });
        cases.push(Case::run_on(
            13,
            plane,
            "200 clients that hang up",
            BOTH,
            move |world, protocol| Box::pin(async move { hang_up(world, plane, protocol).await }),
        ));
        let many = (0..200).fold(ask(world, plane), |ask, number| {
            ask.with(&format!("x-{number}"), "a")
        });
        cases.push(Case::ask(13, "200 fields", &many, Must::RefuseWith(&[431])));
        let large = ask(world, plane).with("x-large", &"a".repeat(100_000));
        let pieces = continued(&large);
        cases.push(Case::send(
            13,
            plane,
            "a head of 100,000 bytes",
            Some(large.http1()),
            Some(pieces),
            Must::RefuseWith(&[431]),
        ));
    }
    cases
}

fn behind_opening(bytes: &[u8]) -> Vec<u8> {
    [&http2::opening()[..], bytes].concat()
}

/// A head that is larger than a frame.
fn continued(ask: &Ask) -> Vec<u8> {
    let whole = block(&ask.fields2());
    let mut bytes = Vec::new();
    let count = whole.chunks(16_000).count();
    for (at, piece) in whole.chunks(16_000).enumerate() {
        let kind = if at == 0 {
            kind::HEADERS
        } else {
            kind::CONTINUATION
        };
        let first = if at == 0 { flag::END_STREAM } else { 0 };
        let last = if at + 1 == count {
            flag::END_HEADERS
        } else {
            0
        };
        bytes.extend(frame(kind, first | last, 1, piece));
    }
    bytes
}

fn resets(world: &World, plane: Plane) -> Vec<u8> {
    let ask = ask(world, plane);
    let mut bytes = http2::opening();
    for number in 0..10_000 {
        let stream = 2 * number + 1;
        bytes.extend(ask.on_stream(stream));
        bytes.extend(frame(kind::RST_STREAM, 0, stream, &8_u32.to_be_bytes()));
    }
    bytes
}

async fn hang_up(world: &World, plane: Plane, protocol: Protocol) -> Verdict {
    let whole = match protocol {
        Protocol::Http1 => ask(world, plane).http1(),
        Protocol::Http2 => behind_opening(&ask(world, plane).http2()),
    };
    for number in 0..200 {
        let mut stream = TcpStream::connect(address(world, plane)).await.unwrap();
        let sent = &whole[..whole.len() * (number % 10 + 1) / 10];
        drop(stream.write_all(sent).await);
    }
    let seen = exchange(world, &ask(world, plane), protocol).await;
    drop(world.provider.take_recorded());
    ensure(seen.status == Some(200), || format!("{seen:?}"))
}

fn tiny(world: &World) -> Vec<Case> {
    const LENGTH: usize = 12 * 1024;
    let mut cases = Vec::new();
    let body = [b"{\"x\":\"", &vec![b'a'; LENGTH][..], b"\"}"].concat();
    for (plane, ask) in [
        (Plane::Data, Ask::chat(world).body(&body)),
        // Valid JSON, and no gateway: read to its end, and refused.
        (Plane::Control, Ask::create(world).body(&body)),
    ] {
        let sizes: [(&str, usize, &str); 3] = [
            ("12 KiB in pieces of one byte", 1, ""),
            ("in pieces of two bytes", 2, ""),
            (
                "in pieces of 64 bytes, each with an extension or padding of 100",
                64,
                "100",
            ),
        ];
        for (name, size, more) in sizes {
            let extension = if more.is_empty() {
                String::new()
            } else {
                format!(";x={}", "a".repeat(100))
            };
            let mut chunks = Vec::new();
            for piece in body.chunks(size) {
                chunks.extend(format!("{:x}{extension}\r\n", piece.len()).bytes());
                chunks.extend_from_slice(piece);
                chunks.extend_from_slice(b"\r\n");
            }
            chunks.extend_from_slice(b"0\r\n\r\n");
            let http1 = [
                &ask.head("Transfer-Encoding: chunked\r\n")[..],
                b"\r\n",
                &chunks,
            ]
            .concat();
            let mut http2 = frame(kind::HEADERS, flag::END_HEADERS, 1, &block(&ask.fields2()));
            for piece in body.chunks(size) {
                if more.is_empty() {
                    http2.extend(frame(kind::DATA, 0, 1, piece));
                } else {
                    let padded = [&[100][..], piece, &[0; 100]].concat();
                    http2.extend(frame(kind::DATA, flag::PADDED, 1, &padded));
                }
            }
            http2.extend(frame(kind::DATA, flag::END_STREAM, 1, b""));
            let expected = body.clone();
            let is_extended = !more.is_empty();
            let must = hold_that(
                "read whole, or refused as too much",
                move |seen| match plane {
                    // h2 ends a connection on which more tiny frames come than are read (ENHANCE_YOUR_CALM).
                    _ if seen.error == Some(11) => true,
                    // hyper takes 16 KiB of extensions in one body.
                    Plane::Data if is_extended && seen.status == Some(400) => true,
                    Plane::Data => {
                        seen.status == Some(200)
                            && seen.only().is_some_and(|request| request.body == expected)
                    }
                    Plane::Control => seen.status == Some(400) && seen.whole() == 0,
                },
            );
            cases.push(Case::send(14, plane, name, Some(http1), Some(http2), must));
        }
        let empty = frame(kind::DATA, 0, 1, b"").repeat(500);
        let head = frame(kind::HEADERS, flag::END_HEADERS, 1, &block(&ask.fields2()));
        let last = body
            .chunks(16 * 1024)
            .flat_map(|piece| frame(kind::DATA, 0, 1, piece));
        let bytes = [
            head,
            empty,
            last.collect(),
            frame(kind::DATA, flag::END_STREAM, 1, b""),
        ]
        .concat();
        cases.push(Case::send(
            14,
            plane,
            "500 empty DATA frames",
            None,
            Some(bytes),
            hold_that("an answer or an error", |seen| {
                seen.status.is_some_and(|status| status < 500) || seen.error.is_some()
            }),
        ));
    }
    let sse = Ask::chat(world).body(br#"{"model":"m","stream":true,"messages":[]}"#);
    cases.push(Case::ask(
        14,
        "an answer of many events",
        &sse,
        hold_that("all of them", |seen| {
            seen.status == Some(200) && seen.body.ends_with(b"data: [DONE]\n\n")
        }),
    ));
    cases
}

/// A gzip stream of `mebibytes` MiB of zeros: one literal, then copies of 258 at distance 1, in fixed Huffman codes
/// (RFC 1951 §3.2.6).
fn bomb(mebibytes: usize) -> Vec<u8> {
    let (mut bytes, mut current, mut used) = (vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255], 0_u8, 0);
    let mut bit = |value: u8, bytes: &mut Vec<u8>| {
        current |= value << used;
        used += 1;
        if used == 8 {
            bytes.push(current);
            (current, used) = (0, 0);
        }
    };
    let mut code = |text: &str, bytes: &mut Vec<u8>| {
        for digit in text.bytes() {
            bit(digit - b'0', bytes);
        }
    };
    // The last block, of fixed codes; a zero; copies; the end. Then zeros for the sum, which nobody gets to.
    code("110", &mut bytes);
    code("00110000", &mut bytes);
    for _ in 0..(mebibytes << 20) / 258 {
        code("1100010100000", &mut bytes);
    }
    code("0000000", &mut bytes);
    code("0000000", &mut bytes);
    bytes.extend_from_slice(&[0; 8]);
    bytes
}

fn bombs(world: &World) -> Vec<Case> {
    let bomb = bomb(16);
    let mut cases = Vec::new();
    for coding in ["gzip", "br", "deflate", "zstd", "gzip, gzip"] {
        let ask = Ask::chat(world)
            .with("content-encoding", coding)
            .body(&bomb);
        let expected = bomb.clone();
        let must = hold_that("passed on byte for byte", move |seen| {
            seen.only().is_some_and(|request| request.body == expected)
        });
        cases.push(Case::ask(
            15,
            format!("a request body of 16 MiB in 100 KB, `{coding}`"),
            &ask,
            must,
        ));
        let ask = Ask::create(world)
            .with("content-encoding", coding)
            .body(&bomb);
        cases.push(Case::ask(
            15,
            format!("a request body of 16 MiB in 100 KB, `{coding}`"),
            &ask,
            Must::RefuseWith(&[400, 415]),
        ));
    }
    for coding in ["gzip", "br"] {
        let sets = Behaviour::SetHeaders(vec![("content-encoding".to_owned(), coding.to_owned())]);
        // The body is none: whoever decoded it would fail.
        let must = hold_that("passed on undecoded", |seen| {
            seen.status == Some(200)
                && seen.header("content-encoding").is_some()
                && seen.body.starts_with(b"{")
        });
        cases.push(
            Case::ask(
                15,
                format!("an answer that says `{coding}`"),
                &Ask::chat(world),
                must,
            )
            .when(sets),
        );
    }
    let asks = Ask::chat(world).with("accept-encoding", "gzip, br");
    cases.push(Case::ask(
        15,
        "what the client accepts is the provider's affair",
        &asks,
        Must::Pass,
    ));
    cases
}
