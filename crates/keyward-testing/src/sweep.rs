//! Finds canaries in bytes and directories.

use std::{
    collections::{HashMap, HashSet},
    fmt, fs, io,
    path::Path,
};

use data_encoding::{BASE64_NOPAD, BASE64URL_NOPAD};

use crate::{Canary, Form, canary::LEAST_RANDOM};

/// Characters of a canary's random part that must stand together to count as found.
const WINDOW: usize = LEAST_RANDOM;
/// Bits of the first look at every position; see [`Sweeper::may_end_here`].
const FILTER_BITS: u32 = 22;

/// One canary in one place.
///
/// It names the canary and never holds its value, so that a report may be printed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Hit {
    /// Where: the label given, or the file's path below the scanned directory.
    pub label: String,
    /// Offset of the first byte.
    pub offset: usize,
    /// In which form.
    pub form: Form,
    /// The canary's name.
    pub canary: String,
}

impl fmt::Display for Hit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            label,
            offset,
            form,
            canary,
        } = self;
        write!(f, "{label}, byte {offset}: canary `{canary}` as {form}")
    }
}

/// Looks for every canary, in every form, in any letter case.
///
/// Twelve characters of a random part are enough, in any form: a leak that is cut short is still a leak.
/// The search passes once over the bytes, however many canaries there are.
pub struct Sweeper {
    canaries: Vec<Canary>,
    patterns: Vec<Pattern>,
    /// Pattern numbers by their last eight bytes.
    by_ending: HashMap<u64, Vec<usize>>,
    filter: Vec<u64>,
}

/// One window of one canary in one form, in lower case.
struct Pattern {
    canary: usize,
    form: Form,
    text: Box<[u8]>,
}

/// A stretch of adjoining windows: reported once.
struct Run {
    canary: usize,
    form: Form,
    start: usize,
    end: usize,
}

impl Sweeper {
    /// Prepares a search for `canaries`.
    #[must_use]
    pub fn new(canaries: &[Canary]) -> Self {
        let mut sweeper = Self {
            canaries: Vec::new(),
            patterns: Vec::new(),
            by_ending: HashMap::new(),
            filter: vec![0; 1 << (FILTER_BITS - 6)],
        };
        let mut seen = HashSet::new();
        for canary in canaries {
            if seen.insert(canary.text()) {
                sweeper.add(canary);
            }
        }
        sweeper
    }

    /// Every canary in `bytes`, once per stretch and form, by offset.
    #[must_use]
    pub fn scan_bytes(&self, label: &str, bytes: &[u8]) -> Vec<Hit> {
        let mut runs: Vec<Run> = Vec::new();
        let mut last_run: HashMap<(usize, Form), usize> = HashMap::new();
        let mut ending = 0_u64;
        for (index, &byte) in bytes.iter().enumerate() {
            ending = (ending << 8) | u64::from(byte.to_ascii_lowercase());
            if !self.may_end_here(ending) {
                continue;
            }
            let end = index + 1;
            for pattern in self.ending_here(ending, &bytes[..end]) {
                let start = end - pattern.text.len();
                let key = (pattern.canary, pattern.form);
                match last_run.get(&key).map(|&run| &mut runs[run]) {
                    Some(run) if start <= run.end => run.end = end,
                    _ => {
                        last_run.insert(key, runs.len());
                        runs.push(Run {
                            canary: pattern.canary,
                            form: pattern.form,
                            start,
                            end,
                        });
                    }
                }
            }
        }
        runs.sort_by_key(|run| run.start);
        runs.into_iter().map(|run| self.hit(label, &run)).collect()
    }

    /// Every canary in the files below `path`, and in their names.
    ///
    /// `ignore` holds paths below `path`, or bare names, that are left out with all they contain. Symbolic
    /// links are not followed. A file that vanishes meanwhile is passed over.
    ///
    /// # Errors
    ///
    /// When something cannot be read.
    pub fn scan_dir(&self, path: &Path, ignore: &[&str]) -> io::Result<Vec<Hit>> {
        let mut hits = Vec::new();
        self.scan_level(path, "", ignore, &mut hits)?;
        Ok(hits)
    }

