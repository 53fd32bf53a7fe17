//! The bare PostgreSQL protocol, as little of it as the store's ceiling needs: no pool, no library's cost in the figure.

use std::io::{BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpStream};

use anyhow::{Context, Result, bail};

pub struct Connection {
    input: BufReader<TcpStream>,
    output: TcpStream,
    buffer: Vec<u8>,
}

/// An array parameter in the binary format.
pub struct Array {
    octets: Vec<u8>,
    count: i32,
}

impl Array {
    pub fn new(element: i32) -> Array {
        let mut octets = Vec::with_capacity(8192);
        for number in [1i32, 1, element, 0, 1] {
            octets.extend(number.to_be_bytes());
        }
        Array { octets, count: 0 }
    }

    pub fn push(&mut self, element: Option<&[u8]>) {
        self.count += 1;
        match element {
            None => self.octets.extend((-1i32).to_be_bytes()),
            Some(octets) => {
                self.octets.extend((octets.len() as i32).to_be_bytes());
                self.octets.extend(octets);
            }
        }
    }

    fn finish(&mut self) -> &[u8] {
        self.octets[12..16].copy_from_slice(&self.count.to_be_bytes());
        &self.octets
    }

    pub fn clear(&mut self) {
        self.octets.truncate(20);
        self.count = 0;
    }
}

impl Connection {
    pub fn open(port: u16, database: &str) -> Result<Connection> {
        let output = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).context("PostgreSQL")?;
        output.set_nodelay(true)?;
        let input = BufReader::with_capacity(1 << 16, output.try_clone()?);
        let mut connection = Connection { input, output, buffer: Vec::new() };
        let mut startup = 196_608i32.to_be_bytes().to_vec();
        for text in ["user", "postgres", "database", database, ""] {
            startup.extend(text.bytes());
            startup.push(0);
        }
        connection.output.write_all(&(startup.len() as i32 + 4).to_be_bytes())?;
        connection.output.write_all(&startup)?;
        connection.until_ready(|_| {})?;
        Ok(connection)
    }

    /// Statements without parameters; each row as its columns in text.
    pub fn query(&mut self, sql: &str) -> Result<Vec<Vec<Option<String>>>> {
        let mut rows = Vec::new();
        self.query_each(sql, |row| rows.push(row))?;
        Ok(rows)
    }

    pub fn query_each(
        &mut self,
        sql: &str,
        mut each: impl FnMut(Vec<Option<String>>),
    ) -> Result<()> {
        self.message(b'Q', |body| {
            body.extend(sql.bytes());
            body.push(0);
        });
        self.send()?;
        self.until_ready(|row| each(columns(row)))
    }

    pub fn prepare(&mut self, sql: &str) -> Result<()> {
        self.message(b'P', |body| {
            body.extend(b"s\0");
            body.extend(sql.bytes());
            body.extend([0, 0, 0]);
        });
        self.message(b'S', |_| {});
        self.send()?;
        self.until_ready(|_| {})
    }

    /// Runs the prepared statement once.
    pub fn execute(&mut self, parameters: &mut [Array]) -> Result<()> {
        self.message(b'B', |body| {
            body.extend(b"\0s\0");
            body.extend([0, 1, 0, 1]);
            body.extend((parameters.len() as i16).to_be_bytes());
            for array in parameters.iter_mut() {
                let octets = array.finish();
                body.extend((octets.len() as i32).to_be_bytes());
                body.extend(octets);
            }
            body.extend([0, 0]);
        });
        self.message(b'E', |body| body.extend([0, 0, 0, 0, 0]));
        self.message(b'S', |_| {});
        self.send()?;
        self.until_ready(|_| {})
    }

    fn message(&mut self, kind: u8, body: impl FnOnce(&mut Vec<u8>)) {
        self.buffer.push(kind);
        let start = self.buffer.len();
        self.buffer.extend([0; 4]);
        body(&mut self.buffer);
        let length = (self.buffer.len() - start) as i32;
        self.buffer[start..start + 4].copy_from_slice(&length.to_be_bytes());
    }

    fn send(&mut self) -> Result<()> {
        self.output.write_all(&self.buffer)?;
        self.buffer.clear();
        Ok(())
    }

    fn until_ready(&mut self, mut row: impl FnMut(&[u8])) -> Result<()> {
        let mut error = None;
        let mut body = Vec::new();
        loop {
            let mut head = [0; 5];
            self.input.read_exact(&mut head)?;
            let length = u32::from_be_bytes([head[1], head[2], head[3], head[4]]) as usize;
            body.resize(length.saturating_sub(4), 0);
            self.input.read_exact(&mut body)?;
            match head[0] {
                b'D' => row(&body),
                b'E' => error = Some(String::from_utf8_lossy(&body).replace('\0', " ")),
                b'R' if body.get(..4) != Some(&[0, 0, 0, 0]) => {
                    bail!("PostgreSQL wants a password")
                }
                b'Z' => break,
                _ => {}
            }
            if head[0] == b'E' && body.starts_with(b"SFATAL") {
                break;
            }
        }
        match error {
            Some(text) => bail!("PostgreSQL: {text}"),
            None => Ok(()),
        }
    }
}

fn columns(row: &[u8]) -> Vec<Option<String>> {
    let mut columns = Vec::new();
    let mut rest = row.get(2..).unwrap_or_default();
    while let Some((head, tail)) = rest.split_first_chunk::<4>() {
        let length = i32::from_be_bytes(*head);
        let octets = usize::try_from(length).ok().and_then(|length| tail.get(..length));
        columns.push(octets.map(|octets| String::from_utf8_lossy(octets).into_owned()));
        rest = &tail[octets.map_or(0, <[u8]>::len)..];
    }
    columns
}
