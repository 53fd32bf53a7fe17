//! results.svg: peaks on a logarithmic scale, and latencies at known loads.

use std::fmt::Write as _;

use crate::results::{Case, Results, Server};

const WIDTH: f64 = 920.0;
const LEFT: f64 = 220.0;
const BAR: f64 = 13.0;

fn colour(server: Server) -> &'static str {
    match server {
        Server::FreeRadius => "#8a8f98",
        Server::Ours => "#c2410c",
        Server::Null => "#cbd5e1",
    }
}

/// From a value to its place on a logarithmic axis.
struct Axis {
    from: f64,
    to: f64,
}

impl Axis {
    fn place(&self, value: f64) -> f64 {
        let share = (value.max(self.from) / self.from).log10() / (self.to / self.from).log10();
        LEFT + share.min(1.0) * (WIDTH - LEFT - 90.0)
    }

    fn grid(&self, svg: &mut String, top: f64, bottom: f64, unit: &str) {
        let mut value = self.from;
        while value <= self.to * 1.001 {
            let x = self.place(value);
            let _ = writeln!(
                svg,
                "<line x1=\"{x:.0}\" y1=\"{top:.0}\" x2=\"{x:.0}\" y2=\"{bottom:.0}\" stroke=\"#e5e7eb\"/>\
                 <text x=\"{x:.0}\" y=\"{:.0}\" text-anchor=\"middle\" class=\"small\">{}{unit}</text>",
                bottom + 14.0,
                short(value),
            );
            value *= 10.0;
        }
    }
}

pub fn svg(results: &Results) -> String {
    let mut body = String::new();
    let mut y = 30.0;
    title(&mut body, y, "Requests a second at the peak (logarithmic; whiskers: rounds)");
    legend(&mut body, y);
    y = peaks(results, &mut body, y + 22.0);
    if !results.latencies.is_empty() {
        y += 46.0;
        title(
            &mut body,
            y,
            "Latency in milliseconds, open loop: p50 (line begins), p99 (dot), p99.9 (line ends)",
        );
        y = latencies(results, &mut body, y + 22.0);
    }
    let height = y + 30.0;
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height:.0}\" width=\"{WIDTH}\" height=\"{height:.0}\">\n\
         <style>text{{font:12px system-ui,sans-serif;fill:#1f2937}}.small{{font-size:10px;fill:#6b7280}}.head{{font-weight:600;font-size:13px}}</style>\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n{body}</svg>\n"
    )
}

fn title(svg: &mut String, y: f64, text: &str) {
    let _ = writeln!(svg, "<text x=\"16\" y=\"{y:.0}\" class=\"head\">{text}</text>");
}

fn legend(svg: &mut String, y: f64) {
    let mut x = WIDTH - 290.0;
    for server in [Server::FreeRadius, Server::Ours, Server::Null] {
        let _ = writeln!(
            svg,
            "<rect x=\"{x:.0}\" y=\"{:.0}\" width=\"10\" height=\"10\" fill=\"{}\"/><text x=\"{:.0}\" y=\"{y:.0}\">{}</text>",
            y - 9.0,
            colour(server),
            x + 14.0,
            server.name()
        );
        x += 95.0;
    }
}

fn peaks(results: &Results, svg: &mut String, top: f64) -> f64 {
    let axis = Axis { from: 1_000.0, to: 1_000_000.0 };
    let mut bars = String::new();
    let mut y = top;
    for case in Case::ALL {
        let begun = y;
        for server in [Server::FreeRadius, Server::Ours, Server::Null] {
            let Some(spread) = results.spread(case, server, |peak| peak.rate) else { continue };
            let end = axis.place(spread.median);
            let _ = writeln!(
                bars,
                "<rect x=\"{LEFT}\" y=\"{y:.0}\" width=\"{:.1}\" height=\"{BAR}\" fill=\"{}\"/>\
                 <line x1=\"{:.1}\" y1=\"{m:.1}\" x2=\"{:.1}\" y2=\"{m:.1}\" stroke=\"#111827\"/>\
                 <text x=\"{:.0}\" y=\"{:.0}\" class=\"small\">{}</text>",
                end - LEFT,
                colour(server),
                axis.place(spread.min),
                axis.place(spread.max),
                axis.place(spread.max).max(end) + 6.0,
                y + 10.0,
                short(spread.median),
                m = y + BAR / 2.0,
            );
            y += BAR + 2.0;
        }
        if y > begun {
            label(&mut bars, (begun + y) / 2.0 + 3.0, case.name());
            y += 10.0;
        }
    }
    axis.grid(svg, top - 4.0, y, "");
    svg.push_str(&bars);
    y + 14.0
}

fn latencies(results: &Results, svg: &mut String, top: f64) -> f64 {
    let axis = Axis { from: 0.01, to: 1_000.0 };
    let mut marks = String::new();
    let mut y = top + 8.0;
    let mut case = None;
    for latency in &results.latencies {
        if case.is_some_and(|case| case != latency.case) {
            y += 10.0;
        }
        if case != Some(latency.case) {
            let _ = writeln!(
                marks,
                "<text x=\"16\" y=\"{:.0}\" class=\"small\">{}</text>",
                y + 3.0,
                if latency.case.is_accounting() { "accounting" } else { latency.case.name() }
            );
            case = Some(latency.case);
        }
        label(&mut marks, y + 3.0, &latency.label);
        let _ = writeln!(
            marks,
            "<line x1=\"{:.1}\" y1=\"{y:.0}\" x2=\"{:.1}\" y2=\"{y:.0}\" stroke=\"{c}\" stroke-width=\"4\" stroke-linecap=\"round\"/>\
             <circle cx=\"{:.1}\" cy=\"{y:.0}\" r=\"5\" fill=\"{c}\" stroke=\"#fff\"/>\
             <text x=\"{:.0}\" y=\"{:.0}\" class=\"small\">{}/s</text>",
            axis.place(latency.p50),
            axis.place(latency.p999),
            axis.place(latency.p99),
            axis.place(latency.p999) + 10.0,
            y + 4.0,
            short(latency.offered),
            c = colour(latency.server),
        );
        y += 17.0;
    }
    axis.grid(svg, top - 4.0, y, " ms");
    svg.push_str(&marks);
    y + 14.0
}

fn label(svg: &mut String, y: f64, text: &str) {
    let _ = writeln!(
        svg,
        "<text x=\"{:.0}\" y=\"{y:.0}\" text-anchor=\"end\">{text}</text>",
        LEFT - 10.0
    );
}

fn short(value: f64) -> String {
    match value {
        value if value >= 1e6 => format!("{:.0} M", value / 1e6),
        value if value >= 1e4 => format!("{:.0} k", value / 1e3),
        value if value >= 1e3 => format!("{:.1} k", value / 1e3),
        value if value >= 1.0 => format!("{value:.0}"),
        value => format!("{value}"),
    }
}
