//! tokio-postgres as one contender: a task uses connection `index % connections`, and its statements are pipelined by
//! the client with those of the other tasks of that connection. The runtime is tokio's own with a thread per core.

use bytes::BytesMut;
use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio_postgres::types::{to_sql_checked, IsNull, ToSql, Type};
use tokio_postgres::{Client, NoTls, Statement};

type Failure = Box<dyn Error + Send + Sync>;

/// The tenant 018f0000-0000-7000-8000-000000000001, as a uuid travels.
#[derive(Debug)]
struct Tenant([u8; 16]);
const TENANT: Tenant = Tenant([1, 0x8f, 0, 0, 0, 0, 0x70, 0, 0x80, 0, 0, 0, 0, 0, 0, 1]);

impl ToSql for Tenant {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, Failure> {
        out.extend_from_slice(&self.0);
        Ok(IsNull::No)
    }
    fn accepts(kind: &Type) -> bool {
        *kind == Type::UUID
    }
    to_sql_checked!();
}

/// Keys from 1 on, uniformly, by xorshift64*.
struct Keys(u64);

impl Keys {
    fn new(seed: u64) -> Keys {
        Keys(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }
    fn next(&mut self, limit: u64) -> String {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (1 + self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) % limit).to_string()
    }
}

/// The value of `--name value`, or what stands for it.
fn option(name: &str, otherwise: &str) -> String {
    let arguments: Vec<String> = std::env::args().collect();
    let flag = format!("--{name}");
    arguments.iter().position(|argument| *argument == flag)
        .and_then(|index| arguments.get(index + 1).cloned())
        .unwrap_or_else(|| otherwise.to_string())
}

fn processor_seconds() -> f64 {
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    unsafe { libc::getrusage(libc::RUSAGE_SELF, &mut usage) };
    let seconds = |time: libc::timeval| time.tv_sec as f64 + time.tv_usec as f64 / 1e6;
    seconds(usage.ru_utime) + seconds(usage.ru_stime)
}

async fn caller(
    client: Arc<(Client, Statement)>, mut keys: Keys, rows: u64, begin: Instant, end: Instant, reads: bool,
) -> Result<Vec<u64>, Failure> {
    let mut latencies = Vec::new();
    loop {
        let before = Instant::now();
        if before >= end {
            return Ok(latencies);
        }
        let key = keys.next(rows);
        if reads {
            let row = client.0.query_one(&client.1, &[&TENANT, &key]).await?;
            let _: &str = row.try_get(0)?;
        } else {
            client.0.execute(&client.1, &[&TENANT, &key]).await?;
        }
        let after = Instant::now();
        if before >= begin && after <= end {
            latencies.push((after - before).as_nanos() as u64);
        }
    }
}

async fn run() -> Result<String, Failure> {
    let text = std::fs::read_to_string(option("statement", ""))?;
    let reads = option("workload", "select") == "select";
    let (tasks, connections): (u64, usize) = (option("tasks", "64").parse()?, option("connections", "2").parse()?);
    let (seconds, warmup): (f64, f64) = (option("seconds", "3").parse()?, option("warmup", "0.5").parse()?);
    let (seed, rows): (u64, u64) = (option("seed", "1").parse()?, option("rows", "1000000").parse()?);
    let mut clients = Vec::new();
    for _ in 0..connections {
        let (client, connection) = tokio_postgres::connect(&option("connection", ""), NoTls).await?;
        tokio::spawn(connection);
        let statement = client.prepare(&text).await?;
        clients.push(Arc::new((client, statement)));
    }
    let begin = Instant::now() + Duration::from_secs_f64(warmup);
    let end = begin + Duration::from_secs_f64(seconds);
    let watch = tokio::spawn(async move {
        tokio::time::sleep_until(begin.into()).await;
        let before = processor_seconds();
        tokio::time::sleep_until(end.into()).await;
        processor_seconds() - before
    });
    let callers: Vec<_> = (0..tasks).map(|index| {
        let client = clients[index as usize % connections].clone();
        tokio::spawn(caller(client, Keys::new(seed.wrapping_add(index * 7919)), rows, begin, end, reads))
    }).collect();
    let mut latencies = Vec::new();
    for caller in callers {
        latencies.extend(caller.await??);
    }
    latencies.sort_unstable();
    let quantile = |share: f64| match latencies.len() {
        0 => 0.0,
        count => latencies[((count as f64 * share) as usize).min(count - 1)] as f64 / 1000.0,
    };
    Ok(format!(
        "{{\"queries\": {}, \"seconds\": {seconds}, \"p50_us\": {}, \"p99_us\": {}, \"cpu_seconds\": {}}}",
        latencies.len(), quantile(0.5), quantile(0.99), watch.await?))
}

fn main() -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    println!("{}", runtime.block_on(run())?);
    Ok(())
}
