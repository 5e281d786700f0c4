//! The file processor: real files, crashes, rotation.

mod rotation;

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::processor::{Converted, Error, Processor, TakeConverted, Token};
use crate::processors::file::{Compress, Config, Format, Lines, Mode, Rotate};
use distlog_proto::wire::BatchWriter;
use distlog_proto::{
    BatchRef, ErrorInfo, Kind, Outcome, Record, RecordRef, Severity, Source, Task, TaskId,
};

fn config(path: &Path) -> Config {
    Config {
        path: path.to_owned(),
        format: Format::Json,
        rotate: None,
        mode: Mode::default(),
    }
}

fn rotating(path: &Path, size: u64, keep: usize, compress: Compress) -> Config {
    Config {
        rotate: Some(Rotate {
            size: Some(size),
            age: None,
            keep: Some(keep),
            compress,
        }),
        ..config(path)
    }
}

fn with_records<R>(records: &[Record], first: u64, with: impl FnOnce(&[RecordRef<'_>]) -> R) -> R {
    let mut writer = BatchWriter::new();
    records.iter().for_each(|record| writer.push(record));
    let bytes = writer.finish();
    let batch = BatchRef::parse(&bytes).unwrap();
    let mut parsed: Vec<RecordRef<'_>> = batch.records().map(Result::unwrap).collect();
    parsed
        .iter_mut()
        .zip(first..)
        .for_each(|(record, number)| record.store_number = number);
    with(&parsed)
}

/// Presents the records with these numbers; the message of each is its number.
fn present(lines: &mut Lines, numbers: std::ops::Range<u64>) -> Result<(), Error> {
    with_messages(numbers, |records| lines.process(records))
}

fn with_messages<R>(numbers: std::ops::Range<u64>, with: impl FnOnce(&[RecordRef<'_>]) -> R) -> R {
    let records: Vec<Record> = numbers
        .clone()
        .map(|n| Record {
            message: n.to_string(),
            ..Record::default()
        })
        .collect();
    with_records(&records, numbers.start, with)
}

fn read(path: &Path) -> Vec<u8> {
    let bytes = fs::read(path).unwrap();
    match path.extension().and_then(|e| e.to_str()) {
        Some("gz") => {
            let mut out = Vec::new();
            std::io::copy(
                &mut flate2::read::GzDecoder::new(bytes.as_slice()),
                &mut out,
            )
            .unwrap();
            out
        }
        Some("zst") => zstd::decode_all(bytes.as_slice()).unwrap(),
        _ => bytes,
    }
}

/// All files of the directory, the oldest first.
fn files(dir: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort_by_key(|path| (path.extension().is_some_and(|e| e == "jsonl"), path.clone()));
    files
}

/// The numbers in all files of the directory, in order.
fn numbers(dir: &Path) -> Vec<u64> {
    let lines: Vec<u8> = files(dir).iter().flat_map(|path| read(path)).collect();
    assert!(
        lines.is_empty() || lines.ends_with(b"\n"),
        "whole lines only"
    );
    lines
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| {
            serde_json::from_slice::<serde_json::Value>(line).unwrap()["message"]
                .as_str()
                .unwrap()
                .parse()
                .unwrap()
        })
        .collect()
}

fn wait_for(what: &str, mut condition: impl FnMut() -> bool) {
    let until = Instant::now() + Duration::from_secs(20);
    while !condition() {
        assert!(Instant::now() < until, "{what}");
        std::thread::yield_now();
    }
}

#[test]
fn what_was_not_flushed_is_cut_off_and_comes_again() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("new/dir/all.jsonl");
    let mut lines = Lines::open("f", &config(&path), None).unwrap();
    present(&mut lines, 1..4).unwrap();
    let token = lines.flush().unwrap();
    // More than is held in memory, so that it is in the file at the crash.
    present(&mut lines, 4..9000).unwrap();
    drop(lines);
    assert!(fs::metadata(&path).unwrap().len() > 256 << 10);
    // Half a line, as a crash leaves it.
    fs::OpenOptions::new()
        .append(true)
        .open(&path)
        .unwrap()
        .write_all(b"{\"message\":\"half")
        .unwrap();

    let mut lines = Lines::open("f", &config(&path), Some(&token)).unwrap();
    assert_eq!(numbers(path.parent().unwrap()), [1, 2, 3]);
    present(&mut lines, 4..7).unwrap();
    lines.flush().unwrap();
    assert_eq!(numbers(path.parent().unwrap()), [1, 2, 3, 4, 5, 6]);
}

#[test]
fn a_flush_whose_cursor_was_not_stored_writes_nothing_twice() {
    let dir = tempfile::tempdir().unwrap();
    let mut lines = Lines::open("f", &config(&dir.path().join("all.jsonl")), None).unwrap();
    present(&mut lines, 1..4).unwrap();
    lines.flush().unwrap();
    // The worker goes back to where its cursor stands.
    present(&mut lines, 1..6).unwrap();
    lines.flush().unwrap();
    assert_eq!(numbers(dir.path()), [1, 2, 3, 4, 5]);
}

#[test]
fn lines_that_were_made_elsewhere_are_written_like_others() {
    let dir = tempfile::tempdir().unwrap();
    let config = rotating(&dir.path().join("all.jsonl"), 2_000, 1000, Compress::None);
    let mut lines = Lines::open("f", &config, None).unwrap();
    let take = |lines: &mut Lines, numbers: std::ops::Range<u64>| {
        let mut converted = Converted::default();
        let converter = lines.converter();
        with_messages(numbers, |records| {
            converter.convert(records, &mut converted)
        });
        lines.take(&converted)
    };
    present(&mut lines, 1..4).unwrap();
    take(&mut lines, 4..40).unwrap();
    let token = lines.flush().unwrap();
    // The worker goes back to where its cursor stands: in the midst of lines that are durable.
    take(&mut lines, 30..60).unwrap();
    present(&mut lines, 60..62).unwrap();
    lines.flush().unwrap();
    assert_eq!(numbers(dir.path()), (1..62).collect::<Vec<_>>());
    // A crash: what came after the first flush is cut off.
    drop(lines);
    let mut lines = Lines::open("f", &config, Some(&token)).unwrap();
    assert_eq!(numbers(dir.path()), (1..40).collect::<Vec<_>>());
    take(&mut lines, 40..200).unwrap();
    lines.flush().unwrap();
    assert_eq!(numbers(dir.path()), (1..200).collect::<Vec<_>>());
    let sizes: Vec<u64> = files(dir.path())
        .iter()
        .map(|path| fs::metadata(path).unwrap().len())
        .collect();
    let (_, rotated) = sizes.split_last().unwrap();
    assert!(
        rotated.iter().all(|size| (2_000..2_400).contains(size)),
        "{sizes:?}"
    );
}

#[test]
fn files_of_others_are_continued_and_not_cut() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("all.jsonl");
    fs::write(&path, "{\"message\":\"7\"}").unwrap();
    let mut lines = Lines::open("f", &config(&path), None).unwrap();
    present(&mut lines, 8..10).unwrap();
    let token = lines.flush().unwrap();
    drop(lines);
    assert_eq!(numbers(dir.path()), [7, 8, 9]);

    // Somebody puts another file there, longer than ours was.
    let theirs: String = (100..200)
        .map(|n| format!("{{\"message\":\"{n}\"}}\n"))
        .collect();
    fs::remove_file(&path).unwrap();
    fs::write(&path, &theirs).unwrap();
    let mut lines = Lines::open("f", &config(&path), Some(&token)).unwrap();
    present(&mut lines, 300..301).unwrap();
    lines.flush().unwrap();
    assert_eq!(
        numbers(dir.path()),
        (100..200).chain([300]).collect::<Vec<_>>()
    );
}

#[test]
fn a_file_that_is_moved_away_is_begun_anew() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("all.jsonl");
    let mut lines = Lines::open("f", &config(&path), None).unwrap();
    present(&mut lines, 1..3).unwrap();
    lines.flush().unwrap();
    fs::rename(&path, dir.path().join("all.1")).unwrap();
    present(&mut lines, 3..5).unwrap();
    lines.flush().unwrap();
    present(&mut lines, 5..7).unwrap();
    lines.flush().unwrap();
    assert_eq!(numbers(dir.path()), [1, 2, 3, 4, 5, 6]);
    assert!(path.exists());
}

