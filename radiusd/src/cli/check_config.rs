//! `radiusd check-config`: what is wrong with the configuration, and what is in force.

use clap::Args;
use radiusd::config::Config;
use radiusd::exit::{self, Failure};

use super::{Place, say};

#[derive(Args)]
pub(super) struct CheckConfig {
    /// Show every key with its value, and where that was written
    #[arg(long)]
    print: bool,
    /// Take warnings as mistakes
    #[arg(long)]
    strict: bool,
}

impl CheckConfig {
    pub fn run(&self, place: &Place) -> Result<(), Failure> {
        let sources = place.sources();
        let loaded = match Config::load(&sources) {
            Ok(loaded) => loaded,
            Err(mistakes) => {
                for mistake in &mistakes {
                    say(mistake)?;
                }
                return Err(Failure::new(exit::FAILURE, count(mistakes.len(), "mistake")));
            }
        };
        if self.print {
            let width = loaded.shown.iter().map(|shown| shown.key.len()).max().unwrap_or(0);
            for shown in &loaded.shown {
                say(format_args!("{:width$} = {}  # {}", shown.key, shown.value, shown.origin))?;
            }
        }
        let extra = dictionaries::Dictionary::shipped_with(&loaded.config.radius.dictionaries);
        if let Err(error) = extra {
            say(format_args!("radius.dictionaries: {error}"))?;
            return Err(Failure::new(exit::FAILURE, count(1, "mistake")));
        }
        if let Err(why) = loaded.config.check_files() {
            say(why)?;
            return Err(Failure::new(exit::FAILURE, count(1, "mistake")));
        }
        for warning in &loaded.warnings {
            say(format_args!("warning: {warning}"))?;
        }
        if self.strict && !loaded.warnings.is_empty() {
            return Err(Failure::new(exit::FAILURE, count(loaded.warnings.len(), "warning")));
        }
        if !self.print {
            let file = sources
                .file
                .map_or("the default configuration".into(), |file| file.display().to_string());
            say(format_args!("{file} is right"))?;
        }
        Ok(())
    }
}

fn count(number: usize, word: &str) -> String {
    format!("{number} {word}{}", if number == 1 { "" } else { "s" })
}
