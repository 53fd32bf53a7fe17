//! `radiusd explain`: the decision on a request that nobody sent, and how it came about.

use clap::Args;
use radiusd::exit::{self, Failure};
use radiusd::explain;
use radiusd::policy::Verdict;
use radiusd::simulate::{Answered, Question, Simulator, word};
use serde_json::json;

use super::place::Place;
use super::{input, say};

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
    pub fn run(self, place: &Place) -> Result<(), Failure> {
        let desk = place.desk_as_it_is()?;
        let password = self.password.as_deref().map(input::password).transpose()?;
        let question = Question { user: self.user, password, nas: self.nas, pairs: self.pairs };
        let simulator = Simulator::new(&desk.config, desk.store.clone(), desk.dictionary.clone());
        let answered = desk.wait(simulator.ask(&question))?;
        report(&answered, self.json, &simulator)
    }
}

fn report(answered: &Answered, json: bool, simulator: &Simulator) -> Result<(), Failure> {
    let Answered { verdict, reply, trace } = answered;
    let word = word(*verdict);
    let reason = match verdict {
        Verdict::Reject(reason) => Some(reason),
        _ => None,
    };
    let reply: Vec<_> = reply.iter().map(|pair| simulator.shown(pair)).collect();
    if json {
        let reason = reason.map(|reason| reason.as_str());
        super::json(&json!({
            "answer": word, "reason": reason, "reply": reply, "steps": trace.steps,
        }))?;
    } else {
        for step in &trace.steps {
            say(explain::sentence(step))?;
        }
        match reason {
            Some(reason) => say(format_args!("{word}: {}", reason.text()))?,
            None => say(word)?,
        }
        reply.iter().try_for_each(|pair| say(format_args!("    {pair}")))?;
    }
    match verdict {
        Verdict::Accept => Ok(()),
        _ => Err(Failure::new(exit::FAILURE, String::new())),
    }
}
