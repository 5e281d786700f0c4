//! What several threads write into files is what one thread writes.

use std::fs;
use std::path::Path;

use proptest::prelude::*;

use super::*;
use crate::processors::file::{self, Compress, Format, Lines, Mode, Rotate};
use distlog_proto::Map;
use distlog_python::json;
use distlog_rules::{Change, Condition, Expression, Redaction, Rule, Target};

/// What a batch of the store is made of.
#[derive(Debug, Clone)]
struct Shape {
    records: u64,
    /// Bytes of each message, beside its number.
    pad: usize,
    /// Every so many has what rules look for.
    secrets: u64,
}

fn shapes() -> impl Strategy<Value = Vec<Shape>> {
    let usual = (1..400u64, 0..300usize);
    let many = (400..2_000u64, 100..400usize);
    let tiny = (4_000..9_000u64, 0..3usize);
    let sizes = prop_oneof![12 => usual, 1 => many, 1 => tiny];
    let shape = (sizes, 1..50u64).prop_map(|((records, pad), secrets)| Shape {
        records,
        pad,
        secrets,
    });
    prop::collection::vec(shape, 1..24)
}

/// What the processor does with them.
#[derive(Debug, Clone)]
struct Setting {
    format: Format,
    rotate: Option<u64>,
    /// Records between two flushes.
    batch: Option<u64>,
    /// Whether only some are routed to it.
    routed: bool,
    /// A value that is set, a field that is redacted, or the resource of a batch for one of its records.
    changed: Option<u8>,
}

fn settings() -> impl Strategy<Value = Setting> {
    let format = prop_oneof![3 => Just(Format::Json), 1 => Just(Format::Text)];
    let rotate = prop::option::of(prop_oneof![2_000..60_000u64, 60_000..2_000_000u64]);
    let batch = prop::option::weighted(0.3, 100..20_000u64);
    let changed = prop::option::weighted(0.4, 0..3u8);
    (format, rotate, batch, any::<bool>(), changed).prop_map(
        |(format, rotate, batch, routed, changed)| Setting {
            format,
            rotate,
            batch,
            routed,
            changed,
        },
    )
}

/// The batch of a shape, whose first record has this number at its producer.
fn batch_of(shape: &Shape, from: u64) -> Vec<u8> {
    let mut writer = BatchWriter::new();
    for n in from..from + shape.records {
        let mut record = Record {
            message: format!("{n} \"{}\"", "ä\n".repeat(shape.pad / 3)),
            offset: n,
            number: n,
            time: 1_763_871_098_000_000_000 + n * 1_000_000,
            fields: Map::from_iter([("n", n as i64)]),
            ..Record::default()
        };
        if n.is_multiple_of(shape.secrets) {
            record.fields.insert("secret", "s3cret");
        }
        record.source.producer = ProducerId::from_bytes([7; 16]);
        record.source.service = "orders".into();
        record.source.resource = Map::from_iter([("token", "t0ken")]);
        writer.push(&record);
    }
    writer.finish()
}

fn outgoing(changed: Option<u8>) -> Outgoing {
    let redact = |name: &str| Change {
        set: Vec::new(),
        redact: Some(Redaction::new(vec![name.to_owned()], &[]).unwrap()),
    };
    let (when, change) = match changed {
        None => return Outgoing::default(),
        Some(0) => {
            let target = Target::parse("fields.team").unwrap();
            // Not all have it.
            let value = Expression::compile("fields.secret + '!'").unwrap();
            let set = vec![(target, value)];
            (None, Change { set, redact: None })
        }
        Some(1) => (None, redact("secret")),
        Some(_) => (Some("has(fields.secret)"), redact("token")),
    };
    let rule = Rule {
        when: when.map(|when| Condition::compile(when).unwrap()),
        to: vec!["double".into()],
        change,
    };
    Outgoing::new(&[rule], "double", None)
}

