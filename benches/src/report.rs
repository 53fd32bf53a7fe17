//! RESULTS.md: the figures, and which goals they reach.

use std::fmt::Write as _;

use crate::results::{Case, Peak, Results, Server, Spread};
use crate::scale::Growth;

use Server::{FreeRadius, Null, Ours};

/// Above this share of the machine, others disturbed the run.
const QUIET: f64 = 0.08;

pub fn markdown(results: &Results, when: &str) -> String {
    let mut text = format!(
        "# Results\n\n\
         Written by `make bench` on {when}, in {:.0} minutes. Everything on loopback of one machine, generator and servers \
         sharing its cores, the servers in turn: **rates drift from hour to hour, only ratios within one run count**, and CPU \
         per request is steadier than a rate. Medians [min–max] of the rounds.\n\n\
         ![peaks and latencies](results.svg)\n\n",
        results.seconds / 60.0
    );
    for line in results.machine.iter().chain(&results.setting) {
        let _ = writeln!(text, "- {line}");
    }
    text.push_str(&disturbance(results));
    text.push_str(&peaks(results));
    text.push_str(&costs(results));
    text.push_str(&latencies(results));
    text.push_str(&scale(results));
    text.push_str(&ceilings(results));
    text.push_str(&goals(results));
    text.push_str(&correctness(results));
    text.push_str(METHOD);
    text
}

const METHOD: &str = "\n## Method\n\n\
    Peaks: a closed loop, each server at the number of requests under way that suits it best. Latencies: an open loop with \
    Poisson arrivals, each latency counted from the moment the request was *due*. The generator shares no code with the codec; \
    it verifies the authenticator of every reply and that the reply is the right one (the user's own address in it, the proof of \
    MS-CHAPv2), repeats what stays unanswered for a second as a NAS does, and compares `radacct` with its ledger of acknowledged \
    records after each accounting run. A session is a Start, five Interim-Updates and a Stop of 20 to 26 attributes. Each \
    accounting run has a fresh copy of its database. CPU from `/proc/PID/stat`; the store's is that of all processes of the \
    cluster. The null server parses, verifies, reveals, compares, answers and signs with `proto` and decides nothing; the bare \
    upsert writes rows of radacct by two clients, 500 a transaction, a seventh of them new, and nothing else. On SQLite both \
    servers begin with FreeRADIUS's own schema in WAL, synchronous as the library has it by default (FULL). EAP is not \
    measured yet.\n";

fn disturbance(results: &Results) -> String {
    let worst = results.peaks.iter().map(|peak| peak.others).fold(0.0, f64::max);
    if worst <= QUIET {
        return String::new();
    }
    format!(
        "\n> **The machine was not quiet**: others used up to {:.0} % of it while this was measured.\n",
        worst * 100.0
    )
}

fn cases(results: &Results) -> impl Iterator<Item = Case> {
    Case::ALL.into_iter().filter(|case| results.peaks.iter().any(|peak| peak.case == *case))
}

fn peaks(results: &Results) -> String {
    let mut text = String::from(
        "\n## Peaks\n\n\
         | load | FreeRADIUS, requests/s | radiusd, requests/s | radiusd ÷ FreeRADIUS | null server, requests/s | radiusd ÷ null |\n\
         |---|---|---|---|---|---|\n",
    );
    for case in cases(results) {
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {} | {} |",
            case.name(),
            rate(results.spread(case, FreeRadius, |peak| peak.rate)),
            rate(results.spread(case, Ours, |peak| peak.rate)),
            times(results.ratio(case, Ours, FreeRadius, |peak| peak.rate)),
            rate(results.spread(case, Null, |peak| peak.rate)),
            times(results.ratio(case, Ours, Null, |peak| peak.rate)),
        );
    }
    text
}

