//! FreeRADIUS's own client, Debian's `radclient`.

use std::fs;
use std::io::Write;
use std::net::SocketAddr;
use std::process::{Command, Stdio};

use super::nas::SECRET;
use super::scratch;

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

/// Sends several requests, and lets radclient itself compare each answer with what is expected:
/// pairs of attributes as radclient's `-f REQUESTS:FILTERS` reads them. What it printed if one differs.
pub fn radclient_expects(to: SocketAddr, what: &str, pairs: &[(&str, &str)]) -> Result<(), String> {
    let directory = scratch::directory("radclient");
    let [requests, filters] = ["requests", "filters"].map(|name| directory.join(name));
    let text = |of: fn(&(&str, &str)) -> String| -> String {
        pairs.iter().map(|pair| of(pair) + "\n\n").collect()
    };
    fs::write(&requests, text(|pair| pair.0.replace(", ", "\n"))).expect("a file");
    fs::write(&filters, text(|pair| pair.1.replace(", ", "\n"))).expect("a file");
    let files = format!("{}:{}", requests.display(), filters.display());
    let output = Command::new("radclient")
        .args(["-x", "-r", "3", "-t", "3", "-f", &files, &to.to_string(), what, SECRET])
        .output()
        .expect("radclient of freeradius-utils");
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    if output.status.success() { Ok(()) } else { Err(said) }
}
