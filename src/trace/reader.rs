//! A trace, read as a stream: gzipped or plain, a file or standard input, of any length.

use std::cell::Cell;
use std::fmt;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Chain, Cursor, Read};
use std::path::Path;
use std::rc::Rc;

use flate2::bufread::MultiGzDecoder;

use super::line::{HEADER, parse};
use crate::experiment::replay::Recorded;
use crate::units::Time;

/// The longest line, in bytes; no line of a trace is as long.
const LONGEST_LINE: u64 = 16 << 10;
/// How many mistakes are listed one by one. Of the rest a message gives only their number and the
/// first line.
const MOST_LISTED: usize = 1_000;
/// The first two bytes of every gzip file (RFC 1952).
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// What a trace is read from, and how much of it has been read.
pub struct Source {
    /// Its name in messages.
    pub name: String,
    /// Its length in bytes, where that is known.
    pub length: Option<u64>,
    /// How many bytes have been read.
    pub read: Rc<Cell<u64>>,
    bytes: Box<dyn BufRead>,
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Source").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Source {
    /// Opens the file at `path`, or standard input where `path` is `-`. Whether it is gzipped is
    /// decided by its content.
    ///
    /// # Errors
    ///
    /// The system's error, if it cannot be opened or read.
    pub fn open(path: &Path) -> io::Result<Source> {
        if path.as_os_str() == "-" {
            return Source::new("standard input".to_owned(), io::stdin(), None);
        }
        Source::file(path)
    }

    /// Opens the file at `path`, even if its name is `-`.
    ///
    /// # Errors
    ///
    /// The system's error, if it cannot be opened or read.
    pub fn file(path: &Path) -> io::Result<Source> {
        let file = File::open(path)?;
        let about = file.metadata()?;
        if about.is_dir() {
            return Err(io::Error::new(io::ErrorKind::IsADirectory, "this is a folder"));
        }
        let length = about.is_file().then_some(about.len());
        Source::new(path.display().to_string(), file, length)
    }

    /// A source that reads from `bytes`, gzipped or plain.
    ///
    /// # Errors
    ///
    /// The error of reading the first two bytes, if there is one.
    pub fn new(
        name: String,
        bytes: impl Read + 'static,
        length: Option<u64>,
    ) -> io::Result<Source> {
        let read = Rc::new(Cell::new(0));
        let mut counted = Counted { bytes, read: Rc::clone(&read) };
        let mut start = Vec::new();
        counted.by_ref().take(2).read_to_end(&mut start)?;
        let zipped = start == GZIP;
        let whole: Chain<Cursor<Vec<u8>>, _> = Cursor::new(start).chain(counted);
        let whole = BufReader::with_capacity(1 << 16, whole);
        let bytes: Box<dyn BufRead> = match zipped {
            true => Box::new(BufReader::with_capacity(1 << 16, MultiGzDecoder::new(whole))),
            false => Box::new(whole),
        };
        Ok(Source { name, length, read, bytes })
    }
}

/// Counts the bytes that are read through it.
struct Counted<R> {
    bytes: R,
    read: Rc<Cell<u64>>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = self.bytes.read(into)?;
        self.read.set(self.read.get() + count as u64);
        Ok(count)
    }
}

/// Iterates over the requests of a trace, in order of arrival, up to the first line that is wrong.
/// [`Reader::finish`] reads the rest, so that all mistakes are reported at once.
#[derive(Debug)]
pub struct Reader {
    source: Source,
    buffer: Vec<u8>,
    line: u64,
    requests: u64,
    latest: Time,
    mistakes: Mistakes,
    unreadable: Option<io::Error>,
    at_end: bool,
}

impl Reader {
    /// Reads the trace that `source` holds.
    pub fn new(source: Source) -> Reader {
        let mut reader = Reader {
            mistakes: Mistakes::of(source.name.clone()),
            source,
            buffer: Vec::new(),
            line: 0,
            requests: 0,
            latest: Time::ZERO,
            unreadable: None,
            at_end: false,
        };
        reader.read_header();
        reader
    }

    /// Reads the rest of the trace, and returns how many requests it has.
    ///
    /// # Errors
    ///
    /// Every line that is wrong, or why the trace could not be read.
    pub fn finish(mut self) -> Result<u64, Failure> {
        while self.read_request().is_some() {}
        if self.requests == 0 && self.mistakes.listed.is_empty() && self.unreadable.is_none() {
            self.mistakes.add(self.line, "no request follows".to_owned());
        }
        match self.unreadable {
            Some(error) => Err(Failure::Unreadable(self.mistakes, self.line + 1, error)),
            None if self.mistakes.listed.is_empty() => Ok(self.requests),
            None => Err(Failure::Mistakes(self.mistakes)),
        }
    }

