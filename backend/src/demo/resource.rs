//! The process that a span comes from, as an OTLP resource.

use opentelemetry_proto::tonic::resource::v1::Resource;

use super::attributes::Attributes;
use super::model::{Language, Service, hash_text, mix};
use super::world::Version;

/// Machines that the shop runs on.
pub const HOSTS: u8 = 6;

/// A process: an instance of a service in a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Process {
    pub service: &'static Service,
    pub instance: u8,
    pub version: Version,
}

impl Process {
    /// The machine that it runs on, below [`HOSTS`].
    pub fn host(self) -> u8 {
        let first = (hash_text(self.service.name) >> 7) % u64::from(HOSTS);
        (first as u8 + self.instance * 2) % HOSTS
    }

    /// A number of its own, the same for the same process.
    fn identity(self) -> u64 {
        mix(self.release(), u64::from(self.instance))
    }

    /// Name of its pod, as Kubernetes would make it.
    pub fn pod(self) -> String {
        format!("{}-{:09x}-{:05x}", self.service.name, self.release() >> 28, self.identity() >> 44)
    }

    /// A number that the instances of a release share.
    fn release(self) -> u64 {
        let Version(major, minor, patch) = self.version;
        let version = (u64::from(major) << 32) | (u64::from(minor) << 16) | u64::from(patch);
        mix(hash_text(self.service.name), version)
    }
}

/// The resource that its SDK and the Kubernetes and host detectors would report.
pub fn resource(process: Process) -> Resource {
    let (service, host) = (process.service, process.host());
    let id = process.identity();
    let (sdk_language, sdk_version, runtime, runtime_version) = sdk(service.language);
    let mut attributes = Attributes::new()
        .text("service.name", service.name)
        .text("service.namespace", "shop")
        .text("service.version", process.version.to_string())
        .text(
            "service.instance.id",
            format!(
                "{:08x}-{:04x}-4{:03x}-a{:03x}-{:012x}",
                id >> 32,
                id & 0xffff,
                (id >> 16) & 0xfff,
                (id >> 48) & 0xfff,
                id >> 16
            ),
        )
        .text("deployment.environment.name", "production")
        .text("telemetry.sdk.name", "opentelemetry")
        .text("telemetry.sdk.language", sdk_language)
        .text("telemetry.sdk.version", sdk_version)
        .text("host.name", format!("ip-10-20-{}-{}", host % 3, 11 + host))
        .text("host.arch", "amd64")
        .text("os.type", "linux")
        .int("process.pid", 1_i64)
        .text("cloud.provider", "aws")
        .text("cloud.region", "eu-central-1")
        .text("cloud.availability_zone", format!("eu-central-1{}", char::from(b'a' + host % 3)))
        .text("k8s.cluster.name", "shop-prod")
        .text("k8s.namespace.name", "shop")
        .text("k8s.deployment.name", service.name)
        .text("k8s.pod.name", process.pod())
        .text("k8s.node.name", format!("node-{host}"))
        .text("k8s.container.name", service.name);
    if !runtime.is_empty() {
        attributes = attributes
            .text("process.runtime.name", runtime)
            .text("process.runtime.version", runtime_version);
    }
    Resource { attributes: attributes.into_vec(), ..Resource::default() }
}

const fn sdk(language: Language) -> (&'static str, &'static str, &'static str, &'static str) {
    match language {
        Language::Go => ("go", "1.38.0", "go", "go1.25.1"),
        Language::Java => ("java", "1.54.1", "OpenJDK Runtime Environment", "21.0.8+9-LTS"),
        Language::Node => ("nodejs", "2.1.0", "nodejs", "22.19.0"),
        Language::Python => ("python", "1.38.0", "cpython", "3.13.7"),
        Language::Rust => ("rust", "0.31.0", "", ""),
    }
}
