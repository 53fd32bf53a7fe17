//! The file, the environment and the command line, gathered into one tree.
#[derive(Default)]
pub struct Sources;
