//! A thousand tasks in each other: their ids stay within 1024 characters, and every one is found where it stands.

use std::process::Command;
use std::time::Duration;

use distlog_layer::{Flush, Task, builder, current, get_foreign_task, import_task, to};
use distlog_testkit::{Daemon, eventually};
use tracing_subscriber::prelude::*;

const DISTLOGD: &str = env!("CARGO_BIN_EXE_e2e-distlogd");
const LONG: Duration = Duration::from_secs(60);
/// With what is taken in the last one a tree has 1000 levels, as many as are shown at once.
const LEVELS: usize = 999;

fn id_of(task: &Task) -> String {
    task.id().map(|id| id.to_string()).unwrap_or_default()
}

/// Opens a task in the one before, and in each another one as a process does that takes what was reserved.
fn descend(level: usize, ids: &mut Vec<String>) {
    let inner = to!("level {}", level);
    inner.in_scope(|| {
        ids.push(id_of(&current()));
        let reserved = get_foreign_task().to_string();
        assert!(reserved.len() <= 1024, "{reserved}");
        import_task!(reserved, "taken {}", level).in_scope(|| {
            let id = id_of(&current());
            assert!(id.len() <= 1024 && id.contains('.'), "{id}");
        });
        if level + 1 < LEVELS {
            descend(level + 1, ids);
        }
    });
}

fn tree(daemon: &Daemon, id: &str, more: &[&str]) -> String {
    let said = Command::new(DISTLOGD)
        .args(["tree", id, "--url", daemon.http()])
        .args(more)
        .output()
        .unwrap();
    assert!(said.status.success(), "{said:?}");
    String::from_utf8(said.stdout).unwrap()
}

/// The level of a line, by how far it is indented.
fn depth(line: &str) -> usize {
    line.chars().take_while(|c| " │├└─".contains(*c)).count() / 3
}

#[test]
fn tasks_a_thousand_deep_are_where_they_stand() {
    let folder = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(DISTLOGD, &[], folder.path(), "");
    let (layer, guard) = builder().service("deep").connect(daemon.session()).unwrap();
    let ids = std::thread::Builder::new()
        .stack_size(64 << 20)
        .spawn(|| {
            let mut ids = Vec::new();
            let registry = tracing_subscriber::registry().with(layer);
            tracing::subscriber::with_default(registry, || descend(0, &mut ids));
            ids
        })
        .unwrap()
        .join()
        .unwrap();
    assert_eq!(guard.close(LONG), Flush::Flushed);
    assert!(ids[LEVELS - 1].contains('~') && !ids[1].contains('~'));

    // At once, from the middle, and from the deepest.
    for from in [0, LEVELS / 2, LEVELS - 1] {
        let drawn = tree(&daemon, &ids[from], &["--depth", "1000"]);
        let lines: Vec<&str> = drawn.lines().skip(1).collect();
        for level in from..LEVELS {
            let at = 2 * (level - from);
            let (inner, taken) = (lines[at], lines[at + 1]);
            let words = |line: &str| {
                line.trim_start_matches([' ', '│', '├', '└', '─'])
                    .to_owned()
            };
            assert!(
                words(inner).starts_with(&format!("✔ level {level} ")),
                "{level}: {}",
                words(inner)
            );
            assert!(
                words(taken).starts_with(&format!("✔ taken {level} ")),
                "{level}: {}",
                words(taken)
            );
            assert_eq!(
                (depth(inner), depth(taken)),
                (level - from, level - from + 1)
            );
        }
        assert_eq!(lines.len(), 2 * (LEVELS - from));
    }

    // Piece by piece, each time with the id that the cut names.
    let (mut id, mut seen) = (ids[0].clone(), 0);
    while !id.is_empty() {
        let drawn = tree(&daemon, &id, &[]);
        seen = drawn.lines().filter_map(level_of).max().unwrap().max(seen);
        let mut cut = drawn
            .lines()
            .filter_map(|line| line.split_once("distlogd tree "));
        id = cut
            .next_back()
            .map(|(_, id)| id.to_owned())
            .unwrap_or_default();
    }
    assert_eq!(seen, LEVELS - 1);

    // It is one trace in the list, by its top.
    eventually("the list", || {
        let list = daemon.json("/api/v1/tasks")?;
        let only = list["items"].as_array().filter(|list| list.len() == 1);
        match only {
            Some(only) if only[0]["name"] == "level 0" && only[0]["outcome"] == "ok" => Ok(()),
            _ => Err(format!("{list:#}")),
        }
    });
}

fn level_of(line: &str) -> Option<usize> {
    let (_, level) = line.split_once("level ")?;
    level.split([' ', '\n']).next()?.parse().ok()
}
