//! What becomes of one datagram: the order of steps is the order of lines.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use ahash::RandomState;
use proto::{Code, Packet, Reply};

use super::Shared;
use super::shares::Shares;
use super::socket::{Envelope, Sender, Service, Socket};
use crate::access::{self, Exchange, Next, Waiting};
use crate::duplicates::{Duplicates, Key, Seen, Ticket};
use crate::fetch::Fetched;
use crate::journal;
use crate::metrics::{Counters, Outcome};
use crate::roster::{Clients, Nas, Refusal};

/// One worker's tables.
pub struct Desk {
    worker: usize,
    /// Of each socket.
    ports: Box<[u16]>,
    era: u8,
    shared: Arc<Shared>,
    counters: Arc<Counters>,
    duplicates: Duplicates,
    shares: Shares,
    /// Rejects that wait, for `radius.reject_delay` as a rule, in the order they are due.
    delayed: VecDeque<(Instant, Ticket)>,
    /// What parked Access-Requests have been told so far.
    waiting: HashMap<Ticket, Waiting, RandomState>,
    sender: Sender,
    reply: Vec<u8>,
    clients: Arc<Clients>,
    now: Instant,
    /// Unix time in milliseconds.
    now_ms: i64,
}

impl Desk {
    pub fn new(worker: usize, ports: Box<[u16]>, shared: Arc<Shared>, era: u8) -> Desk {
        let counters = Arc::clone(&shared.metrics.workers[worker]);
        let duplicates = Duplicates::new(
            shared.inflight_max,
            shared.inflight_source_max,
            shared.cleanup_delay,
            era,
        );
        let clients = shared.roster.clients();
        Desk {
            worker,
            ports,
            era,
            counters,
            duplicates,
            shares: Shares::new(Instant::now()),
            delayed: VecDeque::new(),
            waiting: HashMap::default(),
            sender: Sender::default(),
            reply: Vec::with_capacity(4096),
            clients,
            now: Instant::now(),
            now_ms: 0,
            shared,
        }
    }

    /// A fresh desk after a panic; what was under way is counted, its answers will fit nothing.
    pub fn restarted(self) -> Desk {
        // The datagram that panicked has been counted as such.
        self.count_abandoned(self.duplicates.working().saturating_sub(1));
        Desk::new(self.worker, self.ports, self.shared, self.era.wrapping_add(1))
    }

    /// Counts what is still under way when the worker ends.
    pub fn abandon(self) {
        self.count_abandoned(self.duplicates.working());
    }

    fn count_abandoned(&self, number: usize) {
        for _ in 0..number {
            self.counters.count(Outcome::Abandoned);
        }
        self.counters.inflight.store(0, Ordering::Relaxed);
    }

    /// Reads the clocks and the list of clients, once for a batch.
    pub fn tick(&mut self, now: Instant) {
        self.now = now;
        self.shares.tick(now);
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        self.now_ms = since.as_millis() as i64;
        self.clients = self.shared.roster.clients();
    }

    /// A socket has more than its turn takes.
    pub fn pile_up(&mut self) {
        self.shares.pile_up(self.now);
    }

    /// Who may send, as it stood at the last tick. Taken once for a batch: a count of references
    /// that all workers share is dear to change.
    pub fn clients(&self) -> Arc<Clients> {
        Arc::clone(&self.clients)
    }

    pub fn datagram(
        &mut self,
        clients: &Clients,
        at: (usize, Service),
        envelope: Envelope,
        octets: &[u8],
    ) {
        let (socket, service) = at;
        self.counters.received(service);
        #[cfg(test)]
        assert_ne!(octets, b"panic", "as a test wants it");
        if let Some(outcome) = self.receive(clients, (socket, service), envelope, octets) {
            self.counters.count(outcome);
        }
    }