fn costs(results: &Results) -> String {
    let mut text = String::from(
        "\n## CPU for each request, and memory\n\n\
         | load | FreeRADIUS µs | radiusd µs | null µs | PostgreSQL µs under FreeRADIUS | PostgreSQL µs under radiusd | \
         generator µs (radiusd) | peak RSS MiB FreeRADIUS | radiusd |\n\
         |---|---|---|---|---|---|---|---|---|\n",
    );
    for case in cases(results) {
        let cost = |server, of: fn(&Peak) -> f64| number(results.median(case, server, of));
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {} | {} | {} | {} | {} |",
            case.name(),
            cost(FreeRadius, |peak| peak.server_us),
            cost(Ours, |peak| peak.server_us),
            cost(Null, |peak| peak.server_us),
            cost(FreeRadius, |peak| peak.store_us),
            cost(Ours, |peak| peak.store_us),
            cost(Ours, |peak| peak.generator_us),
            cost(FreeRadius, |peak| peak.rss_mib),
            cost(Ours, |peak| peak.rss_mib),
        );
    }
    if let Some(ready) = Spread::of(results.ready_ms.iter().copied()) {
        let _ = writeln!(
            text,
            "\n`radiusd` answered {:.0} ms [{:.0}–{:.0}] after it was started.",
            ready.median, ready.min, ready.max
        );
    }
    text
}

fn latencies(results: &Results) -> String {
    let mut text = String::from(
        "\n## Latency at a known load\n\n\
         | load | server | offered | requests/s | p50 ms | p99 ms | p99.9 ms | repeated |\n\
         |---|---|---|---|---|---|---|---|\n",
    );
    for latency in &results.latencies {
        let _ = writeln!(
            text,
            "| {} | {} | {} | {:.0} | {:.2} | {:.2} | {:.2} | {} |",
            latency.case.name(),
            latency.server.name(),
            latency.label,
            latency.offered,
            latency.p50,
            latency.p99,
            latency.p999,
            latency.repeated,
        );
    }
    text
}

fn scale(results: &Results) -> String {
    let mut text = String::new();
    if let Some(start) = results.starts.last() {
        let ready = Spread::of(results.starts.iter().map(|start| start.ready_ms));
        let visited = results.starts.iter().find_map(|start| start.visited_rss_mib);
        let _ = writeln!(
            text,
            "\n## A large store\n\nWith {} users and {} open sessions `radiusd` answered {} ms after it was started, with {:.0} MiB; \
             after each user had come once it took {} MiB.",
            thousands(f64::from(start.users)),
            thousands(f64::from(start.sessions)),
            rate(ready),
            start.rss_mib,
            number(visited),
        );
    }
    if !results.growth.is_empty() {
        text.push_str(
            "\n## While radacct grows\n\n| rows | records/s | radiusd µs | PostgreSQL µs |\n|---|---|---|---|\n",
        );
    }
    let mut sizes: Vec<u32> = results.growth.iter().map(|growth| growth.rows).collect();
    sizes.dedup();
    for rows in sizes {
        let of = |of: fn(&Growth) -> f64| {
            Spread::of(results.growth.iter().filter(|growth| growth.rows == rows).map(of))
        };
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} |",
            thousands(f64::from(rows)),
            rate(of(|growth| growth.rate)),
            number(of(|growth| growth.server_us).map(|spread| spread.median)),
            number(of(|growth| growth.store_us).map(|spread| spread.median)),
        );
    }
    text
}

/// The rate at the largest size to that at the smallest.
fn grown(results: &Results) -> Option<f64> {
    let median = |rows| {
        let same = results.growth.iter().filter(|growth| growth.rows == rows);
        Spread::of(same.map(|growth| growth.rate)).map(|spread| spread.median)
    };
    let (first, last) = (results.growth.first()?.rows, results.growth.last()?.rows);
    Some(median(last)? / median(first)?)
}

fn ceilings(results: &Results) -> String {
    let mut text = String::from(
        "\n## Ceilings of this machine\n\n| what | per second | CPU µs each |\n|---|---|---|\n",
    );
    for (name, rate, cpu) in &results.echo {
        let _ = writeln!(text, "| UDP echo, {name} | {} | {cpu:.1} |", thousands(*rate));
    }
    for case in cases(results) {
        if let Some(spread) = results.spread(case, Null, |peak| peak.rate) {
            let cpu = results.median(case, Null, |peak| peak.server_us);
            let name = case.name();
            let _ = writeln!(
                text,
                "| null server, {name} | {} | {} |",
                rate(Some(spread)),
                number(cpu)
            );
        }
    }
    let upserts = Spread::of(results.upsert.iter().map(|ceiling| ceiling.rows_per_second));
    let cost = Spread::of(results.upsert.iter().map(|ceiling| ceiling.store_us));
    let _ = writeln!(
        text,
        "| bare upsert into full radacct, rows | {} | {} |",
        rate(upserts),
        number(cost.map(|cost| cost.median))
    );
    text
}

