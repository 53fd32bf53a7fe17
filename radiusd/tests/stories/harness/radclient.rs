//! FreeRADIUS's own client, Debian's `radclient`.

use std::io::Write;
use std::net::SocketAddr;
use std::process::{Command, Stdio};

use super::nas::SECRET;

/// Sends one request, attributes as radclient reads them; what it printed, if an answer came that
/// radclient accepts as one.
pub fn radclient(to: SocketAddr, what: &str, attributes: &str) -> Option<String> {
    let to = match to {
        SocketAddr::V4(to) => to.to_string(),
        SocketAddr::V6(to) => format!("[{}]:{}", to.ip(), to.port()),
    };
    let mut child = Command::new("radclient")
        .args(["-x", "-r", "3", "-t", "3", &to, what, SECRET])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("radclient of freeradius-utils");
    let mut input = child.stdin.take().expect("a pipe");
    input.write_all(attributes.as_bytes()).expect("radclient");
    drop(input);
    let output = child.wait_with_output().expect("radclient");
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    printed.split_once("Received ").map(|(_, answer)| answer.to_owned())
}
