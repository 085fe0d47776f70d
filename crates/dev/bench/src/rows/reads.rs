//! `GET /api/users/me`: next to a bare handler, and while all cores are busy with hashes.

use std::{collections::BTreeMap, time::Duration};

use anyhow::Result;
use hyper::StatusCode;

use super::members::{Member, saturating_logins, sign_up};
use crate::{
    bare_server::BareServer,
    context::{Context, user_service},
    http_client::{Ask, Connection},
    load::{Load, Tally},
    processes::Processes,
    report::{Findings, Goal, Row},
    sampling::{Pair, Sample, interleaved, millis},
};

const CONNECTIONS: usize = 32;
const SATURATED_ROUND: Duration = Duration::from_secs(3);
/// A reader who does not press: so many a second over so many connections.
const CALM_RATE: f64 = 100.0;
const CALM_CONNECTIONS: usize = 8;
const CALM_ROUND: Duration = Duration::from_secs(5);

pub(super) async fn measure(context: &Context) -> Result<Findings> {
    let world = context.world("reads").await;
    let service = user_service(&world).start().await;
    let base_url = service.base_url();
    let members = sign_up(&base_url, &world, CONNECTIONS).await?;
    let bare = BareServer::start(world.stack().mongodb_uri(), world.user_database().await.name()).await?;
    let processes = |server| context.parts().with("server", server).with("client", std::process::id());
    let saturated = Saturated {
        base_urls: [base_url.clone(), bare.base_url()],
        processes: [processes(service.pid()), processes(bare.pid()?)],
        members: &members,
    };
    Ok(vec![saturated.row(context).await?, calm_row(context, &base_url, &members).await?].into())
}

/// Ours and the bare server, as fast as they answer.
struct Saturated<'a> {
    base_urls: [String; 2],
    processes: [Processes; 2],
    members: &'a [Member],
}

impl Saturated<'_> {
    async fn row(&self, context: &Context) -> Result<Row> {
        let (mut rates, mut costs) = (Vec::new(), [Vec::new(), Vec::new()]);
        for _ in 0..context.rounds() {
            let mut round = [0.0; 2];
            for server in [0, 1] {
                let watch = self.processes[server].watch()?;
                let tally = self.load(server, context.length(SATURATED_ROUND)).await?;
                costs[server].push(micros_each(&watch.seconds()?, tally.durations(StatusCode::OK).len()));
                round[server] = tally.rate(StatusCode::OK);
            }
            rates.push((round[0], round[1]));
        }
        let sizes = [self.answer_bytes(0).await?, self.answer_bytes(1).await?];
        let name = format!("GET me, {CONNECTIONS} connections / bare handler with one find_one");
        Ok(Row::pair(name, "1/s", &Pair::of(&rates), Goal::Ratio(0.9)).note(format!(
            "µs of processor time each: ours {}, limit {}; answers of {} and {} bytes",
            medians(&costs[0]),
            medians(&costs[1]),
            sizes[0],
            sizes[1]
        )))
    }

    fn ask(&self, server: usize, member: usize) -> Ask {
        let member = &self.members[member % self.members.len()];
        if server == 0 { member.get_me() } else { Ask::get(format!("/{}", member.id)) }
    }

    async fn load(&self, server: usize, length: Duration) -> Result<Tally> {
        let asks: Vec<Ask> = (0..CONNECTIONS).map(|connection| self.ask(server, connection)).collect();
        let load = Load::saturating(CONNECTIONS, length);
        load.run(&self.base_urls[server], move |connection, _| asks[connection].clone()).await?.only(&[StatusCode::OK])
    }

    async fn answer_bytes(&self, server: usize) -> Result<usize> {
        let mut connection = Connection::open(&self.base_urls[server]).await?;
        Ok(connection.send(&self.ask(server, 0)).await?.1.len())
    }
}

/// A calm reader, alone and beside logins that keep every hash thread busy.
async fn calm_row(context: &Context, base_url: &str, members: &[Member]) -> Result<Row> {
    let length = context.length(CALM_ROUND);
    let asks: Vec<Ask> = members.iter().map(Member::get_me).collect();
    let read = async || {
        let asks = asks.clone();
        let ask = move |connection: usize, _| asks[connection].clone();
        let tally = Load::at_rate(CALM_CONNECTIONS, CALM_RATE, length).run(base_url, ask).await?;
        let p99 = tally.only(&[StatusCode::OK])?.percentile(StatusCode::OK, 99.0);
        anyhow::Ok(millis(p99))
    };
    let beside_logins = async || {
        let (loaded, logins) = tokio::join!(read(), saturating_logins(context, base_url, members, length));
        logins?.only(&[StatusCode::OK])?;
        loaded
    };
    let pair = interleaved(context.rounds(), beside_logins, read).await?;
    let name = format!("GET me at {CALM_RATE}/s: p99 beside saturating logins / alone");
    Ok(Row::pair(name, "ms", &pair, Goal::AtMostTimes(5.0)))
}

/// Of each process, for one of so many requests.
fn micros_each(seconds: &BTreeMap<&'static str, f64>, requests: usize) -> Vec<(&'static str, f64)> {
    seconds.iter().map(|(name, seconds)| (*name, seconds * 1e6 / requests.max(1) as f64)).collect()
}

/// `client 90, mongod 120`: the medians over the rounds.
fn medians(rounds: &[Vec<(&'static str, f64)>]) -> String {
    let names = rounds.first().into_iter().flatten().map(|(name, _)| *name);
    let texts = names.enumerate().map(|(index, name)| {
        let all: Vec<f64> = rounds.iter().map(|round| round[index].1).collect();
        format!("{name} {:.0}", Sample::of(&all).median)
    });
    texts.collect::<Vec<_>>().join(", ")
}
