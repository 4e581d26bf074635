//! Requests spoilt by chance, the same ones on every machine.

use crate::{
    collected::SMUGGLED,
    message::{Body, Chunk, Line, Message},
    random::Random,
};

/// Makes cases in a fixed order.
pub(crate) struct Generator {
    random: Random,
    path: String,
    token: String,
}

impl Generator {
    pub(crate) fn new(seed: u64, path: &str, token: &str) -> Self {
        Self {
            random: Random::new(seed),
            path: path.to_owned(),
            token: token.to_owned(),
        }
    }

    /// The case of this number: one to three requests, of which one or more are spoilt.
    pub(crate) fn case(&mut self, number: usize) -> Vec<u8> {
        let count = 1 + self.random.below(8) / 6 + self.random.below(8) / 7;
        let spoilt = self.random.below(count);
        let mut bytes = Vec::new();
        for at in 0..count {
            let mut message = self.good(number, at);
            if at == spoilt || self.random.once_in(4) {
                for _ in 0..1 + self.random.below(3) {
                    self.spoil(&mut message);
                }
            }
            message.write(&mut bytes);
        }
        if self.random.once_in(8) {
            self.spoil_bytes(&mut bytes);
        }
        bytes
    }

    /// A request that nobody could object to.
    fn good(&mut self, number: usize, at: usize) -> Message {
        let target = format!("{}?case={number}&at={at}", self.path);
        let method = self
            .random
            .pick(&["GET", "POST", "POST", "POST", "HEAD", "DELETE", "PUT"]);
        let mut message = Message::new(method, &target)
            .field("Host: a")
            .field(format!("cf-aig-authorization: Bearer {}", self.token));
        if matches!(method, "GET" | "HEAD") && !self.random.once_in(6) {
            return message;
        }
        let body = self
            .random
            .pick(&["", "ab", "{\"a\":1}", "0\r\n\r\n", SMUGGLED]);
        message = match self.random.below(3) {
            0 => message.with_length(body.as_bytes()),
            1 => message.with_chunks(
                &[body.as_bytes()].map(|data| if data.is_empty() { b"x" } else { data }),
            ),
            _ => message.with_chunks(&[b"first", b"second chunk"]),
        };
        message
    }

    fn spoil(&mut self, message: &mut Message) {
        match self.random.below(16) {
            0 | 1 => self.add_line(message, FRAMING),
            2 => self.add_line(message, CREDENTIALS),
            3 => self.add_line(message, CONNECTION),
            4 => self.add_line(message, ODD_LINES),
            5 => self.spoil_name(message),
            6 => self.spoil_value(message),
            7 | 8 => self.spoil_line_end(message),
            9..=11 => self.spoil_chunks(message),
            12 => message.method = self.random.pick(METHODS).to_vec(),
            13 => self.spoil_target(message),
            14 => match self.random.below(3) {
                0 => message.version = self.random.pick(VERSIONS).to_vec(),
                1 => message.blanks[0] = self.random.pick(BLANKS).to_vec(),
                _ => message.blanks[1] = self.random.pick(BLANKS).to_vec(),
            },
            _ => self.move_lines(message),
        }
    }

    fn add_line(&mut self, message: &mut Message, from: &[&[u8]]) {
        let at = self.random.below(message.fields.len() + 1);
        let mut line = Line::new(self.random.pick(from));
        if line.text.starts_with(b"@A") {
            line.text = format!("cf-aig-authorization: Bearer {}", self.token).into_bytes();
        }
        message.fields.insert(at, line);
    }

