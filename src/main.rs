//! Arguments in, exit code out; everything else is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    billing_engine::cli::main(std::env::args_os())
}
