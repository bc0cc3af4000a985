//! The parts of a tick, one by one.

use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use downbeat_benches::{Crowd, Packets};
use downbeat_field::Field;
use downbeat_replica::Coding;
use downbeat_replica::codec::{History, Known, Op, Walk};
use downbeat_replica::range::{Decoder, Encoder};

/// A walker that walks on, as both ends know it: what it costs one client to be told of it.
fn records(criterion: &mut Criterion) {
    let coding = Coding::of::<Field>().expect("the game comes with a model of its own schema");
    let model = coding.model.kind(0, false);
    let steps = [[30_000, 400, 30_000, 100, 30], [29_980, 400, 30_010, 100, 30], [29_960, 400, 30_020, 100, 30]];
    let known: Vec<_> = (0..).zip(&steps).map(|(i, lanes)| Known { age: 4 + 4 * i, lanes }).collect();
    let history = History::of(&known).expect("three states are known");
    let (mut walk, mut ops, mut state) = (Walk::default(), Vec::new(), [30_020, 400, 29_990, 100, 30]);
    let mut group = criterion.benchmark_group("record of a walker");
    group.bench_function("decide", |bencher| {
        bencher.iter(|| {
            ops.clear();
            walk.begin(model, &history);
            let Ok(_) = walk.presence(model, &mut ops, true);
            walk.body(model, &history, &mut ops, &mut state)
        });
    });
    let mut bytes = Vec::new();
    group.bench_function("write what was decided", |bencher| {
        bencher.iter(|| {
            bytes.clear();
            let mut out = Encoder::new(&mut bytes);
            Op::write(&ops, &mut out);
            out.finish();
        });
    });
    group.bench_function("read", |bencher| {
        bencher.iter(|| {
            let mut input = Decoder::new(&bytes);
            walk.begin(model, &history);
            walk.presence(model, &mut input, false)?;
            walk.body(model, &history, &mut input, &mut state)
        });
    });
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

/// A tick of the transport on sockets in memory: what the server does in it, both ways apart.
fn packets(criterion: &mut Criterion) {
    let clients = 64;
    let mut packets = Packets::new(clients);
    let mut group = criterion.benchmark_group("packets of the transport");
    group.sample_size(20).throughput(Throughput::Elements(clients as u64));
    group.bench_function("64 received", |bencher| {
        bencher.iter_custom(|ticks| {
            let ticks = (0..ticks).map(|_| {
                packets.clients_speak();
                let began = Instant::now();
                packets.server_receives();
                let took = began.elapsed();
                packets.server_speaks();
                packets.clients_receive();
                took
            });
            ticks.sum::<Duration>()
        });
    });
    group.bench_function("64 sent", |bencher| {
        bencher.iter_custom(|ticks| {
            let ticks = (0..ticks).map(|_| {
                packets.clients_speak();
                packets.server_receives();
                let began = Instant::now();
                packets.server_speaks();
                let took = began.elapsed();
                packets.clients_receive();
                took
            });
            ticks.sum::<Duration>()
        });
    });
    group.finish();
}

criterion_group!(parts, records, rooms, packets);
criterion_main!(parts);
