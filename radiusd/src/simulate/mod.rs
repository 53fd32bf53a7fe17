//! A request that nobody sent, decided on what the store holds now: nothing is recorded, no NAS is
//! asked.

mod sender;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use dictionaries::{Dictionary, Pair, Value};
use jiff::tz::TimeZone;
use proto::{Code, Packet, Secret};
use schema::Store;

use crate::config::{Client, Config};
use crate::exit::{self, Failure};
use crate::pairs;
use crate::policy::{
    self, Answers, Ask, Counted, Direction, Facts, Groups, Huntgroups, NEEDS_MAX, Need,
    OpenSessions, Step, Trace, UserPolicy, Verdict,
};
use sender::Sender;

/// A decision asks a few times at most; more is a mistake of ours, not to be waited for.
const ROUNDS: usize = 16;

/// What a decision is made on.
pub struct Simulator {
    pub store: Store,
    pub dictionary: Arc<Dictionary>,
    pub zone: TimeZone,
    clients: Vec<Client>,
    options: policy::Options,
}

/// Who is said to ask, and what the request says.
#[derive(Clone, Debug, Default)]
pub struct Question {
    pub user: String,
    /// As by PAP.
    pub password: Option<String>,
    /// The NAS: its address, its name or its NAS-Identifier.
    pub nas: Option<String>,
    /// `Attribute=value`.
    pub pairs: Vec<String>,
}

/// What would be answered, and how that came about.
pub struct Answered {
    pub verdict: Verdict,
    pub reply: Vec<Pair>,
    pub trace: Trace,
}

/// Why there is no answer.
#[derive(Debug)]
pub enum Refusal {
    /// Of the question.
    Wrong {
        field: &'static str,
        why: String,
        /// It makes no sense at all; else there just is no such thing.
        usage: bool,
    },
    Store(schema::Error),
    /// The rows ask for more than a request may have fetched.
    Endless,
}

impl From<schema::Error> for Refusal {
    fn from(error: schema::Error) -> Refusal {
        Refusal::Store(error)
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Failure {
        match refusal {
            Refusal::Wrong { why, usage: true, .. } => Failure::new(exit::USAGE, why),
            Refusal::Wrong { why, .. } => Failure::new(exit::FAILURE, why),
            Refusal::Store(error) => error.into(),
            Refusal::Endless => Failure::new(
                exit::FAILURE,
                "no answer: the rows ask for more than one request may have fetched",
            ),
        }
    }
}

impl Simulator {
    pub fn new(config: &Config, store: Store, dictionary: Arc<Dictionary>) -> Simulator {
        Simulator {
            store,
            dictionary,
            zone: config.store.timezone.clone(),
            clients: config.clients.clone(),
            // Only the daemon asks NAS, and closes what they no longer have.
            options: policy::Options {
                counter_carry: config.compat.counter_carry,
                checkrad: false,
            },
        }
    }

    pub async fn ask(&self, question: &Question) -> Result<Answered, Refusal> {
        // A secret between us and ourselves: it hides the password and is gone afterwards.
        let secret = Secret::new(&rand::random::<[u8; 16]>());
        let sender = Sender::find(question.nas.as_deref(), self).await?;
        let octets = self.request(question, &sender, &secret)?;
        let packet = Packet::parse(&octets)
            .map_err(|malformed| wrong("attributes", malformed.to_string()))?;
        let huntgroups = Huntgroups::compile(&self.store.huntgroups().await?);
        let methods = policy::Methods::of(&self.dictionary);
        let request = policy::Request {
            packet: &packet,
            dictionary: &self.dictionary,
            methods: &methods,
            secret: &secret,
            source: SocketAddr::new(sender.address, 0),
            destination: SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 1812),
            huntgroups: &huntgroups,
            now: jiff::Timestamp::now().as_second(),
            zone: &self.zone,
            challenge: rand::random,
            options: self.options,
        };
        let user = fetch_user(&question.user, self).await?;
        let groups = fetch_groups(self).await?;
        let mut answers = Answers::default();
        for _ in 0..ROUNDS {
            let mut trace = Trace::default();
            let facts = Facts { user: user.as_ref(), groups: &groups, answers: &answers };
            let needs = match policy::decide(&facts, &request, &mut trace) {
                Step::Decided(decision) => {
                    let reply = decision.reply.iter().map(|pair| Pair::clone(pair)).collect();
                    return Ok(Answered { verdict: decision.verdict, reply, trace });
                }
                Step::Needs(needs) if needs.len() > NEEDS_MAX => break,
                Step::Needs(needs) => needs,
            };
            answer(needs.into_iter(), &mut answers, self).await?;
        }
        Err(Refusal::Endless)
    }

