//! The cases of the recorded set: how each was recorded, as changes to the testbed's scenario.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::units::Bytes;

/// A row of `cases.csv`: the columns that a replay needs.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Case {
    /// Its name.
    pub id: String,
    /// The stack: `sync`, `gthread`, `async`, `async-def`, `fastapi` or `fastapi-def`.
    pub stack: String,
    /// The cores that server and database run on, as a list.
    pub cores: String,
    /// Worker processes.
    pub workers: u32,
    /// Threads per worker.
    pub threads: u32,
    /// Connections of the pool, where there is one.
    pub pool: Option<u32>,
    /// When a connection goes back to the pool.
    pub hold: Option<String>,
    /// Whether connections are kept between requests: 1 or 0.
    pub persist: u32,
    /// PostgreSQL's limit on connections.
    pub max_connections: u32,
    /// Requests a second that were sent.
    pub rate: u32,
    /// The client's patience, in seconds.
    pub client_timeout_s: f64,
    /// The memory limit of the server's processes, in MB.
    pub memory_mb: Option<u32>,
    /// Memory that its server took on purpose, to fill what there is.
    pub extra: Option<Extra>,
}

/// Memory that the server of a case took on purpose, to fill what there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum Extra {
    /// This many kB in each request: `req_kb=...`.
    Request(u64),
    /// This many MB in each worker: `ballast_mb=...`.
    Ballast(u64),
}

impl TryFrom<String> for Extra {
    type Error = String;

    fn try_from(text: String) -> Result<Extra, String> {
        let wrong = || format!("`{text}` is neither req_kb=NUMBER nor ballast_mb=NUMBER");
        let (key, value) = text.split_once('=').ok_or_else(wrong)?;
        let value = value.parse().map_err(|_| wrong())?;
        match key {
            "req_kb" => Ok(Extra::Request(value)),
            "ballast_mb" => Ok(Extra::Ballast(value)),
            _ => Err(wrong()),
        }
    }
}

impl Case {
    /// Reads `cases.csv`.
    ///
    /// # Errors
    ///
    /// The mistake in words, with its line.
    pub fn read_all(text: &[u8]) -> Result<Vec<Case>, String> {
        let mut reader = csv::Reader::from_reader(text);
        let cases: Result<Vec<Case>, csv::Error> = reader.deserialize().collect();
        cases.map_err(|error| error.to_string())
    }

    /// Its name and rate.
    pub fn name(&self) -> String {
        format!("{}-{}", self.id, self.rate)
    }

    /// Its trace, in the folder of `cases.csv`.
    pub fn trace(&self, folder: &Path) -> PathBuf {
        folder.join("traces").join(format!("{}.csv.gz", self.name()))
    }

    /// The server of the testbed's scenario that it ran on.
    pub fn server(&self) -> &str {
        match self.stack.as_str() {
            "gthread" => "threads",
            other => other,
        }
    }

    /// How it was recorded, as `--set` arguments. `base` is the memory of a worker of its server
    /// without ballast.
    pub fn sets(&self, base: Bytes) -> Vec<String> {
        let server = self.server();
        let mut sets = vec![
            format!("plan.box.cores={}", self.cores.split(',').count()),
            format!("server.{server}.workers={}", self.workers),
            format!("database.max_connections={}", self.max_connections),
            format!("client.patience={}s", self.client_timeout_s),
        ];
        // The number of threads behind a loop's `def` endpoints is the scenario's.
        if server == "threads" {
            sets.push(format!("server.threads.threads={}", self.threads));
        }
        sets.push(format!("server.{server}.connections={}", self.connections()));
        sets.extend(self.memory_mb.map(|mb| format!("plan.box.memory={mb}MB")));
        sets.extend(self.extra.map(|extra| match extra {
            Extra::Request(kb) => format!("endpoint.work.memory={kb}kB"),
            Extra::Ballast(mb) => {
                let memory = base.get() + Bytes::from_mib(mb).get();
                format!("server.{server}.worker_memory={}kB", memory >> 10)
            }
        }));
        sets
    }

    fn connections(&self) -> String {
        match (self.pool, self.persist) {
            (Some(pool), _) => {
                let hold = self.hold.as_deref().unwrap_or("query");
                format!("{{ pool = {pool}, hold = \"{hold}\" }}")
            }
            (None, 0) => "per-request".to_owned(),
            (None, _) => "persistent".to_owned(),
        }
    }

    /// Whether overload or memory makes requests fail: such a case is judged by its errors.
    pub fn breaks(&self) -> bool {
        self.memory_mb.is_some() || self.client_timeout_s < 30.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_case_says_how_it_was_recorded() {
        let text = "id,stack,cores,workers,threads,pool,hold,persist,max_connections,timeout_s,\
            segments,rate,seconds,client_timeout_s,memory_mb,extra\n\
            a,async,\"0,1\",2,1,150,query,1,400,30,\"const:1\",80,25,60,350,req_kb=3072\n\
            b,gthread,0,4,8,,,0,15,30,\"exp:2\",60,40,60,,\n";
        let cases = Case::read_all(text.as_bytes()).unwrap();
        let sets = |case: &Case| case.sets(Bytes::from_mib(1)).join(" ");
        assert_eq!(
            sets(&cases[0]),
            "plan.box.cores=2 server.async.workers=2 database.max_connections=400 \
             client.patience=60s server.async.connections={ pool = 150, hold = \"query\" } \
             plan.box.memory=350MB endpoint.work.memory=3072kB"
        );
        assert_eq!(
            sets(&cases[1]),
            "plan.box.cores=1 server.threads.workers=4 database.max_connections=15 \
             client.patience=60s server.threads.threads=8 server.threads.connections=per-request"
        );
        assert_eq!(cases[0].trace(Path::new("x")), Path::new("x/traces/a-80.csv.gz"));
        assert!(cases[0].breaks() && !cases[1].breaks());
    }

    #[test]
    fn what_a_case_took_beyond_the_usual_is_read_or_refused_with_its_line() {
        let read = |extra: &str| {
            let text = format!(
                "id,stack,cores,workers,threads,pool,hold,persist,max_connections,timeout_s,\
                 segments,rate,seconds,client_timeout_s,memory_mb,extra\n\
                 a,sync,0,2,1,,,1,100,30,exp:1,80,25,60,400,{extra}\n"
            );
            Case::read_all(text.as_bytes())
        };
        let ballast = read("ballast_mb=100").unwrap();
        let memory = "server.sync.worker_memory=103424kB".to_owned();
        assert!(ballast[0].sets(Bytes::from_mib(1)).contains(&memory), "{ballast:?}");
        for wrong in ["ballast_mb=1OO", "ballast_mb", "balast_mb=100", "ballast_mb=-1"] {
            let said = read(wrong).unwrap_err();
            assert!(said.contains("line: 2") && said.contains(wrong), "{said}");
        }
    }
}
