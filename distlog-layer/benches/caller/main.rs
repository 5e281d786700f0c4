//! What logging costs the calling thread, beside what people log with today.
//!
//! ```sh
//! cargo bench -p distlog-layer --bench caller
//! cargo bench -p distlog-layer --bench caller -- span      # only operations with this word
//! cargo bench -p distlog-layer --bench caller -- --quick   # only whether all of it runs
//! ```
//!
//! Prints a table and writes `target/bench/caller.json`. Receivers are real and discard what they get: a socket that
//! reads, a session receiver that acknowledges, an exporter that drops its batches, a file. Nobody drops records:
//! whoever has a queue that can be full has one with room for a round.
//!
//! `measure.rs` says how it is measured, `operation.rs` what; `ours.rs`, `otel.rs`, `lines.rs`, `with_fastrace.rs` and
//! `with_emit.rs` are the ways to log.
#![allow(missing_docs)]

mod lines;
mod measure;
mod operation;
mod otel;
mod ours;
mod receivers;
mod table;
mod with_emit;
mod with_fastrace;

use measure::Plan;
use table::Table;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let quick = arguments
        .iter()
        .any(|argument| argument == "--quick" || argument == "--test");
    let word = arguments.iter().find(|argument| !argument.starts_with('-'));
    let plan = Plan {
        word: word.cloned().unwrap_or_default(),
        ..if quick { Plan::QUICK } else { Plan::FULL }
    };

    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    println!("{cores} cores");
    let mut table = Table::default();
    // First: it is what all others are compared with.
    ours::session(&plan, &mut table);
    ours::session_with_spool(&plan, &mut table);
    ours::push(&plan, &mut table);
    ours::session_redacting(&plan, &mut table);
    ours::session_unsampled(&plan, &mut table);
    ours::session_with_levels(&plan, &mut table);
    lines::fmt_json(&plan, &mut table);
    otel::logs(&plan, &mut table);
    otel::spans(&plan, &mut table);
    with_fastrace::rows(&plan, &mut table);
    with_emit::rows(&plan, &mut table);
    lines::registry_alone(&plan, &mut table);

    table.print();
    match table.write() {
        Ok(path) => println!("\nwritten to {}", path.display()),
        Err(error) => {
            eprintln!("the figures could not be written: {error}");
            std::process::exit(1);
        }
    }
}
