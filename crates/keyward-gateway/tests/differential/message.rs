//! A request in its parts, so that each can be spoilt by itself.

/// One line and what ends it.
#[derive(Clone)]
pub(crate) struct Line {
    pub(crate) text: Vec<u8>,
    pub(crate) end: Vec<u8>,
}

impl Line {
    pub(crate) fn new(text: impl Into<Vec<u8>>) -> Self {
        Self {
            text: text.into(),
            end: b"\r\n".to_vec(),
        }
    }
}

/// One chunk: its size line, and its data with what ends it.
#[derive(Clone)]
pub(crate) struct Chunk {
    pub(crate) size: Line,
    pub(crate) data: Line,
}

#[derive(Clone)]
pub(crate) enum Body {
    Plain(Vec<u8>),
    /// Chunks, the size line of the last one, and trailers.
    Chunked(Vec<Chunk>, Line, Vec<Line>),
}

#[derive(Clone)]
pub(crate) struct Message {
    pub(crate) method: Vec<u8>,
    pub(crate) target: Vec<u8>,
    pub(crate) version: Vec<u8>,
    /// What stands between the parts of the request line.
    pub(crate) blanks: [Vec<u8>; 2],
    pub(crate) start_end: Vec<u8>,
    pub(crate) fields: Vec<Line>,
    pub(crate) head_end: Vec<u8>,
    pub(crate) body: Body,
}

impl Message {
    pub(crate) fn new(method: &str, target: &str) -> Self {
        Self {
            method: method.into(),
            target: target.into(),
            version: b"HTTP/1.1".to_vec(),
            blanks: [b" ".to_vec(), b" ".to_vec()],
            start_end: b"\r\n".to_vec(),
            fields: Vec::new(),
            head_end: b"\r\n".to_vec(),
            body: Body::Plain(Vec::new()),
        }
    }

    pub(crate) fn field(mut self, line: impl Into<Vec<u8>>) -> Self {
        self.fields.push(Line::new(line));
        self
    }

    pub(crate) fn with_length(self, body: &[u8]) -> Self {
        let mut message = self.field(format!("Content-Length: {}", body.len()));
        message.body = Body::Plain(body.to_vec());
        message
    }

    pub(crate) fn with_chunks(self, chunks: &[&[u8]]) -> Self {
        let mut message = self.field("Transfer-Encoding: chunked");
        let chunks = chunks.iter().map(|data| Chunk {
            size: Line::new(format!("{:x}", data.len())),
            data: Line::new(*data),
        });
        message.body = Body::Chunked(chunks.collect(), Line::new("0"), Vec::new());
        message
    }

    pub(crate) fn write(&self, into: &mut Vec<u8>) {
        into.extend_from_slice(&self.method);
        into.extend_from_slice(&self.blanks[0]);
        into.extend_from_slice(&self.target);
        into.extend_from_slice(&self.blanks[1]);
        into.extend_from_slice(&self.version);
        into.extend_from_slice(&self.start_end);
        write_lines(&self.fields, into);
        into.extend_from_slice(&self.head_end);
        match &self.body {
            Body::Plain(bytes) => into.extend_from_slice(bytes),
            Body::Chunked(chunks, last, trailers) => {
                for chunk in chunks {
                    write_lines([&chunk.size, &chunk.data], into);
                }
                write_lines([last], into);
                write_lines(trailers, into);
                into.extend_from_slice(b"\r\n");
            }
        }
    }
}

fn write_lines<'a>(lines: impl IntoIterator<Item = &'a Line>, into: &mut Vec<u8>) {
    for line in lines {
        into.extend_from_slice(&line.text);
        into.extend_from_slice(&line.end);
    }
}