/// A goal: what, the bound, whether it is a lower one, the figure, and its unit.
struct Goal(&'static str, f64, bool, Option<f64>, &'static str);

fn goals(results: &Results) -> String {
    let mut text = String::from("\n## Goals\n\n| goal | bound | measured | |\n|---|---|---|---|\n");
    let all = rates(results)
        .into_iter()
        .chain(accounting_goals(results))
        .chain(latency_goals(results))
        .chain(size_goals(results));
    for Goal(what, bound, at_least, figure, unit) in all {
        let Some(figure) = figure else { continue };
        let met = if at_least { figure >= bound } else { figure <= bound };
        let sign = if at_least { '≥' } else { '≤' };
        let mark = if met { "met" } else { "**missed**" };
        let _ = writeln!(text, "| {what} | {sign} {bound} {unit} | {figure:.2} {unit} | {mark} |");
    }
    text
}

fn rates(results: &Results) -> Vec<Goal> {
    let times = |case, below, of: fn(&Peak) -> f64| {
        results.ratio(case, Ours, below, of).map(|spread| spread.median)
    };
    let rate: fn(&Peak) -> f64 = |peak| peak.rate;
    let cpu: fn(&Peak) -> f64 = |peak| peak.server_us;
    vec![
        Goal(
            "PAP, rate to FreeRADIUS's with SQL",
            10.0,
            true,
            times(Case::Pap, FreeRadius, rate),
            "×",
        ),
        Goal("PAP, rate to the null server's", 0.65, true, times(Case::Pap, Null, rate), "×"),
        Goal("PAP, server CPU to the null server's", 1.5, false, times(Case::Pap, Null, cpu), "×"),
        Goal(
            "PAP with every attempt stored, rate to FreeRADIUS's",
            8.0,
            true,
            times(Case::PapStored, FreeRadius, rate),
            "×",
        ),
        Goal("CHAP, rate to FreeRADIUS's", 30.0, true, times(Case::Chap, FreeRadius, rate), "×"),
        Goal(
            "MS-CHAPv2, rate to FreeRADIUS's",
            20.0,
            true,
            times(Case::Mschap2, FreeRadius, rate),
            "×",
        ),
        Goal(
            "PAP, every user cold, rate to FreeRADIUS's",
            12.0,
            true,
            times(Case::PapCold, FreeRadius, rate),
            "×",
        ),
    ]
}

fn accounting_goals(results: &Results) -> Vec<Goal> {
    let rate: fn(&Peak) -> f64 = |peak| peak.rate;
    let times = |case| results.ratio(case, Ours, FreeRadius, rate).map(|spread| spread.median);
    let upsert = Spread::of(results.upsert.iter().map(|ceiling| ceiling.store_us));
    let store = results.median(Case::AccountingFull, Ours, |peak| peak.store_us);
    let full = Case::AccountingFull;
    vec![
        Goal("accounting, rate to FreeRADIUS's", 7.0, true, times(full), "×"),
        Goal(
            "accounting, five times as full, rate to FreeRADIUS's",
            7.0,
            true,
            times(Case::AccountingLarge),
            "×",
        ),
        Goal(
            "accounting, SQLite, rate to FreeRADIUS's",
            20.0,
            true,
            times(Case::AccountingSqlite),
            "×",
        ),
        Goal(
            "accounting, server CPU for a record",
            12.0,
            false,
            results.median(full, Ours, |peak| peak.server_us),
            "µs",
        ),
        Goal(
            "accounting with usage, PostgreSQL CPU to the bare upsert's",
            1.6,
            false,
            store.zip(upsert).map(|(store, upsert)| store / upsert.median),
            "×",
        ),
    ]
}