    fn any_line<'a>(&mut self, message: &'a mut Message) -> &'a mut Line {
        if let Body::Chunked(_, _, trailers) = &mut message.body
            && !trailers.is_empty()
            && self.random.once_in(4)
        {
            let at = self.random.below(trailers.len());
            return &mut trailers[at];
        }
        let at = self.random.below(message.fields.len());
        &mut message.fields[at]
    }

    fn spoil_name(&mut self, message: &mut Message) {
        let insert = self.random.pick(IN_NAMES);
        let place = self.random.below(4);
        let line = self.any_line(message);
        let colon = line.text.iter().position(|byte| *byte == b':').unwrap_or(0);
        match place {
            0 => drop(line.text.splice(colon..colon, insert.iter().copied())),
            1 => drop(line.text.splice(0..0, insert.iter().copied())),
            2 => {
                let middle = colon / 2;
                line.text.splice(middle..middle, insert.iter().copied());
            }
            _ => {
                for byte in &mut line.text[..colon] {
                    match byte {
                        b'-' => *byte = b'_',
                        _ => byte.make_ascii_uppercase(),
                    }
                }
            }
        }
    }

    fn spoil_value(&mut self, message: &mut Message) {
        let insert = self.random.pick(IN_VALUES);
        let at_end = self.random.once_in(2);
        let line = self.any_line(message);
        let colon = line.text.iter().position(|byte| *byte == b':');
        let at = match colon {
            Some(colon) if !at_end => colon + 1,
            _ => line.text.len(),
        };
        line.text.splice(at..at, insert.iter().copied());
    }

    fn spoil_line_end(&mut self, message: &mut Message) {
        let end = self.random.pick(LINE_ENDS).to_vec();
        match self.random.below(6) {
            0 => message.start_end = end,
            1 => message.head_end = end,
            _ => self.any_line(message).end = end,
        }
    }

    fn spoil_chunks(&mut self, message: &mut Message) {
        let size = self.random.pick(SIZES).to_vec();
        let extension = self.random.pick(EXTENSIONS).to_vec();
        let end = self.random.pick(LINE_ENDS).to_vec();
        let trailer = Line::new(self.random.pick(TRAILERS));
        let what = self.random.below(8);
        if let Body::Plain(bytes) = &message.body {
            // What stands there is framed by chunks that the head does not announce, or does besides.
            let data = bytes.clone();
            let chunk = Chunk {
                size: Line::new(format!("{:x}", data.len())),
                data: Line::new(data),
            };
            message.body = Body::Chunked(vec![chunk], Line::new("0"), Vec::new());
            if what > 2 {
                self.add_line(message, &[b"Transfer-Encoding: chunked"]);
            }
            return;
        }
        let Body::Chunked(chunks, last, trailers) = &mut message.body else {
            return;
        };
        let at = self.random.below(chunks.len());
        let chunk = &mut chunks[at];
        match what {
            0 => chunk.size.text = size,
            1 => chunk.size.text.extend(extension),
            2 => chunk.size.end = end,
            3 => chunk.data.end = end,
            4 => {
                let zeros = b"0".repeat(1 + extension.len());
                chunk.size.text.splice(0..0, zeros);
            }
            5 => last.text.extend(extension),
            6 => last.end = end,
            _ => trailers.push(trailer),
        }
    }

    fn spoil_target(&mut self, message: &mut Message) {
        let insert = self.random.pick(IN_TARGETS);
        match self.random.below(3) {
            0 => drop(message.target.splice(0..0, insert.iter().copied())),
            1 => message.target.extend_from_slice(insert),
            _ => {
                let at = self.random.below(message.target.len());
                message.target.splice(at..at, insert.iter().copied());
            }
        }
    }

    /// Takes a line away, says it twice, or puts it somewhere else.
    fn move_lines(&mut self, message: &mut Message) {
        let from = self.random.below(message.fields.len());
        let line = message.fields[from].clone();
        match self.random.below(3) {
            0 => drop(message.fields.remove(from)),
            1 => message.fields.push(line),
            _ => {
                message.fields.remove(from);
                message.fields.insert(0, line);
            }
        }
        if message.fields.is_empty() {
            message.fields.push(Line::new("Host: a"));
        }
    }

    fn spoil_bytes(&mut self, bytes: &mut Vec<u8>) {
        for _ in 0..1 + self.random.below(2) {
            let at = self.random.below(bytes.len());
            let byte = self.random.pick(ODD_BYTES)[0];
            match self.random.below(3) {
                0 => bytes[at] = byte,
                1 => bytes.insert(at, byte),
                _ => drop(bytes.remove(at)),
            }
        }
    }
}

