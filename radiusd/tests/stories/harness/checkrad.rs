//! A program in checkrad's place: writes down what it is asked, and says what the test wants.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use super::scratch;

pub struct Checkrad {
    directory: PathBuf,
}

impl Checkrad {
    /// `body` is shell; `$1` to `$5` are type, address, port, user, session.
    pub fn new(body: &str) -> Checkrad {
        let directory = scratch::directory("checkrad");
        let checkrad = Checkrad { directory };
        let place = checkrad.directory.display();
        let text = format!(
            "#!/bin/sh\ncd {place}\necho \"$*\" >> asked\nenv > environment\n\
             ls -l /proc/$$/fd > open\n{body}\n"
        );
        fs::write(checkrad.program(), text).expect("a program");
        let mode = fs::Permissions::from_mode(0o755);
        fs::set_permissions(checkrad.program(), mode).expect("a program");
        checkrad
    }

    pub fn program(&self) -> PathBuf {
        self.directory.join("checkrad")
    }

    /// A file beside the program, which it finds in its directory.
    pub fn write(&self, file: &str, text: &str) {
        // In one step: it may be read at any time.
        let fresh = self.directory.join("fresh");
        fs::write(&fresh, text).expect("a file");
        fs::rename(fresh, self.directory.join(file)).expect("a file");
    }

    pub fn read(&self, file: &str) -> String {
        fs::read_to_string(self.directory.join(file)).unwrap_or_default()
    }

    /// Each time it was asked, its arguments.
    pub fn asked(&self) -> Vec<String> {
        self.read("asked").lines().map(str::to_owned).collect()
    }
}