/// Presents these, again where the processor asks for it, until they are durable.
fn deliver(lines: &mut Lines, numbers: std::ops::Range<u64>) {
    for _ in 0..3 {
        let done = present(lines, numbers.clone()).and_then(|()| lines.flush());
        match done {
            Ok(_) => return,
            Err(Error::Retry { .. }) => {}
            Err(error) => panic!("{error}"),
        }
    }
    panic!("never done");
}

#[test]
fn what_was_in_a_removed_file_and_not_flushed_comes_again() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("all.jsonl");
    let mut lines = Lines::open("f", &config(&path), None).unwrap();
    deliver(&mut lines, 1..3);
    present(&mut lines, 3..5).unwrap();
    fs::remove_file(&path).unwrap();
    present(&mut lines, 5..6).unwrap();
    let Err(Error::Retry { reason, after }) = lines.flush() else {
        panic!("it said that all is well");
    };
    assert!(reason.contains("was removed"), "{reason}");
    assert_eq!(after, Some(Duration::ZERO));
    deliver(&mut lines, 3..6);
    assert_eq!(numbers(dir.path()), [3, 4, 5]);
    // Nothing is missing of what was flushed before: whoever removed it wanted that.
    fs::remove_file(&path).unwrap();
    lines.flush().unwrap();
    deliver(&mut lines, 6..7);
    assert_eq!(numbers(dir.path()), [6]);
}

