//! The run: ceilings, then both servers in turn for some rounds, then latency at known loads.

use std::collections::HashMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::Result;

use crate::cluster::{Cluster, Folder};
use crate::contest::{Ground, Observed, Running, SECRET};
use crate::generator::{Generator, Load};
use crate::results::{Case, Latency, Peak, Results, Server};
use crate::traffic::Traffic;
use crate::{freeradius, machine, ours, scale, upsert};

/// Users and open sessions of a large site.
pub const LARGE: (u32, u32) = (1_000_000, 200_000);
/// Rows of radacct, young and old.
pub const GROWTH: [u32; 2] = [100_000, 10_000_000];

/// How much of it.
pub struct Plan {
    pub rounds: usize,
    pub users: u32,
    pub sessions: u32,
    /// Users and open sessions of the store that is started on.
    pub starts: Option<(u32, u32)>,
    /// Rows of radacct between which the rate is compared.
    pub growth: Option<[u32; 2]>,
    pub warm: Duration,
    pub probe: Duration,
    pub peak: Duration,
    pub latency: Duration,
    pub cases: Vec<Case>,
    pub percents: Vec<u32>,
    pub peer_threads: usize,
    pub radiusd: Option<PathBuf>,
    /// FreeRADIUS and the ceilings alone.
    pub without_ours: bool,
}

impl Plan {
    pub fn full() -> Plan {
        Plan {
            rounds: 5,
            users: 100_000,
            sessions: 1_000_000,
            starts: Some(LARGE),
            growth: Some(GROWTH),
            warm: Duration::from_secs(2),
            probe: Duration::from_millis(1500),
            peak: Duration::from_secs(8),
            latency: Duration::from_secs(10),
            cases: Case::ALL.to_vec(),
            percents: vec![50, 70, 80],
            peer_threads: 16,
            radiusd: None,
            without_ours: false,
        }
    }

    /// Three to four minutes.
    pub fn quick() -> Plan {
        Plan {
            rounds: 1,
            sessions: 200_000,
            starts: None,
            growth: None,
            warm: Duration::from_secs(1),
            probe: Duration::from_millis(700),
            peak: Duration::from_secs(3),
            latency: Duration::from_secs(3),
            cases: vec![Case::Pap, Case::Chap, Case::Mschap2, Case::PapCold, Case::AccountingFull],
            percents: vec![50, 70],
            ..Plan::full()
        }
    }

    fn has(&self, case: Case) -> bool {
        self.cases.contains(&case)
    }
}

/// Databases that runs are copied from.
const EMPTY: &str = "seed_empty";
const FULL: &str = "seed_full";
const LARGEST: &str = "seed_large";
/// So many times the rows of the full one.
const LARGER: u32 = 5;

pub fn compare(plan: &Plan) -> Result<Results> {
    let begun = Instant::now();
    let radiusd = match (&plan.radiusd, plan.without_ours) {
        (_, true) => None,
        (Some(path), _) => Some(path.clone()),
        (None, _) => Some(ours::build()?),
    };
    let folder = Folder::new()?;
    say("a PostgreSQL cluster of our own, seeded");
    let cluster = Cluster::start(folder.path())?;
    cluster.seed(EMPTY, plan.users, 0, 20, SECRET)?;
    cluster.seed(FULL, plan.users, plan.sessions, 20, SECRET)?;
    if plan.has(Case::AccountingLarge) {
        cluster.seed(LARGEST, plan.users, plan.sessions * LARGER, 20, SECRET)?;
    }
    let mut results = Results { machine: machine::describe(folder.path()), ..Results::default() };
    results.setting = setting(plan, &cluster)?;
    let peer_threads = plan.peer_threads;
    let ground = Ground { folder, cluster, radiusd, users: plan.users, sockets: 32, peer_threads };
    let mut run = Run { plan, ground, results, windows: HashMap::new() };
    run.ceilings()?;
    for round in 0..plan.rounds {
        run.round(round)?;
    }
    run.latencies()?;
    run.scale()?;
    run.results.seconds = begun.elapsed().as_secs_f64();
    Ok(run.results)
}

fn say(text: &str) {
    eprintln!("— {text}");
}

fn setting(plan: &Plan, cluster: &Cluster) -> Result<Vec<String>> {
    Ok(vec![
        format!("radiusd: revision {}", machine::revision()),
        format!(
            "FreeRADIUS {}, settings in `benches/freeradius/`, {} threads and SQL connections",
            freeradius::version()?,
            plan.peer_threads
        ),
        format!(
            "PostgreSQL {}: fsync and synchronous_commit on, shared_buffers 1 GiB",
            cluster.version
        ),
        format!(
            "{} users, 1 group each, 2 own and 3 group reply items; “full” is {} rows of radacct, 5 % of them open",
            plan.users, plan.sessions
        ),
        format!("{} rounds, {:.0} s for each peak", plan.rounds, plan.peak.as_secs_f64()),
    ])
}

