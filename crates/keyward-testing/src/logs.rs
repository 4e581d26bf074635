//! Captures every log line.

use std::{
    fmt, fs, io,
    io::Write,
    process,
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use tracing::Subscriber;
use tracing_subscriber::{
    filter::{LevelFilter, filter_fn},
    fmt::format::FmtSpan,
    layer::SubscriberExt,
    util::SubscriberInitExt,
};

use crate::outputs::{configured_sweep_dir, new_file};

static INSTALLED: OnceLock<LogCapture> = OnceLock::new();
static NEXT: AtomicUsize = AtomicUsize::new(0);

/// The WebSocket library that the tests' own clients and providers are made of. It logs whole handshakes and frames,
/// with the keys that those have every right to; Keyward is built without it.
const TESTS_OWN: &str = "tungstenite";

/// Keeps every event and every span of every target, at trace level, in memory; but for the tests' own WebSocket
/// clients and providers.
///
/// When `KEYWARD_SWEEP_DIR` is set, the lines also go to a file there. Clones share the lines.
#[derive(Clone)]
pub struct LogCapture {
    lines: Arc<Lines>,
}

struct Lines {
    memory: Mutex<Vec<u8>>,
    file: Option<fs::File>,
}

impl LogCapture {
    /// Makes this process log into one capture, and returns it; later calls return the same one.
    ///
    /// Lines written to `log` instead of `tracing` are captured as well.
    ///
    /// # Panics
    ///
    /// When another subscriber is installed already: its lines would be missing.
    #[must_use]
    pub fn install() -> Self {
        INSTALLED
            .get_or_init(|| {
                let capture = Self::new();
                capture
                    .subscriber()
                    .try_init()
                    .expect("no other subscriber is installed");
                capture
            })
            .clone()
    }

    /// An empty capture that nothing writes to yet: see [`subscriber`](Self::subscriber).
    ///
    /// # Panics
    ///
    /// When the sweep directory cannot be written.
    #[must_use]
    #[expect(
        clippy::new_without_default,
        reason = "it may create a file, which no default should"
    )]
    pub fn new() -> Self {
        let file = configured_sweep_dir().map(|dir| {
            fs::create_dir_all(dir).expect("the sweep directory can be made");
            let number = NEXT.fetch_add(1, Ordering::Relaxed);
            let path = dir.join(format!("logs-{}-{number}.log", process::id()));
            new_file(&path).expect("the log file can be made")
        });
        let memory = Mutex::default();
        Self {
            lines: Arc::new(Lines { memory, file }),
        }
    }

    /// A subscriber that writes into this capture, for one thread or for the process.
    #[must_use]
    pub fn subscriber(&self) -> impl Subscriber + Send + Sync + use<> {
        let lines = Arc::clone(&self.lines);
        tracing_subscriber::fmt()
            .with_max_level(LevelFilter::TRACE)
            // A span's fields also count when no event stands inside it.
            .with_span_events(FmtSpan::NEW | FmtSpan::CLOSE)
            .with_ansi(false)
            .with_writer(move || Writer(Arc::clone(&lines)))
            .finish()
            .with(filter_fn(|metadata| {
                !metadata.target().starts_with(TESTS_OWN)
            }))
    }

    /// Everything captured so far.
    #[must_use]
    pub fn contents(&self) -> String {
        self.contents_from(0)
    }

    /// The length so far, for [`contents_from`](Self::contents_from).
    #[must_use]
    pub fn mark(&self) -> usize {
        self.lines.memory().len()
    }

    /// What was captured after `mark`.
    #[must_use]
    pub fn contents_from(&self, mark: usize) -> String {
        let memory = self.lines.memory();
        String::from_utf8_lossy(memory.get(mark..).unwrap_or_default()).into_owned()
    }
}

impl fmt::Debug for LogCapture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LogCapture")
            .field("bytes", &self.mark())
            .finish_non_exhaustive()
    }
}

impl Lines {
    fn memory(&self) -> std::sync::MutexGuard<'_, Vec<u8>> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What each line is written through.
struct Writer(Arc<Lines>);

impl Write for Writer {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.memory().extend_from_slice(line);
        if let Some(mut file) = self.0.file.as_ref() {
            file.write_all(line)?;
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::LogCapture;

    #[test]
    fn every_level_and_the_fields_of_spans_are_captured() {
        let capture = LogCapture::new();
        tracing::subscriber::with_default(capture.subscriber(), || {
            let _span = tracing::trace_span!("silent", field = "in-a-span").entered();
            tracing::trace!(target: "rustls::client", "at trace");
            let mark = capture.mark();
            tracing::error!("at error");
            assert!(!capture.contents_from(mark).contains("at trace"));
        });
        for text in ["in-a-span", "rustls::client", "at trace", "at error"] {
            assert!(capture.contents().contains(text), "{text}");
        }
    }
}
