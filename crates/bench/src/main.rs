//! (in work)
#![allow(warnings)]
use std::sync::Arc;
use std::time::Instant;
use vectorizer_engine::*;
use vectorizer_memory::{Governor, Limits};
use vectorizer_model::operation::PointBatch;
use vectorizer_model::settings::*;
use vectorizer_model::vector::VectorColumn;
use vectorizer_model::*;

fn npy(path: &str) -> (Vec<usize>, Vec<f32>) {
    let b = std::fs::read(path).unwrap();
    let h = u16::from_le_bytes([b[8], b[9]]) as usize;
    let head = String::from_utf8_lossy(&b[10..10 + h]).to_string();
    let shape: Vec<usize> = head
        .split("'shape': (")
        .nth(1)
        .unwrap()
        .split(')')
        .next()
        .unwrap()
        .split(',')
        .filter_map(|x| x.trim().parse().ok())
        .collect();
    let d = &b[10 + h..];
    let v = if head.contains("|u1") {
        d.iter().map(|x| *x as f32).collect()
    } else if head.contains("<f2") {
        d.chunks_exact(2).map(|x| half::f16::from_le_bytes([x[0], x[1]]).to_f32()).collect()
    } else if head.contains("<i4") {
        d.chunks_exact(4).map(|x| i32::from_le_bytes(x.try_into().unwrap()) as f32).collect()
    } else {
        d.chunks_exact(4).map(|x| f32::from_le_bytes(x.try_into().unwrap())).collect()
    };
    (shape, v)
}
fn find(dir: &str, p: &str) -> String {
    std::fs::read_dir(dir)
        .unwrap()
        .map(|e| e.unwrap().path().to_string_lossy().to_string())
        .find(|x| x.rsplit('/').next().unwrap().starts_with(p))
        .unwrap()
}
fn main() {
    let dir = std::env::args().nth(1).unwrap();
    let out = std::env::args().nth(2).unwrap_or("/tmp/vzbench".into());
    let _ = std::fs::remove_dir_all(&out);
    let (bs, base) = npy(&find(&dir, "base"));
    let (qs, query) = npy(&find(&dir, "query"));
    let (gs, truth) = npy(&find(&dir, "groundtruth"));
    let metric = if dir.contains("sift") { Metric::L2 } else { Metric::Cosine };
    let dim = bs[1];
    let gov = Governor::new(Limits::of_root(8 << 30));
    let os = std::env::var("OS").is_ok();
    let engine = Engine::open(
        &out,
        gov.clone(),
        EngineOptions {
            durability: if os { Durability::Os } else { Durability::Fsync },
            ..Default::default()
        },
    )
    .unwrap();
    let name = CollectionName::new("b").unwrap();
    let vs = VectorSettings {
        dim: dim as u32,
        metric,
        datatype: Datatype::Float32,
        on_disk: None,
        hnsw: None,
        quantization: None,
    };
    let st = CollectionSettings {
        vectors: [(VectorName::unnamed(), vs)].into(),
        hnsw: HnswSettings { m: 16, ef_construct: 200, ..Default::default() },
        quantization: Quantization::Int8,
        storage_type: StorageType::Mmap,
        field_indexes: Default::default(),
        on_disk_payload: false,
        tuning: Default::default(),
    };
    engine.create_collection(name.clone(), st).unwrap().wait().unwrap().unwrap();
    let t = Instant::now();
    let mut tickets = std::collections::VecDeque::new();
    for (i, rows) in base.chunks(dim * 1000).enumerate() {
        let n = rows.len() / dim;
        let op = || {
            Operation::Upsert(PointBatch {
                ids: (0..n).map(|j| PointId::Num((i * 1000 + j) as u64)).collect(),
                vectors: vec![VectorColumn {
                    name: VectorName::unnamed(),
                    dim: dim as u32,
                    values: rows.to_vec(),
                    present: vec![],
                }],
                payloads: vec![],
            })
        };
        loop {
            match engine.submit(&name, op(), RequestId::default()) {
                Ok(t) => {
                    tickets.push_back(t);
                    break;
                }
                Err(EngineError::Paced { .. }) => {
                    std::thread::sleep(std::time::Duration::from_millis(1))
                }
                Err(e) => panic!("{e}"),
            }
        }
        if tickets.len() > 8 {
            tickets.pop_front().unwrap().wait().unwrap().unwrap();
        }
    }
    for t in tickets {
        t.wait().unwrap().unwrap();
    }
    let s = t.elapsed().as_secs_f64();
    println!("ingest {:.2}s {:.0} vec/s", s, bs[0] as f64 / s);
    engine.flush().unwrap();
    println!("flushed {:.2}s", t.elapsed().as_secs_f64());
    loop {
        let i = engine.info(&name).unwrap();
        if i.backlog_rows == 0 && i.segments <= 2 && t.elapsed().as_secs_f64() > s + 3.0 {
            println!("indexed {:.2}s {:?}", t.elapsed().as_secs_f64(), i);
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    let view = engine.view(&name).unwrap();
    let mut scratch = Scratch::new();
    for ef in [16usize, 24, 32, 48, 64, 96, 128, 200, 300] {
        for over in [1.5f32, 3.0] {
            let mut best = 0f64;
            let mut recall = 0.0;
            for _ in 0..3 {
                let t = Instant::now();
                let mut hit = 0;
                let mut res = Vec::new();
                for q in query.chunks(dim) {
                    let r = view
                        .search(
                            &LeafSearch {
                                vector: VectorName::unnamed(),
                                query: q.to_vec(),
                                filter: Filter::default(),
                                limit: 10,
                                params: SearchParams {
                                    ef: Some(ef),
                                    oversampling: Some(over),
                                    ..Default::default()
                                },
                                distance_max: None,
                            },
                            &mut scratch,
                        )
                        .unwrap();
                    res.push(r);
                }
                let s = t.elapsed().as_secs_f64();
                best = best.max(qs[0] as f64 / s);
                for (i, r) in res.iter().enumerate() {
                    let tr: Vec<u64> =
                        truth[i * gs[1]..i * gs[1] + 10].iter().map(|x| *x as u64).collect();
                    hit += r
                        .iter()
                        .filter(|h| matches!(h.id, PointId::Num(n) if tr.contains(&n)))
                        .count();
                }
                recall = hit as f64 / (qs[0] * 10) as f64;
            }
            println!("ef {ef} over {over}: recall {recall:.4} qps {best:.0}");
        }
    }
    println!(
        "{}",
        std::fs::read_to_string("/proc/self/status")
            .unwrap()
            .lines()
            .filter(|l| l.starts_with("VmHWM") || l.starts_with("RssAnon"))
            .collect::<Vec<_>>()
            .join(" ")
    );
}
