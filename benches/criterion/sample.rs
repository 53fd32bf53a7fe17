//! One cached user of the seed, and the requests that it sends.

use std::net::SocketAddr;
use std::sync::Arc;

use benches::sessions::Sessions;
use benches::traffic::{Logins, Method, Traffic};
use benches::wire::{Datagram, Keys};
use dictionaries::Dictionary;
use jiff::tz::TimeZone;
use proto::{Packet, Reply, Secret};
use radiusd::policy::{
    Answers, Decision, Facts, Groups, Huntgroups, Methods, NoRecorder, Options, Recorder, Request,
    Step, UserPolicy, Verdict, compile_group, compile_user, decide,
};
use schema::{GroupRows, Row, UserRows};

const SECRET: &[u8] = b"bench-secret";
/// When the requests are received.
pub const NOW: i64 = 1_790_000_000;

/// What a worker has at hand.
pub struct Sample {
    pub dictionary: Arc<Dictionary>,
    pub secret: Secret,
    methods: Methods,
    zone: TimeZone,
    user: UserPolicy,
    groups: Groups,
    huntgroups: Huntgroups,
    answers: Answers,
}

impl Sample {
    /// The user is in so many groups that fall through to the next, and the plan of the seed.
    pub fn new(groups_before: usize) -> Sample {
        let dictionary = Dictionary::shipped();
        let zone = TimeZone::UTC;
        let mut names: Vec<String> = (0..groups_before).map(|at| format!("before{at}")).collect();
        let mut groups = Groups::default();
        for name in &names {
            let reply =
                vec![row("Fall-Through", "=", "Yes"), row("Reply-Message", "+=", "welcome")];
            let rows = GroupRows { name: name.clone(), check: Vec::new(), reply };
            groups.insert(compile_group(&rows, &dictionary, &zone));
        }
        names.push("plan00".into());
        let reply = vec![
            row("Framed-Protocol", ":=", "PPP"),
            row("Acct-Interim-Interval", ":=", "300"),
            row("Session-Timeout", ":=", "86400"),
        ];
        let plan = GroupRows { name: "plan00".into(), check: Vec::new(), reply };
        groups.insert(compile_group(&plan, &dictionary, &zone));
        let rows = UserRows {
            name: "user000000".into(),
            check: vec![row("Cleartext-Password", ":=", "secret000000")],
            reply: vec![
                row("Framed-IP-Address", ":=", "10.0.0.0"),
                row("Mikrotik-Rate-Limit", "=", "10M/20M"),
                row("Fall-Through", "=", "Yes"),
            ],
            groups: names,
        };
        Sample {
            methods: Methods::of(&dictionary),
            user: compile_user(&rows, &dictionary, &zone),
            secret: Secret::new(SECRET),
            huntgroups: Huntgroups::compile(&[]),
            answers: Answers::default(),
            dictionary,
            zone,
            groups,
        }
    }

    /// Decides, and hands the decision on.
    pub fn decide<R: Recorder, T>(
        &self,
        packet: &Packet<'_>,
        recorder: &mut R,
        then: impl FnOnce(&Decision<'_>) -> T,
    ) -> T {
        let facts = Facts { user: Some(&self.user), groups: &self.groups, answers: &self.answers };
        let request = Request {
            packet,
            dictionary: &self.dictionary,
            methods: &self.methods,
            secret: &self.secret,
            source: SocketAddr::from(([127, 0, 0, 1], 50_000)),
            destination: SocketAddr::from(([127, 0, 0, 1], 1812)),
            huntgroups: &self.huntgroups,
            now: NOW,
            zone: &self.zone,
            challenge: || [7; 16],
            options: Options::default(),
        };
        match decide(&facts, &request, recorder) {
            Step::Decided(decision) => {
                assert_eq!(decision.verdict, Verdict::Accept);
                then(&decision)
            }
            Step::Needs(needs) => panic!("the sample lacks {needs:?}"),
        }
    }

    /// Verified, decided, answered: a login without its sockets.
    pub fn answer(&self, datagram: &[u8], buffer: Vec<u8>) -> Vec<u8> {
        let packet = Packet::parse(datagram).expect("a packet of the generator");
        assert_eq!(self.secret.verify_request(&packet), Ok(true));
        self.decide(&packet, &mut NoRecorder, |decision| {
            let mut reply = Reply::reuse(buffer, decision.code(), &packet);
            for pair in &decision.reply {
                let written = reply.pair(&pair.attribute, pair.tag, &pair.value, &self.secret);
                assert_eq!(written, Ok(()));
            }
            reply.finish(&self.secret)
        })
    }
}

fn row(attribute: &str, op: &str, value: &str) -> Row {
    Row { id: 1, attribute: attribute.into(), op: op.into(), value: value.into() }
}

/// An Access-Request as the generator makes them.
pub fn login(method: Method) -> Vec<u8> {
    sent(&mut Logins::each_once(method, 1, 1))
}

/// A record as the generator makes them.
pub fn accounting() -> Vec<u8> {
    sent(&mut Sessions::new(7, 1, NOW as u32))
}

fn sent(traffic: &mut dyn Traffic) -> Vec<u8> {
    let mut datagram = Datagram::default();
    traffic.make(1, &Keys::new(SECRET), &mut datagram).expect("a request");
    datagram.octets().to_vec()
}
