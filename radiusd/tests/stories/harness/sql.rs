//! A session of another program, `psql` or `sqlite3`, on the store: statements in, rows out.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout};

use super::scratch::Process;

/// NULL, told apart from an empty text.
pub const NULL: &str = "∅";

const SEPARATOR: char = '\u{1f}';
const END: &str = "@@end";

/// One connection, kept open.
pub struct Sql {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    echo: &'static str,
}

impl Sql {
    pub fn postgres(url: &str) -> Sql {
        let separator = SEPARATOR.to_string();
        let null = format!("null={NULL}");
        let args = ["-oL", "psql", "-XqAt", "-F", &separator, "-P", &null, url];
        Sql::start(&args, "\\echo")
    }

    pub fn sqlite(file: &Path) -> Sql {
        let separator = SEPARATOR.to_string();
        let file = file.to_str().expect("a path of text");
        let args = ["-oL", "sqlite3", "-batch", "-separator", &separator, "-nullvalue", NULL, file];
        let mut sql = Sql::start(&args, ".print");
        // Our own writer commits again and again, to a disk that may be slow.
        writeln!(sql.input, ".timeout 120000").expect("sqlite3");
        sql
    }

    fn start(args: &[&str], echo: &'static str) -> Sql {
        // Both buffer what they print into a pipe; errors have to come in their place among rows.
        let script = ["-c", "exec stdbuf \"$@\" 2>&1", "sh"];
        let process = Process::new("TERM", None, "sh").args(script).args(args);
        let mut child = process.spawn_piped();
        let input = child.stdin.take().expect("a pipe");
        let output = BufReader::new(child.stdout.take().expect("a pipe"));
        Sql { child, input, output, echo }
    }

    /// Rows of columns as text. Several statements may be given; what all of them print comes back.
    pub fn rows(&mut self, statements: &str) -> Vec<Vec<String>> {
        self.try_rows(statements).unwrap_or_else(|error| {
            panic!("{error}\nin: {}", &statements[..statements.len().min(500)])
        })
    }

    pub fn try_rows(&mut self, statements: &str) -> Result<Vec<Vec<String>>, String> {
        let end = if statements.trim_end().ends_with(';') { "" } else { ";" };
        write!(self.input, "{statements}{end}\n{} {END}\n", self.echo).expect("an SQL session");
        self.input.flush().expect("an SQL session");
        let mut rows = Vec::new();
        let mut error = None;
        loop {
            let mut line = String::new();
            let octets = self.output.read_line(&mut line).expect("an SQL session");
            assert!(octets > 0, "the SQL session has ended: {error:?}");
            let line = line.trim_end_matches('\n');
            if line == END {
                return error.map_or(Ok(rows), Err);
            }
            let marks = ["ERROR:", "FATAL:", "Error", "Parse error", "Runtime error"];
            if marks.iter().any(|mark| line.starts_with(mark)) {
                error.get_or_insert(line.to_owned());
            } else if error.is_none() {
                rows.push(line.split(SEPARATOR).map(str::to_owned).collect());
            }
        }
    }

    /// The one value.
    pub fn value(&mut self, statement: &str) -> String {
        let mut rows = self.rows(statement);
        assert_eq!(rows.len(), 1, "{statement}: {rows:?}");
        rows.remove(0).remove(0)
    }

    pub fn number(&mut self, statement: &str) -> i64 {
        let value = self.value(statement);
        value.parse().unwrap_or_else(|_| panic!("{statement}: {value}"))
    }
}

impl Drop for Sql {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// As an SQL literal; backslashes mean themselves.
pub fn quote(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}
