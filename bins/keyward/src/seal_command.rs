//! Runs the command of `[seal] command`, and takes what it writes.

use keyward_vault::CommandOutput;

use crate::{
    config::{Argv, SealSection},
    failure::Failure,
    program,
};

/// Runs the command that is configured.
pub(crate) async fn run(section: &SealSection) -> Result<CommandOutput, Failure> {
    let argv = find(section)?;
    let output = program::run(argv, section.command_timeout())
        .await
        .map_err(|error| gave_nothing(argv, &error))?;
    CommandOutput::new(output.bytes()).map_err(|error| gave_nothing(argv, &error))
}

/// The command that is configured, if it may be run. Does not run it.
pub(crate) fn find(section: &SealSection) -> Result<&Argv, Failure> {
    let Some(argv) = &section.command else {
        return Err(Failure::usage("no command is configured").help(
            "name one in the configuration file: `[seal] command = [\"/path/of/program\"]`",
        ));
    };
    match program::check(argv) {
        Ok(()) => Ok(argv),
        Err(error) => Err(gave_nothing(argv, &error)),
    }
}

fn gave_nothing(argv: &Argv, error: &dyn std::error::Error) -> Failure {
    Failure::unreachable("the command of `[seal] command` did not give what opens the vault")
        .caused_by(error)
        .at(argv.program().display().to_string())
        .help("run it by hand to see what it says; it gets no variables, and `/` as its directory")
}