struct Run<'a> {
    plan: &'a Plan,
    ground: Ground,
    results: Results,
    /// The window at which a server did best.
    windows: HashMap<(Case, Server), usize>,
}

impl Run<'_> {
    fn ceilings(&mut self) -> Result<()> {
        say("ceilings: echo, bare upsert");
        let time = self.plan.peak.min(Duration::from_secs(4));
        for (name, options) in [("many datagrams a call", &[][..]), ("one a call", &["--single"])] {
            let (process, target) = self.ground.helper("echo", options)?;
            let mut generator = self.ground.generator(target)?;
            generator.expect_echo();
            let mut traffic = self.ground.logins(Case::Status)?;
            let cpu = process.usage().cpu_us;
            let outcome = generator.run(&mut *traffic, Load::Closed { window: 256 }, time)?;
            let each = (process.usage().cpu_us - cpu) / outcome.answered.max(1) as f64;
            self.results.echo.push((name, outcome.rate(), each));
        }
        for _ in 0..self.plan.rounds.min(3) {
            self.ground.cluster.copy(FULL, "run_ceiling")?;
            self.results.upsert.push(upsert::measure(&self.ground.cluster, "run_ceiling", time)?);
        }
        Ok(())
    }

    fn round(&mut self, round: usize) -> Result<()> {
        let mut servers = vec![Server::FreeRadius, Server::Ours, Server::Null];
        servers.retain(|server| *server != Server::Ours || !self.plan.without_ours);
        if round % 2 == 1 {
            servers.swap(0, 1);
        }
        for server in servers {
            say(&format!("round {} of {}: {}", round + 1, self.plan.rounds, server.name()));
            self.logins(server, round)?;
            for case in Case::ALL.into_iter().filter(|case| case.is_accounting()) {
                if self.plan.has(case) {
                    self.accounting(case, server, round)?;
                }
            }
        }
        Ok(())
    }

    fn logins(&mut self, server: Server, round: usize) -> Result<()> {
        let running = self.ground.start(server, EMPTY, false)?;
        self.results.ready_ms.extend(running.ready_ms);
        if server == Server::Ours {
            // The first sight of every user is the warm-up of the rest.
            self.peak(&running, Case::PapCold, round)?;
        }
        for case in [Case::Pap, Case::Chap, Case::Mschap2, Case::Status] {
            if self.plan.has(case) {
                self.peak(&running, case, round)?;
            }
        }
        if !self.plan.has(Case::PapStored) || server == Server::Null {
            return Ok(());
        }
        if server == Server::FreeRadius {
            return self.peak(&running, Case::PapStored, round);
        }
        drop(running);
        let running = self.ground.start(server, EMPTY, true)?;
        self.warm(&running)?;
        self.peak(&running, Case::PapStored, round)
    }

    fn warm(&self, running: &Running) -> Result<()> {
        scale::visit(&self.ground, running, self.plan.users)
    }

    /// What size does to ours.
    fn scale(&mut self) -> Result<()> {
        if self.plan.without_ours {
            return Ok(());
        }
        if let Some((users, sessions)) = self.plan.starts {
            say("starts on a large store");
            self.results.starts = scale::starts(&self.ground, users, sessions)?;
        }
        if let Some(sizes) = self.plan.growth {
            say("accounting while radacct grows");
            let (rounds, time) = (self.plan.rounds, self.plan.peak);
            self.results.growth = scale::growth(&self.ground, &sizes, rounds, time)?;
        }
        Ok(())
    }

    fn peak(&mut self, running: &Running, case: Case, round: usize) -> Result<()> {
        let mut generator = self.ground.generator(running.target(case))?;
        let mut traffic = self.ground.logins(case)?;
        let cold = case == Case::PapCold;
        let window = match cold {
            true => 512,
            false => self.window(running, case, &mut generator, &mut *traffic)?,
        };
        let time = if cold { Duration::from_secs(60) } else { self.plan.peak };
        let load = Load::Closed { window };
        let observed = self.ground.observe(running, &mut generator, &mut *traffic, load, time)?;
        self.keep(running.server, case, round, window, &observed);
        Ok(())
    }

    fn accounting(&mut self, case: Case, server: Server, round: usize) -> Result<()> {
        let running = match case {
            Case::AccountingSqlite => self.ground.start_on_sqlite(server)?,
            Case::AccountingEmpty => self.ground.start(server, EMPTY, false)?,
            Case::AccountingLarge => self.ground.start(server, LARGEST, false)?,
            _ => self.ground.start(server, FULL, false)?,
        };
        let mut generator = self.ground.generator(running.target(case))?;
        let mut sessions = self.ground.sessions()?;
        let window = self.window(&running, case, &mut generator, &mut sessions)?;
        let load = Load::Closed { window };
        let time = self.plan.peak;
        let observed = self.ground.observe(&running, &mut generator, &mut sessions, load, time)?;
        self.keep(server, case, round, window, &observed);
        if server != Server::Null
            && let Some(peak) = self.results.peaks.last_mut()
        {
            let audit = self.ground.audit(&running, &sessions)?;
            eprintln!("    {audit}");
            peak.audit = Some(audit);
        }
        Ok(())
    }

    /// Warms up; the first time, finds out how many requests under way suit this server best.
    fn window(
        &mut self,
        running: &Running,
        case: Case,
        generator: &mut Generator,
        traffic: &mut dyn Traffic,
    ) -> Result<usize> {
        let key = (case, running.server);
        let known = self.windows.get(&key).copied();
        generator.run(traffic, Load::Closed { window: known.unwrap_or(256) }, self.plan.warm)?;
        if let Some(window) = known {
            return Ok(window);
        }
        let candidates: &[usize] = match case.is_accounting() {
            true => &[64, 256, 1024, 3072],
            false => &[32, 128, 512],
        };
        let mut best = (0.0, 0);
        for &window in candidates {
            let outcome = generator.run(traffic, Load::Closed { window }, self.plan.probe)?;
            if outcome.rate() > best.0 {
                best = (outcome.rate(), window);
            }
        }
        self.windows.insert(key, best.1);
        Ok(best.1)
    }

    fn keep(&mut self, server: Server, case: Case, round: usize, window: usize, seen: &Observed) {
        eprintln!(
            "  {:<28} {:>8.0}/s  server {:.1} µs, store {:.1} µs, generator {:.1} µs, others {:.0} %  {}",
            case.name(),
            seen.outcome.rate(),
            seen.server_us,
            seen.store_us,
            seen.generator_us,
            seen.others * 100.0,
            seen.outcome.faults(),
        );
        self.results.peaks.push(Peak {
            case,
            server,
            round,
            window,
            rate: seen.outcome.rate(),
            server_us: seen.server_us,
            store_us: seen.store_us,
            generator_us: seen.generator_us,
            rss_mib: seen.rss_mib,
            faults: seen.outcome.faults(),
            audit: None,
            others: seen.others,
        });
    }

    fn latencies(&mut self) -> Result<()> {
        say("latency in an open loop");
        for (case, template) in [(Case::Pap, EMPTY), (Case::AccountingFull, FULL)] {
            for server in [Server::FreeRadius, Server::Ours] {
                let Some(own) = self.results.median(case, server, |peak| peak.rate) else {
                    continue;
                };
                let mut loads: Vec<(String, Option<u32>, f64)> = Vec::new();
                for &percent in &self.plan.percents {
                    let label = format!("{percent} % of own peak");
                    loads.push((label, Some(percent), own * f64::from(percent) / 100.0));
                }
                let peer = self.results.median(case, Server::FreeRadius, |peak| peak.rate);
                if let (Server::Ours, Some(peer)) = (server, peer) {
                    loads.push(("70 % of FreeRADIUS's peak".into(), None, peer * 0.7));
                }
                // What the machine allows at the same load, its cores shared with the generator.
                let floor = loads.iter().filter(|_| server == Server::Ours).map(|(of, _, rate)| {
                    let of = of.replace("own", "radiusd's");
                    (of, None, *rate)
                });
                let floor: Vec<_> = floor.collect();
                self.latency(case, template, server, loads)?;
                if !floor.is_empty() {
                    self.latency(case, template, Server::Null, floor)?;
                }
            }
        }
        Ok(())
    }

    fn latency(
        &mut self,
        case: Case,
        template: &str,
        server: Server,
        loads: Vec<(String, Option<u32>, f64)>,
    ) -> Result<()> {
        let running = self.ground.start(server, template, false)?;
        let mut generator = self.ground.generator(running.target(case))?;
        let mut traffic: Box<dyn Traffic> = match case.is_accounting() {
            true => Box::new(self.ground.sessions()?),
            false => self.ground.logins(case)?,
        };
        if !case.is_accounting() && server == Server::Ours {
            self.warm(&running)?;
        }
        generator.run(&mut *traffic, Load::Closed { window: 64 }, self.plan.warm)?;
        for (label, percent, rate) in loads {
            let load = Load::Open { rate };
            let seen = self.ground.observe(
                &running,
                &mut generator,
                &mut *traffic,
                load,
                self.plan.latency,
            )?;
            let quantile = |share| seen.outcome.latency.quantile_ms(share);
            let latency = Latency {
                case,
                server,
                label,
                percent,
                offered: rate,
                reached: seen.outcome.rate(),
                p50: quantile(0.5),
                p99: quantile(0.99),
                p999: quantile(0.999),
                repeated: seen.outcome.repeated,
                faults: seen.outcome.faults(),
            };
            eprintln!(
                "  {:<28} {:<11} {:<26} {:>8.0}/s  p50 {:.2}  p99 {:.2}  p99.9 {:.2} ms  {}",
                case.name(),
                server.name(),
                latency.label,
                rate,
                latency.p50,
                latency.p99,
                latency.p999,
                latency.faults,
            );
            self.results.latencies.push(latency);
        }
        Ok(())
    }
}