    /// The outcome, or none while the answer is under way.
    fn receive(
        &mut self,
        clients: &Clients,
        (socket, service): (usize, Service),
        envelope: Envelope,
        octets: &[u8],
    ) -> Option<Outcome> {
        let source = envelope.source.ip();
        let nas = match clients.find(source) {
            Some(nas) => nas,
            None => match identified(clients, octets) {
                Some(nas) => nas,
                None => {
                    if self.shares.note() {
                        self.shared.roster.inbox.unknown(source, self.now);
                    }
                    return Some(Outcome::UnknownClient);
                }
            },
        };
        nas.seen.request(self.worker, self.now_ms);
        if !self.shares.admit(source, self.now) {
            return Some(Outcome::SourceOverLimit);
        }
        let packet = match Packet::parse(octets) {
            Ok(packet) => packet,
            Err(malformed) => return Some(Outcome::Malformed(malformed)),
        };
        if !serves(service, packet.code()) {
            return Some(Outcome::UnexpectedCode);
        }
        let key = Key { socket, source: envelope.source, identifier: packet.identifier() };
        // A record always waits: what finds no place needs no signature checked.
        if packet.code() == Code::AccountingRequest
            && self.duplicates.is_saturated(&key, packet.authenticator())
        {
            return Some(Outcome::SourceOverLimit);
        }
        if let Err(outcome) = self.verify(nas, &packet) {
            return Some(outcome);
        }
        let ticket = match self.see(key, &packet) {
            Ok(ticket) => ticket,
            Err(outcome) => return Some(outcome),
        };
        let exchange = Exchange {
            ticket,
            packet,
            nas,
            key,
            asked: envelope.asked,
            asked_port: self.port(socket),
            service,
            received: self.now,
            received_ms: self.now_ms,
        };
        match exchange.packet.code() {
            Code::AccessRequest => self.access(&exchange, Waiting::default()),
            Code::AccountingRequest => self.accounting(&exchange),
            _ => self.status(&exchange),
        }
    }

    fn port(&self, socket: usize) -> u16 {
        self.ports.get(socket).copied().unwrap_or_default()
    }

    /// Authenticators, and the rules against forged answers.
    fn verify(&mut self, nas: &Nas, packet: &Packet<'_>) -> Result<(), Outcome> {
        let signed = nas.secret.verify_request(packet).map_err(|malformed| {
            if self.shares.note() {
                self.shared.roster.inbox.wrong_secret(nas, self.now);
            }
            Outcome::Malformed(malformed)
        })?;
        if packet.code() == Code::AccessRequest {
            let proxied = packet.find(proto::attribute::PROXY_STATE).is_some();
            match nas.admit(signed, proxied) {
                Ok(false) => {}
                Ok(true) => self.shared.roster.learned(nas),
                Err(Refusal::MessageAuthenticatorMissing) => {
                    return Err(Outcome::MessageAuthenticatorRequired);
                }
                Err(Refusal::ProxyStateUnsigned) => return Err(Outcome::ProxyStateUnsigned),
            }
        }
        Ok(())
    }

    fn see(&mut self, key: Key, packet: &Packet<'_>) -> Result<Ticket, Outcome> {
        let length = packet.octets().len();
        match self.duplicates.see(key, packet.authenticator(), length, self.now, self.now_ms) {
            Seen::New { ticket, replaced } => {
                if replaced {
                    self.counters.count(Outcome::Replaced);
                }
                Ok(ticket)
            }
            Seen::Answered(ticket) => {
                if let Some((asked, octets)) = self.duplicates.answered(ticket) {
                    self.sender.push(key.socket, key.source, asked, octets);
                }
                Err(Outcome::DuplicateAnswered)
            }
            Seen::Busy => Err(Outcome::DuplicateIgnored),
            Seen::Full => Err(Outcome::Overloaded),
        }
    }

    /// Decides, or asks for what the decision lacks.
    fn access(&mut self, exchange: &Exchange<'_>, mut waiting: Waiting) -> Option<Outcome> {
        let next = access::next(&self.shared, exchange, &mut waiting, &mut self.reply);
        if let Next::Answer { outcome: Outcome::AccessReject, .. } = next {
            exchange.nas.seen.reject(self.worker);
        }
        match next {
            Next::Answer { outcome, delay: None } => Some(self.answer(exchange, outcome)),
            Next::Answer { outcome, delay: Some(delay) } => self.delay(exchange, outcome, delay),
            Next::Fetch(what) => {
                let ticket = exchange.ticket;
                if !self.park(exchange) {
                    return Some(self.silence(ticket, Outcome::SourceOverLimit));
                }
                let source = exchange.key.source.ip();
                if !self.shared.fetcher.ask(source, self.worker, ticket, what) {
                    return Some(self.silence(ticket, Outcome::Overloaded));
                }
                self.waiting.insert(ticket, waiting);
                None
            }
            Next::Silence(outcome) => Some(self.silence(exchange.ticket, outcome)),
        }
    }