const FRAMING: &[&[u8]] = &[
    b"Content-Length: 0",
    b"Content-Length: 2",
    b"Content-Length: 7",
    b"Content-Length: 007",
    b"Content-Length: +7",
    b"Content-Length: 7, 7",
    b"Content-Length: 7,2",
    b"Content-Length: 0x7",
    b"Content-Length:",
    b"Content-Length: 99999999999999999999",
    b"content-length: 42",
    b"Content_Length: 2",
    b"Transfer-Encoding: chunked",
    b"transfer-encoding: CHUNKED",
    b"Transfer-Encoding: identity",
    b"Transfer-Encoding: gzip",
    b"Transfer-Encoding: gzip, chunked",
    b"Transfer-Encoding: chunked, gzip",
    b"Transfer-Encoding: chunked, chunked",
    b"Transfer-Encoding: ,chunked",
    b"Transfer-Encoding: chunked,",
    b"Transfer-Encoding: \"chunked\"",
    b"Transfer-Encoding: chunked;a=b",
    b"Transfer-Encoding:",
    b"Transfer-Encoding\t: chunked",
    b"Transfer-Encoding : chunked",
    b" Transfer-Encoding: chunked",
    b"Transfer_Encoding: chunked",
    b"X: y\rTransfer-Encoding: chunked",
    b"X: y\nTransfer-Encoding: chunked",
    b"X: y\nContent-Length: 0",
    b"Content-Encoding: chunked",
    b"TE: chunked",
    b"Trailer: authorization",
];

const CREDENTIALS: &[&[u8]] = &[
    b"@A",
    b"Authorization: Bearer planted",
    b"authorization: Basic cGxhbnRlZA==",
    b"Authorization:",
    b"Authorization : Bearer planted",
    b"AUTHORIZATION: planted",
    b"X-Api-Key: planted",
    b"X_Api_Key: planted",
    b"api-key: planted",
    b"API_KEY: planted",
    b"x-goog-api-key: planted",
    b"x_goog-api_key: planted",
    b"Proxy-Authorization: Bearer planted",
    b"cf-aig-authorization:",
    b"cf_aig_authorization: Bearer planted",
    b"Cookie: key=planted",
    b"X: y\nAuthorization: Bearer planted",
    b"X: y\rAuthorization: Bearer planted",
    b"X: y\r\n Authorization: Bearer planted",
    b"Sec-WebSocket-Protocol: realtime, openai-insecure-api-key.planted",
];

const CONNECTION: &[&[u8]] = &[
    b"Connection: close",
    b"Connection: keep-alive",
    b"Connection: close, keep-alive",
    b"Connection: authorization",
    b"Connection: Authorization, x-api-key, host",
    b"Connection: content-length",
    b"Connection: transfer-encoding",
    b"Connection: host",
    b"Connection: cf-aig-authorization",
    b"Connection: ,,content-type,\t ,x",
    b"Connection: upgrade",
    b"Upgrade: h2c",
    b"Upgrade: websocket",
    b"HTTP2-Settings: AAMAAABkAAQAAP__",
    b"Proxy-Connection: keep-alive",
    b"Keep-Alive: timeout=5, max=1000",
    b"Expect: 100-continue",
    b"Expect: nothing",
    b"TE: trailers",
    b"Max-Forwards: 0",
];

const ODD_LINES: &[&[u8]] = &[
    b"Host: b",
    b"Host: a",
    b"Host:",
    b"Host: a:80",
    b"X-Forwarded-Host: smuggled",
    b"X",
    b":",
    b": x",
    b"X:",
    b"X Y: z",
    b" X: y",
    b"\tX: y",
    b"X: a\0b",
    b"X: \xff\xfe",
    b"X: a\r\n b",
    b"X: a\r\n\tb",
    b"X: \"a",
    b"(X): y",
    b"X@Y: z",
    b"X-HTTP-Method-Override: DELETE",
    b"X-Original-URL: /smuggled",
    b"X-Rewrite-URL: /smuggled",
    b"Range: bytes=0-",
    b"GET /smuggled HTTP/1.1",
    b"X: GET /smuggled HTTP/1.1",
    b"Content-Type: multipart/form-data; boundary=x",
];

const IN_NAMES: &[&[u8]] = &[
    b" ", b"\t", b"\x0b", b"\x0c", b"\0", b"\r", b"\n", b"\r\n", b"\xff", b"_", b"-", b":", b"\"",
    b"\x7f",
];

const IN_VALUES: &[&[u8]] = &[
    b" ",
    b"\t",
    b"\x0b",
    b"\x0c",
    b"\0",
    b"\r",
    b"\n",
    b"\r\n ",
    b"\xff",
    b",",
    b";",
    b"\"",
    b"\x7f",
    b"\r\nX: y",
    b"\x85",
    b"\xa0",
    b"\xe2\x80\xa8",
];

