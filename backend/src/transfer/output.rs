//! Where an export writes to: a file or standard output, compressed if the name says so.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use anyhow::Context;

type Sink = BufWriter<Box<dyn Write + Send>>;

/// Lines, plain or compressed.
pub enum Output {
    /// As they are.
    Plain(Sink),
    /// For names that end with `.gz`.
    Gzip(flate2::write::GzEncoder<Sink>),
    /// For names that end with `.zst`.
    Zstd(zstd::stream::write::Encoder<'static, Sink>),
}

impl Output {
    /// Opens the file, whose content is replaced; `-` is standard output.
    pub fn create(path: &Path) -> anyhow::Result<Self> {
        if path == Path::new("-") {
            return Ok(Self::Plain(BufWriter::new(Box::new(io::stdout()))));
        }
        let file = File::create(path).with_context(|| path.display().to_string())?;
        let sink: Sink = BufWriter::new(Box::new(file));
        Ok(match path.extension().and_then(|extension| extension.to_str()) {
            Some("gz") => Self::Gzip(flate2::write::GzEncoder::new(sink, flate2::Compression::default())),
            Some("zst") => {
                Self::Zstd(zstd::stream::write::Encoder::new(sink, zstd::DEFAULT_COMPRESSION_LEVEL)?)
            }
            _ => Self::Plain(sink),
        })
    }

    /// Writes a line.
    pub fn line(&mut self, line: &[u8]) -> io::Result<()> {
        let writer: &mut dyn Write = match self {
            Self::Plain(writer) => writer,
            Self::Gzip(writer) => writer,
            Self::Zstd(writer) => writer,
        };
        writer.write_all(line)?;
        writer.write_all(b"\n")
    }

    /// Writes everything that is still held; without it the end is missing.
    pub fn finish(self) -> io::Result<()> {
        match self {
            Self::Plain(writer) => writer,
            Self::Gzip(writer) => writer.finish()?,
            Self::Zstd(writer) => writer.finish()?,
        }
        .flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_tells_the_compression() {
        let folder = tempfile::tempdir().unwrap();
        for (name, magic) in [("a.jsonl", &b"li"[..]), ("a.gz", b"\x1f\x8b"), ("a.zst", b"\x28\xb5")] {
            let path = folder.path().join(name);
            let mut output = Output::create(&path).unwrap();
            output.line(b"line").unwrap();
            output.finish().unwrap();
            let written = std::fs::read(&path).unwrap();
            assert!(written.starts_with(magic), "{name}: {written:?}");
        }
    }

    #[test]
    fn a_place_that_cannot_be_written_is_named() {
        let error = Output::create(Path::new("/nowhere/a.json")).err().unwrap();
        assert!(format!("{error:#}").contains("/nowhere/a.json"));
    }
}