    /// False when too many of its source wait already.
    fn park(&mut self, exchange: &Exchange<'_>) -> bool {
        let octets = exchange.packet.octets();
        self.duplicates.park(exchange.ticket, octets, exchange.asked, Arc::clone(exchange.nas))
    }

    /// Sends what stands in `self.reply`.
    fn answer(&mut self, exchange: &Exchange<'_>, outcome: Outcome) -> Outcome {
        let Exchange { ticket, key, asked, .. } = *exchange;
        self.duplicates.answer(ticket, &self.reply, asked, self.now);
        self.sender.push(key.socket, key.source, asked, &self.reply);
        outcome
    }

    /// Sends what stands in `self.reply` when so much time has passed since receipt.
    fn delay(
        &mut self,
        exchange: &Exchange<'_>,
        outcome: Outcome,
        delay: Duration,
    ) -> Option<Outcome> {
        let due = exchange.received + delay;
        if due <= self.now {
            return Some(self.answer(exchange, outcome));
        }
        if !self.duplicates.delay(exchange.ticket, &self.reply, exchange.asked) {
            return Some(self.silence(exchange.ticket, Outcome::SourceOverLimit));
        }
        let at = self.delayed.iter().rposition(|(other, _)| *other <= due).map_or(0, |at| at + 1);
        self.delayed.insert(at, (due, exchange.ticket));
        None
    }

    fn silence(&mut self, ticket: Ticket, outcome: Outcome) -> Outcome {
        self.duplicates.remove(ticket);
        outcome
    }

    fn accounting(&mut self, exchange: &Exchange<'_>) -> Option<Outcome> {
        // Before anything that costs: a flood of records ends here.
        if !self.park(exchange) {
            return Some(self.silence(exchange.ticket, Outcome::SourceOverLimit));
        }
        let Some(event) = access::session_event(&self.shared, exchange) else {
            // Nothing to record (semantics E5): acknowledged all the same.
            return Some(self.acknowledge(exchange));
        };
        let ticket = journal::Ticket(exchange.ticket.to_bits());
        let source = exchange.key.source.ip();
        let record = journal::Record { event, source, worker: self.worker, ticket };
        if let Err(refused) = self.shared.journal.record(record) {
            let outcome = match refused {
                journal::Refused::Full => Outcome::AccountingQueueFull,
                journal::Refused::Repeated => Outcome::DuplicateIgnored,
            };
            return Some(self.silence(exchange.ticket, outcome));
        }
        None
    }

    fn acknowledge(&mut self, exchange: &Exchange<'_>) -> Outcome {
        self.plain_reply(exchange, Code::AccountingResponse);
        self.answer(exchange, Outcome::AccountingResponse)
    }

    /// RFC 5997: the answer of the port, and nothing else.
    fn status(&mut self, exchange: &Exchange<'_>) -> Option<Outcome> {
        let silent = match exchange.service {
            Service::Auth => self.shared.roster.is_stale(self.now),
            Service::Acct => !self.shared.journal.takes_records(),
        };
        if silent {
            return Some(self.silence(exchange.ticket, Outcome::StoreAway));
        }
        self.plain_reply(
            exchange,
            match exchange.service {
                Service::Auth => Code::AccessAccept,
                Service::Acct => Code::AccountingResponse,
            },
        );
        Some(self.answer(exchange, Outcome::StatusAnswered))
    }

    fn plain_reply(&mut self, exchange: &Exchange<'_>, code: Code) {
        let mut reply = Reply::reuse(std::mem::take(&mut self.reply), code, &exchange.packet);
        reply.proxy_state(&exchange.packet);
        self.reply = reply.finish(&exchange.nas.secret);
    }

