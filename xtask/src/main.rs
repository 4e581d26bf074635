//! Everything CI runs, runnable at home by one command.

fn main() {}
