//! What the management module may ask of the daemon, and the metrics endpoint.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use axum::Router;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use dictionaries::Dictionary;
use jiff::tz::TimeZone;
use mgmt::{
    Feed, Form, Health, Later, NasAnswer, NasState, Outcome, Part, Side, Simulated, Stranger,
    Traffic, Unanswered,
};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;
use schema::{Actor, Error, Row, Session};

use crate::explain;
use crate::journal;
use crate::online::Online;
use crate::policy::Verdict;
use crate::roster::Seen;
use crate::server::Shared;
use crate::simulate::{Question, Refusal, word};
use crate::{policy, rows};

/// The running daemon, as others see it.
pub struct Control {
    shared: Arc<Shared>,
    began: Instant,
    /// Of the times in rows.
    zone: TimeZone,
}

impl Control {
    pub fn new(shared: Arc<Shared>, zone: TimeZone) -> Control {
        Control { shared, began: Instant::now(), zone }
    }

    async fn answer(&self, question: mgmt::Question) -> Result<Simulated, Unanswered> {
        let mgmt::Question { user, password, nas, attributes } = question;
        let question = Question { user, password, nas, pairs: attributes };
        let simulator = &self.shared.simulator;
        let answered = simulator.ask(&question).await.map_err(|refusal| match refusal {
            Refusal::Wrong { field, why, .. } => Unanswered::Field(field, why),
            Refusal::Store(error) => Unanswered::Store(error),
            Refusal::Endless => Unanswered::Endless,
        })?;
        let reason = match answered.verdict {
            Verdict::Reject(reason) => Some(reason),
            _ => None,
        };
        Ok(Simulated {
            answer: word(answered.verdict).into(),
            reason: reason.map(|reason| reason.as_str().into()),
            reason_text: reason.map(|reason| reason.text().into()),
            reply: answered.reply.iter().map(|pair| simulator.shown(pair)).collect(),
            steps: answered.trace.steps.iter().map(explain::sentence).collect(),
        })
    }

    async fn ask_to_end(&self, session: &Session) -> NasAnswer {
        let address = session.nasipaddress.parse::<IpAddr>().ok();
        let clients = self.shared.roster.clients();
        match address.and_then(|address| clients.find(address)) {
            Some(nas) => self.shared.coa.disconnect(nas, session).await,
            None => NasAnswer {
                outcome: Outcome::Unasked,
                detail: "No NAS is known at the session's address.".into(),
                error_cause: None,
                nas: session.nasipaddress.clone(),
                sent: 0,
            },
        }
    }
}

impl mgmt::Daemon for Control {
    fn health(&self) -> Health {
        let now = Instant::now();
        let shared = &self.shared;
        let roster = &shared.roster;
        let store = match (roster.users.silence(now), roster.is_stale(now), roster.is_away()) {
            (None, ..) => part(
                "store",
                mgmt::State::Down,
                "not reached since the start: no user is answered".into(),
            ),
            (Some(silence), true, _) => {
                let detail = format!("not heard for {} s: no user is answered", silence.as_secs());
                part("store", mgmt::State::Down, detail)
            }
            (_, false, true) => part(
                "store",
                mgmt::State::Degraded,
                "away: users that are not in memory stay unanswered".into(),
            ),
            (_, false, false) => part("store", mgmt::State::Ok, String::new()),
        };
        let restarts = shared.metrics.totals().restarts;
        let workers = match restarts {
            0 => part("workers", mgmt::State::Ok, String::new()),
            _ => {
                part("workers", mgmt::State::Degraded, format!("{restarts} restarts after a panic"))
            }
        };
        Health {
            version: env!("CARGO_PKG_VERSION").into(),
            uptime_seconds: self.began.elapsed().as_secs(),
            parts: vec![store, journal(&shared.journal.health()), workers],
        }
    }

    fn dictionary(&self) -> Arc<Dictionary> {
        Arc::clone(&self.shared.dictionary)
    }

    fn check_row(&self, side: Side, row: &Row) -> Result<Row, String> {
        rows::checked(side, row, &self.shared.dictionary, &self.zone)
    }

    fn password_row(&self, form: Form, password: &str) -> Result<Row, String> {
        rows::password_row(form, password, &self.shared.dictionary, &self.zone)
    }

    fn is_secret(&self, attribute: &str) -> bool {
        let dictionary = &self.shared.dictionary;
        match dictionary.named(attribute) {
            Ok((attribute, _)) => policy::is_secret(&attribute, dictionary),
            // A password under a mistyped name is a password all the same.
            Err(_) => attribute.to_ascii_lowercase().contains("pass"),
        }
    }

