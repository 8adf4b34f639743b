//! `counterfoil key`: new keys, and the keys of tenants. What is printed is secret.

use crate::exit::{Answer, Failure};
use clap::Subcommand;
use counterfoil_keys::{DeploymentKey, TenantKey, TenantName};
use std::io::Write;
use std::path::PathBuf;

/// What to do with keys.
#[derive(Subcommand, Debug)]
pub(crate) enum KeyCommand {
    /// Print a new key: 64 hexadecimal digits
    New,
    /// Print a tenant's key, of which the deployment key cannot be told
    Tenant {
        /// The file of the deployment key
        #[arg(long)]
        file: PathBuf,
        /// The tenant's name
        #[arg(long)]
        tenant: TenantName,
    },
}

/// Prints a key.
pub(crate) fn run(command: &KeyCommand, out: &mut dyn Write) -> Result<Answer, Failure> {
    // The id stands in configurations, not in files.
    let line = match command {
        KeyCommand::New => DeploymentKey::random("").map_err(Failure::of)?.to_line(),
        KeyCommand::Tenant { file, tenant } => {
            TenantKey::from_file("", tenant, file).map_err(Failure::of)?.to_line()
        }
    };
    writeln!(out, "{line}")?;
    Ok(Answer::Yes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed(command: &KeyCommand) -> String {
        let mut out = Vec::new();
        run(command, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn what_is_printed_is_what_files_of_keys_hold() {
        let folder = tempfile::tempdir().unwrap();
        let (deployment, own) = (folder.path().join("deployment"), folder.path().join("acme"));
        counterfoil_keys::create_file(&deployment, &printed(&KeyCommand::New)).unwrap();
        let tenant: TenantName = "acme".parse().unwrap();
        let line = printed(&KeyCommand::Tenant { file: deployment.clone(), tenant: tenant.clone() });
        counterfoil_keys::create_file(&own, &line).unwrap();
        let derived = DeploymentKey::from_file("k1", &deployment).unwrap().tenant(&tenant);
        assert_eq!(TenantKey::from_file("k1", &tenant, &own).unwrap().to_line(), derived.to_line());
        assert_ne!(printed(&KeyCommand::New), printed(&KeyCommand::New));
    }
}
