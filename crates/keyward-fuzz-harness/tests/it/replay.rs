use std::{collections::BTreeSet, fs, path::PathBuf};

use keyward_fuzz_harness::TARGETS;

fn fuzz() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../fuzz"))
}

/// The names of what lies in a directory below `fuzz/`.
fn names(directory: &str) -> BTreeSet<String> {
    let entries = fs::read_dir(fuzz().join(directory)).unwrap();
    let name = |entry: fs::DirEntry| {
        entry
            .path()
            .file_stem()
            .unwrap()
            .to_str()
            .unwrap()
            .to_owned()
    };
    entries.map(|entry| name(entry.unwrap())).collect()
}

#[test]
fn every_input_of_every_corpus_keeps_the_promises() {
    for (target, check) in TARGETS {
        let mut count = 0;
        for entry in fs::read_dir(fuzz().join("corpus").join(target)).unwrap() {
            let path = entry.unwrap().path();
            // Says which input it was, where one fails.
            println!("{}", path.display());
            check(&fs::read(&path).unwrap());
            count += 1;
        }
        assert!(count > 0, "the corpus of {target} is empty");
    }
}

#[test]
fn every_harness_is_a_target_with_a_corpus() {
    let harnesses: BTreeSet<_> = TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(names("fuzz_targets"), harnesses);
    assert_eq!(names("corpus"), harnesses);
    let manifest = fs::read_to_string(fuzz().join("Cargo.toml")).unwrap();
    for name in harnesses {
        assert!(
            manifest.contains(&format!("name = \"{name}\"")),
            "{name} is no binary"
        );
    }
}

#[test]
fn no_input_makes_a_harness_panic_by_itself() {
    for (_, check) in TARGETS {
        for length in [0, 1, 2, 3, 16, 47, 300] {
            for byte in [0, b'/', b'k', 0xff] {
                check(&vec![byte; length]);
            }
        }
    }
}
