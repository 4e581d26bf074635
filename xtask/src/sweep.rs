//! `cargo xtask sweep`: looks for the canaries of a test run in everything that the run left behind.
//!
//! The search is that of `keyward-testing`. A search that finds nothing proves little by itself, so a fresh canary is
//! planted in the same directory, in every form, and must be found by the same search.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use keyward_testing::{CANARY_LIST, Canary, Form, Hit, Sweeper};

/// Begins the names of the files that the positive control plants, and takes away again.
const PLANTED: &str = "planted-canary-";

/// The sweep could not be made, or found something.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SweepError {
    #[error(
        "cannot read the list of canaries, `{CANARY_LIST}`: did the tests run with this directory?"
    )]
    List(#[source] io::Error),
    #[error("the list of canaries is empty: no test has made one")]
    NoCanaries,
    #[error("cannot read the outputs")]
    Outputs(#[source] io::Error),
    #[error("cannot plant the canary of the positive control")]
    Plant(#[source] io::Error),
    #[error("the positive control failed: the planted canary was not found as {0}")]
    Blind(Form),
    #[error("{0} canaries were found in the outputs")]
    Found(usize),
}

/// Sweeps `directory` and prints what was found.
pub(crate) fn run(directory: &Path) -> Result<(), SweepError> {
    let mut canaries = Canary::read_list(directory).map_err(SweepError::List)?;
    if canaries.is_empty() {
        return Err(SweepError::NoCanaries);
    }
    let listed = canaries.len();
    let planted = Canary::new("planted by the positive control");
    canaries.push(planted.clone());
    let sweeper = Sweeper::new(&canaries);
    for form in Form::ENCODINGS {
        let text = form.encode(planted.text().as_bytes());
        fs::write(planted_file(directory, form), text).map_err(SweepError::Plant)?;
    }
    let swept = sweeper.scan_dir(directory, &[CANARY_LIST]);
    for form in Form::ENCODINGS {
        fs::remove_file(planted_file(directory, form)).map_err(SweepError::Plant)?;
    }
    let (control, hits): (Vec<Hit>, Vec<Hit>) = swept
        .map_err(SweepError::Outputs)?
        .into_iter()
        .partition(|hit| hit.canary == planted.name());
    for form in Form::ENCODINGS {
        let name = planted_name(form);
        if !control
            .iter()
            .any(|hit| hit.label == name && hit.form == form)
        {
            return Err(SweepError::Blind(form));
        }
    }
    for hit in &hits {
        println!("  {hit}");
    }
    println!(
        "sweep: {listed} canaries, {} hits in {}; the planted canary was found in every form",
        hits.len(),
        directory.display()
    );
    if hits.is_empty() {
        Ok(())
    } else {
        Err(SweepError::Found(hits.len()))
    }
}

fn planted_name(form: Form) -> String {
    format!("{PLANTED}{form:?}")
}

fn planted_file(directory: &Path, form: Form) -> PathBuf {
    directory.join(planted_name(form))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn directory(canary: &str) -> tempfile::TempDir {
        let directory = tempfile::tempdir().unwrap();
        fs::write(
            directory.path().join(CANARY_LIST),
            format!("{canary}\tlisted\n"),
        )
        .unwrap();
        directory
    }

    const CANARY: &str = "sk-kwcanary-0aB9zYx8Wv7Ut6Sr5Qp4On3Ml2Kj1Ih0Gf9Ed8Cc";

    #[test]
    fn a_clean_directory_passes_and_keeps_nothing_planted() {
        let directory = directory(CANARY);
        fs::write(directory.path().join("log"), "nothing to see").unwrap();
        run(directory.path()).unwrap();
        let left = fs::read_dir(directory.path()).unwrap().count();
        assert_eq!(left, 2, "the list and the log");
    }

    #[test]
    fn a_canary_in_an_output_fails_the_sweep() {
        let directory = directory(CANARY);
        fs::write(directory.path().join("log"), format!("oops {CANARY}")).unwrap();
        assert!(matches!(run(directory.path()), Err(SweepError::Found(1))));
    }

    #[test]
    fn a_run_without_canaries_is_no_proof() {
        let directory = tempfile::tempdir().unwrap();
        assert!(matches!(run(directory.path()), Err(SweepError::List(_))));
        fs::write(directory.path().join(CANARY_LIST), "").unwrap();
        assert!(matches!(run(directory.path()), Err(SweepError::NoCanaries)));
    }
}
