//! What a damaged store says: at start in one line, and once when a reader meets it. What it counts is what is there.

use std::fs;
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use crate::fixtures::*;
use distlog_store::{Options, Store};
use tracing_subscriber::fmt::MakeWriter;

/// Records of the store.
const ALL: u64 = 120;

/// What is logged.
#[derive(Clone, Default)]
struct Said(Arc<Mutex<Vec<u8>>>);

impl Write for Said {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Said {
    type Writer = Said;

    fn make_writer(&'a self) -> Said {
        self.clone()
    }
}

/// Runs `work`; gives the lines that it logged.
fn said<R>(work: impl FnOnce() -> R) -> (R, Vec<String>) {
    let said = Said::default();
    let subscriber = tracing_subscriber::fmt()
        .with_writer(said.clone())
        .with_ansi(false)
        .finish();
    let result = tracing::subscriber::with_default(subscriber, work);
    let bytes = said.0.lock().unwrap().clone();
    let text = String::from_utf8(bytes).unwrap();
    (result, text.lines().map(str::to_owned).collect())
}

fn settings() -> Options {
    Options {
        compress: false,
        ..options(1 << 20)
    }
}

/// A store of sealed segments and an open one, of one record a batch; closed. How many records it has.
fn filled(dir: &Path) -> u64 {
    let mut store = Store::open(dir, settings()).unwrap();
    for n in 0..ALL {
        append(&mut store, producer(0), 1, &body(&[trace(n)], &[7; 30_000]));
        store.commit().unwrap();
    }
    wait_sealed(&store);
    assert!(store.stats().segments >= 4, "{:?}", store.stats());
    store.close().unwrap();
    ALL
}

/// As [`filled`], as a kill leaves it that comes before any segment is sealed.
fn unsealed(dir: &Path) -> u64 {
    let (segments, kept) = (dir.join("segments"), dir.join("kept"));
    fs::create_dir(&kept).unwrap();
    let small = options(1 << 19);
    let mut store = Store::open(dir, small).unwrap();
    for n in 0..ALL {
        append(&mut store, producer(0), 1, &body(&[trace(n)], &[7; 30_000]));
        store.commit().unwrap();
        for file in files(dir, "log") {
            let _ = fs::hard_link(&file, kept.join(file.file_name().unwrap()));
        }
    }
    wait_sealed(&store);
    drop(store);
    fs::remove_dir_all(&segments).unwrap();
    fs::rename(kept, segments).unwrap();
    ALL
}

fn files(dir: &Path, ending: &str) -> Vec<PathBuf> {
    let mut files: Vec<_> = fs::read_dir(dir.join("segments"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|known| known == ending))
        .collect();
    files.sort();
    files
}

/// Opens it after `harm`, which gives the file that is to be named. One WARN says so; what is counted is what can be
/// read.
fn after(harm: fn(&Path) -> PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let all = filled(dir.path());
    let named = harm(dir.path());
    let (store, lines) = said(|| Store::open(dir.path(), settings()).unwrap());
    assert_eq!(lines.len(), 1, "{lines:#?}");
    assert!(lines[0].contains("WARN"), "{lines:?}");
    assert!(lines[0].contains(&named.display().to_string()), "{lines:?}");
    let (found, lines) = said(|| read_from(&store.reader(), 1, 1 << 16).0);
    assert!(lines.is_empty(), "told again: {lines:#?}");
    let stats = store.stats();
    assert_eq!(stats.end - stats.first - stats.lost, found.len() as u64);
    assert_eq!(stats.damaged_records, all - found.len() as u64);
    assert!(stats.damaged_records > 0);
}

fn line_after(harm: impl FnOnce(&Path) -> PathBuf) -> String {
    let dir = tempfile::tempdir().unwrap();
    filled(dir.path());
    harm(dir.path());
    said(|| Store::open(dir.path(), settings()).unwrap())
        .1
        .concat()
}

fn remove_first(dir: &Path) -> PathBuf {
    fs::remove_file(&files(dir, "seal")[0]).unwrap();
    dir.join("segments")
}

fn remove_second(dir: &Path) -> PathBuf {
    fs::remove_file(&files(dir, "seal")[1]).unwrap();
    dir.join("segments")
}

fn cut_second(dir: &Path) -> PathBuf {
    let file = files(dir, "seal").remove(1);
    let bytes = fs::read(&file).unwrap();
    fs::write(&file, &bytes[..bytes.len() / 2]).unwrap();
    file
}

fn cut_raw(dir: &Path) -> PathBuf {
    let file = files(dir, "log").remove(0);
    let bytes = fs::read(&file).unwrap();
    fs::write(&file, &bytes[..100_000]).unwrap();
    file
}

fn zero_raw(dir: &Path) -> PathBuf {
    let file = files(dir, "log").remove(0);
    let mut bytes = fs::read(&file).unwrap();
    bytes[100_000..104_096].fill(0);
    fs::write(&file, &bytes).unwrap();
    file
}

#[test]
fn a_damaged_store_says_so_at_start_and_counts_what_is_there() {
    for harm in [remove_first, remove_second, cut_second, cut_raw, zero_raw] {
        after(harm);
    }
}

#[test]
fn the_line_says_which_records_are_lost_and_how_many_are_kept() {
    let line = line_after(remove_second);
    assert!(line.contains("segments are missing in "), "{line}");
    assert!(
        line.contains(") are lost; ") && line.contains("records are kept"),
        "{line}"
    );
    let line = line_after(cut_second);
    assert!(
        line.contains(".seal had a damaged footer and was rebuilt: "),
        "{line}"
    );
    let line = line_after(zero_raw);
    assert!(
        line.contains(".log cannot be read everywhere: record"),
        "{line}"
    );
    let gone = |dir: &Path| {
        fs::remove_dir_all(dir.join("segments")).unwrap();
        dir.join("segments")
    };
    let line = line_after(gone);
    assert!(line.contains("all segments are missing in "), "{line}");
    assert!(line.contains("records 1–120 (120) are lost"), "{line}");
    let line = line_after(remove_first);
    assert!(
        line.contains("segments are missing in ") && line.contains("records 1–"),
        "{line}"
    );
    let unreadable = |dir: &Path| {
        let file = files(dir, "seal").remove(1);
        fs::write(&file, [0; 4096]).unwrap();
        file
    };
    let line = line_after(unreadable);
    assert!(line.contains(".seal.damaged"), "{line}");
}

#[test]
fn segments_that_were_not_sealed_are_all_read_and_damage_is_told_in_their_order() {
    let dir = tempfile::tempdir().unwrap();
    let all = unsealed(dir.path());
    assert!(files(dir.path(), "log").len() > 4);
    let (store, lines) = said(|| Store::open(dir.path(), settings()).unwrap());
    assert_eq!(lines.len(), 1, "{lines:#?}");
    assert!(
        lines[0].contains("segments that were not sealed"),
        "{lines:?}"
    );
    assert_eq!(store.position_of(&producer(0)), Some(all * 10));
    assert_eq!(read_from(&store.reader(), 1, 1 << 16).0.len() as u64, all);
    let one = read_trace(&store.reader(), trace(0));
    assert_eq!(one.len(), 1);
    drop(store);

    let dir = tempfile::tempdir().unwrap();
    unsealed(dir.path());
    let raw = files(dir.path(), "log");
    for number in [3, 1] {
        let file = fs::OpenOptions::new()
            .write(true)
            .open(&raw[number])
            .unwrap();
        file.write_all_at(&[0; 4096], 4096).unwrap();
    }
    let (store, lines) = said(|| Store::open(dir.path(), settings()).unwrap());
    let line = lines.last().unwrap();
    let place = |number: usize| line.find(&raw[number].display().to_string()).unwrap();
    assert!(line.contains("WARN") && place(1) < place(3), "{line}");
    let stats = store.stats();
    let found = read_from(&store.reader(), 1, 1 << 16).0.len() as u64;
    assert_eq!((found, stats.damaged_records), (all - 2, 2));
}

#[test]
fn what_retention_removed_is_no_damage_also_after_a_crash() {
    let dir = tempfile::tempdir().unwrap();
    filled(dir.path());
    let before = files(dir.path(), "seal").len();
    let options = Options {
        keep_size: Some(0),
        ..settings()
    };
    let mut store = Store::open(dir.path(), options).unwrap();
    assert!(store.maintain(store.now()).unwrap().segments > 0);
    // As a crash leaves it: nothing is saved at the end.
    drop(store);
    assert!(files(dir.path(), "seal").len() < before);
    let (_, lines) = said(|| Store::open(dir.path(), settings()).unwrap());
    assert_eq!(lines, Vec::<String>::new());
}

#[test]
fn damage_that_a_reader_meets_is_told_once_whoever_reads() {
    let dir = tempfile::tempdir().unwrap();
    let all = filled(dir.path());
    let file = files(dir.path(), "seal").remove(0);
    let mut bytes = fs::read(&file).unwrap();
    // In the first block; its footer is good, so that nobody looks at start.
    bytes[200..300].fill(0);
    fs::write(&file, &bytes).unwrap();
    let (store, lines) = said(|| Store::open(dir.path(), settings()).unwrap());
    assert!(lines.is_empty(), "{lines:#?}");
    let reader = store.reader();
    let (_, lines) = said(|| {
        read_trace(&reader, trace(0));
        for _ in 0..3 {
            read_from(&reader, 1, 1 << 16);
            read_trace(&reader, trace(0));
        }
    });
    assert_eq!(lines.len(), 1, "{lines:#?}");
    assert!(lines[0].contains(&file.display().to_string()), "{lines:?}");
    let (found, _) = read_from(&reader, 1, 1 << 16);
    let stats = store.stats();
    assert_eq!(stats.damaged_records, all - found.len() as u64);
    assert_eq!(stats.end - stats.first - stats.lost, found.len() as u64);
}
