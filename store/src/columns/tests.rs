//! Whatever is in a block comes back to the last byte.

use super::*;

#[test]
#[ignore]
fn experiment() {
    use crate::format::FramesIn;
    use crate::layer::{FileLayer, OsFiles};
    use crate::sealed::{BlockReader, Footer, table};
    let dir = std::env::var("CORPUS").unwrap();
    let target: usize = std::env::var("BLOCK").map_or(1 << 20, |v| v.parse().unwrap());
    let layer = OsFiles;
    let mut paths: Vec<_> = std::fs::read_dir(dir)
        .unwrap()
        .map(|e| e.unwrap().path())
        .filter(|p| p.extension().is_some_and(|e| e == "seal"))
        .collect();
    paths.sort();
    let (mut raw, mut rows, mut packed, mut count, mut batches) = (0, 0, 0, 0u64, 0);
    let (mut t_enc, mut t_dec) = (0.0, 0.0);
    for path in paths {
        let id: u64 = path.file_stem().unwrap().to_str().unwrap().parse().unwrap();
        let file = layer.open(&path).unwrap();
        let footer = Footer::load(&*file, id).unwrap().unwrap();
        let mut reader = BlockReader::default();
        let mut bytes = Vec::new();
        let all = table(&*file, &footer).unwrap().unwrap();
        let last = all.len();
        for (n, at) in all.iter().enumerate() {
            rows += at.stored as usize;
            assert!(reader.read(&*file, at, &mut bytes).unwrap());
            if bytes.len() < target && n + 1 < last {
                continue;
            }
            raw += bytes.len();
            for (f, _) in FramesIn::new(&bytes) {
                count += f.records;
                batches += f.batches;
            }
            let t = std::time::Instant::now();
            let e = encode(&bytes).unwrap();
            t_enc += t.elapsed().as_secs_f64();
            let Some(e) = e else {
                println!("rows!");
                bytes.clear();
                continue;
            };
            packed += e.len();
            let mut back = Vec::new();
            let t = std::time::Instant::now();
            decode(&e, bytes.len(), &mut back).expect("decode");
            t_dec += t.elapsed().as_secs_f64();
            assert!(back == bytes);
            bytes.clear();
        }
    }
    let c = count as f64;
    println!(
        "{count} records {batches} batches raw {:.1} rows {:.1} columns {:.1} bytes a record; encode {:.2} µs decode {:.2} µs",
        raw as f64 / c,
        rows as f64 / c,
        packed as f64 / c,
        t_enc * 1e6 / c,
        t_dec * 1e6 / c
    );
}
