//! Compiles the .proto files; protox stands in for `protoc`, so nobody needs to install it.

use std::{env, error::Error, fs, path::PathBuf};

#[allow(
    clippy::disallowed_methods,
    reason = "cargo tells a build script its settings through the environment"
)]
fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=proto");
    let files = ["emit", "intake", "journal", "spool", "store"]
        .map(|name| format!("proto/counterfoil/v1/{name}.proto"));
    let descriptors = protox::compile(files, ["proto"])?;
    let out = PathBuf::from(env::var("OUT_DIR")?);
    fs::write(out.join("descriptors.bin"), prost::Message::encode_to_vec(&descriptors))?;
    let grpc = env::var_os("CARGO_FEATURE_GRPC").is_some();
    tonic_prost_build::configure()
        .bytes(".")
        // Written by hand, so that it tells no value.
        .skip_debug([".counterfoil.v1.Recalled"])
        .build_client(grpc)
        .build_server(grpc)
        .compile_fds(descriptors)?;
    Ok(())
}
