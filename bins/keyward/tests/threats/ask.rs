//! A request that both protocols can carry, and its bytes in each.

use keyward_testing::http2;

use crate::world::{ACCOUNT, CHAT, World};

/// A listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Plane {
    Data,
    Control,
}

/// A protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    Http1,
    Http2,
}

type Bytes = Vec<u8>;
/// Names and values.
pub(crate) type Fields = Vec<(Bytes, Bytes)>;

/// A request in its parts. Nothing is checked.
#[derive(Clone)]
pub(crate) struct Ask {
    pub(crate) plane: Plane,
    pub(crate) method: Bytes,
    pub(crate) target: Bytes,
    pub(crate) host: Bytes,
    pub(crate) fields: Fields,
    pub(crate) body: Bytes,
}

impl Ask {
    /// A chat completion with the gateway token.
    pub(crate) fn chat(world: &World) -> Self {
        Self::data(world, "POST", "openai/chat/completions", CHAT)
    }

    /// A request to the data plane with the gateway token; `rest` begins with the provider.
    pub(crate) fn data(world: &World, method: &str, rest: &str, body: &[u8]) -> Self {
        let ask = Self {
            plane: Plane::Data,
            method: method.into(),
            target: format!("/v1/{ACCOUNT}/prod/{rest}").into(),
            host: world.data.to_string().into(),
            fields: Vec::new(),
            body: body.to_vec(),
        };
        ask.with(
            "cf-aig-authorization",
            &format!("Bearer {}", world.token.text()),
        )
    }

    /// The list of gateways, asked for with the API token.
    pub(crate) fn list(world: &World) -> Self {
        Self::api(world, "GET", "/ai-gateway/gateways", "")
    }

    /// Makes the gateway `made`.
    pub(crate) fn create(world: &World) -> Self {
        let body = r#"{"id":"made","cache_invalidate_on_update":true,"cache_ttl":null,"collect_logs":true,"rate_limiting_interval":0,"rate_limiting_limit":0}"#;
        Self::api(world, "POST", "/ai-gateway/gateways", body)
    }

    /// A request to the control plane, below the account.
    pub(crate) fn api(world: &World, method: &str, rest: &str, body: &str) -> Self {
        let ask = Self {
            plane: Plane::Control,
            method: method.into(),
            target: format!("/client/v4/accounts/{ACCOUNT}{rest}").into(),
            host: world.control.to_string().into(),
            fields: Vec::new(),
            body: body.into(),
        };
        ask.with("authorization", &format!("Bearer {}", world.admin.text()))
    }

    pub(crate) fn with(self, name: &str, value: &str) -> Self {
        self.with_bytes(name.as_bytes(), value.as_bytes())
    }

    pub(crate) fn with_bytes(mut self, name: &[u8], value: &[u8]) -> Self {
        self.fields.push((name.to_vec(), value.to_vec()));
        self
    }

    /// Without any header, and so without a token.
    pub(crate) fn anonymous(mut self) -> Self {
        self.fields.clear();
        self
    }

    pub(crate) fn method(mut self, method: &str) -> Self {
        self.method = method.into();
        self
    }

    pub(crate) fn target(mut self, target: impl Into<Bytes>) -> Self {
        self.target = target.into();
        self
    }

    /// Adds to the target.
    pub(crate) fn and(mut self, more: &str) -> Self {
        self.target.extend_from_slice(more.as_bytes());
        self
    }

    pub(crate) fn host(mut self, host: &str) -> Self {
        self.host = host.into();
        self
    }

    pub(crate) fn body(mut self, body: &[u8]) -> Self {
        self.body = body.to_vec();
        self
    }

    /// The head's lines of HTTP/1.1, up to and without the empty line, with `framing` lines.
    pub(crate) fn head(&self, framing: &str) -> Bytes {
        let mut bytes = self.method.clone();
        bytes.push(b' ');
        bytes.extend_from_slice(&self.target);
        bytes.extend_from_slice(b" HTTP/1.1\r\nHost: ");
        bytes.extend_from_slice(&self.host);
        bytes.extend_from_slice(b"\r\n");
        for (name, value) in &self.fields {
            bytes.extend_from_slice(name);
            bytes.extend_from_slice(b": ");
            bytes.extend_from_slice(value);
            bytes.extend_from_slice(b"\r\n");
        }
        bytes.extend_from_slice(framing.as_bytes());
        bytes
    }

    /// The whole request in HTTP/1.1.
    pub(crate) fn http1(&self) -> Bytes {
        let framing = match self.body.is_empty() {
            true => String::new(),
            false => format!("Content-Length: {}\r\n", self.body.len()),
        };
        [&self.head(&framing)[..], b"\r\n", &self.body].concat()
    }

    /// In HTTP/1.1 with other framing lines, and another body.
    pub(crate) fn framed(&self, framing: &str, body: &str) -> Bytes {
        [&self.head(framing)[..], b"\r\n", body.as_bytes()].concat()
    }

    /// The fields of HTTP/2, pseudo-headers first.
    pub(crate) fn fields2(&self) -> Fields {
        let mut fields = vec![
            (b":method".to_vec(), self.method.clone()),
            (b":scheme".to_vec(), b"http".to_vec()),
            (b":authority".to_vec(), self.host.clone()),
            (b":path".to_vec(), self.target.clone()),
        ];
        fields.extend(self.fields.iter().cloned());
        fields
    }

    /// The whole request in HTTP/2, on stream 1.
    pub(crate) fn http2(&self) -> Bytes {
        self.on_stream(1)
    }

    pub(crate) fn on_stream(&self, stream: u32) -> Bytes {
        http2::request(stream, &self.fields2(), &self.body)
    }

    /// In HTTP/2 with fields changed by `change`.
    pub(crate) fn changed2(&self, change: impl FnOnce(&mut Fields)) -> Bytes {
        let mut fields = self.fields2();
        change(&mut fields);
        http2::request(1, &fields, &self.body)
    }
}

/// A field of HTTP/2.
pub(crate) fn field(name: &str, value: impl AsRef<[u8]>) -> (Bytes, Bytes) {
    (name.into(), value.as_ref().to_vec())
}

/// Takes the field of that name away.
pub(crate) fn without(fields: &mut Fields, name: &str) {
    fields.retain(|(other, _)| other != name.as_bytes());
}

/// Replaces the value of the field of that name.
pub(crate) fn replace(fields: &mut [(Bytes, Bytes)], name: &str, value: impl AsRef<[u8]>) {
    for (other, old) in fields {
        if other == name.as_bytes() {
            *old = value.as_ref().to_vec();
        }
    }
}
