//! What a decision went through, step by step.

use super::Reason;

/// Is told of every step. [`NoRecorder`] compiles to nothing.
pub trait Recorder {
    /// Whether it is worth making notes at all.
    const ON: bool;

    fn note(&mut self, note: Note<'_>);
}

pub struct NoRecorder;

impl Recorder for NoRecorder {
    const ON: bool = false;

    fn note(&mut self, _note: Note<'_>) {}
}

/// One step, borrowed from the decision in progress.
#[derive(Clone, Copy, Debug)]
pub enum Note<'a> {
    /// The user's name as sent.
    User(&'a [u8]),
    Refused(Reason),
}

/// Keeps the steps.
#[derive(Clone, Debug, Default, serde::Serialize)]
pub struct Trace {
    pub steps: Vec<TraceStep>,
}

/// One step.
#[derive(Clone, Debug, serde::Serialize)]
#[serde(tag = "step", rename_all = "kebab-case")]
pub enum TraceStep {
    User { name: String },
    Refused { reason: Reason },
}

impl Recorder for Trace {
    const ON: bool = true;

    fn note(&mut self, note: Note<'_>) {
        self.steps.push(match note {
            Note::User(name) => TraceStep::User { name: String::from_utf8_lossy(name).into() },
            Note::Refused(reason) => TraceStep::Refused { reason },
        });
    }
}
