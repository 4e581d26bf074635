//! Taking connections from the kernel, no more than may be.

use std::{fmt, io, net::SocketAddr, sync::Arc, time::Duration};

use rustix::io::Errno;
use tokio::{
    net::TcpListener,
    sync::{OwnedSemaphorePermit, Semaphore},
};

use crate::{
    Config, Drain, Networks,
    addresses::{AddressSlot, Addresses},
    drain::Token,
};

/// How long to wait after a connection could not be accepted, which is mostly for want of descriptors.
const PAUSE: Duration = Duration::from_millis(100);

/// Accepts connections of one listener within its caps.
#[derive(Debug)]
pub struct Acceptor {
    listener: TcpListener,
    caps: Caps,
}

#[derive(Debug)]
struct Caps {
    slots: Arc<Semaphore>,
    addresses: Addresses,
    /// Who speaks for others, in a header that is not read here.
    proxies: Networks,
    /// Who speaks for others in each request.
    trusted: Networks,
    drain: Drain,
}

/// A connection that was accepted and is not served yet. It may be served on another runtime.
#[derive(Debug)]
pub struct Accepted {
    pub(crate) stream: std::net::TcpStream,
    pub(crate) peer: SocketAddr,
    pub(crate) drain: Drain,
    /// Where the address is not known yet: who counts it.
    pub(crate) uncounted: Option<Addresses>,
    pub(crate) held: Held,
}

/// The connections that were waiting when accepting ended, as many as the caps leave room for. Its listener is
/// closed with it, and the kernel resets what it has left.
#[derive(Debug)]
pub struct Waiting {
    listener: Option<std::net::TcpListener>,
    caps: Caps,
}

/// What a connection holds for as long as it is open.
#[derive(Debug)]
pub(crate) struct Held {
    _slot: OwnedSemaphorePermit,
    pub(crate) address: Option<AddressSlot>,
    _open: Token,
    /// What its user counts it by.
    guard: Option<Box<dyn Guard>>,
}

/// Anything that is to live as long as a connection.
trait Guard: Send + Sync + fmt::Debug {}

impl<T: Send + Sync + fmt::Debug> Guard for T {}

impl Acceptor {
    pub(crate) fn new(listener: TcpListener, config: &Config, drain: Drain) -> Self {
        let connections = config.connections().min(Semaphore::MAX_PERMITS);
        Self {
            listener,
            caps: Caps {
                slots: Arc::new(Semaphore::new(connections)),
                addresses: Addresses::new(config.connections_per_address()),
                proxies: config.proxy_protocol_from.clone(),
                trusted: config.trusted_proxies.clone(),
                drain,
            },
        }
    }

    /// The next connection. A failing accept is logged and tried again. Cancel-safe.
    pub async fn accept(&self) -> Accepted {
        loop {
            // The slot comes first: at the limit, connections wait in the kernel's queue.
            let Ok(slot) = Arc::clone(&self.caps.slots).acquire_owned().await else {
                // Nobody closes the semaphore.
                std::future::pending().await
            };
            let accepted = match self.listener.accept().await {
                Ok((stream, peer)) => stream.into_std().map(|stream| (stream, peer)),
                Err(error) => Err(error),
            };
            match accepted {
                Ok((stream, peer)) => {
                    if let Some(accepted) = self.caps.admit(stream, peer, slot) {
                        return accepted;
                    }
                }
                Err(error) => accept_failed(&error).await,
            }
        }
    }

    /// Ends accepting: what the kernel has accepted until now is still to be served, and nothing after it.
    #[must_use]
    pub fn into_waiting(self) -> Waiting {
        let listener = self.listener.into_std();
        if let Err(error) = &listener {
            tracing::debug!(%error, "cannot look for waiting connections");
        }
        Waiting {
            listener: listener.ok(),
            caps: self.caps,
        }
    }
}

impl Iterator for Waiting {
    type Item = Accepted;

    fn next(&mut self) -> Option<Accepted> {
        loop {
            let slot = Arc::clone(&self.caps.slots).try_acquire_owned().ok()?;
            // tokio made the listener non-blocking: it tells when none waits any more.
            let (stream, peer) = match self.listener.as_ref()?.accept() {
                Ok(accepted) => accepted,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return None,
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection that waits");
                    match concerns_one_connection(&error) {
                        true => continue,
                        false => return None,
                    }
                }
            };
            if let Err(error) = stream.set_nonblocking(true) {
                tracing::debug!(%error, "a connection is lost");
                continue;
            }
            let accepted = self.caps.admit(stream, peer, slot);
            if accepted.is_some() {
                return accepted;
            }
        }
    }
}

impl Accepted {
    /// Where the connection comes from.
    #[must_use]
    pub const fn peer(&self) -> SocketAddr {
        self.peer
    }

    /// Keeps `guard` for as long as the connection is open, also after an upgrade.
    #[must_use]
    pub fn with_guard(mut self, guard: impl Send + Sync + fmt::Debug + 'static) -> Self {
        self.held.guard = Some(Box::new(guard));
        self
    }
}

impl Caps {
    fn admit(
        &self,
        stream: std::net::TcpStream,
        peer: SocketAddr,
        slot: OwnedSemaphorePermit,
    ) -> Option<Accepted> {
        let is_proxied = self.proxies.contains(peer.ip());
        let address = if is_proxied || self.trusted.contains(peer.ip()) {
            None
        } else {
            Some(self.addresses.take(peer.ip()).or_else(refused)?)
        };
        // Heads and small frames must not wait for an acknowledgement.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "cannot switch Nagle's algorithm off");
        }
        Some(Accepted {
            stream,
            peer,
            drain: self.drain.clone(),
            uncounted: is_proxied.then(|| self.addresses.clone()),
            held: Held {
                _slot: slot,
                address,
                _open: self.drain.token(),
                guard: None,
            },
        })
    }
}

/// Notes that an address has as many connections as it may.
pub(crate) fn refused() -> Option<AddressSlot> {
    metrics::counter!("keyward_connections_refused_total", "reason" => "address").increment(1);
    None
}

/// A failed accept concerns one connection, or the process is out of files: then waiting helps.
async fn accept_failed(error: &io::Error) {
    tracing::warn!(%error, "cannot accept a connection");
    if !concerns_one_connection(error) {
        tokio::time::sleep(PAUSE).await;
    }
}

/// Whether the next accept may succeed at once. Linux tells here, too, what happened to the connection before it
/// was accepted (accept(2), "Error handling").
fn concerns_one_connection(error: &io::Error) -> bool {
    matches!(
        Errno::from_io_error(error),
        Some(
            Errno::CONNABORTED
                | Errno::CONNRESET
                | Errno::INTR
                | Errno::PERM
                | Errno::NETDOWN
                | Errno::PROTO
                | Errno::NOPROTOOPT
                | Errno::HOSTDOWN
                | Errno::NONET
                | Errno::HOSTUNREACH
                | Errno::OPNOTSUPP
                | Errno::NETUNREACH
        )
    )
}

#[cfg(test)]
mod tests {
    use std::io;

    use rustix::io::Errno;

    use super::concerns_one_connection;

    #[test]
    fn only_a_want_of_resources_ends_the_looking_for_connections() {
        for errno in [Errno::CONNABORTED, Errno::PERM, Errno::HOSTUNREACH] {
            assert!(concerns_one_connection(&errno.into()), "{errno}");
        }
        for errno in [Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM] {
            assert!(!concerns_one_connection(&errno.into()), "{errno}");
        }
        assert!(!concerns_one_connection(&io::Error::other("no number")));
    }
}
