//! `radiusd explain`: the decision on a request that nobody sent, and how it came about.

use std::borrow::Cow;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use clap::Args;
use dictionaries::{Dictionary, Pair, Value};
use proto::{Code, Packet, Secret};
use radiusd::exit::{self, Failure};
use radiusd::explain;
use radiusd::policy::{
    self, Answers, Ask, Counted, Direction, Facts, Groups, Huntgroups, NEEDS_MAX, Need,
    OpenSessions, Step, Trace, UserPolicy, Verdict,
};
use schema::Store;
use serde_json::json;

use super::place::{Desk, Place};
use super::sender::Sender;
use super::{input, pairs, say};

/// A decision asks a few times at most; more is a mistake of ours, not to be waited for.
const ROUNDS: usize = 16;

/// Exit codes: 0 accepted, 1 not.
#[derive(Args)]
#[command(after_help = "Example:\n  radiusd explain --user alice --password - \
                        NAS-IP-Address=192.0.2.1 NAS-Port-Type=Wireless-802.11")]
pub(super) struct Explain {
    /// User-Name
    #[arg(long, short)]
    user: String,
    /// The password, as by PAP; - reads standard input
    #[arg(long, short)]
    password: Option<String>,
    /// The NAS that asks: its address, its name or its NAS-Identifier
    #[arg(long)]
    nas: Option<String>,
    /// What else the request says
    #[arg(value_name = "ATTRIBUTE=VALUE")]
    pairs: Vec<String>,
    #[arg(long)]
    json: bool,
}

impl Explain {
    pub fn run(&self, place: &Place) -> Result<(), Failure> {
        let desk = place.desk_as_it_is()?;
        // A secret between us and ourselves: it hides the password and is gone afterwards.
        let secret = Secret::new(&rand::random::<[u8; 16]>());
        let sender = Sender::find(self.nas.as_deref(), &desk)?;
        let octets = self.request(&sender, &desk, &secret)?;
        let packet = Packet::parse(&octets)
            .map_err(|malformed| Failure::new(exit::USAGE, malformed.to_string()))?;
        let huntgroups = Huntgroups::compile(&desk.wait(desk.store.huntgroups())?);
        let methods = policy::Methods::of(&desk.dictionary);
        let request = policy::Request {
            packet: &packet,
            dictionary: &desk.dictionary,
            methods: &methods,
            secret: &secret,
            source: SocketAddr::new(sender.address, 0),
            destination: SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 1812),
            huntgroups: &huntgroups,
            now: jiff::Timestamp::now().as_second(),
            zone: &desk.zone,
            challenge: rand::random,
            // Only the daemon asks NAS, and closes what they no longer have.
            options: policy::Options {
                counter_carry: desk.config.compat.counter_carry,
                checkrad: false,
            },
        };
        let user = desk.wait(fetch_user(&self.user, &desk))?;
        let groups = desk.wait(fetch_groups(&desk))?;
        let mut answers = Answers::default();
        for _ in 0..ROUNDS {
            let mut trace = Trace::default();
            let facts = Facts { user: user.as_ref(), groups: &groups, answers: &answers };
            let needs = match policy::decide(&facts, &request, &mut trace) {
                Step::Decided(decision) => {
                    return self.report(
                        decision.verdict,
                        &decision.reply,
                        &trace,
                        &desk.dictionary,
                    );
                }
                Step::Needs(needs) if needs.len() > NEEDS_MAX => break,
                Step::Needs(needs) => needs,
            };
            desk.wait(answer(needs.into_iter(), &mut answers, &desk))?;
        }
        Err(Failure::new(
            exit::FAILURE,
            "no answer: the rows ask for more than one request may have fetched",
        ))
    }

    /// The request as a NAS would send it.
    fn request(&self, sender: &Sender, desk: &Desk, secret: &Secret) -> Result<Vec<u8>, Failure> {
        let mut request = proto::Request::new(Code::AccessRequest, 0, rand::random());
        let mut put = |pair: &Pair| {
            let refused = request.pair(&pair.attribute, pair.tag, &pair.value, secret);
            let name = &pair.attribute.name;
            refused.map_err(|why| Failure::new(exit::USAGE, format!("{name}: {why}")))
        };
        let text = |name: &str, text: &str| match desk.dictionary.attribute(name) {
            Some(attribute) => {
                let value = Value::String(text.as_bytes().into());
                Ok(Pair { attribute: attribute.clone(), tag: None, value })
            }
            None => Err(Failure::new(exit::SOFTWARE, format!("the dictionary lacks {name}"))),
        };
        put(&text("User-Name", &self.user)?)?;
        if let Some(password) = &self.password {
            put(&text("User-Password", &input::password(password)?)?)?;
        }
        let pairs = pairs::pairs(&self.pairs, &desk.dictionary, &desk.zone)?;
        pairs.iter().try_for_each(&mut put)?;
        if let Some((name, value)) = sender.says()
            && !pairs.iter().any(|pair| &*pair.attribute.name == *name)
        {
            put(&pairs::pair(&format!("{name}={value}"), &desk.dictionary, &desk.zone)?)?;
        }
        Ok(request.finish(secret))
    }

    fn report(
        &self,
        verdict: Verdict,
        reply: &[Cow<'_, Pair>],
        trace: &Trace,
        dictionary: &Dictionary,
    ) -> Result<(), Failure> {
        let (word, reason) = match verdict {
            Verdict::Accept => ("Access-Accept", None),
            Verdict::Reject(reason) => ("Access-Reject", Some(reason)),
            Verdict::Challenge => ("Access-Challenge", None),
            Verdict::Silence => ("no answer", None),
        };
        if self.json {
            let reply: Vec<_> = reply.iter().map(|pair| shown(pair, dictionary)).collect();
            let reason = reason.as_ref().map(|reason| reason.as_str());
            super::json(&json!({
                "answer": word, "reason": reason, "reply": reply, "steps": trace.steps,
            }))?;
        } else {
            for step in &trace.steps {
                say(explain::sentence(step))?;
            }
            match &reason {
                Some(reason) => say(format_args!("{word}: {}", reason.text()))?,
                None => say(word)?,
            }
            reply
                .iter()
                .try_for_each(|pair| say(format_args!("    {}", shown(pair, dictionary))))?;
        }
        match verdict {
            Verdict::Accept => Ok(()),
            Verdict::Reject(_) | Verdict::Challenge | Verdict::Silence => {
                Err(Failure::new(exit::FAILURE, String::new()))
            }
        }
    }
}

