//! What is measured: the command line with its meaning.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use super::args::Connect;
use super::core::Phase;
use crate::plan::{PlanError, SERVERS_MAX, within};

/// Users of one run.
pub const USERS_MAX: u64 = 1_000_000;
/// Loopback addresses that connections come from.
pub const ADDRESSES_MAX: u64 = 200;
/// Connections that one address has a port for, with room for those that linger after their end.
const PER_ADDRESS_MAX: u64 = 14_000;
/// The longest time of nothing.
const SECONDS_MAX: u64 = 3_600;

/// One run.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Plan {
    /// Servers of our own cluster.
    pub servers: u16,
    /// Users, each with one connection at the end.
    pub users: u32,
    /// How many of them sign in with their passwords.
    pub password_sign_ins: u32,
    /// How long all are connected and do nothing.
    pub idle: Duration,
    /// Loopback addresses that connections come from.
    pub addresses: u8,
    /// Without TLS.
    pub plaintext: bool,
    /// One JSON object instead of the table.
    pub json: bool,
}

impl Plan {
    /// Checks the command line.
    ///
    /// # Errors
    /// [`PlanError`] names the flag.
    pub fn new(connect: &Connect) -> Result<Self, PlanError> {
        let Connect { local, users, password_sign_ins, seconds, addresses, .. } = *connect;
        let users = within("--users", users.unwrap_or(10_000), 1, USERS_MAX)?;
        let sign_ins = password_sign_ins.unwrap_or_else(|| users.min(300));
        let sign_ins = within("--password-sign-ins", sign_ins, 1, users)?;
        let least = users.div_ceil(PER_ADDRESS_MAX);
        let addresses = addresses.unwrap_or(least);
        let addresses = within("--addresses", addresses, least, ADDRESSES_MAX.max(least))?;
        let seconds = within("--seconds", seconds.unwrap_or(40), 1, SECONDS_MAX)?;
        within("--local", local.into(), 1, SERVERS_MAX.into())?;
        Ok(Self {
            servers: local,
            users: u32::try_from(users).expect("at most USERS_MAX"),
            password_sign_ins: u32::try_from(sign_ins).expect("at most the users"),
            idle: Duration::from_secs(seconds),
            addresses: u8::try_from(addresses).expect("at most ADDRESSES_MAX"),
            plaintext: connect.plaintext,
            json: connect.json,
        })
    }

    /// What the cluster is started with.
    #[must_use]
    pub fn flags(&self) -> Vec<String> {
        // Seats that are not the home take others' users, so each has room for all.
        let sessions_max = self.users.max(10_000);
        let mut flags = vec!["--local".to_owned(), self.servers.to_string()];
        flags.extend(["--sessions-max".to_owned(), sessions_max.to_string()]);
        flags.extend(self.plaintext.then(|| "--plaintext".to_owned()));
        flags
    }

    /// Where a user's connections of a phase come from: the ports of ended ones are not free at
    /// once, so each phase has addresses of its own.
    #[must_use]
    pub fn source(&self, phase: Phase, user: usize) -> IpAddr {
        let net = match phase {
            Phase::SignUp => 1,
            Phase::SignIn => 2,
            Phase::Resume => 3,
            Phase::Attach => 4,
        };
        let host = user % usize::from(self.addresses);
        let host = u8::try_from(host).expect("below a number of 8 bits") + 1;
        IpAddr::V4(Ipv4Addr::new(127, 1, net, host))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(connect: &Connect) -> Result<Plan, PlanError> {
        Plan::new(&Connect { local: 1, ..connect.clone() })
    }

    #[test]
    fn the_defaults_are_ten_thousand_users() {
        let plan = plan(&Connect::default()).expect("good");
        assert_eq!((plan.users, plan.password_sign_ins, plan.addresses), (10_000, 300, 1));
        assert_eq!(plan.idle, Duration::from_secs(40));
    }

    #[test]
    fn there_are_ports_for_all_users() {
        let many = Connect { users: Some(100_000), ..Connect::default() };
        let plan_of_many = plan(&many).expect("good");
        assert_eq!(plan_of_many.addresses, 8);
        let last = plan_of_many.source(Phase::Resume, 15);
        assert_eq!(last, IpAddr::from([127, 1, 3, 8]));
        let few = Connect { addresses: Some(7), ..many };
        assert!(plan(&few).expect_err("too few").to_string().starts_with("--addresses"));
    }

    #[test]
    fn values_outside_their_range_are_named_with_their_flag() {
        let cases = [
            ("--users", Connect { users: Some(0), ..Connect::default() }),
            ("--seconds", Connect { seconds: Some(0), ..Connect::default() }),
            ("--password-sign-ins", Connect { password_sign_ins: Some(0), ..Connect::default() }),
        ];
        for (flag, connect) in cases {
            let error = plan(&connect).expect_err("it is out of range");
            assert!(error.to_string().starts_with(flag), "{error}");
        }
        assert!(Plan::new(&Connect::default()).is_err(), "of no server");
    }
}