#[test]
fn files_are_for_this_user_alone_unless_the_configuration_says_else() {
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let dir = tempfile::tempdir().unwrap();
    for (mode_of_files, of_directory) in [(0o600, 0o700), (0o640, 0o750)] {
        let logs = dir.path().join(format!("logs-{mode_of_files}"));
        let path = logs.join("all.jsonl");
        let config = Config {
            mode: Mode(mode_of_files),
            ..rotating(&path, 1, 10, Compress::Gzip)
        };
        let mut lines = Lines::open("f", &config, None).unwrap();
        deliver(&mut lines, 1..3);
        deliver(&mut lines, 3..4);
        deliver(&mut lines, 4..5);
        drop(lines);
        drop(Lines::open("f", &config, None).unwrap());
        assert_eq!(mode(&logs), of_directory);
        let files = files(&logs);
        assert!(files.len() > 2);
        for file in files {
            assert_eq!(mode(&file), mode_of_files, "{file:?}");
        }
    }
}

#[test]
fn what_cannot_be_written_is_said_in_one_line_and_works_later() {
    let dir = tempfile::tempdir().unwrap();
    // A file where a directory is needed stands in for missing rights, which root would have.
    let blocked = dir.path().join("logs");
    fs::write(&blocked, "").unwrap();
    let path = blocked.join("all.jsonl");
    let Err(error) = Lines::open("f", &config(&path), None) else {
        panic!("it opened")
    };
    assert!(matches!(error, Error::Retry { .. }));
    let text = error.to_string();
    assert!(
        text.starts_with(&format!("cannot write {}: ", path.display())) && !text.contains('\n'),
        "{text}"
    );
    fs::remove_file(&blocked).unwrap();
    assert!(Lines::open("f", &config(&path), None).is_ok());
}

#[test]
fn a_full_disk_leaves_nothing_half_written() {
    // /dev/full takes no byte; a link to it is a file on a full disk.
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("all.jsonl");
    std::os::unix::fs::symlink("/dev/full", &path).unwrap();
    let error = match Lines::open("f", &config(&path), None) {
        Err(error) => error,
        Ok(mut lines) => present(&mut lines, 1..2)
            .and_then(|()| lines.flush().map(drop))
            .unwrap_err(),
    };
    assert!(matches!(error, Error::Retry { .. }), "{error:?}");
    assert!(error.to_string().contains("all.jsonl"), "{error}");
}

#[test]
fn text_is_for_people() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("all.log");
    let mut lines = Lines::open(
        "f",
        &Config {
            format: Format::Text,
            ..config(&path)
        },
        None,
    )
    .unwrap();
    let mut task = Task::from(
        &"e252a11f-d33d-483d-ba08-bc8f642b2f10/1"
            .parse::<TaskId>()
            .unwrap(),
    );
    task.context.insert("user", "leo");
    let base = Record {
        source: Source {
            service: "orders".into(),
            ..Source::default()
        },
        severity: Severity::INFO,
        time: 1_763_871_098_123_456_000,
        ..Record::default()
    };
    let records = [
        Record {
            kind: Kind::Begin,
            message: "handle order 17".into(),
            task: Some(task.clone()),
            ..base.clone()
        },
        Record {
            severity: Severity::ERROR,
            message: "payment refused\nsecond line\u{1b}[31m".into(),
            fields: [("amount", 12.5)].into_iter().collect(),
            task: Some(task.clone()),
            error: Some(ErrorInfo {
                message: "no route".into(),
                chain: vec!["connection reset".into()],
                ..ErrorInfo::default()
            }),
            ..base.clone()
        },
        Record {
            kind: Kind::End,
            outcome: Outcome::Failed,
            message: "handle order 17".into(),
            duration: 1_500_000,
            task: Some(task),
            ..base.clone()
        },
        Record {
            message: "alone".into(),
            ..base
        },
    ];
    with_records(&records, 1, |records| lines.process(records)).unwrap();
    lines.flush().unwrap();
    let text = fs::read_to_string(&path).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let id = "orders e252a11f-d33d-483d-ba08-bc8f642b2f10/1";
    assert_eq!(
        lines[0],
        format!("2025-11-23 04:11:38.123456Z INFO  {id} ▶ handle order 17  user=leo")
    );
    assert_eq!(
        lines[1],
        format!("2025-11-23 04:11:38.123456Z ERROR {id} payment refused  amount=12.5")
    );
    assert_eq!(
        lines[2..5],
        [
            "    second line\\u{1b}[31m",
            "    error: no route",
            "    caused by: connection reset"
        ]
    );
    assert!(
        lines[5].starts_with(&format!(
            "2025-11-23 04:11:38.123456Z INFO  {id} ✗ handle order 17  1.5"
        )),
        "{}",
        lines[5]
    );
    assert_eq!(lines[6], "2025-11-23 04:11:38.123456Z INFO  orders - alone");
}

#[test]
fn tokens_of_others_are_no_reason_to_fail() {
    let dir = tempfile::tempdir().unwrap();
    for token in [
        Token::default(),
        Token(b"F\x01".to_vec()),
        Token(vec![255; 500]),
    ] {
        assert!(Lines::open("f", &config(&dir.path().join("a.jsonl")), Some(&token)).is_ok());
    }
}
