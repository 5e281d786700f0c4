//! Files that are rotated, compressed and removed.

use std::collections::BTreeSet;
use std::fs;
use std::time::Duration;

use super::*;

#[test]
fn a_rotated_file_that_is_removed_before_the_flush_comes_again() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("all.jsonl");
    let config = rotating(&path, 1, 10, Compress::None);
    let mut lines = Lines::open("f", &config, None).unwrap();
    present(&mut lines, 1..4).unwrap();
    let old = files(dir.path());
    let old = old.iter().find(|file| **file != path).unwrap();
    fs::remove_file(old).unwrap();
    assert!(matches!(lines.flush(), Err(Error::Retry { .. })));
    deliver(&mut lines, 1..4);
    // The others that were rotated meanwhile are still there, too.
    let found: BTreeSet<u64> = numbers(dir.path()).into_iter().collect();
    assert_eq!(found, BTreeSet::from([1, 2, 3]));
}

#[test]
fn a_file_that_was_moved_is_not_rotated_in_the_name_of_another() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("all.jsonl");
    let config = rotating(&path, 100, 10, Compress::None);
    let mut lines = Lines::open("f", &config, None).unwrap();
    deliver(&mut lines, 1..2);
    // As logrotate does with `create`.
    fs::rename(&path, dir.path().join("moved")).unwrap();
    fs::write(&path, "").unwrap();
    deliver(&mut lines, 2..9);
    let names: Vec<String> = files(dir.path())
        .iter()
        .map(|path| path.file_name().unwrap().to_string_lossy().into_owned())
        .collect();
    assert!(names.contains(&"moved".to_owned()), "{names:?}");
    let mut found = numbers(dir.path());
    found.sort_unstable();
    assert_eq!(found, (1..9).collect::<Vec<_>>());
    let rotated = files(dir.path());
    assert!(
        rotated
            .iter()
            .all(|path| fs::metadata(path).unwrap().len() > 0 || path.ends_with("all.jsonl"))
    );
}

#[test]
fn rotation_loses_nothing_and_repeats_nothing_whenever_it_crashes() {
    for crash_after in 0..12u64 {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("all.jsonl");
        let config = rotating(&path, 2_000, 1000, Compress::None);
        let mut lines = Lines::open("f", &config, None).unwrap();
        let mut token = lines.flush().unwrap();
        let mut next = 1;
        for round in 0..16u64 {
            present(&mut lines, next..next + 7).unwrap();
            if round == crash_after {
                // Several rotations without a flush, then the process is gone.
                present(&mut lines, next + 7..next + 60).unwrap();
                drop(lines);
                lines = Lines::open("f", &config, Some(&token)).unwrap();
                assert_eq!(
                    numbers(dir.path()),
                    (1..next).collect::<Vec<_>>(),
                    "after {crash_after}"
                );
                present(&mut lines, next..next + 7).unwrap();
            }
            if round % 3 == 2 {
                // Durable, but the process is gone before the cursor is stored.
                lines.flush().unwrap();
                drop(lines);
                lines = Lines::open("f", &config, Some(&token)).unwrap();
                present(&mut lines, next..next + 7).unwrap();
            }
            next += 7;
            token = lines.flush().unwrap();
        }
        assert_eq!(numbers(dir.path()), (1..next).collect::<Vec<_>>());
        assert!(files(dir.path()).len() > 5, "it was rotated");
    }
}

#[test]
fn old_files_are_compressed_and_the_oldest_removed_once_the_cursor_is_behind_them() {
    for (how, suffix) in [(Compress::Gzip, "gz"), (Compress::Zstd, "zst")] {
        let dir = tempfile::tempdir().unwrap();
        let config = rotating(&dir.path().join("all.jsonl"), 1_000, 3, how);
        let mut lines = Lines::open("f", &config, None).unwrap();
        let mut next = 1;
        let mut present_more = |lines: &mut Lines| {
            present(lines, next..next + 40).unwrap();
            next += 40;
            lines.flush().unwrap();
        };
        present_more(&mut lines);
        // The cursor may not be stored yet: nothing happens to the files.
        assert!(
            files(dir.path())
                .iter()
                .all(|path| path.extension().is_none_or(|e| e != suffix))
        );
        present_more(&mut lines);
        present_more(&mut lines);
        let compressed = || {
            files(dir.path())
                .iter()
                .filter(|path| path.extension().is_some_and(|e| e == suffix))
                .count()
        };
        wait_for("three compressed files and no others", || {
            present_more(&mut lines);
            compressed() >= 1
                && files(dir.path())
                    .iter()
                    .filter(|path| path.to_string_lossy().contains('Z'))
                    .count()
                    <= 60
        });
        drop(lines);
        let lines = Lines::open("f", &config, None).unwrap();
        wait_for("three old files, all compressed", || {
            compressed() == 3 && files(dir.path()).len() == 4
        });
        drop(lines);
        let all = numbers(dir.path());
        assert!(
            all.windows(2).all(|pair| pair[0] + 1 == pair[1]),
            "what is left is whole and in order"
        );
        assert_eq!(*all.last().unwrap(), next - 1);
    }
}

#[test]
fn an_old_file_is_rotated_when_its_time_has_come() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("all.jsonl");
    let rotate = Rotate {
        size: None,
        age: Some(Duration::from_millis(1)),
        keep: None,
        compress: Compress::None,
    };
    let mut lines = Lines::open(
        "f",
        &Config {
            rotate: Some(rotate),
            ..config(&path)
        },
        None,
    )
    .unwrap();
    let mut next = 1;
    wait_for("two rotations", || {
        present(&mut lines, next..next + 1).unwrap();
        lines.flush().unwrap();
        next += 1;
        files(dir.path()).len() >= 3
    });
    lines.flush().unwrap();
    assert_eq!(numbers(dir.path()), (1..next).collect::<Vec<_>>());
}
