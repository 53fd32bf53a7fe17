//! The load: a closed loop to find the peak, an open loop to see latency from the time each request was due.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use anyhow::Result;
use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags};
use nix::sys::time::TimeSpec;

use crate::batch::Inbox;
use crate::histogram::Histogram;
use crate::lines::{Line, Settled};
use crate::process::Usage;
use crate::random::Random;
use crate::traffic::Traffic;
use crate::wire::Keys;

const PATIENCE: u64 = 1_000_000_000;
const TRIES: u8 = 4;
const RETRY_EVERY: u64 = 100_000_000;
/// One socket gets at most so many of the requests that fall due together.
const BURST: usize = 16;

#[derive(Clone, Copy, Debug)]
pub enum Load {
    /// This many requests under way at all times.
    Closed { window: usize },
    /// This many requests a second, arriving by chance (Poisson), whether answered or not.
    Open { rate: f64 },
}

/// What one run of the load saw.
#[derive(Clone, Default)]
pub struct Outcome {
    pub launched: u64,
    pub answered: u64,
    /// Answered before the end: what the rate is counted from.
    pub in_time: u64,
    /// Authentic, but not the reply that this request should get.
    pub wrong: u64,
    pub unsigned: u64,
    pub forged: u64,
    pub stray: u64,
    pub repeated: u64,
    pub lost: u64,
    pub seconds: f64,
    pub latency: Histogram,
    /// Of what was due in each tenth of a second: replies, and the longest wait in ns.
    pub tenths: Vec<(u64, u64)>,
}

impl Outcome {
    pub fn rate(&self) -> f64 {
        self.in_time as f64 / self.seconds.max(1e-9)
    }

    pub fn merge(&mut self, other: &Outcome) {
        self.launched += other.launched;
        self.answered += other.answered;
        self.in_time += other.in_time;
        self.wrong += other.wrong;
        self.unsigned += other.unsigned;
        self.forged += other.forged;
        self.stray += other.stray;
        self.repeated += other.repeated;
        self.lost += other.lost;
        self.seconds = self.seconds.max(other.seconds);
        self.latency.merge(&other.latency);
    }

    fn note(&mut self, since: u64, wait: u64) {
        let tenth = (since / 100_000_000) as usize;
        if self.tenths.len() <= tenth {
            self.tenths.resize(tenth + 1, (0, 0));
        }
        let (count, longest) = &mut self.tenths[tenth];
        *count += 1;
        *longest = (*longest).max(wait);
    }

    /// What must never happen, in words; empty when all is well.
    pub fn faults(&self) -> String {
        let named = [("wrong", self.wrong), ("forged", self.forged), ("lost", self.lost)];
        let texts = named.iter().filter(|(_, count)| *count > 0);
        texts.map(|(name, count)| format!("{count} {name}")).collect::<Vec<_>>().join(", ")
    }
}

/// One thread's worth of load. Its sockets and identifiers outlive a run, as a NAS's do.
pub struct Generator {
    lines: Vec<Line>,
    epoll: Epoll,
    inbox: Inbox,
    keys: Keys,
    random: Random,
    epoch: Instant,
}

impl Generator {
    pub fn new(target: SocketAddr, secret: &[u8], sockets: usize, seed: u64) -> Result<Generator> {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        let mut lines = Vec::with_capacity(sockets);
        for number in 0..sockets {
            let line = Line::connect(target)?;
            epoll.add(&line.socket, EpollEvent::new(EpollFlags::EPOLLIN, number as u64))?;
            lines.push(line);
        }
        Ok(Generator {
            lines,
            epoll,
            inbox: Inbox::default(),
            keys: Keys::new(secret),
            random: Random::new(seed),
            epoch: Instant::now(),
        })
    }

    pub fn run(
        &mut self,
        traffic: &mut dyn Traffic,
        load: Load,
        time: Duration,
    ) -> Result<Outcome> {
        let begun = self.now();
        let end = begun + time.as_nanos() as u64;
        let mut run = Run { generator: self, traffic, outcome: Outcome::default(), begun, end };
        match load {
            Load::Closed { window } => run.closed(window)?,
            Load::Open { rate } => run.open(1e9 / rate)?,
        }
        let exhausted_at = run.drain()?;
        let mut outcome = run.outcome;
        outcome.seconds = exhausted_at.unwrap_or(end).saturating_sub(begun) as f64 / 1e9;
        Ok(outcome)
    }

    /// The far end echoes: the work is the same, the verdict is that octets came back.
    pub fn expect_echo(&mut self) {
        self.lines.iter_mut().for_each(|line| line.echo = true);
    }

    fn now(&self) -> u64 {
        self.epoch.elapsed().as_nanos() as u64
    }

    fn under_way(&self) -> usize {
        self.lines.iter().map(Line::under_way).sum()
    }
}

/// This process's own CPU time, to show that the generator is not what is measured.
pub struct Own(f64);

impl Own {
    pub fn begin() -> Own {
        Own(Usage::of(std::process::id()).cpu_us)
    }

    pub fn us_per(&self, requests: u64) -> f64 {
        (Usage::of(std::process::id()).cpu_us - self.0) / requests.max(1) as f64
    }
}

struct Run<'a> {
    generator: &'a mut Generator,
    traffic: &'a mut dyn Traffic,
    outcome: Outcome,
    begun: u64,
    end: u64,
}

