//! Arithmetic on a plan, as in `workers = "2*cores+1"`: numbers, `+ - * /`, parentheses, `min`
//! and `max`, and the names `cores` and `memory_gb`.

/// What the names stand for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Names {
    /// The plan's cores.
    pub(super) cores: f64,
    /// The plan's memory in GB; `None` where it says none.
    pub(super) memory_gb: Option<f64>,
}

/// How deep parentheses may nest.
const DEEPEST: u32 = 50;

/// The value of `text`, or what is wrong with it.
pub(super) fn evaluate(text: &str, names: Names) -> Result<f64, String> {
    let mut reader = Reader { rest: text.trim_start(), names, depth: 0 };
    let value = reader.sum()?;
    if !reader.rest.is_empty() {
        return Err(format!("did not expect `{}` here", reader.rest));
    }
    Ok(value)
}

/// Whether `text` is arithmetic at all, on whichever plan: what is wrong with its syntax and its
/// names.
pub(super) fn judge(text: &str) -> Result<(), String> {
    evaluate(text, Names { cores: 1.0, memory_gb: Some(1.0) }).map(|_| ())
}

/// Reads by recursive descent; `rest` never starts with a space.
struct Reader<'a> {
    rest: &'a str,
    names: Names,
    depth: u32,
}

impl Reader<'_> {
    fn sum(&mut self) -> Result<f64, String> {
        let mut value = self.product()?;
        loop {
            if self.take('+') {
                value += self.product()?;
            } else if self.take('-') {
                value -= self.product()?;
            } else {
                return Ok(value);
            }
        }
    }

    fn product(&mut self) -> Result<f64, String> {
        let mut value = self.atom()?;
        loop {
            if self.take('*') {
                value *= self.atom()?;
            } else if self.take('/') {
                value /= self.atom()?;
            } else {
                return Ok(value);
            }
        }
    }

    fn atom(&mut self) -> Result<f64, String> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err("it nests too deeply".to_owned());
        }
        let value = self.atom_inside();
        self.depth -= 1;
        value
    }

    fn atom_inside(&mut self) -> Result<f64, String> {
        if self.take('(') {
            let value = self.sum()?;
            return self.expect(')').map(|()| value);
        }
        if self.take('-') {
            return self.atom().map(|value| -value);
        }
        let digits = self.word(|c| c.is_ascii_digit() || c == '.');
        if !digits.is_empty() {
            return digits.parse().map_err(|_| format!("`{digits}` is not a number"));
        }
        let name = self.word(|c| c.is_alphanumeric() || c == '_').to_owned();
        self.named(&name)
    }

    fn named(&mut self, name: &str) -> Result<f64, String> {
        match name {
            "cores" => Ok(self.names.cores),
            "memory_gb" => {
                self.names.memory_gb.ok_or_else(|| "the plan has no `memory`".to_owned())
            }
            "min" => self.pair().map(|(a, b)| a.min(b)),
            "max" => self.pair().map(|(a, b)| a.max(b)),
            "" if self.rest.is_empty() => Err("it ends too early".to_owned()),
            "" => Err(format!("did not expect `{}` here", self.rest)),
            other => Err(format!("`{other}` is not known here")),
        }
    }

    fn pair(&mut self) -> Result<(f64, f64), String> {
        self.expect('(')?;
        let first = self.sum()?;
        self.expect(',')?;
        let second = self.sum()?;
        self.expect(')')?;
        Ok((first, second))
    }

    fn expect(&mut self, wanted: char) -> Result<(), String> {
        if self.take(wanted) { Ok(()) } else { Err(format!("a `{wanted}` is missing")) }
    }

    fn take(&mut self, wanted: char) -> bool {
        match self.rest.strip_prefix(wanted) {
            Some(rest) => {
                self.rest = rest.trim_start();
                true
            }
            None => false,
        }
    }

    fn word(&mut self, part: impl Fn(char) -> bool) -> &str {
        let end = self.rest.find(|c| !part(c)).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest.trim_start();
        word
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMES: Names = Names { cores: 4.0, memory_gb: Some(8.0) };

    #[test]
    fn arithmetic_binds_as_at_school() {
        let cases = [
            ("2*cores+1", 9.0),
            ("2 * (cores + 1)", 10.0),
            ("min(2*cores+1, memory_gb*2)", 9.0),
            ("max(1, cores-8)", 1.0),
            ("7/2", 3.5),
            ("10-2-3", 5.0),
            ("-cores", -4.0),
        ];
        for (text, value) in cases {
            assert_eq!(evaluate(text, NAMES), Ok(value), "{text}");
        }
    }

    #[test]
    fn arithmetic_that_makes_no_sense_says_why() {
        let cases = [
            ("2*cpus", "`cpus` is not known here"),
            ("2*", "it ends too early"),
            ("2 3", "did not expect `3` here"),
            ("(1", "a `)` is missing"),
            ("min(1)", "a `,` is missing"),
            ("1.2.3", "`1.2.3` is not a number"),
            ("2**3", "did not expect `*3` here"),
        ];
        for (text, why) in cases {
            assert_eq!(evaluate(text, NAMES), Err(why.to_owned()), "{text}");
        }
        let deep = format!("{}1{}", "(".repeat(10_000), ")".repeat(10_000));
        assert_eq!(evaluate(&deep, NAMES), Err("it nests too deeply".to_owned()));
        let minus = "-".repeat(100_000);
        assert_eq!(evaluate(&minus, NAMES), Err("it nests too deeply".to_owned()));
        let no_memory = Names { memory_gb: None, ..NAMES };
        assert_eq!(evaluate("memory_gb", no_memory), Err("the plan has no `memory`".to_owned()));
    }
}
