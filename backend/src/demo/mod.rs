//! Demo.
/// A.
#[derive(clap::Args)]
pub struct DemoArgs {}
/// r
pub async fn run(_a: DemoArgs) -> anyhow::Result<()> {
    Ok(())
}