impl Run<'_> {
    fn closed(&mut self, window: usize) -> Result<()> {
        let now = self.generator.now();
        let lines = self.generator.lines.len();
        for request in 0..window.min(lines * 200) {
            self.launch(request % lines, now, now);
        }
        self.flush_all()?;
        let mut check = now + RETRY_EVERY;
        loop {
            let now = self.generator.now();
            if now >= self.end || self.traffic.exhausted() {
                return Ok(());
            }
            self.wait(Duration::from_millis(20))?;
            self.collect(true)?;
            if now >= check {
                check = now + RETRY_EVERY;
                let lost = self.retry(now)?;
                for request in 0..lost as usize {
                    self.launch(request % lines, now, now);
                }
                self.flush_all()?;
            }
        }
    }

    fn open(&mut self, gap: f64) -> Result<()> {
        let mut next = self.generator.now() as f64 + self.generator.random.exponential(gap);
        let mut due: VecDeque<u64> = VecDeque::new();
        let mut check = self.generator.now() + RETRY_EVERY;
        let mut line = 0;
        loop {
            let now = self.generator.now();
            if now >= self.end {
                self.outcome.lost += due.len() as u64;
                return Ok(());
            }
            while next <= now as f64 {
                due.push_back(next as u64);
                next += self.generator.random.exponential(gap);
            }
            self.send_due(&mut due, &mut line, now)?;
            self.collect(false)?;
            if now >= check {
                check = now + RETRY_EVERY;
                self.retry(now)?;
                self.flush_all()?;
            }
            let sleep = (next as u64).min(self.end).saturating_sub(self.generator.now());
            if sleep > 0 {
                self.wait(Duration::from_nanos(sleep))?;
            }
        }
    }

    /// Spreads what is due over the sockets; what finds no identifier free stays due.
    fn send_due(&mut self, due: &mut VecDeque<u64>, line: &mut usize, now: u64) -> Result<()> {
        for _ in 0..self.generator.lines.len() {
            if due.is_empty() {
                break;
            }
            *line = (*line + 1) % self.generator.lines.len();
            for _ in 0..BURST {
                if !self.generator.lines[*line].has_room() {
                    break;
                }
                let Some(at) = due.pop_front() else { break };
                self.launch(*line, at, now);
            }
            self.generator.lines[*line].flush()?;
        }
        Ok(())
    }

    /// Waits for the last replies: when they had all come, if that was before the end.
    fn drain(&mut self) -> Result<Option<u64>> {
        let limit = self.end.max(self.generator.now()) + u64::from(TRIES + 1) * PATIENCE;
        let mut check = self.generator.now() + RETRY_EVERY;
        while self.generator.under_way() > 0 && self.generator.now() < limit {
            self.wait(Duration::from_millis(20))?;
            self.collect(false)?;
            let now = self.generator.now();
            if now >= check {
                check = now + RETRY_EVERY;
                self.retry(now)?;
                self.flush_all()?;
            }
        }
        let now = self.generator.now();
        Ok((now < self.end).then_some(now))
    }

    fn launch(&mut self, line: usize, due: u64, now: u64) {
        let Generator { lines, keys, .. } = &mut *self.generator;
        if lines[line].launch(self.traffic, keys, due, now) {
            self.outcome.launched += 1;
        }
    }

    fn flush_all(&mut self) -> Result<()> {
        for line in &mut self.generator.lines {
            line.flush()?;
        }
        Ok(())
    }

    fn retry(&mut self, now: u64) -> Result<u64> {
        let mut lost = 0;
        for line in &mut self.generator.lines {
            let (again, given_up) = line.retry(self.traffic, now, PATIENCE, TRIES);
            self.outcome.repeated += again;
            lost += given_up;
        }
        self.outcome.lost += lost;
        Ok(lost)
    }

    fn wait(&self, time: Duration) -> Result<()> {
        let mut fds = [PollFd::new(self.generator.epoll.0.as_fd(), PollFlags::POLLIN)];
        match ppoll(&mut fds, Some(TimeSpec::from(time)), None) {
            Ok(_) | Err(nix::errno::Errno::EINTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Takes in what has come; in a closed loop each reply makes room for the next request.
    fn collect(&mut self, refill: bool) -> Result<()> {
        let mut events = [EpollEvent::empty(); 64];
        let ready = match self.generator.epoll.wait(&mut events, 0u8) {
            Ok(count) => &events[..count],
            Err(nix::errno::Errno::EINTR) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        for event in ready {
            let number = event.data() as usize;
            let count = {
                let Generator { lines, inbox, .. } = &mut *self.generator;
                lines[number].receive(inbox)?
            };
            if count == 0 {
                continue;
            }
            let now = self.generator.now();
            let freed = self.settle(number, now);
            if refill && now < self.end {
                for _ in 0..freed {
                    self.launch(number, now, now);
                }
                self.generator.lines[number].flush()?;
            }
        }
        Ok(())
    }

    fn settle(&mut self, number: usize, now: u64) -> usize {
        let Generator { lines, inbox, keys, .. } = &mut *self.generator;
        let (outcome, begun) = (&mut self.outcome, self.begun);
        let mut freed = 0;
        for (reply, _) in inbox.iter() {
            match lines[number].settle(self.traffic, keys, reply) {
                Settled::Reply { due, right, signed } => {
                    freed += 1;
                    outcome.answered += 1;
                    outcome.in_time += u64::from(now <= self.end);
                    outcome.wrong += u64::from(!right);
                    outcome.unsigned += u64::from(!signed);
                    outcome.latency.add(now - due);
                    outcome.note(due.saturating_sub(begun), now - due);
                }
                Settled::Forged => outcome.forged += 1,
                Settled::Stray => outcome.stray += 1,
            }
        }
        freed
    }
}
