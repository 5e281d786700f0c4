//! The program `distlogd`; everything is in the library.

fn main() -> std::process::ExitCode {
    distlogd::cli::main()
}