    fn read_header(&mut self) {
        match self.next_line() {
            None if self.unreadable.is_none() => {
                self.mistakes.add(1, format!("the trace is empty: expected {HEADER}"));
            }
            Some(Ok(line)) if line.trim_start_matches('\u{feff}').trim() != HEADER => {
                self.mistakes.add(1, format!("expected the header {HEADER}"));
            }
            Some(Err(what)) => self.mistakes.add(1, what),
            _ => {}
        }
    }

    /// Reads up to the next request without a mistake, and notes the mistakes before it.
    fn read_request(&mut self) -> Option<Recorded> {
        loop {
            let read = match self.next_line()? {
                Ok(line) => parse(&line),
                Err(what) => Err(what),
            };
            let latest = self.latest;
            let ordered = read.and_then(|request| match request.arrived < latest {
                true => Err(format!(
                    "arrives at {} s, before the line above ({} s): lines stand in order of \
                     arrival",
                    request.arrived.as_secs(),
                    latest.as_secs()
                )),
                false => Ok(request),
            });
            match ordered {
                Ok(request) => {
                    self.latest = request.arrived;
                    self.requests += 1;
                    return Some(request);
                }
                Err(what) => self.mistakes.add(self.line, what),
            }
        }
    }

    /// The next line without its line end; `None` at the end of the trace, or after an error.
    fn next_line(&mut self) -> Option<Result<String, String>> {
        if self.at_end {
            return None;
        }
        self.buffer.clear();
        let mut room = (&mut self.source.bytes).take(LONGEST_LINE);
        match room.read_until(b'\n', &mut self.buffer) {
            Ok(0) => {
                self.at_end = true;
                return None;
            }
            Ok(_) => self.line += 1,
            Err(error) => {
                (self.at_end, self.unreadable) = (true, Some(error));
                return None;
            }
        }
        let ended = self.buffer.last() == Some(&b'\n');
        if !ended && self.buffer.len() as u64 == LONGEST_LINE {
            self.skip_line();
            return Some(Err(format!("the line is longer than {LONGEST_LINE} bytes")));
        }
        let text = std::str::from_utf8(&self.buffer).map_err(|_| "not text in UTF-8".to_owned());
        Some(text.map(|line| line.trim_end_matches(['\n', '\r']).to_owned()))
    }

    /// Reads on to the end of the line.
    fn skip_line(&mut self) {
        let skipped = self.source.bytes.skip_until(b'\n');
        if let Err(error) = skipped {
            (self.at_end, self.unreadable) = (true, Some(error));
        }
    }
}

impl Iterator for Reader {
    type Item = Recorded;

    fn next(&mut self) -> Option<Recorded> {
        if !self.mistakes.listed.is_empty() {
            return None;
        }
        self.read_request().filter(|_| self.mistakes.listed.is_empty())
    }
}

/// Why a trace cannot be used.
#[derive(Debug)]
pub enum Failure {
    /// Lines of it are wrong.
    Mistakes(Mistakes),
    /// It cannot be read from this line on; with the mistakes in the lines before.
    Unreadable(Mistakes, u64, io::Error),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Mistakes(mistakes) => write!(f, "{mistakes}"),
            Failure::Unreadable(mistakes, line, error) => {
                if !mistakes.listed.is_empty() {
                    write!(f, "{mistakes}")?;
                }
                writeln!(f, "error: cannot read {} from line {line} on: {error}", mistakes.name)
            }
        }
    }
}

/// Every line that is wrong. Neighbouring lines with the same mistake are listed as one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistakes {
    name: String,
    /// First line, last line, what is wrong.
    listed: Vec<(u64, u64, String)>,
    /// The first wrong line that is not listed, and how many there are from it on.
    omitted: Option<(u64, u64)>,
}

impl Mistakes {
    /// An empty list for the file of that name.
    pub(crate) fn of(name: String) -> Mistakes {
        Mistakes { name, listed: Vec::new(), omitted: None }
    }

    /// Adds a wrong line. Lines must be added by rising number.
    pub(crate) fn add(&mut self, line: u64, what: String) {
        if let Some((_, count)) = &mut self.omitted {
            *count += 1;
            return;
        }
        let room = self.listed.len() < MOST_LISTED;
        match self.listed.last_mut() {
            Some((_, last, said)) if *last + 1 == line && *said == what => *last = line,
            _ if room => self.listed.push((line, line, what)),
            _ => self.omitted = Some((line, 1)),
        }
    }