    fn scan_level(
        &self,
        dir: &Path,
        shown: &str,
        ignore: &[&str],
        hits: &mut Vec<Hit>,
    ) -> io::Result<()> {
        let mut entries = fs::read_dir(dir)?.collect::<io::Result<Vec<_>>>()?;
        entries.sort_by_key(fs::DirEntry::file_name);
        for entry in entries {
            let name = entry.file_name().to_string_lossy().into_owned();
            let mut label = format!("{shown}{name}");
            if ignore.iter().any(|&left| left == name || left == label) {
                continue;
            }
            let in_name = self.scan_bytes(&format!("{shown}(the name of a file)"), name.as_bytes());
            if !in_name.is_empty() {
                // The report names files; this name would put the canary into it.
                label = format!("{shown}(a file with a canary in its name)");
                hits.extend(in_name);
            }
            let kind = entry.file_type()?;
            if kind.is_dir() {
                self.scan_level(&entry.path(), &format!("{label}/"), ignore, hits)?;
            } else if kind.is_file() {
                match fs::read(entry.path()) {
                    Ok(bytes) => hits.extend(self.scan_bytes(&label, &bytes)),
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(())
    }

    fn add(&mut self, canary: &Canary) {
        let number = self.canaries.len();
        self.canaries.push(canary.clone());
        for window in canary.random_part().as_bytes().windows(WINDOW) {
            for (form, text) in patterns_of(window) {
                let ending = text
                    .iter()
                    .fold(0, |ending, &byte| (ending << 8) | u64::from(byte));
                let (word, bit) = filter_place(ending);
                self.filter[word] |= bit;
                self.by_ending
                    .entry(ending)
                    .or_default()
                    .push(self.patterns.len());
                self.patterns.push(Pattern {
                    canary: number,
                    form,
                    text: text.into_boxed_slice(),
                });
            }
        }
    }

    /// Whether a pattern may end with these eight bytes: a bit test, since nearly every position says no.
    fn may_end_here(&self, ending: u64) -> bool {
        let (word, bit) = filter_place(ending);
        self.filter[word] & bit != 0
    }

    fn ending_here<'a>(
        &'a self,
        ending: u64,
        so_far: &'a [u8],
    ) -> impl Iterator<Item = &'a Pattern> {
        let numbers = self.by_ending.get(&ending).into_iter().flatten();
        numbers
            .map(|&number| &self.patterns[number])
            .filter(|pattern| {
                so_far.len() >= pattern.text.len()
                    && so_far[so_far.len() - pattern.text.len()..]
                        .eq_ignore_ascii_case(&pattern.text)
            })
    }

    fn hit(&self, label: &str, run: &Run) -> Hit {
        let canary = &self.canaries[run.canary];
        let is_part = run.form == Form::Raw && run.end - run.start < canary.random_part().len();
        Hit {
            label: label.to_owned(),
            offset: run.start,
            form: if is_part { Form::Part } else { run.form },
            canary: canary.name().to_owned(),
        }
    }
}

impl fmt::Debug for Sweeper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sweeper")
            .field("canaries", &self.canaries.len())
            .finish_non_exhaustive()
    }
}

/// Every text, in lower case, that gives `window` away.
fn patterns_of(window: &[u8]) -> Vec<(Form, Vec<u8>)> {
    let mut patterns: Vec<(Form, Vec<u8>)> = [
        Form::Raw,
        Form::Hex,
        Form::Percent,
        Form::JsonEscapes,
        Form::ByteList,
    ]
    .into_iter()
    .map(|form| (form, form.encode(window)))
    .collect();
    let compact = patterns
        .iter()
        .find(|(form, _)| *form == Form::ByteList)
        .map(|(_, text)| text.iter().copied().filter(|&byte| byte != b' ').collect());
    patterns.extend(compact.map(|text| (Form::ByteList, text)));
    for before in 0..3 {
        for encoding in [BASE64_NOPAD, BASE64URL_NOPAD] {
            // The window behind `before` other bytes: characters that also depend on neighbours are left out.
            let mut bytes = vec![0; before];
            bytes.extend_from_slice(window);
            let text = encoding.encode(&bytes);
            let core = &text.as_bytes()[(8 * before).div_ceil(6)..8 * bytes.len() / 6];
            patterns.push((Form::Base64, core.to_vec()));
        }
    }
    for (_, text) in &mut patterns {
        text.make_ascii_lowercase();
    }
    patterns.sort();
    patterns.dedup();
    patterns
}

/// Word and bit of the filter for these eight bytes.
fn filter_place(ending: u64) -> (usize, u64) {
    let hash = ending.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (u64::BITS - FILTER_BITS);
    let word = usize::try_from(hash >> 6).expect("the filter fits into memory");
    (word, 1 << (hash & 63))
}

#[cfg(test)]
mod tests;
