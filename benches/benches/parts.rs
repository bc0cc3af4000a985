//! The parts of a tick, one by one.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use downbeat_benches::Crowd;
use downbeat_replica::bits::{BitReader, BitWriter};
use downbeat_replica::{Kinds, decode_body, encode_body};

fn bodies(criterion: &mut Criterion) {
    let kinds = downbeat_field::Entity::kinds();
    let walker = &kinds[0];
    let before: Vec<i32> = walker.lanes.iter().map(|lane| lane.max / 2).collect();
    let after: Vec<i32> = before.iter().enumerate().map(|(i, lane)| lane + i as i32 * 3 - 4).collect();
    let mut bytes = Vec::new();
    let mut group = criterion.benchmark_group("body of a walker");
    group.bench_function("encode", |bencher| {
        bencher.iter(|| {
            bytes.clear();
            let mut writer = BitWriter::new(&mut bytes);
            encode_body(walker, false, Some(&before), &after, &mut writer);
            writer.finish()
        });
    });
    let mut state = Vec::new();
    group.bench_function("decode", |bencher| {
        bencher.iter(|| decode_body(walker, false, Some(&before), &mut BitReader::new(&bytes), &mut state));
    });
    assert_eq!(state, after);
    group.finish();
}

fn rooms(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("tick of a room");
    group.sample_size(20);
    for clients in [16, 256] {
        let mut crowd = Crowd::new(clients, 200, 32);
        group.throughput(Throughput::Elements(clients.into()));
        group.bench_function(format!("{clients} clients, 200 walkers, 32 visible"), |bencher| {
            bencher.iter(|| crowd.tick());
        });
        let (bytes, datagrams) = crowd.sent();
        println!("{:.1} bytes a datagram", bytes as f64 / datagrams as f64);
    }
    group.finish();
}

criterion_group!(parts, bodies, rooms);
criterion_main!(parts);