fn latency_goals(results: &Results) -> Vec<Goal> {
    let p99 = |case, percent| results.latency(case, Ours, percent).map(|latency| latency.p99);
    let beside = |case| {
        let mut found = results.latencies.iter();
        let found =
            found.find(|one| one.case == case && one.server == Ours && one.percent.is_none());
        found.map(|latency| latency.p99)
    };
    let full = Case::AccountingFull;
    vec![
        Goal("PAP, p99 at 50 % of own peak", 5.0, false, p99(Case::Pap, 50), "ms"),
        Goal("PAP, p99 at 70 % of own peak", 2.0, false, p99(Case::Pap, 70), "ms"),
        Goal("PAP, p99 at 70 % of FreeRADIUS's peak", 0.5, false, beside(Case::Pap), "ms"),
        Goal("accounting, p99 at 50 % of own peak", 5.0, false, p99(full, 50), "ms"),
        Goal("accounting, p99 at 70 % of own peak", 15.0, false, p99(full, 70), "ms"),
        Goal("accounting, p99 at 70 % of FreeRADIUS's peak", 5.0, false, beside(full), "ms"),
    ]
}

fn size_goals(results: &Results) -> Vec<Goal> {
    let logins =
        results.peaks.iter().filter(|peak| peak.server == Ours && !peak.case.is_accounting());
    let memory = logins.map(|peak| peak.rss_mib).reduce(f64::max);
    let ready = Spread::of(results.starts.iter().map(|start| start.ready_ms / 1e3));
    let visited = results.starts.iter().find_map(|start| start.visited_rss_mib);
    vec![
        Goal("peak RSS with the users cached", 60.0, false, memory, "MiB"),
        Goal("start on a large store", 1.0, false, ready.map(|ready| ready.max), "s"),
        Goal("peak RSS on a large store", 150.0, false, visited, "MiB"),
        Goal(
            "accounting, rate on the largest radacct to that on a small one",
            0.85,
            true,
            grown(results),
            "×",
        ),
    ]
}

fn correctness(results: &Results) -> String {
    let mut faults: Vec<String> = Vec::new();
    let (mut sessions, mut records) = (0, 0u64);
    for peak in &results.peaks {
        let place =
            format!("{}, {}, round {}", peak.case.name(), peak.server.name(), peak.round + 1);
        if !peak.faults.is_empty() {
            faults.push(format!("{place}: {}", peak.faults));
        }
        if let Some(audit) = &peak.audit {
            sessions += audit.acknowledged;
            records += 1;
            if audit.faults() > 0 {
                faults.push(format!("{place}: {audit}"));
            }
        }
    }
    for latency in results.latencies.iter().filter(|latency| !latency.faults.is_empty()) {
        let place =
            format!("{}, {}, {}", latency.case.name(), latency.server.name(), latency.label);
        faults.push(format!("{place}: {}", latency.faults));
    }
    let mut text = format!(
        "\n## Correctness under load\n\n{sessions} acknowledged sessions of {records} accounting runs were looked for in `radacct`.\n"
    );
    if faults.is_empty() {
        text.push_str("None is missing, doubled or wrong; no reply was lost, forged or not the expected one.\n");
    }
    for fault in faults {
        let _ = writeln!(text, "- {fault}");
    }
    text
}

fn rate(spread: Option<Spread>) -> String {
    spread.map_or("–".into(), |spread| match spread.min == spread.max {
        true => thousands(spread.median),
        false => format!(
            "{} [{}–{}]",
            thousands(spread.median),
            thousands(spread.min),
            thousands(spread.max)
        ),
    })
}

fn times(spread: Option<Spread>) -> String {
    let digits = |value: f64| match value {
        value if value >= 10.0 => format!("{value:.0}"),
        value => format!("{value:.2}"),
    };
    spread.map_or("–".into(), |spread| {
        format!("**{}×** [{}–{}]", digits(spread.median), digits(spread.min), digits(spread.max))
    })
}

fn number(value: Option<f64>) -> String {
    value.map_or("–".into(), |value| match value {
        value if value >= 100.0 => format!("{value:.0}"),
        value => format!("{value:.1}"),
    })
}

/// 12345 as 12,345; three digits are enough of large ones.
fn thousands(value: f64) -> String {
    let step = if value >= 10_000.0 { 100.0 } else { 10.0 };
    let digits = format!("{:.0}", (value / step).round() * step);
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        assert_eq!(thousands(1_234_567.0), "1,234,600");
        assert_eq!(thousands(4_321.0), "4,320");
        assert_eq!(thousands(987.0), "990");
    }

    #[test]
    fn an_empty_run_still_gives_a_report() {
        let text = markdown(&Results::default(), "a day");
        assert!(text.starts_with("# Results") && text.contains("## Goals"));
    }
}