const LINE_ENDS: &[&[u8]] = &[
    b"\n",
    b"\r",
    b"\r\r\n",
    b"\n\r",
    b"\r\n\r\n",
    b"",
    b"\0\r\n",
    b" \r\n",
    b"\x0b\r\n",
    b"\r\n ",
    b"\n\n",
    b"\xe2\x80\xa8",
    b"\x85",
];

const SIZES: &[&[u8]] = &[
    b"0",
    b"1",
    b"5",
    b"7",
    b"f",
    b"F",
    b"0x7",
    b"+7",
    b"-7",
    b"7 ",
    b" 7",
    b"7\t",
    b"\t7",
    b"",
    b"g",
    b"7g",
    b"7.0",
    b"00000000000000000007",
    b"10000000000000007",
    b"ffffffffffffffff",
    b"100000007",
    b"7 7",
    b"7,7",
    b"0_7",
    b"7\0",
    b"\x0b7",
    b"7\x0c",
];

const EXTENSIONS: &[&[u8]] = &[
    b";a",
    b";a=b",
    b";a=\"b\"",
    b";a=\"\r\n\"",
    b";a=\"",
    b";",
    b";;",
    b" ;a",
    b"; a",
    b";a\n",
    b";a\rb",
    b";\0",
    b" a",
    b"\t",
    b";\xff",
    b";a=b;c=d",
    b";a\r",
    b"\n;",
    b";=",
];

const TRAILERS: &[&[u8]] = &[
    b"X: y",
    b"Authorization: Bearer planted",
    b"Content-Length: 42",
    b"Transfer-Encoding: chunked",
    b"Host: b",
    b"X",
    b" X: y",
    b"X: y\n",
    b"X: a\r\n b",
    b"GET /smuggled HTTP/1.1",
];

const METHODS: &[&[u8]] = &[
    b"GET",
    b"HEAD",
    b"OPTIONS",
    b"PATCH",
    b"PUT",
    b"DELETE",
    b"TRACE",
    b"CONNECT",
    b"post",
    b"PRI",
    b"QUERY",
    b"FOO",
    b"SOURCE",
    b"M-SEARCH",
    b"",
    b"G T",
    b"GET\0",
    b"G\xc9T",
    b"GET,POST",
    b"\r\nGET",
    b"\nPOST",
    b" POST",
    b"PURGE",
    b"LOCK",
    b"PROPFIND",
];

const VERSIONS: &[&[u8]] = &[
    b"HTTP/1.0",
    b"HTTP/1.1 ",
    b"HTTP/1.2",
    b"HTTP/2.0",
    b"HTTP/0.9",
    b"http/1.1",
    b"HTTP/1.10",
    b"HTTP/01.1",
    b"HTTP/1",
    b"HTTP/1,1",
    b"HTTP/1.1\t",
    b"",
    b"HTTP/1.1 HTTP/1.1",
    b"HTTP /1.1",
    b"HTTPS/1.1",
];

const BLANKS: &[&[u8]] = &[
    b"  ", b"\t", b" \t ", b"\x0b", b"\x0c", b"\xa0", b"\r", b"\n", b"", b"\0", b" \r",
];

const IN_TARGETS: &[&[u8]] = &[
    b"/",
    b"//",
    b"http://a",
    b"http://b",
    b"https://a",
    b"*",
    b"#x",
    b"?",
    b"&x=y",
    b" ",
    b"\t",
    b"\0",
    b"\xe9",
    b"\xc3\xa9",
    b"%0d%0a",
    b"%00",
    b"\\",
    b"/..",
    b"/../smuggled",
    b"/%2e%2e/",
    b";x",
    b"@b",
    b"http://a@b",
    b"\x7f",
    b"\"",
    b"<>",
    b"{}",
    b"|",
    b"^",
    b"`",
    b"%",
    b"%zz",
];

const ODD_BYTES: &[&[u8]] = &[
    b"\0", b"\t", b"\n", b"\r", b" ", b":", b";", b",", b"\"", b"0", b"1", b"a", b"/", b"\x0b",
    b"\x0c", b"\x7f", b"\x80", b"\xff",
];
