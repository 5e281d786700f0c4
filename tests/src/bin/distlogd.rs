//! The daemon, as the stories start it: the same as the program `distlogd`.

fn main() -> std::process::ExitCode {
    distlogd::cli::main()
}
