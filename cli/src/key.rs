//! `counterfoil key`: new keys, the keys of tenants, and public halves. All but the last is secret.

use crate::exit::{Answer, Failure};
use clap::Subcommand;
use counterfoil_evidence::Hex;
use counterfoil_keys::{DeploymentKey, Signer, SigningKey, TenantKey, TenantName};
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
    /// Print the public half of a key that signs evidence or batches: 64 hexadecimal digits, no secret
    Public {
        /// The file of the key
        #[arg(long)]
        file: PathBuf,
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
        KeyCommand::Public { file } => {
            Hex(SigningKey::from_file(file).map_err(Failure::of)?.public()).to_string()
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

    #[test]
    fn the_public_half_of_a_key_is_that_of_its_signatures() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("signing");
        counterfoil_keys::create_file(&file, &"07".repeat(32)).unwrap();
        let public = printed(&KeyCommand::Public { file });
        assert_eq!(public, format!("{}\n", Hex(SigningKey::new([7; 32]).public())));
    }
}