/// The files that so many threads write, the oldest first, and how many values could not be set.
fn written(shapes: &[Shape], setting: &Setting, threads: usize) -> (Vec<Vec<u8>>, u64) {
    let folder = tempfile::tempdir().unwrap();
    let options = Options {
        reserve: 0,
        ..Options::default()
    };
    let mut store = Store::open(folder.path().join("store"), options).unwrap();
    let mut from = 0;
    for shape in shapes {
        let to = from + shape.records;
        let batch = Append {
            producer: ProducerId::from_bytes([7; 16]),
            from,
            to,
            count: shape.records as u32,
            received: intake::now(),
            ordered: true,
            bytes: &batch_of(shape, from),
        };
        store.append(&batch).unwrap();
        from = to;
    }
    store.commit().unwrap();
    let logs = folder.path().join("logs");
    let config = file::Config {
        path: logs.join("all.log"),
        format: setting.format,
        rotate: setting.rotate.map(|size| Rotate {
            size: Some(size),
            age: None,
            keep: None,
            compress: Compress::None,
        }),
        mode: Mode::default(),
    };
    let factory: Factory =
        Box::new(move |token| Ok(Box::new(Lines::open("double", &config, token)?)));
    let (routed, name) = (setting.routed, setting.changed);
    let running = Running::of(store, factory, |worker| {
        worker.threads = Arc::new(ThreadPool::new("test", threads));
        worker.batch.records = setting.batch;
        worker.outgoing = outgoing(name);
        worker.route = Box::new(move |record| !routed || record.store_number % 3 != 0);
    });
    let (progress, _) = running.stop();
    (contents(&logs), progress.failed_values.get())
}

fn contents(folder: &Path) -> Vec<Vec<u8>> {
    let files = fs::read_dir(folder).unwrap();
    let mut files: Vec<_> = files.map(|entry| entry.unwrap().path()).collect();
    // The one that is not rotated is the newest.
    files.sort_by_key(|path| (path.ends_with("all.log"), path.clone()));
    files.iter().map(|path| fs::read(path).unwrap()).collect()
}

/// The lines of all that is routed and not changed.
fn expected(shapes: &[Shape], routed: bool) -> Vec<u8> {
    let (mut lines, mut number) = (Vec::new(), 0);
    for shape in shapes {
        let bytes = batch_of(shape, number);
        for record in BatchRef::parse(&bytes).unwrap().records() {
            number += 1;
            if !routed || number % 3 != 0 {
                json::encode(&record.unwrap(), &mut lines);
                lines.push(b'\n');
            }
        }
    }
    lines
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, ..ProptestConfig::default() })]

    #[test]
    fn several_threads_write_the_files_that_one_writes(
        shapes in shapes(),
        setting in settings(),
    ) {
        let (one, failed) = written(&shapes, &setting, 0);
        let (several, failed_too) = written(&shapes, &setting, 3);
        let sizes = |files: &[Vec<u8>]| files.iter().map(Vec::len).collect::<Vec<_>>();
        prop_assert_eq!(sizes(&one), sizes(&several));
        prop_assert!(one == several, "the same bytes");
        prop_assert_eq!(failed, failed_too);
        if setting.format == Format::Json && setting.changed.is_none() {
            prop_assert!(several.concat() == expected(&shapes, setting.routed));
        }
    }
}

#[test]
fn a_flush_within_a_batch_changes_nothing_in_what_is_redacted() {
    let shape = |(records, secrets)| Shape {
        records,
        pad: 300,
        secrets,
    };
    let shapes: Vec<Shape> = [(700, 49), (900, 31), (800, 400), (650, 20), (1_500, 333)]
        .into_iter()
        .map(shape)
        .collect();
    let setting = Setting {
        format: Format::Json,
        rotate: None,
        batch: Some(825),
        routed: true,
        changed: Some(2),
    };
    let (one, _) = written(&shapes, &setting, 0);
    let (several, _) = written(&shapes, &setting, 3);
    assert!(one == several, "the same bytes");
    let lines = String::from_utf8(one.concat()).unwrap();
    for line in lines.lines() {
        let has_secret = line.contains("s3cret");
        assert_eq!(line.contains("t0ken"), !has_secret, "{line}");
    }
}
