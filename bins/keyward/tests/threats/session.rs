//! Several requests on one connection.

use std::{net::SocketAddr, time::Duration};

use keyward_testing::{client::Client, http2};

use crate::{
    ask::{Ask, Protocol},
    case::{Seen, address},
    world::World,
};

const DEADLINE: Duration = Duration::from_secs(20);

/// A connection that is kept.
pub(crate) enum Session {
    Http1(Box<Client>),
    Http2(http2::Connection, u32),
}

impl Session {
    pub(crate) async fn open(world: &World, ask: &Ask, protocol: Protocol) -> Self {
        Self::to(address(world, ask.plane), protocol).await
    }

    pub(crate) async fn to(addr: SocketAddr, protocol: Protocol) -> Self {
        match protocol {
            Protocol::Http1 => {
                let client = Client::connect(addr).await.unwrap();
                Self::Http1(Box::new(client.with_deadline(DEADLINE)))
            }
            Protocol::Http2 => {
                let connection = http2::Connection::open(addr).await.unwrap();
                Self::Http2(connection.with_deadline(DEADLINE), 1)
            }
        }
    }

    /// One request. The provider's record is the caller's affair.
    pub(crate) async fn ask(&mut self, ask: &Ask) -> Seen {
        match self {
            Self::Http1(client) => match client.exchange(&ask.http1()).await {
                Ok(answer) => Seen {
                    status: Some(answer.status),
                    headers: answer.headers,
                    body: answer.body,
                    ..Seen::default()
                },
                Err(_) => Seen::default(),
            },
            Self::Http2(connection, stream) => {
                let id = *stream;
                *stream += 2;
                drop(connection.send(&ask.on_stream(id)).await);
                let outcome = connection.outcome(id).await;
                let error = outcome.error();
                Seen {
                    status: outcome.status,
                    headers: outcome.headers,
                    body: outcome.body,
                    error,
                    ..Seen::default()
                }
            }
        }
    }
}
