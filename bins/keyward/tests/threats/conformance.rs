//! What HTTP/2 demands of a server, on both listeners: the sections that h2spec tests, as raw frames.
//!
//! docs/http2.md is made from the run, with every reaction that is another one than the standard's.

use std::{fmt::Write as _, net::SocketAddr, time::Duration};

use keyward_testing::http2::{
    self, Connection, Watched, block, flag, frame, integer, kind, settings,
};

use crate::{
    ask::{Ask, Plane},
    case::address,
    page,
    world::{Limits, World},
};

/// The payload of the PING behind every case.
const PING: &[u8] = b"areyouup";

const PROTOCOL: u32 = 1;
const FLOW_CONTROL: u32 = 3;
const STREAM_CLOSED: u32 = 5;
const FRAME_SIZE: u32 = 6;
const REFUSED_STREAM: u32 = 7;
const COMPRESSION: u32 = 9;

/// What must come of it.
#[derive(Clone, Copy, Debug)]
enum Expect {
    /// An answer on stream 1.
    Answer,
    /// GOAWAY with one of these codes, or just the end of the connection, which every section allows.
    Connection(&'static [u32]),
    /// RST_STREAM with one of these codes, or the same as a connection error, or a status from 400 on.
    Stream(&'static [u32]),
    /// Nothing ends: a PING is answered.
    Alive,
    /// A PING is answered with the same payload.
    Pong,
    /// SETTINGS are acknowledged.
    Acknowledged,
    /// The end of the connection, with or without GOAWAY.
    Closed,
}

struct Case {
    section: &'static str,
    name: &'static str,
    /// What is sent on a new connection.
    bytes: fn(&Ask) -> Vec<u8>,
    expect: Expect,
    /// Why h2 or hyper do something else; then that is what must come.
    differs: Option<(&'static str, Expect)>,
}

const fn case(
    section: &'static str,
    name: &'static str,
    expect: Expect,
    bytes: fn(&Ask) -> Vec<u8>,
) -> Case {
    Case {
        section,
        name,
        bytes,
        expect,
        differs: None,
    }
}

impl Case {
    const fn but(mut self, reason: &'static str, instead: Expect) -> Self {
        self.differs = Some((reason, instead));
        self
    }
}

fn hello(more: &[u8]) -> Vec<u8> {
    [&http2::opening()[..], more].concat()
}

fn head(ask: &Ask, flags: u8, stream: u32) -> Vec<u8> {
    frame(kind::HEADERS, flags, stream, &block(&ask.fields2()))
}

/// A whole request without a body on `stream`.
fn whole(ask: &Ask, stream: u32) -> Vec<u8> {
    head(ask, flag::END_HEADERS | flag::END_STREAM, stream)
}

/// HEADERS that leave the stream open.
fn open(ask: &Ask, stream: u32) -> Vec<u8> {
    head(ask, flag::END_HEADERS, stream)
}

fn changed(ask: &Ask, change: impl FnOnce(&mut Vec<(Vec<u8>, Vec<u8>)>)) -> Vec<u8> {
    let mut fields = ask.fields2();
    change(&mut fields);
    let block = block(&fields);
    hello(&frame(
        kind::HEADERS,
        flag::END_HEADERS | flag::END_STREAM,
        1,
        &block,
    ))
}

fn pair(name: &str, value: &str) -> (Vec<u8>, Vec<u8>) {
    (name.into(), value.into())
}

fn window(stream: u32, by: u32) -> Vec<u8> {
    frame(kind::WINDOW_UPDATE, 0, stream, &by.to_be_bytes())
}

/// A request whose header block ends with these bytes.
fn with_block(ask: &Ask, more: &[u8]) -> Vec<u8> {
    let block = [&block(&ask.fields2())[..], more].concat();
    hello(&frame(
        kind::HEADERS,
        flag::END_HEADERS | flag::END_STREAM,
        1,
        &block,
    ))
}

/// The reason of the most frequent difference.
const UNDECODED: &str = "h2 gives this code to every frame, setting and header block that it cannot decode; the connection ends all the same";

const NOTHING: &[u8] = b"";

#[rustfmt::skip]
const CASES: &[Case] = &[
    case("3.4", "the preface, settings and a request", Expect::Answer, |ask| hello(&whole(ask, 1))),
    case("3.4", "another preface", Expect::Closed, |_| b"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n".to_vec()),
    case("3.4", "a request behind the preface, without settings", Expect::Connection(&[PROTOCOL]), |ask| [http2::PREFACE, &whole(ask, 1)].concat())
        .but("the request waits for the settings, and the connection ends if they do not come", Expect::Alive),
    case("4.1", "a frame of an unknown kind", Expect::Alive, |_| hello(&frame(0xfa, 0, 0, b"12345678"))),
    case("4.1", "undefined flags", Expect::Alive, |_| hello(&frame(kind::PING, 0xfe, 0, &[0; 8]))),
    case("4.1", "the reserved bit of a stream id", Expect::Alive, |_| hello(&frame(kind::PING, 0, 0x8000_0000, &[0; 8]))),
    case("4.2", "DATA of 16 KiB", Expect::Answer, |ask| hello(&[&open(ask, 1)[..], &frame(kind::DATA, 0, 1, &[b' '; 16_384]), &frame(kind::DATA, flag::END_STREAM, 1, NOTHING)].concat())),
    case("4.2", "DATA that is larger than allowed", Expect::Stream(&[FRAME_SIZE]), |ask| hello(&[&open(ask, 1)[..], &frame(kind::DATA, flag::END_STREAM, 1, &vec![b' '; 16_385])].concat())),
    case("4.2", "HEADERS that are larger than allowed", Expect::Connection(&[FRAME_SIZE]), |ask| {
        let mut fields = ask.fields2();
        fields.push(pair("x", &"a".repeat(16_384)));
        hello(&frame(kind::HEADERS, flag::END_HEADERS | flag::END_STREAM, 1, &block(&fields)))
    }),
    case("4.2", "SETTINGS that are larger than allowed", Expect::Connection(&[FRAME_SIZE]), |_| hello(&frame(kind::SETTINGS, 0, 0, &settings(&[(0xfafa, 1); 3000])))),
    case("4.3", "a header block that is none", Expect::Connection(&[COMPRESSION]), |ask| with_block(ask, &[0x40]))
        .but(UNDECODED, Expect::Connection(&[PROTOCOL])),
    case("4.3", "PRIORITY within a header block", Expect::Connection(&[PROTOCOL]), |ask| hello(&[&head(ask, flag::END_STREAM, 1)[..], &frame(kind::PRIORITY, 0, 3, &[0, 0, 0, 0, 255]), &frame(kind::CONTINUATION, flag::END_HEADERS, 1, NOTHING)].concat())),
    case("4.3", "HEADERS of another stream within a header block", Expect::Connection(&[PROTOCOL]), |ask| hello(&[head(ask, flag::END_STREAM, 1), whole(ask, 3)].concat())),
    case("4.3", "a header block in four frames", Expect::Answer, |ask| {
        let block = block(&ask.fields2());
        let pieces: Vec<&[u8]> = block.chunks(block.len().div_ceil(4)).collect();
        let mut bytes = frame(kind::HEADERS, flag::END_STREAM, 1, pieces[0]);
        for (at, piece) in pieces.iter().enumerate().skip(1) {
            let ends = if at + 1 == pieces.len() { flag::END_HEADERS } else { 0 };
            bytes.extend(frame(kind::CONTINUATION, ends, 1, piece));
        }
        hello(&bytes)
    }),
    case("5.1", "idle: DATA", Expect::Connection(&[PROTOCOL]), |_| hello(&frame(kind::DATA, flag::END_STREAM, 1, b"x"))),
    case("5.1", "idle: RST_STREAM", Expect::Connection(&[PROTOCOL]), |_| hello(&frame(kind::RST_STREAM, 0, 1, &8_u32.to_be_bytes()))),
    case("5.1", "idle: WINDOW_UPDATE", Expect::Connection(&[PROTOCOL]), |_| hello(&window(1, 100))),
    case("5.1", "idle: CONTINUATION", Expect::Connection(&[PROTOCOL]), |_| hello(&frame(kind::CONTINUATION, flag::END_HEADERS, 1, NOTHING))),
    case("5.1", "half-closed by us: DATA", Expect::Stream(&[STREAM_CLOSED]), |ask| hello(&[&whole(ask, 1)[..], &frame(kind::DATA, flag::END_STREAM, 1, b"x")].concat()))
        .but("h2 forgets a stream that is closed, and takes the frame for one of a stream that never was", Expect::Connection(&[PROTOCOL])),
    case("5.1", "half-closed by us: HEADERS", Expect::Stream(&[STREAM_CLOSED]), |ask| hello(&[whole(ask, 1), whole(ask, 1)].concat()))
        .but("h2 forgets a stream that is closed, and takes the frame for one of a stream that never was", Expect::Connection(&[PROTOCOL])),
    case("5.1", "half-closed by us: CONTINUATION", Expect::Connection(&[STREAM_CLOSED, PROTOCOL]), |ask| hello(&[&whole(ask, 1)[..], &frame(kind::CONTINUATION, flag::END_HEADERS, 1, NOTHING)].concat())),
    case("5.1", "closed by RST_STREAM: DATA", Expect::Stream(&[STREAM_CLOSED]), |ask| hello(&[&open(ask, 1)[..], &frame(kind::RST_STREAM, 0, 1, &8_u32.to_be_bytes()), &frame(kind::DATA, flag::END_STREAM, 1, b"x")].concat())),
    case("5.1", "closed by RST_STREAM: HEADERS", Expect::Stream(&[STREAM_CLOSED]), |ask| hello(&[&open(ask, 1)[..], &frame(kind::RST_STREAM, 0, 1, &8_u32.to_be_bytes()), &whole(ask, 1)].concat()))
        .but("h2 forgets a stream that is closed, and takes the frame for one of a stream that never was", Expect::Connection(&[PROTOCOL])),
    case("5.1.1", "a stream id of the server's", Expect::Connection(&[PROTOCOL]), |ask| hello(&whole(ask, 2))),
    case("5.1.1", "a stream id that is smaller than one before", Expect::Connection(&[PROTOCOL]), |ask| hello(&[whole(ask, 5), whole(ask, 3)].concat())),
    case("5.1.2", "more streams than allowed", Expect::Stream(&[REFUSED_STREAM, PROTOCOL]), |ask| hello(&(0..200).map(|at| open(ask, 2 * at + 1)).collect::<Vec<_>>().concat())),
    case("5.3.1", "HEADERS that depend on themselves", Expect::Stream(&[PROTOCOL]), |ask| {
        let block = [&[0, 0, 0, 1, 16][..], &block(&ask.fields2())].concat();
        hello(&frame(kind::HEADERS, flag::END_HEADERS | flag::END_STREAM | flag::PRIORITY, 1, &block))
    }),
    case("5.3.1", "PRIORITY that depends on itself", Expect::Stream(&[PROTOCOL]), |ask| hello(&[frame(kind::PRIORITY, 0, 1, &[0, 0, 0, 1, 16]), whole(ask, 1)].concat()))
        .but("priorities are obsolete (RFC 9113 §5.3) and pass unread", Expect::Answer),
    case("5.4.1", "a GOAWAY comes before the end", Expect::Connection(&[FRAME_SIZE]), |_| hello(&frame(kind::PING, 0, 0, &[0; 4])))
        .but(UNDECODED, Expect::Connection(&[PROTOCOL])),
    case("5.5", "an unknown frame within a header block", Expect::Connection(&[PROTOCOL]), |ask| hello(&[&head(ask, flag::END_STREAM, 1)[..], &frame(0xfa, 0, 1, b"x"), &frame(kind::CONTINUATION, flag::END_HEADERS, 1, NOTHING)].concat())),
    case("6.1", "DATA on stream 0", Expect::Connection(&[PROTOCOL]), |_| hello(&frame(kind::DATA, flag::END_STREAM, 0, b"x"))),
    case("6.1", "DATA that is all padding", Expect::Connection(&[PROTOCOL]), |ask| hello(&[&open(ask, 1)[..], &frame(kind::DATA, flag::END_STREAM | flag::PADDED, 1, &[6, b'x', 0, 0])].concat())),
    case("6.1", "padded DATA", Expect::Answer, |ask| hello(&[&open(ask, 1)[..], &frame(kind::DATA, flag::END_STREAM | flag::PADDED, 1, &[3, b' ', 0, 0, 0])].concat())),
    case("6.2", "HEADERS on stream 0", Expect::Connection(&[PROTOCOL]), |ask| hello(&whole(ask, 0))),
    case("6.2", "HEADERS with too much padding", Expect::Connection(&[PROTOCOL]), |ask| {
        let block = [&[255][..], &block(&ask.fields2())[..20]].concat();
        hello(&frame(kind::HEADERS, flag::END_HEADERS | flag::END_STREAM | flag::PADDED, 1, &block))
    }),
    case("6.2", "padded HEADERS with a priority", Expect::Answer, |ask| {
        let block = [&[2, 0, 0, 0, 0, 16][..], &block(&ask.fields2()), &[0, 0]].concat();
        hello(&frame(kind::HEADERS, flag::END_HEADERS | flag::END_STREAM | flag::PADDED | flag::PRIORITY, 1, &block))
    }),
    case("6.3", "PRIORITY on stream 0", Expect::Connection(&[PROTOCOL]), |_| hello(&frame(kind::PRIORITY, 0, 0, &[0, 0, 0, 0, 16]))),
    case("6.3", "PRIORITY of four bytes", Expect::Stream(&[FRAME_SIZE]), |ask| hello(&[&open(ask, 1)[..], &frame(kind::PRIORITY, 0, 1, &[0; 4])].concat()))
        .but(UNDECODED, Expect::Connection(&[PROTOCOL])),
    case("6.4", "RST_STREAM on stream 0", Expect::Connection(&[PROTOCOL]), |_| hello(&frame(kind::RST_STREAM, 0, 0, &[0; 4]))),
    case("6.4", "RST_STREAM of three bytes", Expect::Connection(&[FRAME_SIZE]), |ask| hello(&[&open(ask, 1)[..], &frame(kind::RST_STREAM, 0, 1, &[0; 3])].concat()))
        .but(UNDECODED, Expect::Connection(&[PROTOCOL])),
    case("6.5", "SETTINGS are acknowledged", Expect::Acknowledged, |_| hello(&frame(kind::SETTINGS, 0, 0, &settings(&[(3, 100)])))),
    case("6.5", "ACK with a payload", Expect::Connection(&[FRAME_SIZE]), |_| hello(&frame(kind::SETTINGS, flag::ACK, 0, &[0; 6])))
        .but(UNDECODED, Expect::Connection(&[PROTOCOL])),
    case("6.5", "SETTINGS on a stream", Expect::Connection(&[PROTOCOL]), |_| hello(&frame(kind::SETTINGS, 0, 1, &[]))),
    case("6.5", "SETTINGS of three bytes", Expect::Connection(&[FRAME_SIZE]), |_| hello(&frame(kind::SETTINGS, 0, 0, &[0; 3])))
        .but(UNDECODED, Expect::Connection(&[PROTOCOL])),
    case("6.5.2", "ENABLE_PUSH of 2", Expect::Connection(&[PROTOCOL]), |_| hello(&frame(kind::SETTINGS, 0, 0, &settings(&[(2, 2)])))),
    case("6.5.2", "INITIAL_WINDOW_SIZE of 2^31", Expect::Connection(&[FLOW_CONTROL]), |_| hello(&frame(kind::SETTINGS, 0, 0, &settings(&[(4, 0x8000_0000)]))))
        .but(UNDECODED, Expect::Connection(&[PROTOCOL])),
    case("6.5.2", "MAX_FRAME_SIZE of 16,383", Expect::Connection(&[PROTOCOL]), |_| hello(&frame(kind::SETTINGS, 0, 0, &settings(&[(5, 16_383)])))),
    case("6.5.2", "MAX_FRAME_SIZE of 2^24", Expect::Connection(&[PROTOCOL]), |_| hello(&frame(kind::SETTINGS, 0, 0, &settings(&[(5, 1 << 24)])))),
    case("6.5.2", "an unknown setting", Expect::Alive, |_| hello(&frame(kind::SETTINGS, 0, 0, &settings(&[(0xff, 1)])))),
    case("6.6", "PUSH_PROMISE from a client", Expect::Connection(&[PROTOCOL]), |ask| hello(&[&open(ask, 1)[..], &frame(kind::PUSH_PROMISE, flag::END_HEADERS, 1, &[&[0, 0, 0, 2][..], &block(&ask.fields2())].concat())].concat())),
    case("6.7", "PING is answered", Expect::Pong, |_| hello(&frame(kind::PING, 0, 0, b"12345678"))),
    case("6.7", "PING with ACK is not", Expect::Alive, |_| hello(&frame(kind::PING, flag::ACK, 0, b"12345678"))),
    case("6.7", "PING on a stream", Expect::Connection(&[PROTOCOL]), |_| hello(&frame(kind::PING, 0, 1, &[0; 8]))),
    case("6.7", "PING of six bytes", Expect::Connection(&[FRAME_SIZE]), |_| hello(&frame(kind::PING, 0, 0, &[0; 6])))
        .but(UNDECODED, Expect::Connection(&[PROTOCOL])),
    case("6.8", "GOAWAY on a stream", Expect::Connection(&[PROTOCOL]), |_| hello(&frame(kind::GOAWAY, 0, 1, &[0; 8]))),
    case("6.9", "WINDOW_UPDATE of 0 for the connection", Expect::Connection(&[PROTOCOL]), |_| hello(&window(0, 0))),
    case("6.9", "WINDOW_UPDATE of 0 for a stream", Expect::Stream(&[PROTOCOL]), |ask| hello(&[open(ask, 1), window(1, 0)].concat())),
    case("6.9", "WINDOW_UPDATE of three bytes", Expect::Connection(&[FRAME_SIZE]), |_| hello(&frame(kind::WINDOW_UPDATE, 0, 0, &[0, 0, 1])))
        .but(UNDECODED, Expect::Connection(&[PROTOCOL])),
    case("6.9.1", "a window of the connection beyond 2^31 - 1", Expect::Connection(&[FLOW_CONTROL]), |_| hello(&window(0, 0x7fff_ffff))),
    case("6.9.1", "a window of a stream beyond 2^31 - 1", Expect::Stream(&[FLOW_CONTROL]), |ask| hello(&[open(ask, 1), window(1, 0x7fff_ffff)].concat())),
    case("6.9.2", "a window that settings make too large", Expect::Connection(&[FLOW_CONTROL]), |ask| {
        let start = [http2::PREFACE, &frame(kind::SETTINGS, 0, 0, &settings(&[(1, 0)]))].concat();
        let grows = frame(kind::SETTINGS, 0, 0, &settings(&[(4, 0x7fff_ffff)]));
        [start, open(ask, 1), window(1, 0x7fff_0000), grows].concat()
    }),
    case("6.10", "CONTINUATION on stream 0", Expect::Connection(&[PROTOCOL]), |ask| hello(&[&head(ask, flag::END_STREAM, 1)[..], &frame(kind::CONTINUATION, flag::END_HEADERS, 0, NOTHING)].concat())),
    case("6.10", "CONTINUATION behind END_HEADERS", Expect::Connection(&[PROTOCOL]), |ask| hello(&[&open(ask, 1)[..], &frame(kind::CONTINUATION, flag::END_HEADERS, 1, NOTHING)].concat())),
    case("6.10", "CONTINUATION behind DATA", Expect::Connection(&[PROTOCOL]), |ask| hello(&[&open(ask, 1)[..], &frame(kind::DATA, 0, 1, b" "), &frame(kind::CONTINUATION, flag::END_HEADERS, 1, NOTHING)].concat())),
    case("7", "GOAWAY with an unknown error", Expect::Closed, |_| hello(&frame(kind::GOAWAY, 0, 0, &[0, 0, 0, 0, 0, 0, 0, 0xff])))
        .but("what is under way is finished first: the connection ends when the client closes it, or is idle for too long", Expect::Alive),
    case("7", "RST_STREAM with an unknown error", Expect::Alive, |ask| hello(&[&open(ask, 1)[..], &frame(kind::RST_STREAM, 0, 1, &[0, 0, 0, 0xff])].concat())),
    case("8.1", "trailers that do not end the stream", Expect::Stream(&[PROTOCOL]), |ask| hello(&[&open(ask, 1)[..], &frame(kind::DATA, 0, 1, b" "), &frame(kind::HEADERS, flag::END_HEADERS, 1, &block(&[("x", "y")]))].concat())),
    case("8.1", "a field in capitals", Expect::Stream(&[PROTOCOL]), |ask| changed(ask, |fields| fields.push(pair("X-Upper", "a")))),
    case("8.1.1", "a pseudo-header in trailers", Expect::Stream(&[PROTOCOL]), |ask| hello(&[&open(ask, 1)[..], &frame(kind::HEADERS, flag::END_HEADERS | flag::END_STREAM, 1, &block(&[(":method", "GET")]))].concat()))
        .but("h2 drops it; nobody here reads trailers of requests", Expect::Answer),
    case("8.1.1", "a length that DATA does not have", Expect::Stream(&[PROTOCOL]), |ask| {
        let mut fields = ask.fields2();
        fields.push(pair("content-length", "2"));
        hello(&[frame(kind::HEADERS, flag::END_HEADERS, 1, &block(&fields)), frame(kind::DATA, flag::END_STREAM, 1, b" ")].concat())
    }),
    case("8.1.1", "a length that several DATA do not have", Expect::Stream(&[PROTOCOL]), |ask| {
        let mut fields = ask.fields2();
        fields.push(pair("content-length", "2"));
        hello(&[frame(kind::HEADERS, flag::END_HEADERS, 1, &block(&fields)), frame(kind::DATA, 0, 1, b"  "), frame(kind::DATA, flag::END_STREAM, 1, b" ")].concat())
    }),
    case("8.2.1", "a value that begins with a blank", Expect::Stream(&[PROTOCOL]), |ask| changed(ask, |fields| fields.push(pair("x", " a"))))
        .but("h2 refuses control characters only; over HTTP/1.1 the blank is one that every parser passes over", Expect::Answer),
    case("8.2.1", "a value with LF", Expect::Stream(&[PROTOCOL]), |ask| changed(ask, |fields| fields.push(pair("x", "a\nb")))),
    case("8.2.1", "a name with a colon", Expect::Stream(&[PROTOCOL]), |ask| changed(ask, |fields| fields.push(pair("x:y", "a")))),
    case("8.2.1", "a name with a blank", Expect::Stream(&[PROTOCOL]), |ask| changed(ask, |fields| fields.push(pair("x y", "a")))),
    case("8.2.2", "connection", Expect::Stream(&[PROTOCOL]), |ask| changed(ask, |fields| fields.push(pair("connection", "keep-alive")))),
    case("8.2.2", "transfer-encoding", Expect::Stream(&[PROTOCOL]), |ask| changed(ask, |fields| fields.push(pair("transfer-encoding", "chunked")))),
    case("8.2.2", "te that is not trailers", Expect::Stream(&[PROTOCOL]), |ask| changed(ask, |fields| fields.push(pair("te", "trailers, deflate")))),
    case("8.2.2", "te: trailers", Expect::Answer, |ask| changed(ask, |fields| fields.push(pair("te", "trailers")))),
    case("8.3", "an unknown pseudo-header", Expect::Stream(&[PROTOCOL]), |ask| changed(ask, |fields| fields.insert(0, pair(":test", "a")))),
    case("8.3", "a pseudo-header of answers", Expect::Stream(&[PROTOCOL]), |ask| changed(ask, |fields| fields.insert(0, pair(":status", "200")))),
    case("8.3", "a pseudo-header behind a field", Expect::Stream(&[PROTOCOL]), |ask| changed(ask, |fields| fields.push(pair(":authority", "a")))),
    case("8.3.1", "an empty path", Expect::Stream(&[PROTOCOL]), |ask| changed(ask, |fields| fields[3].1.clear())),
    case("8.3.1", "no method", Expect::Stream(&[PROTOCOL]), |ask| changed(ask, |fields| drop(fields.remove(0)))),
    case("8.3.1", "no scheme", Expect::Stream(&[PROTOCOL]), |ask| changed(ask, |fields| drop(fields.remove(1)))),
    case("8.3.1", "no path", Expect::Stream(&[PROTOCOL]), |ask| changed(ask, |fields| drop(fields.remove(3)))),
    case("8.3.1", "two methods", Expect::Stream(&[PROTOCOL]), |ask| changed(ask, |fields| fields.insert(0, pair(":method", "GET")))),
    case("8.3.1", "two schemes", Expect::Stream(&[PROTOCOL]), |ask| changed(ask, |fields| fields.insert(0, pair(":scheme", "http")))),
    case("8.3.1", "two paths", Expect::Stream(&[PROTOCOL]), |ask| changed(ask, |fields| fields.insert(0, pair(":path", "/")))),
    case("HPACK 2.3.3", "an index beyond the tables", Expect::Connection(&[COMPRESSION]), |ask| with_block(ask, &[0xff, 0x7f]))
        .but(UNDECODED, Expect::Connection(&[PROTOCOL])),
    case("HPACK 2.3.3", "a name's index beyond the tables", Expect::Connection(&[COMPRESSION]), |ask| with_block(ask, &[0x7f, 0x7f, 1, b'a']))
        .but(UNDECODED, Expect::Connection(&[PROTOCOL])),
    case("HPACK 4.2", "a size update at the end of a block", Expect::Connection(&[COMPRESSION]), |ask| with_block(ask, &[0x20]))
        .but(UNDECODED, Expect::Connection(&[PROTOCOL])),
    case("HPACK 5.2", "Huffman padding of more than seven bits", Expect::Connection(&[COMPRESSION]), |ask| with_block(ask, b"\x00\x85\xf2\xb2\x4a\x84\xff\x84\x49\x50\x9f\xff"))
        .but(UNDECODED, Expect::Connection(&[PROTOCOL])),
    case("HPACK 5.2", "Huffman padding of zeros", Expect::Connection(&[COMPRESSION]), |ask| with_block(ask, b"\x00\x85\xf2\xb2\x4a\x84\xff\x83\x49\x50\x90"))
        .but(UNDECODED, Expect::Connection(&[PROTOCOL])),
    case("HPACK 5.2", "Huffman with the end symbol", Expect::Connection(&[COMPRESSION]), |ask| with_block(ask, b"\x00\x85\xf2\xb2\x4a\x84\xff\x87\x49\x51\xff\xff\xff\xfa\x7f"))
        .but(UNDECODED, Expect::Connection(&[PROTOCOL])),
    case("HPACK 5.2", "a text that is longer than the block", Expect::Connection(&[COMPRESSION]), |ask| with_block(ask, &[0x00, 0x05, b'a']))
        .but(UNDECODED, Expect::Connection(&[PROTOCOL])),
    case("HPACK 6.1", "index 0", Expect::Connection(&[COMPRESSION]), |ask| with_block(ask, &[0x80]))
        .but(UNDECODED, Expect::Connection(&[PROTOCOL])),
    case("HPACK 6.3", "a size update beyond the limit", Expect::Connection(&[COMPRESSION]), |ask| {
        let mut block_bytes = Vec::new();
        integer(4097, 5, 0x20, &mut block_bytes);
        block_bytes.extend(block(&ask.fields2()));
        hello(&frame(kind::HEADERS, flag::END_HEADERS | flag::END_STREAM, 1, &block_bytes))
    })
        .but(UNDECODED, Expect::Connection(&[PROTOCOL])),
];

/// Sends a case, and a PING behind it.
async fn react(addr: SocketAddr, bytes: &[u8], expect: Expect) -> Watched {
    let connection = Connection::silent(addr).await.unwrap();
    let mut connection = connection.with_deadline(Duration::from_secs(5));
    // The server may have hung up before it has all of it.
    drop(connection.send(bytes).await);
    drop(connection.send(&frame(kind::PING, 0, 0, PING)).await);
    let awaits_stream = matches!(expect, Expect::Answer | Expect::Stream(_));
    connection.watch(1, PING, awaits_stream).await
}

fn fits(expect: Expect, seen: &Watched) -> bool {
    let outcome = &seen.outcome;
    let ended = outcome.is_closed || outcome.goaway.is_some_and(|code| code != 0);
    let goaway = |codes: &[u32]| {
        ended
            && outcome
                .goaway
                .is_none_or(|code| code == 0 || codes.contains(&code))
    };
    let ponged = |payload: &[u8]| seen.pongs.iter().any(|pong| pong == payload);
    match expect {
        Expect::Answer => outcome.status.is_some(),
        Expect::Connection(codes) => goaway(codes),
        Expect::Stream(codes) => {
            seen.resets.iter().any(|(_, code)| codes.contains(code))
                || goaway(codes)
                || outcome.status.is_some_and(|status| status >= 400)
        }
        Expect::Alive => ponged(PING) && !ended,
        Expect::Pong => ponged(b"12345678"),
        Expect::Acknowledged => seen.acknowledged > 1,
        Expect::Closed => ended || outcome.status.is_some(),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn http2_is_spoken_as_the_standard_says() {
    let world = World::start(Limits::Usual).await;
    let mut failures = Vec::new();
    for plane in [Plane::Data, Plane::Control] {
        let ask = match plane {
            Plane::Data => Ask::data(&world, "GET", "openai/models", b""),
            Plane::Control => Ask::list(&world),
        };
        let reactions = CASES.iter().map(async |case| {
            let seen = react(address(&world, plane), &(case.bytes)(&ask), case.expect).await;
            let as_explained = case
                .differs
                .is_some_and(|(_, instead)| fits(instead, &seen));
            (case, fits(case.expect, &seen) || as_explained, seen)
        });
        for reaction in reactions {
            let (case, is_kept, seen) = reaction.await;
            if !is_kept {
                failures.push(format!(
                    "{plane:?}, {}, {}: wanted {:?}, saw {seen:?}",
                    case.section, case.name, case.expect
                ));
            }
        }
    }
    world.stop();
    println!(
        "http2: {} cases on each listener, {} failures",
        CASES.len(),
        failures.len()
    );
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    page::same_as("docs/http2.md", &written());
}

const HEAD: &str = "\
# How Keyward speaks HTTP/2

Both listeners speak HTTP/2, in clear to clients that know it (prior knowledge; `Upgrade: h2c` is ignored) and by
ALPN over TLS. The frames are hyper's and h2's affair; this page says what they do with what a client may not send.
It is made by the test that sends it, frame by frame, to the data plane and to the control plane
(`cargo test -p keyward --test threats conformance`); `KEYWARD_BLESS=1` writes it anew. The cases follow h2spec's,
by sections of RFC 9113 and of RFC 7541 (HPACK).

A connection error may show as GOAWAY with its code or as the end of the connection alone, and a stream error as
RST_STREAM, as a connection error, or as a status from 400 on: the standard allows each.

";

fn written() -> String {
    let mut text = format!("{HEAD}| section | case | reaction |\n| --- | --- | --- |\n");
    for case in CASES {
        let reaction = match case.differs {
            Some(_) => "differs, see below".to_owned(),
            None => words(case.expect),
        };
        writeln!(text, "| {} | {} | {reaction} |", case.section, case.name).unwrap();
    }
    let differing = || CASES.iter().filter_map(|case| Some((case, case.differs?)));
    write!(
        text,
        "\n## Where the reaction is, or may be, another one\n\n{} of {} cases:\n\n",
        differing().count(),
        CASES.len()
    )
    .unwrap();
    for (case, (reason, instead)) in differing() {
        writeln!(
            text,
            "- {}, {}: {} where the standard wants {}: {reason}.",
            case.section,
            case.name,
            words(instead),
            words(case.expect)
        )
        .unwrap();
    }
    text
}

fn words(expect: Expect) -> String {
    let names = |codes: &[u32]| {
        let names = codes.iter().map(|code| match code {
            1 => "PROTOCOL_ERROR",
            3 => "FLOW_CONTROL_ERROR",
            5 => "STREAM_CLOSED",
            6 => "FRAME_SIZE_ERROR",
            7 => "REFUSED_STREAM",
            _ => "COMPRESSION_ERROR",
        });
        names.collect::<Vec<_>>().join(" or ")
    };
    match expect {
        Expect::Answer => "an answer".to_owned(),
        Expect::Connection(codes) => format!("connection error {}", names(codes)),
        Expect::Stream(codes) => format!("stream error {}", names(codes)),
        Expect::Alive => "the connection goes on".to_owned(),
        Expect::Pong => "the same payload back".to_owned(),
        Expect::Acknowledged => "an acknowledgement".to_owned(),
        Expect::Closed => "the end of the connection".to_owned(),
    }
}
