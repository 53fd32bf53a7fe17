//! The parts of a request one by one: the codec, and the decision on a cached user with and without
//! its explanation.

mod sample;

use std::hint::black_box;

use benches::traffic::Method;
use criterion::{Criterion, criterion_group, criterion_main};
use proto::{Code, Packet, Reply};
use radiusd::accounting::{Context, read};
use radiusd::policy::{NoRecorder, Trace};
use sample::{NOW, Sample};

fn parsed(octets: &[u8]) -> Packet<'_> {
    Packet::parse(octets).expect("a packet of the generator")
}

fn codec(bench: &mut Criterion) {
    let desk = Sample::new(0);
    let octets = sample::login(Method::Pap);
    let packet = parsed(&octets);
    bench.bench_function("parse", |bench| bench.iter(|| Packet::parse(black_box(&octets)).is_ok()));
    bench.bench_function("verify Message-Authenticator", |bench| {
        bench.iter(|| desk.secret.verify_request(black_box(&packet)));
    });
    let hidden = packet.find(2).expect("a password");
    bench.bench_function("reveal User-Password", |bench| {
        bench.iter(|| desk.secret.reveal_user_password(black_box(hidden), packet.authenticator()));
    });
    let mut buffer = Vec::with_capacity(4096);
    bench.bench_function("sign an empty Access-Accept", |bench| {
        bench.iter(|| {
            let reply = Reply::reuse(std::mem::take(&mut buffer), Code::AccessAccept, &packet);
            buffer = reply.finish(&desk.secret);
        });
    });
}

fn accounting(bench: &mut Criterion) {
    let desk = Sample::new(0);
    let octets = sample::accounting();
    let packet = parsed(&octets);
    bench.bench_function("verify an Accounting-Request", |bench| {
        bench.iter(|| desk.secret.verify_request(black_box(&packet)));
    });
    let source = [127, 0, 0, 1].into();
    let context = Context { dictionary: &desk.dictionary, source, receipt: NOW, escape: false };
    bench.bench_function("read an Accounting-Request", |bench| {
        bench.iter(|| read(black_box(&packet), &context));
    });
}

fn decisions(bench: &mut Criterion) {
    for (name, method) in
        [("PAP", Method::Pap), ("CHAP", Method::Chap), ("MS-CHAPv2", Method::Mschap2)]
    {
        let octets = sample::login(method);
        let packet = parsed(&octets);
        for groups in [0, 4] {
            let desk = Sample::new(groups);
            bench.bench_function(&format!("decide {name}, {} groups", groups + 1), |bench| {
                bench.iter(|| {
                    desk.decide(black_box(&packet), &mut NoRecorder, |decision| {
                        decision.reply.len()
                    })
                });
            });
        }
        let desk = Sample::new(0);
        bench.bench_function(&format!("explain {name}, 1 groups"), |bench| {
            bench.iter(|| {
                let mut trace = Trace::default();
                desk.decide(black_box(&packet), &mut trace, |_| ());
                trace
            });
        });
        let mut buffer = Vec::with_capacity(4096);
        bench.bench_function(&format!("answer {name}, 1 groups"), |bench| {
            bench.iter(|| buffer = desk.answer(&octets, std::mem::take(&mut buffer)));
        });
    }
}

criterion_group!(all, codec, decisions, accounting);
criterion_main!(all);