    fn feed(&self) -> &Feed {
        &self.shared.feed
    }

    fn traffic(&self) -> Traffic {
        let totals = self.shared.metrics.totals();
        let [(_, received_auth), (_, received_acct)] = totals.received;
        Traffic {
            at_ms: now_ms(),
            received_auth,
            received_acct,
            outcomes: totals.outcomes,
            online: self.shared.online.sizes(),
            nas: self.shared.roster.clients().len(),
        }
    }

    fn nas_states(&self) -> HashMap<i64, NasState> {
        let mut states = HashMap::<i64, NasState>::new();
        for nas in self.shared.roster.clients().addressed() {
            let Some(row) = nas.listed else { continue };
            let (requests, rejects, last_seen_ms) = nas.seen.totals();
            let state = states.entry(row).or_default();
            state.requests += requests;
            state.rejects += rejects;
            state.last_seen_ms = state.last_seen_ms.max(last_seen_ms);
            state.signs |= nas.learned.signs.load(Ordering::Relaxed);
        }
        states
    }

    fn strangers(&self) -> Vec<Stranger> {
        let (now, at_ms) = (Instant::now(), now_ms());
        let ago = |then: Instant| {
            let ms = now.saturating_duration_since(then).as_millis();
            at_ms.saturating_sub(i64::try_from(ms).unwrap_or(i64::MAX))
        };
        let show = |seen: Seen| Stranger {
            source: seen.source,
            complaint: seen.complaint,
            count: seen.count,
            first_ms: ago(seen.first),
            last_ms: ago(seen.last),
        };
        self.shared.roster.inbox.list().into_iter().map(show).collect()
    }

    fn simulate(&self, question: mgmt::Question) -> Later<'_, Result<Simulated, Unanswered>> {
        Box::pin(self.answer(question))
    }

    fn explain(&self, trace: &str) -> Vec<String> {
        explain::sentences(trace)
    }

    fn disconnect<'a>(&'a self, session: &'a Session) -> Later<'a, NasAnswer> {
        Box::pin(self.ask_to_end(session))
    }

    fn close<'a>(
        &'a self,
        actor: &'a Actor,
        session: &'a Session,
    ) -> Later<'a, Result<bool, Error>> {
        Box::pin(self.shared.journal.close_for(actor, session))
    }
}

fn now_ms() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}

fn part(name: &str, state: mgmt::State, detail: String) -> Part {
    Part { name: name.into(), state, detail, numbers: BTreeMap::new() }
}

fn journal(health: &journal::Health) -> Part {
    let mut words = Vec::new();
    if !health.trouble.is_empty() {
        words.push(format!("takes no records: {}", health.trouble));
    }
    if health.records > 0 {
        let (records, age) = (health.records, health.age_seconds);
        words.push(format!("{records} records wait for the store, the oldest for {age} s"));
    }
    let mut many = |count: u64, what: &str| {
        if count > 0 {
            words.push(format!("{count} {what}"));
        }
    };
    many(health.damaged, "damaged segments kept in journal/damaged");
    many(health.newer, "segments of a newer radiusd left alone");
    many(health.quarantined, "records that the store refuses in journal/quarantine");
    let state = if words.is_empty() { mgmt::State::Ok } else { mgmt::State::Degraded };
    let numbers = gauges(health).into_iter().map(|(name, _, value)| (name, value));
    Part { numbers: numbers.collect(), ..part("journal", state, words.join("; ")) }
}

/// The journal in numbers, by the names they have everywhere.
fn gauges(health: &journal::Health) -> [(&'static str, &'static str, u64); 8] {
    [
        ("spilling", "Whether accounting goes to the journal", u64::from(health.spilling)),
        ("records", "Accounting records in the journal", health.records),
        ("bytes", "Octets of everything in the journal's folder", health.octets),
        ("oldest_seconds", "Age of the oldest record in the journal", health.age_seconds),
        ("damaged_segments", "Damaged segments kept aside", health.damaged),
        ("newer_segments", "Segments of a newer radiusd, left alone", health.newer),
        ("quarantine_records", "Records that the store refuses", health.quarantined),
        ("replay_per_second", "Records replayed per second, of late", health.replayed_per_second),
    ]
}

/// `/metrics`, for `metrics.listen`.
pub fn metrics_router(shared: Arc<Shared>) -> Router {
    let mut registry = Registry::with_prefix("radiusd");
    registry.register_collector(Box::new(Counted(shared)));
    Router::new().route("/metrics", get(metrics)).with_state(Arc::new(registry))
}

