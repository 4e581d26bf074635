//! `keyward help`: a topic, or the help of a command.

use clap::CommandFactory;

use crate::{
    args::{Args, HelpArgs},
    failure::Failure,
    output::print,
    topics::Topic,
};

pub(crate) fn run(args: &HelpArgs) -> Result<(), Failure> {
    let topic = match args.of.as_slice() {
        [one] => <Topic as clap::ValueEnum>::from_str(one, false).ok(),
        _ => None,
    };
    if let Some(topic) = topic {
        return print(topic.text().trim_end());
    }
    let mut command = Args::command();
    // So that usage lines name the whole command.
    command.build();
    let mut command = &mut command;
    for word in &args.of {
        command = command.find_subcommand_mut(word).ok_or_else(|| {
            Failure::usage(format!("there is no help about `{}`", args.of.join(" ")))
                .help("the topics are environment, exit-codes, output and security; `keyward --help` lists the commands")
        })?;
    }
    print(command.render_long_help())
}