    /// The name of the file.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How many lines are wrong.
    pub fn count(&self) -> u64 {
        let listed: u64 = self.listed.iter().map(|(first, last, _)| last - first + 1).sum();
        listed + self.omitted.map_or(0, |(_, count)| count)
    }

    /// A message for each wrong line, or run of lines: `trace.csv:3: status is ...`.
    pub fn lines(&self) -> Vec<String> {
        let listed = self.listed.iter().map(|(first, last, what)| match first == last {
            true => format!("{}:{first}: {what}", self.name),
            false => format!("{}:{first} to {last}: {what}", self.name),
        });
        let more = |(line, count)| format!("{}: {count} more from line {line} on", self.name);
        listed.chain(self.omitted.map(more)).collect()
    }

    /// How many lines are wrong, in words.
    pub fn sum(&self) -> String {
        match self.count() {
            1 => format!("1 line of {} is wrong", self.name),
            count => format!("{count} lines of {} are wrong", self.name),
        }
    }
}

impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.lines().iter().try_for_each(|line| writeln!(f, "error: {line}"))?;
        writeln!(f, "{}", self.sum())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn reader(bytes: &[u8]) -> Reader {
        let bytes = Cursor::new(bytes.to_vec());
        Reader::new(Source::new("t.csv".to_owned(), bytes, None).unwrap())
    }

    /// Requests read before the first mistake, and what `finish` returns.
    fn read(text: &str) -> (usize, Result<u64, String>) {
        let mut reader = reader(text.as_bytes());
        let count = reader.by_ref().count();
        (count, reader.finish().map_err(|failure| failure.to_string()))
    }

    const TWO: &str = "arrival_s,segments_ms,latency_s,status\n0.1,1;2;3,0.01,200\n0.2,4,0.02,4\n";

    fn zipped(text: &str) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(text.as_bytes()).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn plain_and_gzipped_traces_are_told_apart_by_their_content() {
        let halves = [zipped(&TWO[..50]), zipped(&TWO[50..])].concat();
        for bytes in [TWO.as_bytes(), &zipped(TWO), &halves] {
            let mut reader = reader(bytes);
            assert_eq!(reader.by_ref().map(|request| request.status).collect::<Vec<_>>(), [200, 4]);
            assert_eq!(reader.finish().unwrap(), 2);
        }
    }

    #[test]
    fn windows_line_ends_a_byte_order_mark_and_a_missing_last_newline_are_fine() {
        let text = format!("\u{feff}{}", TWO.trim_end().replace('\n', "\r\n"));
        assert_eq!(read(&text), (2, Ok(2)));
    }

    #[test]
    fn every_wrong_line_is_told_with_its_number() {
        let text = format!("{TWO}x\n\n0.3,1,1,200\n0.25,1,1,200\n0.4,1;2,1,200\n");
        let (count, said) = read(&text);
        let said = said.unwrap_err();
        assert_eq!(count, 2);
        for expected in ["t.csv:4 to 5: expected 4", "t.csv:7: arrives", "t.csv:8: segments_ms"] {
            assert!(said.contains(expected), "{said}");
        }
        assert!(said.ends_with("4 lines of t.csv are wrong\n"), "{said}");
    }

    #[test]
    fn a_trace_cut_off_in_the_middle_says_at_which_line() {
        let bytes = zipped(TWO);
        let said = reader(&bytes[..bytes.len() - 9]).finish().unwrap_err().to_string();
        assert!(said.contains("cannot read t.csv from line"), "{said}");
    }

    #[test]
    fn empty_traces_and_traces_without_their_header_are_refused() {
        assert!(read("").1.unwrap_err().contains("t.csv:1: the trace is empty"));
        assert!(read("0.1,1,1,200\n").1.unwrap_err().contains("t.csv:1: expected the header"));
        let header = "arrival_s,segments_ms,latency_s,status\n";
        assert!(read(header).1.unwrap_err().contains("no request follows"));
    }

    #[test]
    fn a_line_without_an_end_is_one_mistake_however_long_it_is() {
        let text = format!("{TWO}{}\n0.5,1,1,200\n", "9".repeat(100_000));
        let said = read(&text).1.unwrap_err();
        assert!(said.contains("t.csv:4: the line is longer"), "{said}");
        assert!(said.contains("1 line of"), "{said}");
    }
}