async fn metrics(State(registry): State<Arc<Registry>>) -> Response {
    let mut text = String::new();
    match encode(&mut text, &registry) {
        Ok(()) => {
            let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
            ([(header::CONTENT_TYPE, kind)], text).into_response()
        }
        Err(_) => axum::http::StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

/// Reads the daemon's own counters when asked.
struct Counted(Arc<Shared>);

impl fmt::Debug for Counted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Counted")
    }
}

impl Collector for Counted {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let totals = self.0.metrics.totals();
        labelled(
            &mut encoder,
            "datagrams_received",
            "Datagrams read",
            "service",
            &totals.received,
        )?;
        labelled(
            &mut encoder,
            "datagrams",
            "How datagrams ended, each exactly once",
            "outcome",
            &totals.outcomes,
        )?;
        gauge(&mut encoder, "inflight", "Requests under way", totals.inflight)?;
        counter(&mut encoder, "unsent", "Answers the kernel refused to send", totals.unsent)?;
        counter(
            &mut encoder,
            "datagrams_overflown",
            "Datagrams the kernel dropped before they were read: net.core.rmem_max is too small, or this is a flood",
            totals.overflown,
        )?;
        counter(
            &mut encoder,
            "worker_restarts",
            "Workers restarted after a panic",
            totals.restarts,
        )?;
        let roster = &self.0.roster;
        gauge(
            &mut encoder,
            "users_cached",
            "Users whose rows are in memory",
            roster.users.len() as u64,
        )?;
        gauge(&mut encoder, "users_cached_bytes", "Memory of those rows", roster.users.octets())?;
        gauge(&mut encoder, "clients", "NAS known", roster.clients().len() as u64)?;
        let strangers = roster.inbox.len() as u64;
        gauge(&mut encoder, "strangers", "Sources whose packets cannot be taken", strangers)?;
        online(&mut encoder, &self.0.online)?;
        let said = self.0.fetcher.checkrad();
        let help = "What radius.checkrad said of open sessions";
        labelled(&mut encoder, "checkrad", help, "said", &said)?;
        let help = "How it ended that NAS were asked to end a session";
        labelled(&mut encoder, "disconnects", help, "outcome", &self.0.coa.counts())?;
        for (name, help, value) in self.0.journal.counters().all() {
            counter(&mut encoder, name, help, value)?;
        }
        let queued = self.0.journal.queued() as u64;
        gauge(&mut encoder, "journal_queued", "Accounting records waiting in memory", queued)?;
        for (name, help, value) in gauges(&self.0.journal.health()) {
            gauge(&mut encoder, &format!("journal_{name}"), help, value)?;
        }
        gauge(
            &mut encoder,
            "usage_backfill_left",
            "Sessions of before that are not counted yet, by radacctid",
            self.0.backfill.left(),
        )?;
        counter(
            &mut encoder,
            "sessions_archived",
            "Sessions moved to the archive",
            self.0.backfill.archived(),
        )?;
        Ok(())
    }
}

fn online(encoder: &mut DescriptorEncoder<'_>, online: &Online) -> Result<(), fmt::Error> {
    let (sessions, users) = online.sizes().unwrap_or_default();
    gauge(encoder, "online_sessions", "Sessions open, as far as known", sessions as u64)?;
    gauge(encoder, "online_users", "Users with such a session", users as u64)?;
    let trusted = u64::from(online.is_trusted(Instant::now()));
    let help = "Whether a limit is decided without the store while it is not reached";
    gauge(encoder, "online_trusted", help, trusted)?;
    let loads = online.loads.load(Ordering::Relaxed);
    counter(encoder, "online_loads", "Reads of all open sessions", loads)?;
    let decided = online.decided.load(Ordering::Relaxed);
    counter(encoder, "online_decided", "Limits decided without the store", decided)
}

fn labelled(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    label: &str,
    values: &[(&'static str, u64)],
) -> Result<(), fmt::Error> {
    let mut family = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
    for (value, count) in values {
        let labels = [(label, *value)];
        ConstCounter::new(*count).encode(family.encode_family(&labels)?)?;
    }
    Ok(())
}

fn counter(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    value: u64,
) -> Result<(), fmt::Error> {
    let metric = ConstCounter::new(value);
    metric.encode(encoder.encode_descriptor(name, help, None, metric.metric_type())?)
}

fn gauge(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    value: u64,
) -> Result<(), fmt::Error> {
    let metric = ConstGauge::new(value as f64);
    metric.encode(encoder.encode_descriptor(name, help, None, metric.metric_type())?)
}