    /// The request as a NAS would send it.
    fn request(
        &self,
        question: &Question,
        sender: &Sender,
        secret: &Secret,
    ) -> Result<Vec<u8>, Refusal> {
        let mut request = proto::Request::new(Code::AccessRequest, 0, rand::random());
        let mut put = |field: &'static str, pair: &Pair| {
            let refused = request.pair(&pair.attribute, pair.tag, &pair.value, secret);
            refused.map_err(|why| wrong(field, format!("{}: {why}", pair.attribute.name)))
        };
        let text = |name: &str, text: &str| match self.dictionary.attribute(name) {
            Some(attribute) => {
                let value = Value::String(text.as_bytes().into());
                Ok(Pair { attribute: attribute.clone(), tag: None, value })
            }
            None => Err(wrong("user", format!("the dictionary lacks {name}"))),
        };
        put("user", &text("User-Name", &question.user)?)?;
        if let Some(password) = &question.password {
            put("password", &text("User-Password", password)?)?;
        }
        let read = |text: &String| {
            let pair = pairs::pair(text, &self.dictionary, &self.zone);
            pair.map_err(|failure| wrong("attributes", failure.message))
        };
        let pairs = question.pairs.iter().map(read).collect::<Result<Vec<_>, _>>()?;
        pairs.iter().try_for_each(|pair| put("attributes", pair))?;
        if let Some((name, value)) = sender.says()
            && !pairs.iter().any(|pair| &*pair.attribute.name == *name)
        {
            put("nas", &read(&format!("{name}={value}"))?)?;
        }
        Ok(request.finish(secret))
    }

    /// Keys and passwords are named, never shown.
    pub fn shown(&self, pair: &Pair) -> String {
        match policy::is_secret(&pair.attribute, &self.dictionary) {
            true => format!("{} = …", pair.attribute.name),
            false => pairs::print(pair),
        }
    }
}

/// As RADIUS calls it.
pub fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Accept => "Access-Accept",
        Verdict::Reject(_) => "Access-Reject",
        Verdict::Challenge => "Access-Challenge",
        Verdict::Silence => "no answer",
    }
}

fn wrong(field: &'static str, why: String) -> Refusal {
    Refusal::Wrong { field, why, usage: true }
}

/// The rows under the name as it is, else as FreeRADIUS escapes it.
async fn fetch_user(name: &str, at: &Simulator) -> Result<Option<UserPolicy>, schema::Error> {
    let (raw, escaped) = policy::lookup_names(name.as_bytes());
    let mut rows = at.store.users_rows(&[&raw, &escaped]).await?;
    let place = rows.iter().position(|rows| rows.name == raw);
    let place = place.or((!rows.is_empty()).then_some(0));
    let rows = place.map(|place| rows.swap_remove(place));
    Ok(rows.map(|rows| policy::compile_user(&rows, &at.dictionary, &at.zone)))
}

async fn fetch_groups(at: &Simulator) -> Result<Groups, schema::Error> {
    let rows = at.store.groups_rows(None).await?;
    let compile = |rows| policy::compile_group(rows, &at.dictionary, &at.zone);
    Ok(rows.iter().map(compile).collect())
}

/// What the decision lacked, from the store.
async fn answer(
    needs: impl Iterator<Item = Need>,
    answers: &mut Answers,
    at: &Simulator,
) -> Result<(), schema::Error> {
    for need in needs {
        match need {
            Need::Profile(name) => {
                let policy = fetch_user(&name, at).await?;
                answers.profile(name, policy.map(Arc::new));
            }
            Need::Counter { user, ask } => {
                let (raw, escaped) = policy::lookup_names(&user);
                let used = used(&at.store, &[&raw, &escaped], ask).await?;
                answers.counter(ask, used);
            }
            Need::OpenSessions { user, .. } => {
                let (raw, escaped) = policy::lookup_names(&user);
                let open = at.store.open_sessions(&[&raw, &escaped]).await?;
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
