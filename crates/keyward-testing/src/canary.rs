//! Fresh secrets that a sweep can look for.

use std::{
    collections::HashSet,
    fmt, fs, io,
    io::Write,
    os::unix::fs::OpenOptionsExt,
    path::Path,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use crate::outputs::configured_sweep_dir;

/// The name of the file in the sweep directory that lists the canaries: the one file a sweep leaves out.
pub const CANARY_LIST: &str = "canaries.txt";

/// The least length of a random part: shorter ones would be found by chance.
pub(crate) const LEAST_RANDOM: usize = 12;

/// Random characters in a fresh canary.
const FRESH_RANDOM: usize = 40;
/// From this length on, what follows the last `-` or `_` counts as the random part.
const RANDOM_TAIL: usize = 24;

/// Everything this process made or registered.
static MADE: Mutex<Vec<Canary>> = Mutex::new(Vec::new());
static REGISTERED: AtomicUsize = AtomicUsize::new(0);

/// A secret that looks like a provider key and may stand in no output.
#[derive(Clone, PartialEq, Eq)]
pub struct Canary {
    name: String,
    text: String,
    random_start: usize,
}

impl Canary {
    /// Makes a fresh secret such as `sk-kwcanary-<40 random characters>` and remembers it for the sweep.
    ///
    /// A sweep reports it by `name`.
    #[must_use]
    pub fn new(name: &str) -> Self {
        register_named_canary(name, &format!("sk-kwcanary-{}", random_base62()))
    }

    /// The whole secret.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The part of the secret that is random, so that even a piece of it gives the secret away.
    #[must_use]
    pub fn random_part(&self) -> &str {
        &self.text[self.random_start..]
    }

    /// What a sweep calls it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Every canary that this process made or registered so far.
    #[must_use]
    pub fn all_of_this_process() -> Vec<Self> {
        MADE.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Reads the list that test processes left in `sweep_dir`, each canary once.
    ///
    /// # Errors
    ///
    /// When the list cannot be read or a line of it is no canary.
    pub fn read_list(sweep_dir: &Path) -> io::Result<Vec<Self>> {
        let list = fs::read_to_string(sweep_dir.join(CANARY_LIST))?;
        let mut seen = HashSet::new();
        let mut canaries = Vec::new();
        for line in list.lines() {
            let (text, name) = line.split_once('\t').unwrap_or((line, "unnamed"));
            if text.len() < LEAST_RANDOM {
                return Err(io::Error::new(
                    io::ErrorKind::InvalidData,
                    "a line of the canary list is too short",
                ));
            }
            if seen.insert(text) {
                canaries.push(Self::of(name, text));
            }
        }
        Ok(canaries)
    }

    pub(crate) fn of(name: &str, text: &str) -> Self {
        let random_start = match text.rfind(['-', '_']) {
            Some(mark) if text.len() - mark > RANDOM_TAIL => mark + 1,
            _ => 0,
        };
        Self {
            name: name.to_owned(),
            text: text.to_owned(),
            random_start,
        }
    }
}

impl fmt::Debug for Canary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Canary")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// Remembers a secret made elsewhere, such as a gateway token's text, for the sweep.
///
/// What follows the last `-` or `_` is its random part if that has at least 24 characters (the public id of
/// a token may be printed), else the whole text.
///
/// # Panics
///
/// When `text` has fewer than 12 characters, is not printable ASCII, or the list cannot be written.
pub fn register_canary(text: &str) -> Canary {
    let number = REGISTERED.fetch_add(1, Ordering::Relaxed);
    register_named_canary(&format!("registered-{number}"), text)
}

/// As [`register_canary`], with the name that a sweep reports.
///
/// # Panics
///
/// As [`register_canary`]; also when `name` holds a control character.
pub fn register_named_canary(name: &str, text: &str) -> Canary {
    assert!(
        text.len() >= LEAST_RANDOM && text.bytes().all(|byte| matches!(byte, 0x20..=0x7e)),
        "a canary is at least {LEAST_RANDOM} characters of printable ASCII"
    );
    assert!(
        !name.chars().any(char::is_control),
        "a canary's name has no control characters"
    );
    let canary = Canary::of(name, text);
    if let Some(dir) = configured_sweep_dir() {
        append(dir, &canary).expect("the canary list can be written");
    }
    MADE.lock()
        .unwrap_or_else(PoisonError::into_inner)
        .push(canary.clone());
    canary
}

/// Adds `canary` to the list in one write, so that lines of different processes do not mix.
fn append(dir: &Path, canary: &Canary) -> io::Result<()> {
    fs::create_dir_all(dir)?;
    let line = format!("{}\t{}\n", canary.text, canary.name);
    fs::OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o600)
        .open(dir.join(CANARY_LIST))?
        .write_all(line.as_bytes())
}

fn random_base62() -> String {
    const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let mut text = String::with_capacity(FRESH_RANDOM);
    let mut random = [0; 64];
    while text.len() < FRESH_RANDOM {
        getrandom::fill(&mut random).expect("the system has randomness");
        // 248 is the largest multiple of 62 in a byte: above it the characters would not be equally likely.
        let fair = random.iter().filter(|&&byte| byte < 248);
        let wanted = FRESH_RANDOM - text.len();
        text.extend(
            fair.take(wanted)
                .map(|&byte| char::from(ALPHABET[usize::from(byte % 62)])),
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::{CANARY_LIST, Canary, append, register_canary};

    #[test]
    fn a_canary_looks_like_a_provider_key_and_is_fresh() {
        let one = Canary::new("one");
        assert!(one.text().starts_with("sk-kwcanary-"));
        assert_eq!(one.random_part().len(), 40);
        assert!(
            one.random_part()
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric())
        );
        assert_ne!(one.text(), Canary::new("one").text());
        assert!(Canary::all_of_this_process().contains(&one));
        assert!(!format!("{one:?}").contains(one.random_part()));
    }

    #[test]
    fn the_public_id_of_a_token_is_not_its_random_part() {
        let secret = "q".repeat(43);
        let token = Canary::of("token", &format!("kw_gw_publicid_{secret}"));
        assert_eq!(token.random_part(), secret);
        let words = Canary::of("words", "correct horse-battery staple");
        assert_eq!(words.random_part(), words.text());
    }

    #[test]
    fn the_list_is_private_and_reads_back_without_repetition() {
        let dir = tempfile::tempdir().unwrap();
        let canary = Canary::of("listed", "sk-listed-abcdefghijklmnop");
        for _ in 0..2 {
            append(dir.path(), &canary).unwrap();
        }
        let mode = std::fs::metadata(dir.path().join(CANARY_LIST))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(Canary::read_list(dir.path()).unwrap(), [canary]);
    }

    #[test]
    #[should_panic(expected = "at least 12 characters")]
    fn a_short_secret_is_refused() {
        register_canary("short");
    }
}