/// Keys and passwords are named, never shown.
fn shown(pair: &Pair, dictionary: &Dictionary) -> String {
    match policy::is_secret(&pair.attribute, dictionary) {
        true => format!("{} = …", pair.attribute.name),
        false => pairs::print(pair),
    }
}

/// The rows under the name as it is, else as FreeRADIUS escapes it.
async fn fetch_user(name: &str, desk: &Desk) -> Result<Option<UserPolicy>, schema::Error> {
    let (raw, escaped) = policy::lookup_names(name.as_bytes());
    let mut rows = desk.store.users_rows(&[&raw, &escaped]).await?;
    let at = rows.iter().position(|rows| rows.name == raw).or((!rows.is_empty()).then_some(0));
    let rows = at.map(|at| rows.swap_remove(at));
    Ok(rows.map(|rows| policy::compile_user(&rows, &desk.dictionary, &desk.zone)))
}

async fn fetch_groups(desk: &Desk) -> Result<Groups, schema::Error> {
    let rows = desk.store.groups_rows(None).await?;
    let compile = |rows| policy::compile_group(rows, &desk.dictionary, &desk.zone);
    Ok(rows.iter().map(compile).collect())
}

/// What the decision lacked, from the store.
async fn answer(
    needs: impl Iterator<Item = Need>,
    answers: &mut Answers,
    desk: &Desk,
) -> Result<(), schema::Error> {
    for need in needs {
        match need {
            Need::Profile(name) => {
                let policy = fetch_user(&name, desk).await?;
                answers.profile(name, policy.map(Arc::new));
            }
            Need::Counter { user, ask } => {
                let (raw, escaped) = policy::lookup_names(&user);
                let used = used(&desk.store, &[&raw, &escaped], ask).await?;
                answers.counter(ask, used);
            }
            Need::OpenSessions { user, .. } => {
                let (raw, escaped) = policy::lookup_names(&user);
                let open = desk.store.open_sessions(&[&raw, &escaped]).await?;
                answers.open_sessions = Some(OpenSessions::List(open));
            }
            Need::LiveSessions { .. } => answers.gone = Some(Vec::new()),
            Need::Host(name) => {
                let found = tokio::net::lookup_host((name.as_str(), 0)).await;
                let addresses = found.map_or(Vec::new(), |all| all.map(|at| at.ip()).collect());
                answers.host(name, addresses);
            }
            Need::SlowPassword(password) => answers.slow_password = Some(password.fits()),
        }
    }
    Ok(())
}

async fn used(store: &Store, names: &[&str], ask: Ask) -> Result<Counted, schema::Error> {
    match ask {
        Ask::SessionSeconds { since: Some(since) } => store.session_seconds(names, since).await,
        Ask::SessionSeconds { since: None } => store.session_seconds_ever(names).await,
        Ask::FirstLogin => store.first_login(names).await,
        Ask::Volume { since, direction } => {
            let volume = store.volume(names, since).await?;
            Ok(Some(match direction {
                Direction::Input => volume.input,
                Direction::Output => volume.output,
                Direction::Both => volume.input.saturating_add(volume.output),
            }))
        }
    }
}