    /// Goes on with a request that got what it waited for.
    pub fn fetched(&mut self, ticket: Ticket, fetched: Fetched) {
        self.duplicates.came(ticket);
        let Some(mut waiting) = self.waiting.remove(&ticket) else { return };
        waiting.take(fetched);
        if let Some(outcome) = self.resume(ticket, |desk, exchange| desk.access(exchange, waiting))
        {
            self.counters.count(outcome);
        }
    }

    /// Answers the records that are durable, and forgets those that are not.
    pub fn recorded(&mut self, records: Vec<(journal::Ticket, journal::Outcome)>) {
        for (journal::Ticket(bits), stored) in records {
            let ticket = Ticket::from_bits(bits);
            self.duplicates.came(ticket);
            let outcome = match stored {
                journal::Outcome::Stored => {
                    self.resume(ticket, |desk, exchange| Some(desk.acknowledge(exchange)))
                }
                journal::Outcome::NotStored => {
                    self.duplicates.unpark(ticket).map(|_| self.silence(ticket, Outcome::StoreAway))
                }
            };
            if let Some(outcome) = outcome {
                self.counters.count(outcome);
            }
        }
    }

    /// Takes a parked request up; nothing happens when its client gave it up meanwhile.
    fn resume(
        &mut self,
        ticket: Ticket,
        go_on: impl FnOnce(&mut Desk, &Exchange<'_>) -> Option<Outcome>,
    ) -> Option<Outcome> {
        let parked = self.duplicates.unpark(ticket)?;
        // It was parsed before it was parked.
        let packet = Packet::parse(&parked.octets).ok()?;
        let service = match packet.code() {
            Code::AccountingRequest => Service::Acct,
            _ => Service::Auth,
        };
        let exchange = Exchange {
            ticket,
            packet,
            nas: &parked.nas,
            key: parked.key,
            asked: parked.asked,
            asked_port: self.port(parked.key.socket),
            service,
            received: parked.received,
            received_ms: parked.received_ms,
        };
        go_on(self, &exchange)
    }

    /// Sends the rejects whose time has come, and drops answers that were kept long enough.
    pub fn see_to_what_is_due(&mut self) {
        while self.delayed.front().is_some_and(|(due, _)| *due <= self.now) {
            let Some((_, ticket)) = self.delayed.pop_front() else { break };
            self.duplicates.came(ticket);
            if let Some((key, asked, octets)) = self.duplicates.release(ticket, self.now) {
                self.sender.push(key.socket, key.source, asked, octets);
                self.counters.count(Outcome::AccessReject);
            }
        }
        self.duplicates.expire(self.now);
        self.counters.inflight.store(self.duplicates.working() as u64, Ordering::Relaxed);
    }

    /// How long nothing is due.
    pub fn next_due(&self, now: Instant) -> Duration {
        let reject = self.delayed.front().map(|(due, _)| due.saturating_duration_since(now));
        reject.unwrap_or(Duration::from_millis(500)).min(Duration::from_millis(500))
    }

    pub fn is_idle(&self) -> bool {
        self.duplicates.working() == 0
    }

    pub fn sender_is_full(&self) -> bool {
        self.sender.is_full()
    }

    pub fn flush(&mut self, sockets: &[Socket]) {
        let refused = self.sender.flush(sockets);
        if refused > 0 {
            self.counters.unsent.fetch_add(refused, Ordering::Relaxed);
        }
    }
}

/// A client without a fixed address, by its NAS-Identifier.
fn identified<'c>(clients: &'c Clients, octets: &[u8]) -> Option<&'c Arc<Nas>> {
    if !clients.has_identified() {
        return None;
    }
    let packet = Packet::parse(octets).ok()?;
    let identifier = packet.find(proto::attribute::NAS_IDENTIFIER)?;
    clients.identified(identifier)
}

fn serves(service: Service, code: Code) -> bool {
    matches!(
        (service, code),
        (Service::Auth, Code::AccessRequest | Code::StatusServer)
            | (Service::Acct, Code::AccountingRequest | Code::StatusServer)
    )
}
