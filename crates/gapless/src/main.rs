//! The program: reads what was typed, does it, and says how it went.
//!
//! Results go to standard output, everything else to standard error. The exit code is 0 when what
//! was asked for is done, 1 when the answer is no, and 2 when it could not be done.

mod failure;

mod input;
mod output;
mod progress;

mod commands;

mod arguments;

use std::process::ExitCode;

use commands::Answer;

fn main() -> ExitCode {
    let typed = match arguments::read(std::env::args_os()) {
        Ok(typed) => typed,
        Err(refused) => return arguments::refuse(&refused),
    };
    match typed.command.run() {
        Ok(Answer::Yes) => ExitCode::SUCCESS,
        Ok(Answer::No) => ExitCode::from(1),
        Err(failures) => {
            failure::tell(&failures);
            ExitCode::from(2)
        }
    }
}
